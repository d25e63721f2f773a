//! Access areas, actions, and the grants that tie them to a key.
//!
//! Areas are rows, not an enum: nothing here knows which there are. An empty set of actions is
//! never stored in [`Grants`], so "no grant" has one form only.
mod area;

use std::{collections::BTreeMap, fmt, str::FromStr};
use strum::{EnumCount, VariantArray};

pub use area::{Area, AreaSlug, find_area};

use super::text;

/// What may be done in an access area.
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
    /// All four, in the order in which they are always shown.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The word used on the command line, in JSON and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// The word at the head of a column.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Read => "Read",
            Self::Update => "Update",
            Self::Delete => "Delete",
        }
    }

    /// What the action means, as the wizard says it under the matrix.
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
    /// No action.
    pub const NONE: Self = Self(0);
    /// All four.
    pub const ALL: Self = Self(0b1111);
    /// Read alone.
    pub const READ: Self = Self(0b0010);
    /// Create, read and update.
    pub const READ_AND_WRITE: Self = Self(0b0111);

    const fn bit(action: Action) -> u8 {
        1 << action as u8
    }

    /// Whether the action is in the set.
    #[must_use]
    pub const fn contains(self, action: Action) -> bool {
        self.0 & Self::bit(action) != 0
    }

    /// The set with the action in it.
    #[must_use]
    pub const fn with(self, action: Action) -> Self {
        Self(self.0 | Self::bit(action))
    }

    /// The set with the action turned over.
    #[must_use]
    pub const fn toggled(self, action: Action) -> Self {
        Self(self.0 ^ Self::bit(action))
    }

    /// What this set has and the other has not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The actions in the set, in their order.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL
            .into_iter()
            .filter(move |action| self.contains(*action))
    }

    /// The words, joined by commas; `none` for the empty set.
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

    /// `create,read,update,delete` in any order, or `all`, or `none`.
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

/// The actions a key may perform, area by area. Areas without an action are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants(BTreeMap<AreaSlug, Actions>);

impl Grants {
    /// Nothing is granted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The actions granted in an area.
    #[must_use]
    pub fn of(&self, area: &AreaSlug) -> Actions {
        self.0.get(area).copied().unwrap_or_default()
    }

    /// Sets the actions of one area, leaving the others as they are.
    pub fn set(&mut self, area: AreaSlug, actions: Actions) {
        if actions.is_empty() {
            self.0.remove(&area);
        } else {
            self.0.insert(area, actions);
        }
    }

    /// Whether nothing is granted anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The areas with their actions, by slug; no area has an empty set.
    pub fn iter(&self) -> impl Iterator<Item = (&AreaSlug, Actions)> {
        self.0.iter().map(|(area, actions)| (area, *actions))
    }
}

/// Parses the `AREA=ACTIONS` of the command line.
///
/// # Errors
/// A missing `=`, a bad slug, an unknown action.
pub fn parse_grant(text: &str) -> Result<(AreaSlug, Actions), AccessError> {
    let (area, actions) = text
        .split_once('=')
        .ok_or_else(|| AccessError::NotAGrant(text::visible(text)))?;
    Ok((area.trim().parse()?, actions.parse()?))
}

/// Why an area, an action or a grant was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No such action, where one is meant.
    #[error("there is no action {0}: the actions are create, read, update and delete")]
    UnknownAction(String),
    /// No such action, where several may be named.
    #[error("there is no action {0}: the actions are create, read, update, delete, or all, none")]
    UnknownActions(String),
    /// An empty list of actions.
    #[error("no action is named: write create, read, update, delete, or all, none")]
    NoActions,
    /// Not the form of a slug.
    #[error(
        "{0} is no access area's short name: use 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"
    )]
    BadSlug(String),
    /// Not `AREA=ACTIONS`.
    #[error("{0} is no grant: write AREA=ACTIONS, such as contacts=read")]
    NotAGrant(String),
    /// A title or badge that another area has.
    #[error("{field} {words} is that of the access area {other}: give this one another")]
    SameWords {
        /// Which of the two.
        field: &'static str,
        /// What both say.
        words: String,
        /// The other area's short name.
        other: String,
    },
    /// A well-formed slug that names no area of this workspace.
    #[error("there is no access area {unknown}: the areas are {known}")]
    UnknownArea {
        /// What was named.
        unknown: String,
        /// The areas there are, joined by commas.
        known: String,
    },
}

impl AccessError {
    /// No area of these has that slug.
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
