//! The arguments of `serve`. Their comments are the help that users read.
use std::path::PathBuf;

use clap::Args;

use crate::{
    config::{
        CredentialPlace, GatewayKind, Listen, LogFormat, LogLevel, MAX_CACHE, MAX_CONNECTIONS,
        ServeSettings, SocketMode,
    },
    domain::{forwarded::TrustedProxy, label::LabelName},
};

/// `serve`. What is not given here comes from the section `[serve]` of config.toml.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Where to listen: ADDRESS:PORT or unix:PATH [default: 127.0.0.1:8750]
    #[arg(long, value_name = "WHERE")]
    pub listen: Option<Listen>,
    /// The gateway in front: nginx, ingress-nginx, traefik, caddy or envoy [default: nginx]
    ///
    /// Use nginx for `HAProxy`, Apache and every other gateway that sends these headers.
    #[arg(long, value_name = "NAME")]
    pub gateway: Option<GatewayKind>,
    /// The gateway whose headers are believed: its address, its network, or unix; may be given
    /// several times, or with commas
    ///
    /// `unix` means every process that connects to the Unix socket. No request of any other peer is
    /// allowed, unless it sends a secret of --proxy-secret-file.
    #[arg(long = "trusted-proxy", value_name = "WHO", value_delimiter = ',')]
    pub trusted: Vec<TrustedProxy>,
    /// A file of secrets, one in each line, that a gateway sends as X-Claviger-Proxy-Secret to be
    /// believed wherever it is
    ///
    /// It is for gateways whose address changes, as in containers. A secret has at least 32 visible
    /// characters, and nobody else may read the file.
    #[arg(long, value_name = "FILE")]
    pub proxy_secret_file: Option<PathBuf>,
    /// Where a request holds its credential: bearer, x-api-key, basic, header:NAME, scheme:NAME or
    /// subprotocol; may be given several times [default: bearer and x-api-key]
    ///
    /// `basic` reads user name and password, `scheme:Token` reads Authorization: Token, and
    /// `subprotocol` reads what follows `bearer.` in Sec-WebSocket-Protocol.
    #[arg(long = "credential", value_name = "WHERE")]
    pub credentials: Vec<CredentialPlace>,
    /// The mode of the Unix socket [default: 660]
    #[arg(long, value_name = "MODE")]
    pub socket_mode: Option<SocketMode>,
    /// The maximum number of connections at a time [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CONNECTIONS)))]
    pub max_connections: Option<u32>,
    /// The maximum memory for cached keys, in MiB; 1 holds some 1,700 ordinary keys [default: 64]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CACHE)))]
    pub cache: Option<u32>,
    /// A label of keys by whose value /metrics counts the decisions; at most 100 values, further ones
    /// are counted together
    #[arg(long, value_name = "NAME")]
    pub metrics_label: Option<LabelName>,
    /// The log's form: text or json [default: text]
    #[arg(long, value_name = "FORM")]
    pub log_format: Option<LogFormat>,
    /// What is logged: error, warn, info (with refusals) or debug (with all) [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
}

impl From<ServeArguments> for ServeSettings {
    fn from(arguments: ServeArguments) -> Self {
        fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
            (!list.is_empty()).then_some(list)
        }
        Self {
            listen: arguments.listen,
            socket_mode: arguments.socket_mode,
            gateway: arguments.gateway,
            trusted: given(arguments.trusted),
            proxy_secret_file: arguments.proxy_secret_file,
            credentials: given(arguments.credentials),
            connections: arguments.max_connections,
            cache: arguments.cache,
            metrics_label: arguments.metrics_label,
            log_format: arguments.log_format,
            log_level: arguments.log_level,
        }
    }
}
