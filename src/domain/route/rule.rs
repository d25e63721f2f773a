//! A single route, in the form that people write and the store keeps.
use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{CanonicalPath, Method, path::is_plain};
use crate::domain::{access::Action, text::visible};

/// The maximum length of a route's path, in bytes.
const LONGEST_ROUTE: usize = 200;

/// A statement of an area about a path: the path belongs to the area, and optionally a method means
/// another action there than its default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    path: String,
    says: Option<(Method, Action)>,
}

impl Route {
    /// Returns the decoded path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the method and the action that it means, if the route specifies them.
    #[must_use]
    pub fn says(&self) -> Option<(Method, Action)> {
        self.says
    }

    /// Creates a route from its parts, as the store keeps them.
    ///
    /// # Errors
    /// Returns [`RouteError::TooLong`] if the path has more than 200 bytes, and
    /// [`RouteError::BadPath`] if it is not canonical or needs escapes.
    pub fn new(path: &str, says: Option<(Method, Action)>) -> Result<Self, RouteError> {
        let whole = path.strip_suffix('/').filter(|rest| !rest.is_empty());
        let path = whole.unwrap_or(path);
        // A `*` is refused because it would be taken for a pattern, and patterns are not supported.
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

/// Checks that no two routes of an area have the same path and method.
///
/// # Errors
/// Returns [`RouteError::Twice`] with the second of two such routes.
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

    /// Parses `/invoices` or `POST /invoices/search=read`.
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
    /// The same path and method appear twice in one area.
    #[error(
        "the area would have the route {0} twice: a path, or a method on a path, has one meaning"
    )]
    Twice(String),
    /// The path is longer than 200 bytes.
    #[error("the route is longer than {LONGEST_ROUTE} characters: name a path further up")]
    TooLong,
    /// An action was given without a method.
    #[error(
        "{0} names an action but no method: write METHOD PATH=ACTION, such as POST /invoices/search=read"
    )]
    NoMethod(String),
    /// A method was given without an action.
    #[error(
        "{0} names a method but no action: write METHOD PATH=ACTION, such as POST /invoices/search=read, or the path alone"
    )]
    NoAction(String),
    /// The method is unknown.
    #[error(
        "{0} is no method that a route can name: use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"
    )]
    BadMethod(String),
    /// The action is unknown.
    #[error("there is no action {0}: the actions are create, read, update and delete")]
    BadAction(String),
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("/a?x=1", "write a path such as"),
            ("/a b", "write a path such as"),
            ("/a*", "/a* is no route"),
            ("*", "write a path such as"),
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
}
