//! The endpoint's settings: the address that it listens on, the gateway in front of it, the trusted
//! proxies, and the places of credentials.
use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};
use strum::{EnumCount, VariantArray};

use super::{CredentialPlace, ProxySecret, proxy_secret::read_secrets};
use crate::domain::{forwarded::TrustedProxy, label::LabelName, text::visible};

/// The default address that the endpoint listens on.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8750";

/// The address that the endpoint listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address and port; port 0 is any free port.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl Listen {
    fn usual() -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], 8750)))
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("there is no path: write unix:PATH, such as unix:/run/claviger.sock".to_owned()),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                format!(
                    "{} is no address to listen on: write ADDRESS:PORT, such as {DEFAULT_LISTEN} or [::1]:8750, or unix:PATH",
                    visible(text)
                )
            }),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", visible(&path.to_string_lossy())),
        }
    }
}

/// The gateway in front of the endpoint. It determines where the original method and path are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumCount, VariantArray)]
pub enum GatewayKind {
    /// nginx, with `auth_request`; also `HAProxy` and Apache with the shipped files.
    #[default]
    Nginx,
    /// ingress-nginx, with its annotation `auth-url`.
    IngressNginx,
    /// Traefik, with `ForwardAuth`.
    Traefik,
    /// Caddy, with `forward_auth`.
    Caddy,
    /// Envoy, with `ext_authz` over HTTP.
    Envoy,
}

impl GatewayKind {
    /// All gateways.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the word used on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::IngressNginx => "ingress-nginx",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
            Self::Envoy => "envoy",
        }
    }

    /// Returns `true` if the gateway hands on an answer with status 429. nginx's `auth_request`
    /// knows only 2xx, 401 and 403.
    #[must_use]
    pub const fn knows_429(self) -> bool {
        match self {
            Self::Nginx | Self::IngressNginx => false,
            Self::Traefik | Self::Caddy | Self::Envoy => true,
        }
    }
}

impl FromStr for GatewayKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|gateway| gateway.word() == text);
        found.ok_or_else(|| {
            format!(
                "{} is no gateway that is known: write nginx (also for HAProxy and Apache), ingress-nginx, traefik, caddy or envoy",
                visible(text)
            )
        })
    }
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Lines of text for human readers.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!(
                "{} is no log format: write text or json",
                visible(other)
            )),
        }
    }
}

/// The level of the log; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Errors.
    Error,
    /// Events that need attention.
    Warn,
    /// Starts, ends and refusals.
    #[default]
    Info,
    /// Every decision.
    Debug,
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            other => Err(format!(
                "{} is no log level: write error, warn, info or debug",
                visible(other)
            )),
        }
    }
}

/// The mode of the Unix socket, parsed from octal digits. The owner can always read and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl SocketMode {
    /// The bits that the owner must have, so that at least one user can connect.
    const OWNER: u32 = 0o600;
}

impl Default for SocketMode {
    fn default() -> Self {
        Self(0o660)
    }
}

impl FromStr for SocketMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits =
            (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        match u32::from_str_radix(text, 8) {
            Ok(mode) if digits && mode <= 0o777 && mode & Self::OWNER == Self::OWNER => {
                Ok(Self(mode))
            }
            _ => Err(format!(
                "{} is no mode for a socket: write three octal digits that begin with 6 or 7, such as 660",
                visible(text)
            )),
        }
    }
}

/// The endpoint's settings.
#[derive(Debug, Clone)]
pub struct Serve {
    /// The address that it listens on.
    pub listen: Listen,
    /// The mode of its Unix socket.
    pub socket_mode: SocketMode,
    /// The gateway in front of it.
    pub gateway: GatewayKind,
    /// The peers whose headers are believed.
    pub trusted: Vec<TrustedProxy>,
    /// The secrets that make a peer one of them wherever it is.
    pub proxy_secrets: Vec<ProxySecret>,
    /// The places in which a request may hold its credential.
    pub credentials: Vec<CredentialPlace>,
    /// The maximum number of open connections.
    pub connections: usize,
    /// The maximum memory of the key cache, in MiB.
    pub cache: usize,
    /// The label by whose value decisions are counted, if any.
    pub metrics_label: Option<LabelName>,
    /// The format of the log.
    pub log_format: LogFormat,
    /// The level of the log.
    pub log_level: LogLevel,
}

