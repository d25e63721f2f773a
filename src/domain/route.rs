//! Routes map a request's method and path to an area and an action, or to nothing.
//!
//! Routes are compared with whole segments of a [`CanonicalPath`], and the longest match wins. The
//! area follows from the path alone; the action follows from the method, unless a route of that
//! area specifies another. To support another method, add it to [`Method`].
mod method;
mod path;
mod rule;

pub use method::Method;
pub use path::CanonicalPath;
pub use rule::{Route, RouteError, check_once};

use super::{
    access::{Action, AreaSlug},
    decision::Target,
};

/// How an endpoint selects the area: it is a constant of the gateway's own location, or follows
/// from the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AreaSelector {
    /// The given area.
    Area(AreaSlug),
    /// The area that the path leads to.
    Path,
}

/// All areas and their routes at one point in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    areas: Vec<AreaSlug>,
    /// The routes, the longest path first.
    routes: Vec<(AreaSlug, Route)>,
}

impl Routes {
    /// Creates the table from the existing areas and their routes.
    #[must_use]
    pub fn new(areas: Vec<AreaSlug>, mut routes: Vec<(AreaSlug, Route)>) -> Self {
        routes.sort_by_key(|(_, route)| std::cmp::Reverse(route.path().len()));
        Self { areas, routes }
    }

    /// Returns `true` if the area exists.
    #[must_use]
    pub fn knows(&self, area: &AreaSlug) -> bool {
        self.areas.contains(area)
    }

    /// Returns the area and action that a request leads to.
    #[must_use]
    pub fn target(&self, scope: &AreaSelector, method: Method, path: &CanonicalPath<'_>) -> Target {
        let area = match scope {
            AreaSelector::Area(area) => Some(area).filter(|area| self.knows(area)),
            AreaSelector::Path => self.area_of(path),
        };
        let Some(area) = area else {
            return Target::NoRoute;
        };
        match self.action(area, method, path) {
            Some(action) => Target::Routed(area.clone(), action),
            None => Target::NoRoute,
        }
    }

    /// Returns the area of the longest matching route, or `None` if no route matches or two areas
    /// have that route.
    #[must_use]
    pub fn area_of(&self, path: &CanonicalPath<'_>) -> Option<&AreaSlug> {
        let mut fitting = self
            .routes
            .iter()
            .filter(|(_, route)| path.is_within(route.path()));
        let (area, longest) = fitting.next()?;
        fitting
            .take_while(|(_, route)| route.path() == longest.path())
            .all(|(other, _)| other == area)
            .then_some(area)
    }

