//! Reads an authorization request from its path and headers.
//!
//! A method, a path or a forwarded address is believed only if a trusted proxy sent it, and only in
//! the headers of the configured gateway. A request where one is missing, repeated or malformed has
//! no route. All values here are the client's input until a type of the domain has validated them.
mod credential;
mod form;
mod settings;
mod trace;

pub(super) use credential::CredentialValues;
use form::EndpointPath;
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Uri};
pub(super) use settings::RequestSettings;
pub(super) use trace::TraceParent;

use super::log::shown;
use crate::{
    config::GatewayKind,
    domain::{
        access::{Action, AreaSlug},
        agent::AgentName,
        decision::{Detail, Target},
        forwarded::{self, Client, Peer},
        route::{AreaSelector, Method, RequestPath, Routes},
        usage::{RequestedAccess, RequestedTarget},
    },
};

/// Headers that ask an upstream to treat the request as one with another method. They are also
/// recognized in the spellings with `_` and `.` that many applications read alike, and that some
/// gateways pass on.
const OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-method-override",
    "x-http-method",
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The headers for method and path: of nginx, of ingress-nginx, and of Traefik and Caddy.
const ORIGINAL: [HeaderName; 2] = [
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
];
const ORIGINAL_URL: [HeaderName; 2] = [
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-url"),
];
const FORWARDED: [HeaderName; 2] = [
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-uri"),
];

/// The route that a request asks for, as far as it is known without the current routes.
#[derive(Debug)]
pub(super) struct RouteRequest<'a> {
    /// The area, or that the path determines it.
    pub area: AreaSelector,
    /// The method.
    pub method: Method,
    /// The path.
    pub path: RequestPath<'a>,
}

/// The access that a request asks for.
#[derive(Debug)]
pub(super) enum Requested<'a> {
    /// The area and action that an application named.
    Named {
        /// The area as it was sent, fit for a log line.
        area: String,
        /// The area and action; `None` if the text cannot be an area's slug.
        target: Option<(AreaSlug, Action)>,
    },
    /// The area and action that the routes give for this method and path.
    Route(RouteRequest<'a>),
    /// Nothing, for this reason: no route can be looked up.
    Unroutable(Detail),
}

impl Requested<'_> {
    /// Returns the area and action by the current routes. `routes` is `None` if none were read,
    /// because the request has no token to look up.
    pub(super) fn target(&self, routes: Option<&Routes>) -> Target {
        match (self, routes) {
            (
                Self::Named {
                    target: Some((area, action)),
                    ..
                },
                Some(routes),
            ) if routes.knows(area) => Target::Routed(area.clone(), *action),
            (Self::Route(route), Some(routes)) => {
                routes.target(&route.area, &route.method, &route.path)
            }
            (Self::Named { .. }, _) => Target::NoRoute(Detail::UnknownArea),
            (Self::Route(_), None) => Target::NoRoute(Detail::NoMatch),
            (Self::Unroutable(detail), _) => Target::NoRoute(*detail),
        }
    }
}

/// A request for a decision: from a gateway, or from an application through `/verify`.
#[derive(Debug)]
pub(super) struct AuthorizationRequest<'a> {
    /// The values of which one may be the credential.
    pub credentials: CredentialValues<'a>,
    /// The requested access.
    pub requested: Requested<'a>,
    /// The path of this endpoint that was called.
    pub endpoint: &'a str,
    /// The agent whose endpoint was called.
    pub agent: Option<AgentName>,
    /// The client's address, and the source of that address.
    pub client: Client,
    /// The original method and path as the gateway sent them, for the log.
    pub original: Option<(&'a str, &'a [u8])>,
    /// Whether the peer is a trusted proxy.
    pub trusted: bool,
    /// The trace that the request is part of, for the log.
    pub trace: Option<TraceParent>,
}

