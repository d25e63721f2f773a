//! A single route, in the form that people write and the store keeps.
use std::{fmt, str::FromStr};

use super::{Method, Pattern, pattern::LONGEST_PATTERN};
use crate::domain::{access::Action, text::visible};

/// A statement of an area about the paths of a pattern: they belong to the area, and optionally a
/// method means another action there than its default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pattern: Pattern,
    says: Option<(Method, Action)>,
}

impl Route {
    /// Creates a route.
    #[must_use]
    pub const fn new(pattern: Pattern, says: Option<(Method, Action)>) -> Self {
        Self { pattern, says }
    }

    /// Returns the pattern of its paths.
    #[must_use]
    pub const fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Returns the method and the action that it means, if the route specifies them.
    #[must_use]
    pub const fn says(&self) -> Option<&(Method, Action)> {
        self.says.as_ref()
    }

    /// Parses the text of a route that may have been stored before some forms were refused.
    ///
    /// # Errors
    /// Returns the errors of [`Route::from_str`], except [`RouteError::Parameter`].
    pub fn parse_stored(text: &str) -> Result<Self, RouteError> {
        Self::parse(text, Pattern::stored)
    }

    fn parse(
        text: &str,
        pattern: fn(&str) -> Result<Pattern, RouteError>,
    ) -> Result<Self, RouteError> {
        let text = text.trim();
        if text.starts_with('/') {
            return match text.rsplit_once('=') {
                Some((path, action)) if action.parse::<Action>().is_ok() && !path.contains('?') => {
                    Err(RouteError::NoMethod(visible(text)))
                }
                _ => Ok(Self::new(pattern(text)?, None)),
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
        Ok(Self::new(pattern(path)?, Some((method, action))))
    }
}

impl FromStr for Route {
    type Err = RouteError;

    /// Parses `/invoices`, `/v1/orgs/*/contacts` or `POST /invoices/search=read`.
    fn from_str(text: &str) -> Result<Self, RouteError> {
        Self::parse(text, Pattern::parse)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = self.pattern.as_str();
        match &self.says {
            None => f.write_str(pattern),
            Some((method, action)) => write!(f, "{method} {pattern}={}", action.word()),
        }
    }
}

/// Why a route, or the routes of an area together, were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The path is not unambiguous, or has a character that must be escaped.
    #[error(
        "{0} is no route: write a path such as /invoices or /v1/orgs/*/invoices, of letters, digits, escapes such as %20 and -._~!$&'()+,:@, without empty, . or .. parts; all below it belongs to it"
    )]
    BadPath(String),
    /// A whole segment is a parameter in the notation of another program.
    #[error(
        "{0} is no parameter here, it would match only this text: write * for any one segment, such as /v1/orgs/*/contacts, or escape its first character if you mean the text itself (%3A for :)"
    )]
    Parameter(String),
    /// A `*` is only a part of a segment.
    #[error(
        "{0} has a * within a segment: a * stands for one whole segment, or for one that ends in a verb, such as *:cancel; write %2A for the character itself"
    )]
    BadStar(String),
    /// The path holds a token, and routes are shown and kept in the audit log.
    #[error("the route holds a token, and tokens are secret: take it out")]
    HoldsToken,
    /// The same pattern and method appear twice in one area.
    #[error(
        "the area would have the route {0} twice: a path, or a method on a path, has one meaning"
    )]
    Twice(String),
    /// The pattern is longer than 200 bytes.
    #[error("the route is longer than {LONGEST_PATTERN} characters: name a path further up")]
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
    /// The method cannot be named.
    #[error(
        "{0} is no method that a route can name: write it in upper case, such as GET, OPTIONS or PROPFIND; CONNECT and TRACE have no path"
    )]
    BadMethod(String),
    /// The action is unknown.
    #[error("there is no action {0}: the actions are create, read, update and delete")]
    BadAction(String),
    /// Another area has the same pattern.
    #[error(
        "the route {path} is taken already: it is one of the area {area}, and a path leads to one access area"
    )]
    Taken {
        /// The pattern.
        path: String,
        /// The area that has it.
        area: String,
    },
    /// An area with opaque paths has a route for a method.
    #[error(
        "the route {0} names a method, and an area with opaque paths can have no such route: remove the route, or use --paths strict"
    )]
    OpaqueMethod(String),
    /// A route of another area lies at, above or below one of an area with opaque paths.
    #[error(
        "the paths of the area {opaque} would be opaque, and its route {route} would lie at, above or below the route {other_route} of the area {other}: below an opaque route nothing can be kept apart. Choose routes that do not meet, or use --paths strict"
    )]
    OpaqueMeets {
        /// The area with opaque paths.
        opaque: String,
        /// Its route.
        route: String,
        /// The other area.
        other: String,
        /// The route of the other area.
        other_route: String,
    },
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::domain::token::{Token, TokenPrefix};

    #[test]
    fn routes_read_back_what_they_write_and_say_why_they_are_refused() {
        for text in [
            "/",
            "/invoices",
            "/v1/invoices:bulk",
            "/v1/orgs/*/contacts",
            "POST /invoices/search=read",
            "PROPFIND /dav=read",
            "POST /v1/*:cancel=delete",
        ] {
            assert_eq!(text.parse::<Route>().expect(text).to_string(), text);
        }
        let id = "0123456789AB".parse().expect("an id");
        let token = Token::mint(&TokenPrefix::default(), &id, &mut |buffer| buffer.fill(7));
        let with_token = format!("/x/{}", token.expose().expose_secret());
        let trailing = "/invoices/".parse::<Route>().expect("one");
        assert_eq!(trailing.pattern().as_str(), "/invoices");
        for (text, why) in [
            ("", "write a path such as"),
            ("invoices", "write a path such as"),
            ("/a//b", "write a path such as"),
            ("/a/..", "write a path such as"),
            ("/a/%2e%2E", "write a path such as"),
            ("/a/.%20.", "write a path such as"),
            ("/a/%2Fb", "write a path such as"),
            ("/a/%25", "write a path such as"),
            ("/a;b", "write a path such as"),
            ("/a/%zz", "write a path such as"),
            ("/a?x", "write a path such as"),
            ("/a?x=1", "write a path such as"),
            ("/a b", "write a path such as"),
            ("/a\u{85}b", "write a path such as"),
            ("/a*", "write %2A"),
            ("/**", "write %2A"),
            ("/a/*:", "write %2A"),
            ("/a/*:9", "write %2A"),
            ("/a/:id", "write * for any one segment"),
            (&with_token, "holds a token"),
            (&with_token.replace("clv_", "clv%5F"), "holds a token"),
            ("*", "write a path such as"),
            ("/invoices/search=read", "no method"),
            ("POST /invoices", "no action"),
            ("post /invoices=read", "in upper case"),
            ("TRACE /invoices=read", "in upper case"),
            ("CONNECT /invoices=read", "in upper case"),
            ("POST /invoices=reed", "no action reed"),
            ("POST /in voices=read", "write a path such as"),
        ] {
            let error = text.parse::<Route>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let long = format!("/{}", "a".repeat(LONGEST_PATTERN));
        assert_eq!(long.parse::<Route>(), Err(RouteError::TooLong));
    }
}
