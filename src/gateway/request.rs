//! Reads an authorization request from its path and headers.
//!
//! A method, a path or a forwarded address is believed only if a trusted proxy sent it, and only in
//! the headers of the configured gateway. A request where one is missing, repeated or malformed has
//! no route. All values here are the client's input until a type of the domain has validated them.
mod credential;
mod form;

use form::EndpointPath;
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Uri};

use super::log::shown;
use crate::{
    config::GatewayKind,
    domain::{
        access::{Action, AreaSlug},
        agent::AgentName,
        authorization::Presented,
        decision::Target,
        forwarded::{self, Client, Peer, TrustedProxy},
        route::{AreaSelector, CanonicalPath, Method, Routes},
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
/// The log's detail of a request that names an area which does not exist.
const UNKNOWN_AREA: &str = "unknown_area";
/// The log's detail of a request whose well-formed method and path match no route.
const NO_ROUTE_MATCHED: &str = "no_area_or_no_action_for_the_method";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The headers for method and path, of nginx and of Traefik and Caddy.
const ORIGINAL: [HeaderName; 2] = [
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
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
    pub path: CanonicalPath<'a>,
}

/// The reason why a request has no route; the log shows it to administrators beside `no_route`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRouteReason {
    /// The endpoint has no such path, or not for the gateway that `--gateway` names.
    EndpointPath,
    /// The peer that sent method and path is not a trusted proxy.
    Untrusted,
    /// The gateway did not send the method exactly once, or sent text that is not UTF-8.
    MethodMissingOrRepeated,
    /// The gateway did not send the path exactly once.
    PathMissingOrRepeated,
    /// A header asks for another method.
    Override,
    /// The method cannot have a route.
    Method,
    /// The path is not canonical: it can be read in two ways.
    Path,
}

impl NoRouteReason {
    /// Returns the word used in the log.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::EndpointPath => "unknown_endpoint_path",
            Self::Untrusted => "untrusted_peer",
            Self::MethodMissingOrRepeated => "method_not_said_once",
            Self::PathMissingOrRepeated => "path_not_said_once",
            Self::Override => "method_override",
            Self::Method => "unknown_method",
            Self::Path => "path_not_canonical",
        }
    }
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
    /// Nothing: no route can be looked up.
    Unroutable(NoRouteReason),
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
                routes.target(&route.area, route.method, &route.path)
            }
            _ => Target::NoRoute,
        }
    }

    /// Returns why the request leads to no area and action, for the log.
    pub(super) fn detail(&self) -> &'static str {
        match self {
            Self::Named { .. } => UNKNOWN_AREA,
            Self::Route(_) => NO_ROUTE_MATCHED,
            Self::Unroutable(reason) => reason.word(),
        }
    }
}

/// A request for a decision: from a gateway, or from an application through `/verify`.
#[derive(Debug)]
pub(super) struct AuthorizationRequest<'a> {
    /// The presented credential.
    pub presented: Presented,
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
}

impl<'a> AuthorizationRequest<'a> {
    /// Reads the request of a gateway.
    pub(super) fn read(
        gateway: GatewayKind,
        trusted: &[TrustedProxy],
        peer: Peer,
        (method, uri, headers): (&'a HttpMethod, &'a Uri, &'a HeaderMap),
    ) -> Self {
        let lines = headers.get_all(FORWARDED_FOR).iter();
        let lines = lines.map(HeaderValue::as_bytes);
        let client = forwarded::client(peer, lines, trusted);
        let is_trusted = forwarded::is_trusted(peer, trusted);
        let form = EndpointPath::read(uri.path(), gateway);
        let original = match &form {
            None => Err(NoRouteReason::EndpointPath),
            Some(_) if !is_trusted => Err(NoRouteReason::Untrusted),
            Some(form) => original(gateway, form, method, headers),
        };
        let route = match (&form, original) {
            (Some(form), Ok((method, path))) => route(form, method, path, headers),
            (_, original) => Err(original.err().unwrap_or(NoRouteReason::EndpointPath)),
        };
        Self {
            presented: credential::find(headers),
            requested: route.map_or_else(Requested::Unroutable, Requested::Route),
            endpoint: uri.path(),
            agent: form.and_then(|form| form.agent),
            client,
            original: original.ok(),
            trusted: is_trusted,
        }
    }
}

fn route<'a>(
    form: &EndpointPath<'a>,
    method: &str,
    path: &'a [u8],
    headers: &HeaderMap,
) -> Result<RouteRequest<'a>, NoRouteReason> {
    if headers.keys().any(|name| is_override(name.as_str())) {
        return Err(NoRouteReason::Override);
    }
    Ok(RouteRequest {
        area: form.scope.clone(),
        method: Method::from_word(method).ok_or(NoRouteReason::Method)?,
        path: CanonicalPath::read(path).ok_or(NoRouteReason::Path)?,
    })
}

/// Returns `true` if the name is that of an override header. It must be in lower case.
fn is_override(name: &str) -> bool {
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
) -> Result<(&'a str, &'a [u8]), NoRouteReason> {
    let [method_header, path_header] = match gateway {
        GatewayKind::Envoy => {
            let inner = form.inner.ok_or(NoRouteReason::PathMissingOrRepeated)?;
            return Ok((method.as_str(), inner.as_bytes()));
        }
        GatewayKind::Nginx => ORIGINAL,
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
    Ok((
        method.ok_or(NoRouteReason::MethodMissingOrRepeated)?,
        once(path_header).ok_or(NoRouteReason::PathMissingOrRepeated)?,
    ))
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
                RequestedTarget::Routed(route.area.clone(), route.method)
            }
            (Requested::Named { .. } | Requested::Route(_), Target::Routed(area, action)) => {
                RequestedTarget::Named(area.clone(), *action)
            }
            (requested, _) => RequestedTarget::NoRoute(requested.detail().to_owned()),
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
        let trusted: Vec<TrustedProxy> = trusted
            .iter()
            .map(|one| one.parse().expect("a proxy"))
            .collect();
        let peer = Peer::address("127.0.0.1".parse().expect("an address"));
        let parts = (request.method(), request.uri(), request.headers());
        match AuthorizationRequest::read(gateway, &trusted, peer, parts).requested {
            Requested::Route(route) => {
                format!("{} {}", route.method.word(), route.path.as_str())
            }
            other => other.detail().to_owned(),
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
                &[("x-original-method", "BREW"), original[1]],
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
                "path_not_canonical",
            ),
            (&[original[0], ("x-original-uri", "")], "path_not_canonical"),
        ] {
            assert_eq!(
                request_line(GatewayKind::Nginx, &me, bad, "/authorize"),
                why,
                "{bad:?}"
            );
        }
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