impl<'a> AuthorizationRequest<'a> {
    /// Reads the request of a gateway.
    pub(super) fn read(
        gateway: GatewayKind,
        settings: &RequestSettings,
        peer: Peer,
        (method, uri, headers): (&'a HttpMethod, &'a Uri, &'a HeaderMap),
    ) -> Self {
        let is_trusted = settings.is_trusted(peer, headers);
        let lines = headers.get_all(FORWARDED_FOR).iter();
        let lines = lines.map(HeaderValue::as_bytes);
        let mut client = forwarded::client(peer, is_trusted, lines, &settings.proxies);
        if let Some(said) = &mut client.unreadable {
            *said = shown(said.as_bytes());
        }
        let form = EndpointPath::read(uri.path(), gateway);
        let original = match &form {
            None => Err(Detail::UnknownEndpointPath),
            Some(_) if !is_trusted => Err(Detail::UntrustedPeer),
            Some(form) => original(gateway, form, method, headers),
        };
        let route = match (&form, original) {
            (Some(form), Ok((method, path))) => route(form, method, path, headers),
            (_, original) => Err(original.err().unwrap_or(Detail::UnknownEndpointPath)),
        };
        let target = original.ok().map(|(_, target)| target);
        let target = match gateway {
            GatewayKind::Envoy => uri.query().map(str::as_bytes),
            _ => target,
        };
        let mut credentials = credential::find(headers, &settings.credentials, target);
        if original.is_ok_and(|(method, _)| credential::is_preflight(method, headers)) {
            credentials.or_else(Detail::Preflight);
        }
        Self {
            credentials,
            requested: route.map_or_else(Requested::Unroutable, Requested::Route),
            endpoint: uri.path(),
            agent: form.and_then(|form| form.agent),
            client,
            original: original.ok(),
            trusted: is_trusted,
            trace: TraceParent::find(headers),
        }
    }
}

fn route<'a>(
    form: &EndpointPath<'a>,
    method: &str,
    path: &'a [u8],
    headers: &HeaderMap,
) -> Result<RouteRequest<'a>, Detail> {
    if headers.keys().any(|name| is_override(name.as_str())) {
        return Err(Detail::MethodOverride);
    }
    Ok(RouteRequest {
        area: form.scope.clone(),
        method: Method::from_word(method).ok_or(Detail::UnknownMethod)?,
        path: RequestPath::read(path).ok_or(Detail::AmbiguousPath)?,
    })
}

/// Returns `true` if the name is that of an override header. It must be in lower case.
pub(super) fn is_override(name: &str) -> bool {
    let plain = |byte: u8| {
        if matches!(byte, b'_' | b'.') {
            b'-'
        } else {
            byte
        }
    };
    OVERRIDES
        .iter()
        .any(|known| known.len() == name.len() && name.bytes().map(plain).eq(known.bytes()))
}

/// Returns the original method and path, which the gateway must have sent exactly once each.
fn original<'a>(
    gateway: GatewayKind,
    form: &EndpointPath<'a>,
    method: &'a HttpMethod,
    headers: &'a HeaderMap,
) -> Result<(&'a str, &'a [u8]), Detail> {
    let [method_header, path_header] = match gateway {
        GatewayKind::Envoy => {
            let inner = form.inner.ok_or(Detail::PathNotSaidOnce)?;
            return Ok((method.as_str(), inner.as_bytes()));
        }
        GatewayKind::Nginx => ORIGINAL,
        GatewayKind::IngressNginx => ORIGINAL_URL,
        GatewayKind::Traefik | GatewayKind::Caddy => FORWARDED,
    };
    let once = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value.as_bytes()),
            _ => None,
        }
    };
    let method = once(method_header).and_then(|method| std::str::from_utf8(method).ok());
    let method = method.ok_or(Detail::MethodNotSaidOnce)?;
    let path = once(path_header).ok_or(Detail::PathNotSaidOnce)?;
    match gateway {
        GatewayKind::IngressNginx => Ok((method, path_of_url(path).ok_or(Detail::AmbiguousPath)?)),
        _ => Ok((method, path)),
    }
}

