//! Routes: what method and path of a request lead to, an area and an action, or nothing.
//!
//! Routes are compared with whole segments of a [`CanonicalPath`], and the longest one wins. The
//! area follows from the path alone; the action follows from the method, unless a route of that
//! area says otherwise. To know another method, add it to [`Method`].
mod path;

use std::{collections::BTreeSet, fmt, str::FromStr};

pub use path::CanonicalPath;
use path::is_plain;

use super::{
    access::{Action, AreaSlug},
    decision::Target,
    text::visible,
};

/// The longest route, in bytes.
const LONGEST_ROUTE: usize = 200;

/// A request method that can lead somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
    /// `OPTIONS`: leads nowhere unless a route says so.
    Options,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
    ];

    /// The word of HTTP; upper case, and no other spelling is the same method (RFC 9110, 9.1).
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// From its word, to the letter; `None` for every other.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.word() == word)
    }

    /// The action that it stands for, where no route says otherwise.
    #[must_use]
    pub const fn usual_action(self) -> Option<Action> {
        match self {
            Self::Get | Self::Head => Some(Action::Read),
            Self::Post => Some(Action::Create),
            Self::Put | Self::Patch => Some(Action::Update),
            Self::Delete => Some(Action::Delete),
            Self::Options => None,
        }
    }

    /// Whether a route for `other` is one for this too: what `HEAD` asks for is a `GET`.
    fn goes_with(self, other: Self) -> bool {
        self == other || (self == Self::Head && other == Self::Get)
    }
}

/// What an area says of a path: that it lies in the area, and perhaps that a method means
/// another action there than it usually does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    path: String,
    says: Option<(Method, Action)>,
}

impl Route {
    /// The path, decoded.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The method and the action that it means, if the route says so.
    #[must_use]
    pub fn says(&self) -> Option<(Method, Action)> {
        self.says
    }

    /// From its parts, as the store keeps them.
    ///
    /// # Errors
    /// As for reading one.
    pub fn new(path: &str, says: Option<(Method, Action)>) -> Result<Self, RouteError> {
        let whole = path.strip_suffix('/').filter(|rest| !rest.is_empty());
        let path = whole.unwrap_or(path);
        // A star would be taken for a pattern, and is none.
        let plain = |byte: u8| is_plain(byte) && !b"=*".contains(&byte) || byte == b'/';
        if path.len() > LONGEST_ROUTE {
            return Err(RouteError::TooLong);
        }
        if !path.bytes().all(plain) || CanonicalPath::read(path.as_bytes()).is_none() {
            return Err(RouteError::BadPath(visible(path)));
        }
        Ok(Self {
            path: path.to_owned(),
            says,
        })
    }
}

/// Checks that no two of an area's routes say something of the same path and method.
///
/// # Errors
/// [`RouteError::Twice`], with the second of them.
pub fn check_once(routes: &[Route]) -> Result<(), RouteError> {
    let about = |route: &Route| (route.path.clone(), route.says.map(|(method, _)| method));
    let mut seen = BTreeSet::new();
    match routes.iter().find(|route| !seen.insert(about(route))) {
        Some(twice) => Err(RouteError::Twice(twice.to_string())),
        None => Ok(()),
    }
}

impl FromStr for Route {
    type Err = RouteError;

    /// `/invoices`, or `POST /invoices/search=read`.
    fn from_str(text: &str) -> Result<Self, RouteError> {
        let text = text.trim();
        if text.starts_with('/') {
            return match text.rsplit_once('=') {
                Some((path, action)) if action.parse::<Action>().is_ok() && !path.contains('?') => {
                    Err(RouteError::NoMethod(visible(text)))
                }
                _ => Self::new(text, None),
            };
        }
        let Some((word, rest)) = text.split_once(' ') else {
            return Err(RouteError::BadPath(visible(text)));
        };
        let Some(method) = Method::from_word(word) else {
            return Err(RouteError::BadMethod(visible(word)));
        };
        let (path, action) = rest
            .trim_start()
            .rsplit_once('=')
            .ok_or_else(|| RouteError::NoAction(visible(text)))?;
        let action = action
            .parse()
            .map_err(|_| RouteError::BadAction(visible(action)))?;
        Self::new(path, Some((method, action)))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.says {
            None => f.write_str(&self.path),
            Some((method, action)) => {
                write!(f, "{} {}={}", method.word(), self.path, action.word())
            }
        }
    }
}

/// Why a route was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The path is not canonical, or needs escapes.
    #[error(
        "{0} is no route: write a path such as /invoices or /v1/invoices, of letters, digits and -._~!$&'()+,:@, without empty, . or .. parts; all below it belongs to it"
    )]
    BadPath(String),
    /// The same path and method twice in one area.
    #[error("the route {0} is named twice: a path, or a method at a path, has one meaning")]
    Twice(String),
    /// Too long.
    #[error("the route is longer than {LONGEST_ROUTE} characters: name a path further up")]
    TooLong,
    /// An action without a method.
    #[error(
        "{0} names an action but no method: write METHOD PATH=ACTION, such as POST /invoices/search=read"
    )]
    NoMethod(String),
    /// A method without an action.
    #[error(
        "{0} names a method but no action: write METHOD PATH=ACTION, such as POST /invoices/search=read, or the path alone"
    )]
    NoAction(String),
    /// An unknown method.
    #[error(
        "{0} is no method that a route can name: use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"
    )]
    BadMethod(String),
    /// An unknown action.
    #[error("there is no action {0}: the actions are create, read, update and delete")]
    BadAction(String),
}

