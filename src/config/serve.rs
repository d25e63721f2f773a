//! The endpoint's settings: the address that it listens on, the gateway in front of it, and the
//! trusted proxies.
use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};
use strum::{EnumCount, VariantArray};

use super::{CredentialPlace, ProxySecret};
use crate::domain::{forwarded::TrustedProxy, text::visible};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum GatewayKind {
    /// nginx, with `auth_request`; also `HAProxy` and Apache with the shipped files.
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
}

impl FromStr for GatewayKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|gateway| gateway.word() == text);
        found.ok_or_else(|| {
            format!(
                "{} is no gateway that is known: write nginx, ingress-nginx, traefik, caddy or envoy",
                visible(text)
            )
        })
    }
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines of text for human readers.
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
                "{} is no form of a log: write text or json",
                visible(other)
            )),
        }
    }
}

/// The level of the log; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors.
    Error,
    /// Events that need attention.
    Warn,
    /// Starts, ends and refusals.
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
                "{} is no level of a log: write error, warn, info or debug",
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
    /// The format of the log.
    pub log_format: LogFormat,
    /// The level of the log.
    pub log_level: LogLevel,
}
