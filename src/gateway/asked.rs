//! What an authorization request asks, read from its path and headers.
//!
//! A method, a path or a forwarded address is believed only of a trusted proxy, and only in the
//! headers of the one gateway that is in front. What is missing, repeated or not to the letter
//! leads nowhere. Everything here is the client's words until it has passed a door of the domain.
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Uri, header};
use secrecy::SecretString;

use crate::{
    config::Family,
    domain::{
        forwarded::{self, ClientAddress, Peer, TrustedProxy},
        key::AgentName,
        route::{CanonicalPath, Method, Scope},
        token::{TOKEN_LENGTH, Token},
    },
};

/// Headers that ask an upstream to take the request for another method.
const OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-http-method"),
];
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Where nginx says method and path, and where Traefik and Caddy do.
const ORIGINAL: [HeaderName; 2] = [
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
];
const FORWARDED: [HeaderName; 2] = [
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-uri"),
];

/// The credential that a client presented.
#[derive(Debug)]
pub enum Presented {
    /// None.
    Nothing,
    /// None that can be one of ours, or more than one.
    Malformed,
    /// One that could be ours.
    Token(Token),
}

impl Presented {
    /// Reads one that was given outside of headers.
    pub fn read(text: &SecretString) -> Self {
        use secrecy::ExposeSecret as _;
        match text.expose_secret() {
            "" => Self::Nothing,
            text => Token::parse(text).map_or(Self::Malformed, Self::Token),
        }
    }

    /// Finds the one credential: `Authorization: Bearer` or `X-API-Key`, once in all.
    fn find(headers: &HeaderMap) -> Self {
        let bearers = headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .filter_map(|value| bearer(value.as_bytes()));
        let keys = headers.get_all(API_KEY).iter();
        let mut all = bearers.chain(keys.map(HeaderValue::as_bytes));
        match (all.next(), all.next()) {
            (None, _) | (Some(b""), None) => Self::Nothing,
            (Some(one), None) if one.len() == TOKEN_LENGTH => std::str::from_utf8(one)
                .ok()
                .and_then(|text| Token::parse(text).ok())
                .map_or(Self::Malformed, Self::Token),
            _ => Self::Malformed,
        }
    }
}

/// What stands behind `Bearer`; `None` for another scheme, which is none of ours.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let end = value
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(byte));
    let (scheme, rest) = value.split_at(end.unwrap_or(value.len()));
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then_some(&rest[spaces..])
}

/// What is asked for, as the endpoint's own path says it.
#[derive(Debug, PartialEq, Eq)]
pub struct Form<'a> {
    /// The agent behind whose prefix it was asked.
    pub agent: Option<AgentName>,
    /// The area, or that the path leads to it.
    pub scope: Scope,
    /// Envoy: the client's own path, which stands behind the prefix.
    pub inner: Option<&'a str>,
}

impl<'a> Form<'a> {
    /// Reads the path of a request to the endpoint; `None` for one that it has no form for.
    pub fn read(path: &'a str, family: Family) -> Option<Self> {
        let (agent, path) = match path.strip_prefix("/agents/") {
            Some(rest) => {
                let (name, _) = rest.split_once('/')?;
                (Some(name.parse().ok()?), &rest[name.len()..])
            }
            None => (None, path),
        };
        let (scope, inner) = if family == Family::Envoy {
            enveloped(path.strip_prefix("/envoy/")?)?
        } else {
            let scope = match path.strip_prefix("/authorize")? {
                "" => Scope::Path,
                rest => Scope::Area(rest.strip_prefix('/')?.parse().ok()?),
            };
            (scope, None)
        };
        Some(Self {
            agent,
            scope,
            inner,
        })
    }
}

