//! The endpoint's own paths: for which area, which agent and which gateway each is.
use crate::{
    config::Family,
    domain::{agent::AgentName, route::Scope},
};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::route::CanonicalPath;

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
}