/// The maximum numbers of connections, and of MiB for the cache.
pub const MAX_CONNECTIONS: u32 = 1_000_000;
/// See [`MAX_CONNECTIONS`].
pub const MAX_CACHE: u32 = 65_536;

/// The endpoint's settings as one source gives them: the command line, or the configuration file.
#[derive(Debug, Clone, Default)]
pub struct ServeSettings {
    /// The address that it listens on.
    pub listen: Option<Listen>,
    /// The mode of its Unix socket.
    pub socket_mode: Option<SocketMode>,
    /// The gateway in front of it.
    pub gateway: Option<GatewayKind>,
    /// The peers whose headers are believed.
    pub trusted: Option<Vec<TrustedProxy>>,
    /// The file of the secrets that make a peer one of them.
    pub proxy_secret_file: Option<PathBuf>,
    /// The places in which a request may hold its credential.
    pub credentials: Option<Vec<CredentialPlace>>,
    /// The maximum number of open connections.
    pub connections: Option<u32>,
    /// The maximum memory of the key cache, in MiB.
    pub cache: Option<u32>,
    /// The label by whose value decisions are counted.
    pub metrics_label: Option<LabelName>,
    /// The format of the log.
    pub log_format: Option<LogFormat>,
    /// The level of the log.
    pub log_level: Option<LogLevel>,
}

impl ServeSettings {
    /// Returns the settings of the command line, completed with those of the file and with the
    /// defaults. Reads the file of the proxy secrets.
    ///
    /// # Errors
    /// Returns a sentence if a mode is given for a socket that is none, or if the proxy secrets
    /// cannot be used.
    pub fn over(&self, file: &Self) -> Result<Serve, String> {
        fn first<T: Clone>(one: Option<&T>, two: Option<&T>) -> Option<T> {
            one.or(two).cloned()
        }
        let listen =
            first(self.listen.as_ref(), file.listen.as_ref()).unwrap_or_else(Listen::usual);
        let socket_mode = match (&self.listen, self.socket_mode) {
            // The mode in the file is for the socket in the file.
            (Some(Listen::Tcp(_)), None) => None,
            (_, mode) => first(mode.as_ref(), file.socket_mode.as_ref()),
        };
        if let (Listen::Tcp(_), Some(_)) = (&listen, socket_mode) {
            return Err(
                "--socket-mode is for a Unix socket, and a TCP address has no mode: leave it out, or write --listen unix:PATH".to_owned(),
            );
        }
        let secrets = first(
            self.proxy_secret_file.as_ref(),
            file.proxy_secret_file.as_ref(),
        );
        let credentials = first(self.credentials.as_ref(), file.credentials.as_ref());
        Ok(Serve {
            listen,
            socket_mode: socket_mode.unwrap_or_default(),
            gateway: first(self.gateway.as_ref(), file.gateway.as_ref()).unwrap_or_default(),
            trusted: first(self.trusted.as_ref(), file.trusted.as_ref()).unwrap_or_default(),
            proxy_secrets: match &secrets {
                Some(path) => read_secrets(path)?,
                None => Vec::new(),
            },
            credentials: CredentialPlace::without_repeats(
                credentials.unwrap_or_else(CredentialPlace::usual),
            ),
            connections: first(self.connections.as_ref(), file.connections.as_ref())
                .unwrap_or(10_000) as usize,
            cache: first(self.cache.as_ref(), file.cache.as_ref()).unwrap_or(64) as usize,
            metrics_label: first(self.metrics_label.as_ref(), file.metrics_label.as_ref()),
            log_format: first(self.log_format.as_ref(), file.log_format.as_ref())
                .unwrap_or_default(),
            log_level: first(self.log_level.as_ref(), file.log_level.as_ref()).unwrap_or_default(),
        })
    }
}

impl Serve {
    /// Checks that a running endpoint can take over these settings.
    ///
    /// # Errors
    /// Returns a sentence that names the first setting which is different and needs a restart.
    pub fn check_reload(&self, new: &Self) -> Result<(), String> {
        let differs = [
            ("listen", self.listen != new.listen),
            ("socket_mode", self.socket_mode != new.socket_mode),
            ("gateway", self.gateway != new.gateway),
            ("max_connections", self.connections != new.connections),
            ("cache", self.cache != new.cache),
            ("metrics_label", self.metrics_label != new.metrics_label),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            Some((name, _)) => Err(format!(
                "{name} has changed, and only a restart can apply it: restart the endpoint, or restore the old value"
            )),
            None => Ok(()),
        }
    }
}