/// `area/AREA` and `path`, and the client's path behind it.
fn enveloped(rest: &str) -> Option<(Scope, Option<&str>)> {
    if let Some(inner) = rest.strip_prefix("path") {
        return Some((Scope::Path, Some(inner)));
    }
    let rest = rest.strip_prefix("area/")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (area, inner) = rest.split_at(end);
    Some((Scope::Area(area.parse().ok()?), Some(inner)))
}

/// A request for a decision.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The credential.
    pub presented: Presented,
    /// Where it leads, if that can be told.
    pub way: Option<(Scope, Method, CanonicalPath<'a>)>,
    /// The agent whose endpoint was asked.
    pub agent: Option<AgentName>,
    /// What is known of the client's address.
    pub address: ClientAddress,
    /// Whether the peer is a trusted proxy.
    pub trusted: bool,
    /// The method and the path as they were said, for the log.
    pub said: Option<(&'a str, &'a [u8])>,
}

impl<'a> Asked<'a> {
    /// Reads a request.
    pub fn read(
        family: Family,
        trusted: &[TrustedProxy],
        peer: Peer,
        (method, uri, headers): (&'a HttpMethod, &'a Uri, &'a HeaderMap),
    ) -> Self {
        let lines = headers.get_all(FORWARDED_FOR).iter();
        let lines = lines.map(HeaderValue::as_bytes);
        let address = forwarded::client_address(peer, lines, trusted);
        let is_trusted = forwarded::is_trusted(peer, trusted);
        let form = Form::read(uri.path(), family);
        let said = form
            .as_ref()
            .filter(|_| is_trusted)
            .and_then(|form| said(family, form, method, headers));
        let (scope, agent) = form.map_or((None, None), |form| (Some(form.scope), form.agent));
        let overridden = OVERRIDES.iter().any(|name| headers.contains_key(name));
        let way = said.filter(|_| !overridden).and_then(|(method, path)| {
            Some((
                scope?,
                Method::from_word(method)?,
                CanonicalPath::read(path)?,
            ))
        });
        Self {
            presented: Presented::find(headers),
            way,
            agent,
            address,
            trusted: is_trusted,
            said,
        }
    }
}

/// The original method and path, each said exactly once by the gateway.
fn said<'a>(
    family: Family,
    form: &Form<'a>,
    method: &'a HttpMethod,
    headers: &'a HeaderMap,
) -> Option<(&'a str, &'a [u8])> {
    let [method_header, path_header] = match family {
        Family::Envoy => return Some((method.as_str(), form.inner?.as_bytes())),
        Family::Nginx => ORIGINAL,
        Family::Traefik | Family::Caddy => FORWARDED,
    };
    let once = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value.as_bytes()),
            _ => None,
        }
    };
    let method = std::str::from_utf8(once(method_header)?).ok()?;
    Some((method, once(path_header)?))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::domain::token::KeyId;

    fn token() -> String {
        use secrecy::ExposeSecret as _;
        let id: KeyId = "0123456789AB".parse().expect("an id");
        let token = Token::mint(&id, &mut |buffer| buffer.fill(7));
        token.expose().expose_secret().to_owned()
    }

    fn presented(headers: &[(&str, &str)]) -> &'static str {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let request = request.body(()).expect("a request");
        match Presented::find(request.headers()) {
            Presented::Nothing => "nothing",
            Presented::Malformed => "malformed",
            Presented::Token(_) => "token",
        }
    }

    #[test]
    fn one_credential_in_one_place() {
        let token = token();
        let bearer = |scheme: &str| format!("{scheme} {token}");
        let (good, lower, odd) = (bearer("Bearer"), bearer("bearer"), bearer("bEaReR"));
        let spaced = format!("Bearer   {token}");
        for (headers, expected) in [
            (vec![("x-api-key", token.as_str())], "token"),
            (vec![("authorization", good.as_str())], "token"),
            (vec![("authorization", lower.as_str())], "token"),
            (vec![("authorization", odd.as_str())], "token"),
            (vec![("authorization", spaced.as_str())], "token"),
            (vec![], "nothing"),
            (vec![("x-api-key", "")], "nothing"),
            (vec![("authorization", "Bearer")], "nothing"),
            (vec![("authorization", "Bearer ")], "nothing"),
            // Another scheme is the upstream's business.
            (vec![("authorization", "Basic YTpi")], "nothing"),
            (vec![("authorization", "Bearerx abc")], "nothing"),
            (
                vec![("authorization", "Basic YTpi"), ("x-api-key", &token)],
                "token",
            ),
            (
                vec![("authorization", "Basic YTpi"), ("authorization", &good)],
                "token",
            ),
            (vec![("authorization", &token)], "nothing"),
            // Two are none, whichever they are.
            (
                vec![("x-api-key", &token), ("x-api-key", &token)],
                "malformed",
            ),
            (
                vec![("authorization", &good), ("authorization", &good)],
                "malformed",
            ),
            (
                vec![("authorization", &good), ("x-api-key", &token)],
                "malformed",
            ),
            (
                vec![("authorization", &good), ("x-api-key", "")],
                "malformed",
            ),
            (vec![("x-api-key", ""), ("x-api-key", "")], "malformed"),
            (
                vec![("authorization", "Bearer"), ("x-api-key", &token)],
                "malformed",
            ),
            (
                vec![("authorization", "Bearer\tx"), ("x-api-key", &token)],
                "malformed",
            ),
        ] {
            assert_eq!(presented(&headers), expected, "{headers:?}");
        }
        for malformed in [
            format!("{token} "),
            format!("{token}\t"),
            format!("{token},{token}"),
            format!("Bearer {token}"),
            token.replace('A', "\u{410}"),
            token[1..].to_owned(),
            "x".repeat(7000),
        ] {
            assert_eq!(presented(&[("x-api-key", &malformed)]), "malformed");
        }
    }

    #[test]
    fn forms_are_those_of_the_gateway_in_front_and_no_others() {
        let area = |slug: &str| Scope::Area(slug.parse().expect("a slug"));
        let form = |agent: Option<&str>, scope: Scope, inner| {
            let agent = agent.map(|name| name.parse().expect("a name"));
            Some(Form {
                agent,
                scope,
                inner,
            })
        };
        for (family, path, expected) in [
            (Family::Nginx, "/authorize", form(None, Scope::Path, None)),
            (
                Family::Nginx,
                "/authorize/contacts",
                form(None, area("contacts"), None),
            ),
            (
                Family::Caddy,
                "/agents/acme/authorize",
                form(Some("acme"), Scope::Path, None),
            ),
            (
                Family::Traefik,
                "/agents/acme/authorize/x",
                form(Some("acme"), area("x"), None),
            ),
            (
                Family::Envoy,
                "/envoy/path/contacts/7",
                form(None, Scope::Path, Some("/contacts/7")),
            ),
            (
                Family::Envoy,
                "/envoy/area/x/contacts",
                form(None, area("x"), Some("/contacts")),
            ),
            (
                Family::Envoy,
                "/envoy/area/x",
                form(None, area("x"), Some("")),
            ),
            (
                Family::Envoy,
                "/agents/a/envoy/path/",
                form(Some("a"), Scope::Path, Some("/")),
            ),
            (
                Family::Envoy,
                "/envoy/path/../x",
                form(None, Scope::Path, Some("/../x")),
            ),
            (Family::Nginx, "/envoy/path/contacts", None),
            (Family::Envoy, "/authorize/contacts", None),
            (Family::Nginx, "/authorize/", None),
            (Family::Nginx, "/authorize/Contacts", None),
            (Family::Nginx, "/authorize/contacts/", None),
            (Family::Nginx, "/authorize/%63ontacts", None),
            (Family::Nginx, "/authorized", None),
            (Family::Nginx, "/agents//authorize", None),
            (Family::Nginx, "/agents/acme", None),
            (Family::Nginx, "/agents/acme/agents/b/authorize", None),
            (Family::Nginx, "/", None),
            (Family::Envoy, "/envoy/area//x", None),
            (Family::Envoy, "/envoy/other", None),
        ] {
            assert_eq!(Form::read(path, family), expected, "{family:?} {path}");
        }
        let inner = Form::read("/envoy/pathological", Family::Envoy).expect("a form");
        assert_eq!(
            CanonicalPath::read(inner.inner.expect("one").as_bytes()),
            None
        );
    }

    fn way(family: Family, trusted: &[&str], headers: &[(&str, &str)], uri: &str) -> String {
        let mut request = Request::builder().method("DELETE").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let trusted: Vec<TrustedProxy> = trusted
            .iter()
            .map(|one| one.parse().expect("a proxy"))
            .collect();
        let peer = Peer::address("127.0.0.1".parse().expect("an address"));
        let parts = (request.method(), request.uri(), request.headers());
        match Asked::read(family, &trusted, peer, parts).way {
            Some((_, method, path)) => format!("{} {}", method.word(), path.as_str()),
            None => "-".to_owned(),
        }
    }

    #[test]
    fn method_and_path_come_from_the_one_family_of_headers_and_once() {
        let original = [
            ("x-original-method", "POST"),
            ("x-original-uri", "/contacts?x"),
        ];
        let forwarded = [
            ("x-forwarded-method", "POST"),
            ("x-forwarded-uri", "/contacts"),
        ];
        let me = ["127.0.0.1"];
        assert_eq!(
            way(Family::Nginx, &me, &original, "/authorize"),
            "POST /contacts"
        );
        assert_eq!(way(Family::Nginx, &me, &forwarded, "/authorize"), "-");
        for family in [Family::Traefik, Family::Caddy] {
            assert_eq!(way(family, &me, &forwarded, "/authorize"), "POST /contacts");
            assert_eq!(way(family, &me, &original, "/authorize"), "-");
        }
        let envoy = |uri| way(Family::Envoy, &me, &original, uri);
        assert_eq!(envoy("/envoy/path/documents/1?x=1"), "DELETE /documents/1");
        assert_eq!(envoy("/envoy/area/contacts/x"), "DELETE /x");
        assert_eq!(envoy("/authorize"), "-");
        // Nobody is believed who was not named.
        assert_eq!(way(Family::Nginx, &[], &original, "/authorize"), "-");
        assert_eq!(
            way(
                Family::Nginx,
                &["unix", "10.0.0.0/8"],
                &original,
                "/authorize"
            ),
            "-"
        );
        assert_eq!(way(Family::Envoy, &[], &[], "/envoy/path/documents"), "-");
        // The query string is never configuration.
        assert_eq!(
            way(Family::Nginx, &me, &original, "/authorize?area=x"),
            "POST /contacts"
        );
        for bad in [
            &[("x-original-uri", "/contacts")][..],
            &[("x-original-method", "POST")],
            &[original[0], original[1], ("x-original-method", "GET")],
            &[original[0], original[0], original[1]],
            &[original[0], original[1], original[1]],
            &[("x-original-method", "post"), original[1]],
            &[("x-original-method", "BREW"), original[1]],
            &[("x-original-method", "TRACE"), original[1]],
            &[("x-original-method", "CONNECT"), original[1]],
            &[("x-original-method", ""), original[1]],
            &[("x-original-method", "GET, POST"), original[1]],
            &[original[0], ("x-original-uri", "/contacts/../documents")],
            &[original[0], ("x-original-uri", "")],
            &[("x_original_method", "POST"), original[1]],
            &[
                original[0],
                original[1],
                ("x-http-method-override", "DELETE"),
            ],
            &[original[0], original[1], ("x-method-override", "DELETE")],
            &[original[0], original[1], ("x-http-method", "")],
        ] {
            assert_eq!(way(Family::Nginx, &me, bad, "/authorize"), "-", "{bad:?}");
        }
    }
}
