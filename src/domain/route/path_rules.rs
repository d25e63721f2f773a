//! The rules of one area about paths: its routes, and the form that its paths may have.
use std::collections::BTreeSet;

use super::{Route, RouteError};
use crate::domain::access::AreaSlug;

/// The form that the paths below the routes of an area may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathForm {
    /// Unambiguous paths only.
    #[default]
    Strict,
    /// Any path that does not escape: what follows the segments of a route is not interpreted.
    Opaque,
}

impl PathForm {
    /// Returns the word used on the command line, in JSON and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Opaque => "opaque",
        }
    }

    /// Returns the form with this word, or `None` if there is none.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Strict, Self::Opaque]
            .into_iter()
            .find(|form| form.word() == word)
    }
}

/// The rules of one area about paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathRules {
    routes: Vec<Route>,
    /// The form that the paths below the routes may have.
    pub form: PathForm,
    /// Whether the upstream distinguishes upper and lower case in these paths.
    pub case_sensitive: bool,
}

impl PathRules {
    /// Creates rules with these routes.
    #[must_use]
    pub fn new(mut routes: Vec<Route>, form: PathForm, case_sensitive: bool) -> Self {
        routes.sort();
        Self {
            routes,
            form,
            case_sensitive,
        }
    }

    /// Returns the routes in the order of [`Route`], which does not depend on the database.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Returns `true` if a route changes the action of a method. Then a constant area, too, needs
    /// unambiguous paths, because the action depends on the path.
    #[must_use]
    pub fn has_method_route(&self) -> bool {
        self.routes.iter().any(|route| route.says().is_some())
    }

    /// Checks the rules by themselves.
    ///
    /// # Errors
    /// Returns [`RouteError::Twice`] with the second of two routes for the same pattern and method,
    /// and [`RouteError::OpaqueMethod`] if the paths are opaque and a route names a method.
    pub fn check(&self) -> Result<(), RouteError> {
        let mut seen = BTreeSet::new();
        let about = |route: &Route| {
            let method = route.says().map(|(method, _)| method.clone());
            (route.pattern().clone(), method)
        };
        if let Some(twice) = self.routes.iter().find(|route| !seen.insert(about(route))) {
            return Err(RouteError::Twice(twice.to_string()));
        }
        let method_route = self.routes.iter().find(|route| route.says().is_some());
        match method_route {
            Some(route) if self.form == PathForm::Opaque => {
                Err(RouteError::OpaqueMethod(route.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Checks the rules of an area beside those of another area.
    ///
    /// # Errors
    /// Returns [`RouteError::Taken`] if the other area has one of the patterns, and
    /// [`RouteError::OpaqueMeets`] if the paths of one area are opaque, and a route of the other lies
    /// at, above or below one of its routes.
    pub fn check_beside(
        &self,
        area: &AreaSlug,
        (other, theirs): (&AreaSlug, &Self),
    ) -> Result<(), RouteError> {
        for route in &self.routes {
            for other_route in &theirs.routes {
                let (mine, its) = (route.pattern(), other_route.pattern());
                if mine == its {
                    return Err(RouteError::Taken {
                        path: mine.as_str().to_owned(),
                        area: other.to_string(),
                    });
                }
                let opaque = match (self.form, theirs.form) {
                    (PathForm::Opaque, _) => Some((area, route, other, other_route)),
                    (_, PathForm::Opaque) => Some((other, other_route, area, route)),
                    _ => None,
                };
                if let Some((opaque, route, other, other_route)) = opaque
                    && mine.meets(its)
                {
                    return Err(RouteError::OpaqueMeets {
                        opaque: opaque.to_string(),
                        route: route.to_string(),
                        other: other.to_string(),
                        other_route: other_route.to_string(),
                    });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(routes: &[&str], form: PathForm) -> PathRules {
        let routes = routes.iter().map(|text| text.parse().expect(text));
        PathRules::new(routes.collect(), form, false)
    }

    #[test]
    fn a_pattern_and_a_method_have_one_meaning() {
        let strict = |routes: &[&str]| rules(routes, PathForm::Strict).check();
        assert_eq!(
            strict(&["/a", "POST /a=read", "GET /a=read", "/a/*"]),
            Ok(())
        );
        for routes in [["/a", "/%61"], ["POST /a=read", "POST /a/=create"]] {
            assert!(
                matches!(strict(&routes), Err(RouteError::Twice(_))),
                "{routes:?}"
            );
        }
        let opaque = rules(&["/a", "POST /a/b=read"], PathForm::Opaque);
        assert!(matches!(opaque.check(), Err(RouteError::OpaqueMethod(_))));
        assert_eq!(rules(&["/a"], PathForm::Opaque).check(), Ok(()));
    }

    #[test]
    fn opaque_paths_lie_apart_from_those_of_every_other_area() {
        let (mine, its) = ("mine".parse().expect("slug"), "its".parse().expect("slug"));
        for (one, two, fits) in [
            ("/a", "/b", true),
            ("/a", "/a/b", false),
            ("/a/b", "/a", false),
            ("/a/b", "/", false),
            ("/a/*/c", "/a/b/d", true),
            ("/a/*/c", "/a/b", false),
            ("/a/b", "/*/b/c", false),
            ("/a/b", "/A/b/c", false),
        ] {
            for forms in [
                [PathForm::Opaque, PathForm::Strict],
                [PathForm::Strict, PathForm::Opaque],
                [PathForm::Opaque, PathForm::Opaque],
            ] {
                let theirs = rules(&[two], forms[1]);
                let checked = rules(&[one], forms[0]).check_beside(&mine, (&its, &theirs));
                assert_eq!(checked.is_ok(), fits, "{one} {two} {checked:?}");
            }
            let theirs = rules(&[two], PathForm::Strict);
            let both_strict = rules(&[one], PathForm::Strict).check_beside(&mine, (&its, &theirs));
            assert_eq!(both_strict, Ok(()), "{one} {two}");
        }
        let theirs = rules(&["GET /%61=create"], PathForm::Strict);
        let taken = rules(&["/a"], PathForm::Strict).check_beside(&mine, (&its, &theirs));
        assert!(matches!(taken, Err(RouteError::Taken { .. })));
    }
}
