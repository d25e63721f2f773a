//! The program behind the URL that is probed: a gateway, or an application that asks `/verify`.
use std::str::FromStr;

use crate::{config::GatewayKind, domain::text::visible};

/// The program behind the URL that is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum ProbedKind {
    /// A gateway that has a word of its own for `serve --gateway`.
    Gateway(GatewayKind),
    /// `HAProxy`, which sends the headers of nginx.
    HaProxy,
    /// Apache, which sends the headers of nginx.
    Apache,
    /// An application that asks `POST /verify`.
    Verify,
}

impl ProbedKind {
    /// Returns the word used on the command line.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Gateway(gateway) => gateway.word(),
            Self::HaProxy => "haproxy",
            Self::Apache => "apache",
            Self::Verify => "verify",
        }
    }

    /// Returns the gateway whose headers are sent, if any.
    pub(super) const fn gateway(self) -> Option<GatewayKind> {
        match self {
            Self::Gateway(gateway) => Some(gateway),
            Self::HaProxy | Self::Apache => Some(GatewayKind::Nginx),
            Self::Verify => None,
        }
    }
}

impl FromStr for ProbedKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        for other in [Self::HaProxy, Self::Apache, Self::Verify] {
            if text == other.word() {
                return Ok(other);
            }
        }
        text.parse().map(Self::Gateway).map_err(|_: String| {
            format!(
                "{} is nothing that can be probed: write nginx, ingress-nginx, traefik, caddy, envoy, haproxy, apache or verify",
                visible(text)
            )
        })
    }
}
