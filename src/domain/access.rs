//! Access areas, actions, and the grants that give a key actions in areas.
//!
//! Areas are rows in the store and not an enum, so this module does not know which areas exist. An
//! empty set of actions is never stored in [`Grants`], so "no grant" has only one form.
mod area;

use std::{collections::BTreeMap, fmt, str::FromStr};
use strum::{EnumCount, VariantArray};

pub use area::{Area, AreaSlug, find_area};

use super::text;

/// An action that may be performed in an access area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount, VariantArray)]
pub enum Action {
    /// Add new records.
    Create,
    /// Retrieve existing records.
    Read,
    /// Change existing records.
    Update,
    /// Remove records.
    Delete,
}

impl Action {
    /// All four actions, in the order in which they are always shown.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the word used on the command line, in JSON and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// Returns the column heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Read => "Read",
            Self::Update => "Update",
            Self::Delete => "Delete",
        }
    }

    /// Returns the meaning of the action, as the wizard shows it under the matrix.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Create => "Add new records",
            Self::Read => "Retrieve existing records",
            Self::Update => "Change existing records",
            Self::Delete => "Remove records",
        }
    }
}

impl FromStr for Action {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        Self::ALL
            .into_iter()
            .find(|action| action.word().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| AccessError::UnknownAction(text::visible(text)))
    }
}

/// A set of actions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Actions(u8);

impl Actions {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// All four actions.
    pub const ALL: Self = Self(0b1111);
    /// Only [`Action::Read`].
    pub const READ: Self = Self(0b0010);
    /// Create, read and update.
    pub const READ_AND_WRITE: Self = Self(0b0111);

    const fn bit(action: Action) -> u8 {
        1 << action as u8
    }

    /// Returns `true` if the action is in the set.
    #[must_use]
    pub const fn contains(self, action: Action) -> bool {
        self.0 & Self::bit(action) != 0
    }

    /// Returns the set with the action added.
    #[must_use]
    pub const fn with(self, action: Action) -> Self {
        Self(self.0 | Self::bit(action))
    }

    /// Returns the set with the action added if it is missing, or removed if it is present.
    #[must_use]
    pub const fn toggled(self, action: Action) -> Self {
        Self(self.0 ^ Self::bit(action))
    }

    /// Returns the actions that are in this set but not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns `true` if the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the actions in the set, in the order of [`Action::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL
            .into_iter()
            .filter(move |action| self.contains(*action))
    }

    /// Returns the words of the actions, joined by commas, or `none` for the empty set.
    #[must_use]
    pub fn words(self) -> String {
        if self.is_empty() {
            return "none".to_owned();
        }
        self.iter().map(Action::word).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        actions.into_iter().fold(Self::NONE, Self::with)
    }
}

impl FromStr for Actions {
    type Err = AccessError;

    /// Parses a list such as `create,read,update,delete` in any order, or `all`, or `none`.
    fn from_str(text: &str) -> Result<Self, AccessError> {
        match text.trim().to_ascii_lowercase().as_str() {
            "all" => Ok(Self::ALL),
            "none" => Ok(Self::NONE),
            "" => Err(AccessError::NoActions),
            list => list
                .split(',')
                .map(str::parse::<Action>)
                .collect::<Result<_, _>>()
                .map_err(|error| match error {
                    AccessError::UnknownAction(word) => AccessError::UnknownActions(word),
                    other => other,
                }),
        }
    }
}

/// The actions that a key may perform, by area. Areas without actions are not included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants(BTreeMap<AreaSlug, Actions>);

impl Grants {
    /// Returns grants that permit nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the actions granted in an area.
    #[must_use]
    pub fn of(&self, area: &AreaSlug) -> Actions {
        self.0.get(area).copied().unwrap_or_default()
    }

    /// Sets the actions of one area and leaves the other areas unchanged.
    pub fn set(&mut self, area: AreaSlug, actions: Actions) {
        if actions.is_empty() {
            self.0.remove(&area);
        } else {
            self.0.insert(area, actions);
        }
    }

    /// Returns `true` if nothing is granted in any area.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the areas with their actions, ordered by slug. No area has an empty set.
    pub fn iter(&self) -> impl Iterator<Item = (&AreaSlug, Actions)> {
        self.0.iter().map(|(area, actions)| (area, *actions))
    }
}

/// Parses the command line's `AREA=ACTIONS`.
///
/// # Errors
/// Returns [`AccessError`] if the `=` is missing, the slug is invalid or an action is unknown.
pub fn parse_grant(text: &str) -> Result<(AreaSlug, Actions), AccessError> {
    let (area, actions) = text
        .split_once('=')
        .ok_or_else(|| AccessError::NotAGrant(text::visible(text)))?;
    Ok((area.trim().parse()?, actions.parse()?))
}

/// The reason why an area, an action or a grant was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The action does not exist, and exactly one action was expected.
    #[error("there is no action {0}: the actions are create, read, update and delete")]
    UnknownAction(String),
    /// The action does not exist, and a list of actions was expected.
    #[error("there is no action {0}: the actions are create, read, update, delete, or all, none")]
    UnknownActions(String),
    /// The list of actions is empty.
    #[error("no action is named: write create, read, update, delete, or all, none")]
    NoActions,
    /// The text does not have the form of a slug.
    #[error(
        "{0} is no access area's short name: use 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"
    )]
    BadSlug(String),
    /// The text does not have the form `AREA=ACTIONS`.
    #[error("{0} is no grant: write AREA=ACTIONS, such as contacts=read")]
    NotAGrant(String),
    /// Another area has the same title or badge.
    #[error("{field} {words} is that of the access area {other}: give this one another")]
    SameWords {
        /// The name of the field: title or badge.
        field: &'static str,
        /// The text that both areas have.
        words: String,
        /// The other area's slug.
        other: String,
    },
    /// The slug is well-formed, but the workspace has no area with it.
    #[error("there is no access area {unknown}: the areas are {known}")]
    UnknownArea {
        /// The unknown slug.
        unknown: String,
        /// The slugs of the existing areas, joined by commas.
        known: String,
    },
}

impl AccessError {
    /// Creates the error for a slug that none of these areas has.
    #[must_use]
    pub fn unknown<'a>(slug: &AreaSlug, areas: impl IntoIterator<Item = &'a Area>) -> Self {
        let known: Vec<&str> = areas.into_iter().map(|area| area.slug.as_str()).collect();
        Self::UnknownArea {
            unknown: slug.to_string(),
            known: known.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_back_what_they_write() {
        for bits in 0..16 {
            let actions = Actions(bits);
            assert_eq!(actions.words().parse::<Actions>(), Ok(actions));
        }
        assert_eq!("ALL".parse::<Actions>(), Ok(Actions::ALL));
        assert_eq!(
            "read, update".parse::<Actions>().expect("two").words(),
            "read,update"
        );
    }

    #[test]
    fn grants_are_refused_with_their_reason() {
        for (text, why) in [
            ("contacts", "write AREA=ACTIONS"),
            ("contacts=", "no action is named"),
            ("contacts=reed", "there is no action reed"),
            ("contacts=read,", "there is no action"),
            ("Contacts=read", "short name"),
            ("=read", "short name"),
        ] {
            let error = parse_grant(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_empty_set_is_no_grant() {
        let mut grants = Grants::none();
        let area: AreaSlug = "contacts".parse().expect("a slug");
        grants.set(area.clone(), Actions::READ);
        assert!(grants.of(&area).contains(Action::Read));
        grants.set(area, Actions::NONE);
        assert_eq!(grants, Grants::none());
    }
}
