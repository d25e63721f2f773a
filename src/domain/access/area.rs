//! Access areas: families of resources that a key can be granted actions in.
use std::{fmt, str::FromStr};

use super::AccessError;
use crate::domain::text::{self, Limits, TextError};

/// The short name of an access area: 1 to 32 of `a-z`, `0-9` and `-`, not beginning with `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AreaSlug(String);

impl AreaSlug {
    /// Returns the slug as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AreaSlug {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        let fits = (1..=32).contains(&text.len())
            && !text.starts_with('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(AccessError::BadSlug(text::visible(text)))
        }
    }
}

impl fmt::Display for AreaSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A family of resources that a key can be granted actions in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// The short name, used on the command line and in the database.
    pub slug: AreaSlug,
    /// The title, such as "Contact Access".
    pub title: String,
    /// The word for the area in a list, such as "Contacts".
    pub badge: String,
}

/// The limits of an area's title.
const TITLE_LIMITS: Limits = Limits {
    field: "Title",
    characters: 60,
    bytes: 512,
};
/// The limits of an area's badge. It is short because several badges share a column of a list.
const BADGE_LIMITS: Limits = Limits {
    field: "Badge",
    characters: 16,
    bytes: 128,
};

impl Area {
    /// Checks title and badge: at most 60 and 16 characters, not blank, and without forbidden
    /// characters.
    ///
    /// # Errors
    /// Returns the first [`TextError`] of the title, or else of the badge.
    pub fn check(&self) -> Result<(), TextError> {
        for (text, limits) in [(&self.title, TITLE_LIMITS), (&self.badge, BADGE_LIMITS)] {
            text::check(text, limits)?;
            if text.trim().is_empty() {
                return Err(TextError::Empty {
                    field: limits.field,
                });
            }
        }
        Ok(())
    }

    /// Checks that no other area has the same title or badge, ignoring case, because lists and
    /// sentences identify an area by its title or badge alone.
    ///
    /// # Errors
    /// Returns [`AccessError::SameWords`] if another area has the same title or badge.
    pub fn check_beside<'a>(
        &self,
        others: impl IntoIterator<Item = &'a Self>,
    ) -> Result<(), AccessError> {
        let same = |one: &str, other: &str| text::folded(one) == text::folded(other);
        for other in others.into_iter().filter(|other| other.slug != self.slug) {
            for (field, mine, its) in [
                (TITLE_LIMITS.field, &self.title, &other.title),
                (BADGE_LIMITS.field, &self.badge, &other.badge),
            ] {
                if same(mine.trim(), its.trim()) {
                    return Err(AccessError::SameWords {
                        field,
                        words: mine.clone(),
                        other: other.slug.to_string(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Finds an area by its slug.
///
/// # Errors
/// Returns [`AccessError::UnknownArea`], which names the existing areas, if no area has the slug.
pub fn find_area<'a>(areas: &'a [Area], slug: &AreaSlug) -> Result<&'a Area, AccessError> {
    areas
        .iter()
        .find(|area| area.slug == *slug)
        .ok_or_else(|| AccessError::unknown(slug, areas))
}
