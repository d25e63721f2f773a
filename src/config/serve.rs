//! What was asked of the endpoint: where it listens, which gateway is in front, whom it believes.
use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};
use strum::{EnumCount, VariantArray};

use crate::domain::{forwarded::TrustedProxy, text::visible};

/// Where the endpoint listens if nothing is said.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8750";

/// Where the endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// On this address and port; port 0 is any that is free.
    Tcp(SocketAddr),
    /// On a Unix socket at this path.
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

/// Which gateway is in front: it decides where the original method and path are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum GatewayKind {
    /// nginx, with `auth_request`.
    Nginx,
    /// Traefik, with `ForwardAuth`.
    Traefik,
    /// Caddy, with `forward_auth`.
    Caddy,
    /// Envoy, with `ext_authz` over HTTP.
    Envoy,
}

impl GatewayKind {
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
            Self::Envoy => "envoy",
        }
    }
}

impl FromStr for GatewayKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|family| family.word() == text);
        found.ok_or_else(|| {
            format!(
                "{} is no gateway that is known: write nginx, traefik, caddy or envoy",
                visible(text)
            )
        })
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
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

/// How much is logged; each holds those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// What deserves a look.
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

/// The mode of the Unix socket, as octal digits; its owner may always read and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl SocketMode {
    /// What the owner needs, so that anybody at all can ask.
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

/// What was asked of the endpoint.
#[derive(Debug, Clone)]
pub struct Serve {
    /// Where it listens.
    pub listen: Listen,
    /// The mode of its Unix socket.
    pub socket_mode: SocketMode,
    /// Which gateway is in front.
    pub gateway: GatewayKind,
    /// Whose headers are believed.
    pub trusted: Vec<TrustedProxy>,
    /// How many connections it holds at most.
    pub connections: usize,
    /// How much memory the cache of keys takes at most, in MiB.
    pub cache: usize,
    /// How the log is written.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
}
