//! The endpoint's own paths, and the area, agent and gateway of each.
use crate::{
    config::GatewayKind,
    domain::{agent::AgentName, route::AreaSelector},
};

/// The parts of one of the endpoint's own paths.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndpointPath<'a> {
    /// The agent that the path's prefix names.
    pub agent: Option<AgentName>,
    /// The area, or that the client's path determines it.
    pub scope: AreaSelector,
    /// The client's own path, which follows the prefix; for Envoy only.
    pub inner: Option<&'a str>,
}

impl<'a> EndpointPath<'a> {
    /// Parses the path of a request to the endpoint. Returns `None` if it has no known form.
    pub(super) fn read(path: &'a str, gateway: GatewayKind) -> Option<Self> {
        let (agent, path) = match path.strip_prefix("/agents/") {
            Some(rest) => {
                let (name, _) = rest.split_once('/')?;
                (Some(name.parse().ok()?), &rest[name.len()..])
            }
            None => (None, path),
        };
        let (scope, inner) = if gateway == GatewayKind::Envoy {
            enveloped(path.strip_prefix("/envoy/")?)?
        } else {
            let scope = match path.strip_prefix("/authorize")? {
                "" => AreaSelector::Path,
                rest => AreaSelector::Area(rest.strip_prefix('/')?.parse().ok()?),
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

/// Parses `area/AREA` or `path`, followed by the client's path.
fn enveloped(rest: &str) -> Option<(AreaSelector, Option<&str>)> {
    if let Some(inner) = rest.strip_prefix("path") {
        return Some((AreaSelector::Path, Some(inner)));
    }
    let rest = rest.strip_prefix("area/")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (area, inner) = rest.split_at(end);
    Some((AreaSelector::Area(area.parse().ok()?), Some(inner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::route::RequestPath;

    #[test]
    fn forms_are_those_of_the_gateway_in_front_and_no_others() {
        let area = |slug: &str| AreaSelector::Area(slug.parse().expect("a slug"));
        let form = |agent: Option<&str>, scope: AreaSelector, inner| {
            let agent = agent.map(|name| name.parse().expect("a name"));
            Some(EndpointPath {
                agent,
                scope,
                inner,
            })
        };
        for (gateway, path, expected) in [
            (
                GatewayKind::Nginx,
                "/authorize",
                form(None, AreaSelector::Path, None),
            ),
            (
                GatewayKind::Nginx,
                "/authorize/contacts",
                form(None, area("contacts"), None),
            ),
            (
                GatewayKind::Caddy,
                "/agents/acme/authorize",
                form(Some("acme"), AreaSelector::Path, None),
            ),
            (
                GatewayKind::Traefik,
                "/agents/acme/authorize/x",
                form(Some("acme"), area("x"), None),
            ),
            (
                GatewayKind::Envoy,
                "/envoy/path/contacts/7",
                form(None, AreaSelector::Path, Some("/contacts/7")),
            ),
            (
                GatewayKind::Envoy,
                "/envoy/area/x/contacts",
                form(None, area("x"), Some("/contacts")),
            ),
            (
                GatewayKind::Envoy,
                "/envoy/area/x",
                form(None, area("x"), Some("")),
            ),
            (
                GatewayKind::Envoy,
                "/agents/a/envoy/path/",
                form(Some("a"), AreaSelector::Path, Some("/")),
            ),
            (
                GatewayKind::Envoy,
                "/envoy/path/../x",
                form(None, AreaSelector::Path, Some("/../x")),
            ),
            (GatewayKind::Nginx, "/envoy/path/contacts", None),
            (GatewayKind::Envoy, "/authorize/contacts", None),
            (GatewayKind::Nginx, "/authorize/", None),
            (GatewayKind::Nginx, "/authorize/Contacts", None),
            (GatewayKind::Nginx, "/authorize/contacts/", None),
            (GatewayKind::Nginx, "/authorize/%63ontacts", None),
            (GatewayKind::Nginx, "/authorized", None),
            (GatewayKind::Nginx, "/agents//authorize", None),
            (GatewayKind::Nginx, "/agents/acme", None),
            (GatewayKind::Nginx, "/agents/acme/agents/b/authorize", None),
            (GatewayKind::Nginx, "/", None),
            (GatewayKind::Envoy, "/envoy/area//x", None),
            (GatewayKind::Envoy, "/envoy/other", None),
        ] {
            assert_eq!(
                EndpointPath::read(path, gateway),
                expected,
                "{gateway:?} {path}"
            );
        }
        let inner = EndpointPath::read("/envoy/pathological", GatewayKind::Envoy).expect("a form");
        assert_eq!(
            RequestPath::read(inner.inner.expect("one").as_bytes()),
            None
        );
    }
}
