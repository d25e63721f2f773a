//! What stands behind the URL that is probed: a gateway, or an application that asks `/verify`.
use std::str::FromStr;

use crate::{config::GatewayKind, domain::text::visible};

/// What stands behind the URL that is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum ProbedKind {
    /// A gateway.
    Gateway(GatewayKind),
    /// An application that asks `POST /verify`.
    Verify,
}

impl ProbedKind {
    /// Returns the word used on the command line.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Gateway(gateway) => gateway.word(),
            Self::Verify => "verify",
        }
    }
}

impl FromStr for ProbedKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == Self::Verify.word() {
            return Ok(Self::Verify);
        }
        text.parse().map(Self::Gateway).map_err(|_: String| {
            format!(
                "{} is nothing that can be probed: write nginx, ingress-nginx, traefik, caddy, envoy or verify",
                visible(text)
            )
        })
    }
}
