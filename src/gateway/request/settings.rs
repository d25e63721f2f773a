//! The settings by which a request is read. A running endpoint can replace them.
use http::{HeaderMap, HeaderName};

use crate::{
    config::{CredentialPlace, ProxySecret, Serve},
    domain::forwarded::{self, Peer, TrustedProxy},
};

const PROXY_SECRET: HeaderName = HeaderName::from_static("x-claviger-proxy-secret");

/// The settings by which a request is read.
#[derive(Debug)]
pub(in crate::gateway) struct RequestSettings {
    /// The peers whose headers are believed because of their address.
    pub proxies: Vec<TrustedProxy>,
    /// The secrets that make a peer trusted wherever it is.
    pub secrets: Vec<ProxySecret>,
    /// The places in which a request may hold its credential.
    pub credentials: Vec<CredentialPlace>,
}

impl RequestSettings {
    /// Returns the part of the endpoint's settings by which requests are read.
    pub(in crate::gateway) fn of(serve: &Serve) -> Self {
        Self {
            proxies: serve.trusted.clone(),
            secrets: serve.proxy_secrets.clone(),
            credentials: serve.credentials.clone(),
        }
    }

    /// Returns `true` if method, path and address are believed from this peer: its address is that
    /// of a trusted proxy, or it sent one of the secrets, exactly once.
    pub(in crate::gateway) fn is_trusted(&self, peer: Peer, headers: &HeaderMap) -> bool {
        if forwarded::is_trusted(peer, &self.proxies) {
            return true;
        }
        let mut sent = headers.get_all(PROXY_SECRET).iter();
        match (sent.next(), sent.next()) {
            (Some(sent), None) => {
                // Every secret is compared, so that the duration tells nothing about the others.
                let equal = self
                    .secrets
                    .iter()
                    .filter(|secret| secret.is(sent.as_bytes()));
                equal.count() > 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_peer_is_trusted_by_its_address_or_by_one_secret_sent_once() {
        let (one, two) = (
            "0123456789abcdef0123456789abcdef",
            "fedcba9876543210fedcba9876543210",
        );
        let settings = RequestSettings {
            proxies: vec!["10.0.0.0/8".parse().expect("a proxy")],
            secrets: [one, two]
                .map(|text| text.parse().expect("a secret"))
                .into(),
            credentials: CredentialPlace::usual(),
        };
        let trusted = |peer: &str, sent: &[&str]| {
            let mut headers = HeaderMap::new();
            for secret in sent {
                let secret = HeaderValue::from_str(secret).expect("a value");
                headers.append(PROXY_SECRET, secret);
            }
            let peer = Peer::address(peer.parse().expect("an address"));
            settings.is_trusted(peer, &headers)
        };
        assert!(trusted("10.1.1.1", &[]));
        assert!(trusted("10.1.1.1", &["wrong"]));
        assert!(trusted("192.0.2.1", &[one]));
        assert!(trusted("192.0.2.1", &[two]));
        for sent in [
            &[][..],
            &[""],
            &["wrong"],
            &[&one[1..]],
            &[one, one],
            &[one, two],
            &[&format!("{one},{one}")],
        ] {
            assert!(!trusted("192.0.2.1", sent), "{} sent", sent.len());
        }
    }
}