    /// Returns the action that the method means at this path of the area.
    fn action(&self, area: &AreaSlug, method: Method, path: &CanonicalPath<'_>) -> Option<Action> {
        let meant = |route: &Route| route.says().is_none_or(|(said, _)| method.goes_with(said));
        let fitting = self
            .routes
            .iter()
            .filter(|(of, route)| of == area && path.is_within(route.path()) && meant(route));
        // Among routes with the same path, one for exactly this method has the highest rank.
        let rank = |route: &Route| {
            let said = route.says().map(|(said, _)| said);
            (route.path().len(), said.is_some(), said == Some(method))
        };
        let nearest = fitting
            .map(|(_, route)| route)
            .max_by_key(|route| rank(route));
        match nearest.and_then(Route::says) {
            Some((_, action)) => Some(action),
            None => method.usual_action(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn routes() -> Routes {
        let area = |slug: &str| slug.parse::<AreaSlug>().expect(slug);
        let route = |slug: &str, text: &str| (area(slug), text.parse::<Route>().expect(text));
        Routes::new(
            vec![
                area("contacts"),
                area("documents"),
                area("search"),
                area("bare"),
            ],
            vec![
                route("contacts", "/contacts"),
                route("contacts", "POST /contacts/search=read"),
                route("contacts", "GET /contacts/export=create"),
                route("contacts", "/contacts/search/admin"),
                route("contacts", "OPTIONS /contacts=read"),
                route("documents", "/documents"),
                route("search", "/contacts/deep/search"),
                route("documents", "DELETE /elsewhere=read"),
            ],
        )
    }

    fn target(scope: &str, method: &str, path: &str) -> String {
        let scope = match scope {
            "" => AreaSelector::Path,
            slug => AreaSelector::Area(slug.parse().expect("a slug")),
        };
        let method = Method::from_word(method).expect("a method");
        let path = CanonicalPath::read(path.as_bytes()).expect("a path");
        match routes().target(&scope, method, &path) {
            Target::Routed(area, action) => format!("{area} {}", action.word()),
            Target::NoRoute => "-".to_owned(),
        }
    }

    #[test]
    fn the_longest_route_on_segment_boundaries_gives_the_area() {
        for (path, expected) in [
            ("/contacts", "contacts read"),
            ("/contacts/", "contacts read"),
            ("/contacts/7", "contacts read"),
            ("/contactsx", "-"),
            ("/contacts/deep", "contacts read"),
            ("/contacts/deep/search", "search read"),
            ("/contacts/deep/search/x", "search read"),
            ("/contacts/deep/searching", "contacts read"),
            ("/documents", "documents read"),
            ("/Documents", "-"),
            ("/", "-"),
            // The path alone gives the area, whatever method the route was made for.
            ("/elsewhere", "documents read"),
        ] {
            assert_eq!(target("", "GET", path), expected, "{path}");
        }
    }

    #[test]
    fn methods_mean_actions_unless_a_route_of_the_area_says_otherwise() {
        for (scope, method, path, expected) in [
            ("", "POST", "/contacts", "contacts create"),
            ("", "PUT", "/contacts/7", "contacts update"),
            ("", "PATCH", "/contacts/7", "contacts update"),
            ("", "DELETE", "/contacts/7", "contacts delete"),
            ("", "HEAD", "/contacts/7", "contacts read"),
            ("", "OPTIONS", "/documents", "-"),
            ("", "OPTIONS", "/contacts/7", "contacts read"),
            ("", "POST", "/contacts/search", "contacts read"),
            ("", "POST", "/contacts/search/x", "contacts read"),
            ("", "POST", "/contacts/search/admin", "contacts create"),
            ("", "DELETE", "/contacts/search", "contacts delete"),
            ("", "GET", "/contacts/export", "contacts create"),
            ("", "HEAD", "/contacts/export", "contacts create"),
            ("contacts", "POST", "/contacts/search", "contacts read"),
            ("contacts", "POST", "/anything/else", "contacts create"),
            ("documents", "POST", "/contacts/search", "documents create"),
            ("bare", "GET", "/contacts", "bare read"),
            ("invoices", "GET", "/contacts", "-"),
        ] {
            assert_eq!(
                target(scope, method, path),
                expected,
                "{scope} {method} {path}"
            );
        }
    }

    #[test]
    fn a_path_that_two_areas_claim_leads_nowhere() {
        let mut both = routes();
        let contacts = both
            .routes
            .iter()
            .find(|(_, route)| route.path() == "/documents");
        let claimed = contacts.expect("a route").1.clone();
        both.routes
            .insert(0, ("contacts".parse().expect("slug"), claimed));
        let both = Routes::new(both.areas, both.routes);
        let path = CanonicalPath::read(b"/documents/1").expect("a path");
        assert_eq!(
            both.target(&AreaSelector::Path, Method::Get, &path),
            Target::NoRoute
        );
        let root = Routes::new(
            vec!["all".parse().expect("slug")],
            vec![("all".parse().expect("slug"), "/".parse().expect("a route"))],
        );
        let routed = root.target(&AreaSelector::Path, Method::Get, &path);
        assert_eq!(
            routed,
            Target::Routed("all".parse().expect("slug"), Action::Read)
        );
    }

    /// Three ways in which programs normalize a path; for an accepted path all give the same
    /// result.
    fn tidied(path: &str) -> [String; 3] {
        let end = path.find('?').unwrap_or(path.len());
        let raw = &path[..end];
        let decoded = |text: &str| {
            let mut bytes = Vec::new();
            let mut rest = text.as_bytes();
            while let [first, tail @ ..] = rest {
                let pair = tail
                    .get(..2)
                    .and_then(|pair| std::str::from_utf8(pair).ok());
                let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
                if *first == b'%'
                    && let Some(byte) = byte
                {
                    bytes.push(byte);
                    rest = &tail[2..];
                } else {
                    bytes.push(*first);
                    rest = tail;
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let resolved = |text: &str| {
            let mut segments = Vec::new();
            for segment in text.split(['/', '\\']) {
                match segment.split(';').next().unwrap_or_default().trim() {
                    "" | "." => {}
                    ".." => drop(segments.pop()),
                    segment => segments.push(segment.to_owned()),
                }
            }
            segments.first().cloned().unwrap_or_default()
        };
        [
            resolved(raw),
            resolved(&decoded(raw)),
            resolved(&decoded(&decoded(raw))),
        ]
    }

    proptest! {
        #[test]
        fn who_accepts_a_path_sees_the_same_area(
            path in "(/(contacts|documents|\\.\\.|\\.|%2e|%2E|;|%2f|%5c|\\\\|%25|a%20b|\\.\\.%3[bB]x?|\\.\\.%20|%20\\.\\.|[a-z%;.]{0,3})){1,5}/?(\\?.*)?"
        ) {
            if let Some(canonical) = CanonicalPath::read(path.as_bytes()) {
                let Target::Routed(area, _) = routes().target(&AreaSelector::Path, Method::Get, &canonical) else {
                    return Ok(());
                };
                for seen in tidied(&path) {
                    prop_assert_eq!(&seen, area.as_str(), "{}", path);
                }
            }
        }
    }
}
