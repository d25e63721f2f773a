//! The places in which a request may hold its credential.
use std::{fmt, str::FromStr};

use http::HeaderName;

use crate::domain::text::visible;

/// A place in which a request may hold its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialPlace {
    /// `Authorization` with this scheme, in any case.
    Scheme(String),
    /// `Authorization: Basic`: the user name and the password.
    Basic,
    /// The header with this name.
    Header(HeaderName),
    /// An element of `Sec-WebSocket-Protocol` that begins with `bearer.`.
    Subprotocol,
}

/// Headers that cannot hold a credential, because the endpoint reads other values there.
const TAKEN: [&str; 17] = [
    "access-control-request-method",
    "authorization",
    "connection",
    "content-length",
    "host",
    "origin",
    "sec-websocket-protocol",
    "transfer-encoding",
    "x-forwarded-for",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-original-method",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
];

impl CredentialPlace {
    /// Returns the places where none are named: `Authorization: Bearer`, and `X-API-Key`.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        vec![
            Self::Scheme("Bearer".to_owned()),
            Self::Header(HeaderName::from_static("x-api-key")),
        ]
    }

    /// Returns the places without those that were named before. The case of a scheme makes no
    /// difference.
    #[must_use]
    pub fn without_repeats(places: Vec<Self>) -> Vec<Self> {
        let mut kept: Vec<Self> = Vec::with_capacity(places.len());
        for place in places {
            let is_same = |known: &Self| match (known, &place) {
                (Self::Scheme(one), Self::Scheme(two)) => one.eq_ignore_ascii_case(two),
                (one, two) => one == two,
            };
            if !kept.iter().any(is_same) {
                kept.push(place);
            }
        }
        kept
    }

    /// Returns the challenge for the place, if it is a scheme of `Authorization`
    /// (RFC 9110, 11.6.1).
    #[must_use]
    pub fn challenge(&self) -> Option<String> {
        let scheme = match self {
            Self::Scheme(scheme) => scheme.as_str(),
            Self::Basic => "Basic",
            Self::Header(_) | Self::Subprotocol => return None,
        };
        Some(format!("{scheme} realm=\"claviger\""))
    }
}

impl FromStr for CredentialPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |why: &str| {
            let shown = visible(text);
            Err(format!(
                "{shown} is no place for a credential{why}: write bearer, x-api-key, basic, header:NAME, scheme:NAME or subprotocol"
            ))
        };
        match text.split_once(':') {
            None => match text {
                "bearer" => Ok(Self::Scheme("Bearer".to_owned())),
                "x-api-key" => Ok(Self::Header(HeaderName::from_static("x-api-key"))),
                "basic" => Ok(Self::Basic),
                "subprotocol" => Ok(Self::Subprotocol),
                _ => refused(""),
            },
            Some(("header", name)) => {
                let Ok(name) = name.parse::<HeaderName>() else {
                    return refused(", because no header has that name");
                };
                let taken = name.as_str();
                if TAKEN.contains(&taken) || taken.starts_with("x-claviger-") {
                    return refused(", because HTTP or the endpoint uses that header");
                }
                Ok(Self::Header(name))
            }
            Some(("scheme", name)) if name.eq_ignore_ascii_case("basic") => Ok(Self::Basic),
            Some(("scheme", name)) => {
                let is_token = name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
                if name.is_empty() || !is_token {
                    return refused(", because no scheme has that name");
                }
                Ok(Self::Scheme(name.to_owned()))
            }
            Some(_) => refused(""),
        }
    }
}

impl fmt::Display for CredentialPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) if scheme.eq_ignore_ascii_case("bearer") => f.write_str("bearer"),
            Self::Scheme(scheme) => write!(f, "scheme:{scheme}"),
            Self::Basic => f.write_str("basic"),
            Self::Header(name) if name.as_str() == "x-api-key" => f.write_str("x-api-key"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Subprotocol => f.write_str("subprotocol"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_back_and_others_are_refused() {
        for text in [
            "bearer",
            "x-api-key",
            "basic",
            "subprotocol",
            "header:private-token",
            "scheme:Token",
        ] {
            let place: CredentialPlace = text.parse().expect(text);
            assert_eq!(place.to_string(), text);
        }
        assert_eq!("scheme:BASIC".parse(), Ok(CredentialPlace::Basic));
        for text in [
            "",
            "Bearer",
            "header:",
            "header:a b",
            "header:Authorization",
            "header:X-Claviger-Key-Id",
            "header:X-HTTP-Method",
            "scheme:",
            "scheme:a b",
            "query:key",
        ] {
            let refused = text.parse::<CredentialPlace>();
            assert!(
                refused.is_err_and(|it| it.contains("write bearer, ")),
                "{text}"
            );
        }
    }

    #[test]
    fn only_schemes_have_a_challenge() {
        let challenges = |texts: &[&str]| -> Vec<String> {
            let places = texts.iter().map(|text| text.parse().expect("a place"));
            let places = CredentialPlace::without_repeats(places.collect());
            places
                .iter()
                .filter_map(CredentialPlace::challenge)
                .collect()
        };
        assert_eq!(
            challenges(&[
                "bearer",
                "x-api-key",
                "basic",
                "scheme:Token",
                "subprotocol",
                "scheme:BEARER",
            ]),
            [
                r#"Bearer realm="claviger""#,
                r#"Basic realm="claviger""#,
                r#"Token realm="claviger""#,
            ]
        );
    }
}
