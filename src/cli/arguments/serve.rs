//! The arguments of `serve`. Their comments are the help that users read.
use clap::Args;

use crate::{
    cli::Failure,
    config::{self, CredentialPlace, GatewayKind, Listen, LogFormat, LogLevel, Serve, SocketMode},
    domain::forwarded::TrustedProxy,
};

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Where to listen: ADDRESS:PORT or unix:PATH
    #[arg(long, value_name = "WHERE", default_value = config::DEFAULT_LISTEN)]
    pub listen: Listen,
    /// The gateway in front: nginx, traefik, caddy or envoy
    #[arg(long, value_name = "NAME", default_value = "nginx")]
    pub gateway: GatewayKind,
    /// The gateway's address or network, or unix: whose headers are believed; may be given several
    /// times
    ///
    /// `unix` means every process that connects to the Unix socket. No request of any other peer is
    /// allowed.
    #[arg(long = "trusted-proxy", value_name = "WHO")]
    pub trusted: Vec<TrustedProxy>,
    /// The mode of the Unix socket [default: 660]
    #[arg(long, value_name = "MODE")]
    pub socket_mode: Option<SocketMode>,
    /// The maximum number of connections at a time
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
    /// The maximum memory for cached keys, in MiB; 1 holds some 1,700 ordinary keys
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub cache: u32,
    /// The log's form: text or json
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info (also refusals) or debug (also allowed requests)
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
}

impl TryFrom<ServeArguments> for Serve {
    type Error = Failure;

    fn try_from(arguments: ServeArguments) -> Result<Self, Failure> {
        if let (Listen::Tcp(_), Some(_)) = (&arguments.listen, arguments.socket_mode) {
            return Err(Failure::Refused(
                "--socket-mode is for a Unix socket, and an address and port has no mode: leave it out, or write --listen unix:PATH".into(),
            ));
        }
        Ok(Self {
            listen: arguments.listen,
            socket_mode: arguments.socket_mode.unwrap_or_default(),
            gateway: arguments.gateway,
            trusted: arguments.trusted,
            proxy_secrets: Vec::new(),
            credentials: CredentialPlace::usual(),
            connections: arguments.max_connections as usize,
            cache: arguments.cache as usize,
            log_format: arguments.log_format,
            log_level: arguments.log_level,
        })
    }
}