/// Returns what follows the authority in an absolute URL. Returns `None` if there is none, or if the
/// authority has a character with which programs find its end differently.
fn path_of_url(url: &[u8]) -> Option<&[u8]> {
    let authority = url.windows(3).position(|three| three == b"://")? + 3;
    let rest = &url[authority..];
    let end = rest.iter().position(|byte| *byte == b'/')?;
    let (authority, path) = rest.split_at(end);
    let is_plain = !authority.iter().any(|byte| b"?#\\@".contains(byte));
    is_plain.then_some(path)
}

impl AuthorizationRequest<'_> {
    /// Returns the requested access, as it is stored with a refusal. If the path cannot be stored
    /// as it was sent, because it may contain a token, the area and action that it led to are
    /// stored.
    pub(super) fn requested_access(&self, target: &Target) -> RequestedAccess {
        let (method, path) = self.original.unwrap_or_default();
        let path = without_query(path);
        let kept = (shown(method.as_bytes()), shown(path));
        let whole = kept.1.as_bytes() == path;
        let requested = match (&self.requested, target) {
            (Requested::Route(route), _) if whole => {
                RequestedTarget::Routed(route.area.clone(), route.method.clone())
            }
            (Requested::Named { .. } | Requested::Route(_), Target::Routed(area, action)) => {
                RequestedTarget::Named(area.clone(), *action)
            }
            (Requested::Unroutable(detail), _) | (_, Target::NoRoute(detail)) => {
                RequestedTarget::Unroutable(*detail)
            }
        };
        RequestedAccess {
            requested,
            method: kept.0,
            path: kept.1,
        }
    }
}