/// What an endpoint was asked for: the area is a constant of the gateway's own location, or
/// follows from the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// This area.
    Area(AreaSlug),
    /// The one that the path leads to.
    Path,
}

/// All areas and their routes, as they are at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    areas: Vec<AreaSlug>,
    /// Longest path first.
    routes: Vec<(AreaSlug, Route)>,
}

impl Routes {
    /// Of the areas that there are, and each one's routes.
    #[must_use]
    pub fn new(areas: Vec<AreaSlug>, mut routes: Vec<(AreaSlug, Route)>) -> Self {
        routes.sort_by_key(|(_, route)| std::cmp::Reverse(route.path.len()));
        Self { areas, routes }
    }

    /// Whether there is such an area.
    #[must_use]
    pub fn knows(&self, area: &AreaSlug) -> bool {
        self.areas.contains(area)
    }

    /// Where a request leads.
    #[must_use]
    pub fn target(&self, scope: &Scope, method: Method, path: &CanonicalPath<'_>) -> Target {
        let area = match scope {
            Scope::Area(area) => Some(area).filter(|area| self.knows(area)),
            Scope::Path => self.area_of(path),
        };
        let Some(area) = area else {
            return Target::NoRoute;
        };
        match self.action(area, method, path) {
            Some(action) => Target::Routed(area.clone(), action),
            None => Target::NoRoute,
        }
    }

    /// The area that the longest fitting route belongs to; none if two areas claim it.
    fn area_of(&self, path: &CanonicalPath<'_>) -> Option<&AreaSlug> {
        let mut fitting = self
            .routes
            .iter()
            .filter(|(_, route)| path.is_within(&route.path));
        let (area, longest) = fitting.next()?;
        fitting
            .take_while(|(_, route)| route.path == longest.path)
            .all(|(other, _)| other == area)
            .then_some(area)
    }

    /// What the method means at that path of the area.
    fn action(&self, area: &AreaSlug, method: Method, path: &CanonicalPath<'_>) -> Option<Action> {
        let meant = |route: &Route| route.says.is_none_or(|(said, _)| method.goes_with(said));
        let fitting = self
            .routes
            .iter()
            .filter(|(of, route)| of == area && path.is_within(&route.path) && meant(route));
        // Of routes with one path, what is said for this very method counts most.
        let rank = |route: &Route| {
            let said = route.says.map(|(said, _)| said);
            (route.path.len(), said.is_some(), said == Some(method))
        };
        match fitting
            .map(|(_, route)| route)
            .max_by_key(|route| rank(route))
        {
            Some(Route {
                says: Some((_, action)),
                ..
            }) => Some(*action),
            _ => method.usual_action(),
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
            "" => Scope::Path,
            slug => Scope::Area(slug.parse().expect("a slug")),
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
            .find(|(_, route)| route.path == "/documents");
        let claimed = contacts.expect("a route").1.clone();
        both.routes
            .insert(0, ("contacts".parse().expect("slug"), claimed));
        let both = Routes::new(both.areas, both.routes);
        let path = CanonicalPath::read(b"/documents/1").expect("a path");
        assert_eq!(
            both.target(&Scope::Path, Method::Get, &path),
            Target::NoRoute
        );
        let root = Routes::new(
            vec!["all".parse().expect("slug")],
            vec![("all".parse().expect("slug"), "/".parse().expect("a route"))],
        );
        let routed = root.target(&Scope::Path, Method::Get, &path);
        assert_eq!(
            routed,
            Target::Routed("all".parse().expect("slug"), Action::Read)
        );
    }

    #[test]
    fn routes_read_back_what_they_write_and_say_why_they_are_refused() {
        for text in [
            "/",
            "/invoices",
            "/v1/invoices:bulk",
            "POST /invoices/search=read",
        ] {
            assert_eq!(text.parse::<Route>().expect(text).to_string(), text);
        }
        assert_eq!(
            "/invoices/".parse::<Route>().expect("one").path(),
            "/invoices"
        );
        for (text, why) in [
            ("", "write a path such as"),
            ("invoices", "write a path such as"),
            ("/a//b", "write a path such as"),
            ("/a/%20", "write a path such as"),
            ("/a?x", "write a path such as"),
            ("/größe", "write a path such as"),
            ("/invoices/search=read", "no method"),
            ("POST /invoices", "no action"),
            ("post /invoices=read", "use GET, HEAD"),
            ("TRACE /invoices=read", "use GET, HEAD"),
            ("POST /invoices=reed", "no action reed"),
            ("POST /in voices=read", "write a path such as"),
        ] {
            let error = text.parse::<Route>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let long = format!("/{}", "a".repeat(LONGEST_ROUTE));
        assert_eq!(long.parse::<Route>(), Err(RouteError::TooLong));
    }

    /// Three ways in which programs tidy up a path; for what is accepted they all see the same.
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
                match segment.split(';').next().unwrap_or_default() {
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
            path in "(/(contacts|documents|\\.\\.|\\.|%2e|%2E|;|%2f|%5c|\\\\|%25|a%20b|[a-z%;.]{0,3})){1,5}/?(\\?.*)?"
        ) {
            if let Some(canonical) = CanonicalPath::read(path.as_bytes()) {
                let Target::Routed(area, _) = routes().target(&Scope::Path, Method::Get, &canonical) else {
                    return Ok(());
                };
                for seen in tidied(&path) {
                    prop_assert_eq!(&seen, area.as_str(), "{}", path);
                }
            }
        }
    }
}