/// Returns the path without its query.
pub(super) fn without_query(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::config::CredentialPlace;

    fn request_line(
        gateway: GatewayKind,
        trusted: &[&str],
        headers: &[(&str, &str)],
        uri: &str,
    ) -> String {
        let mut request = Request::builder().method("DELETE").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let proxies = trusted.iter().map(|one| one.parse().expect("a proxy"));
        let settings = RequestSettings {
            proxies: proxies.collect(),
            secrets: Vec::new(),
            credentials: CredentialPlace::usual(),
        };
        let peer = Peer::address("127.0.0.1".parse().expect("an address"));
        let parts = (request.method(), request.uri(), request.headers());
        match AuthorizationRequest::read(gateway, &settings, peer, parts).requested {
            Requested::Route(route) => {
                format!("{} {}", route.method.word(), route.path.sent())
            }
            Requested::Unroutable(detail) => detail.word().to_owned(),
            named @ Requested::Named { .. } => panic!("{named:?}"),
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
        let missing = "method_not_said_once";
        let me = ["127.0.0.1"];
        assert_eq!(
            request_line(GatewayKind::Nginx, &me, &original, "/authorize"),
            "POST /contacts"
        );
        assert_eq!(
            request_line(GatewayKind::Nginx, &me, &forwarded, "/authorize"),
            missing
        );
        for gateway in [GatewayKind::Traefik, GatewayKind::Caddy] {
            assert_eq!(
                request_line(gateway, &me, &forwarded, "/authorize"),
                "POST /contacts"
            );
            assert_eq!(request_line(gateway, &me, &original, "/authorize"), missing);
        }
        let envoy = |uri| request_line(GatewayKind::Envoy, &me, &original, uri);
        assert_eq!(envoy("/envoy/path/documents/1?x=1"), "DELETE /documents/1");
        assert_eq!(envoy("/envoy/area/contacts/x"), "DELETE /x");
        assert_eq!(envoy("/authorize"), "unknown_endpoint_path");
        // A peer that is not a trusted proxy is not believed.
        assert_eq!(
            request_line(GatewayKind::Nginx, &[], &original, "/authorize"),
            "untrusted_peer"
        );
        assert_eq!(
            request_line(
                GatewayKind::Nginx,
                &["unix", "10.0.0.0/8"],
                &original,
                "/authorize"
            ),
            "untrusted_peer"
        );
        assert_eq!(
            request_line(GatewayKind::Envoy, &[], &[], "/envoy/path/documents"),
            "untrusted_peer"
        );
        // The query string of the endpoint's own path is ignored.
        assert_eq!(
            request_line(GatewayKind::Nginx, &me, &original, "/authorize?area=x"),
            "POST /contacts"
        );
        for (bad, why) in [
            (&[("x-original-uri", "/contacts")][..], missing),
            (&[("x-original-method", "POST")], "path_not_said_once"),
            (
                &[original[0], original[1], ("x-original-method", "GET")],
                missing,
            ),
            (&[original[0], original[0], original[1]], missing),
            (
                &[original[0], original[1], original[1]],
                "path_not_said_once",
            ),
            (&[("x_original_method", "POST"), original[1]], missing),
            (
                &[("x-original-method", "post"), original[1]],
                "unknown_method",
            ),
            (
                &[("x-original-method", "TRACE"), original[1]],
                "unknown_method",
            ),
            (
                &[("x-original-method", "CONNECT"), original[1]],
                "unknown_method",
            ),
            (&[("x-original-method", ""), original[1]], "unknown_method"),
            (
                &[("x-original-method", "GET, POST"), original[1]],
                "unknown_method",
            ),
            (
                &[original[0], ("x-original-uri", "/contacts/../documents")],
                "ambiguous_path",
            ),
            (&[original[0], ("x-original-uri", "")], "ambiguous_path"),
        ] {
            assert_eq!(
                request_line(GatewayKind::Nginx, &me, bad, "/authorize"),
                why,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn ingress_nginx_sends_an_absolute_url() {
        let ask = |headers: &[(&str, &str)]| {
            request_line(
                GatewayKind::IngressNginx,
                &["127.0.0.1"],
                headers,
                "/authorize",
            )
        };
        let method = ("x-original-method", "POST");
        let of = |url| ask(&[method, ("x-original-url", url)]);
        assert_eq!(
            of("https://api.example/contacts/7?a=b://c"),
            "POST /contacts/7"
        );
        assert_eq!(of("http://[2001:db8::1]:8080/contacts"), "POST /contacts");
        assert_eq!(of("https:///contacts"), "POST /contacts");
        for url in [
            "/contacts",
            "https://api.example",
            "https://api.example?/contacts",
            "https://api.example#/contacts",
            "https://api\\x/contacts",
            "https://user@api.example/contacts",
            "https://api.example/contacts#x",
            "https://api.example//contacts",
            "https://api.example/contacts/../documents",
            "",
        ] {
            assert_eq!(of(url), "ambiguous_path", "{url}");
        }
        let uri = ("x-original-uri", "/contacts");
        assert_eq!(ask(&[method, uri]), "path_not_said_once");
        let url = ("x-original-url", "https://a/contacts");
        assert_eq!(ask(&[method, url, url]), "path_not_said_once");
        assert_eq!(ask(&[url]), "method_not_said_once");
        assert_eq!(
            request_line(
                GatewayKind::Nginx,
                &["127.0.0.1"],
                &[method, url],
                "/authorize"
            ),
            "path_not_said_once"
        );
    }

    #[test]
    fn every_spelling_of_an_override_leads_nowhere() {
        let original = [
            ("x-original-method", "POST"),
            ("x-original-uri", "/contacts"),
        ];
        for name in [
            "x-http-method-override",
            "x-method-override",
            "x-http-method",
            "x_http_method_override",
            "x.http.method.override",
            "x-method_override",
            "x-http.method",
        ] {
            for value in ["DELETE", ""] {
                let asked = [original[0], original[1], (name, value)];
                assert_eq!(
                    request_line(GatewayKind::Nginx, &["127.0.0.1"], &asked, "/authorize"),
                    "method_override",
                    "{name}"
                );
            }
        }
    }
}
