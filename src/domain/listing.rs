//! How the list of keys is asked for: which keys, in which order, from where.
//!
//! A page continues from a [`Cursor`]: the value that the list is sorted by, and the sequence
//! that tells equal ones apart. Nothing here loads anything.
use super::{
    agent::AgentScope, attention::Attention, key::Key, moment::Moment, text, token::KeyId,
};

/// What the list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortField {
    /// The order of creation.
    Created,
    /// The name, folded.
    Name,
    /// The areas that the key reaches.
    Access,
    /// What deserves a look, the most urgent first.
    Attention,
    /// The last use.
    LastUsed,
    /// The end; keys without one come last.
    Expires,
    /// The number of addresses and networks; anywhere first.
    Addresses,
}

/// An order: by what, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub field: SortField,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl Sort {
    /// How the list begins: newest first.
    pub const NEWEST: Self = Self {
        field: SortField::Created,
        descending: true,
    };
}

/// Which keys are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// A part of the name, the description or the id; upper and lower case are one.
    pub search: String,
    /// Only keys that deserve a look.
    pub attention: bool,
}

impl Filter {
    /// Whether the filter lets a key through; the store says the same in SQL.
    #[must_use]
    pub fn matches(&self, key: &Key, now: Moment) -> bool {
        let found = self.search.is_empty()
            || searched_text(&key.draft, key.id.as_str()).contains(&text::folded(&self.search));
        found && (!self.attention || Attention::of(key, now).is_some())
    }
}

/// What a search looks through: name, description and id, folded.
#[must_use]
pub fn searched_text(draft: &super::key::Draft, id: &str) -> String {
    let (name, description) = (draft.name.as_str(), draft.description.as_str());
    format!(
        "{}\n{}\n{}",
        text::folded(name),
        text::folded(description),
        text::folded(id)
    )
}

/// Where in an order a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is sorted by.
    pub value: SortValue,
    /// What tells equal values apart.
    pub sequence: i64,
}

/// A value that a list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortValue {
    /// Text, sorted by bytes.
    Text(String),
    /// A number.
    Number(i64),
}

/// From where, and which way, a page is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// From the beginning of the list.
    First,
    /// The last page.
    Last,
    /// What comes after this row.
    After(Cursor),
    /// What comes before this row, still in the list's order.
    Before(Cursor),
    /// This row, if it is still there, and what comes after.
    From(Cursor),
}

/// A page that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Of which agents.
    pub scope: AgentScope,
    /// Which keys.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// From where.
    pub direction: Direction,
    /// At most how many rows.
    pub limit: u32,
    /// The time by which attention is judged.
    pub now: Moment,
    /// Keys that are known to be damaged: the most urgent there are.
    pub damaged: Vec<KeyId>,
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Key,
    /// Where it stands.
    pub cursor: Cursor,
    /// Whether another key that is listed too has this name, or one that looks like it.
    pub has_twin: bool,
}

/// A key that cannot be read: it is refused everywhere, and can be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Its id.
    pub id: KeyId,
    /// What is wrong with it, as a sentence without its full stop.
    pub why: String,
}

/// How many keys there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Those that the filter lets through.
    pub matching: i64,
    /// All of them.
    pub total: i64,
}

/// Of what a list that was read is a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListVersion {
    /// The number of the newest change.
    pub epoch: i64,
    /// How many refusals were written down so far.
    pub refusals: i64,
    /// How often uses or refusals were.
    pub batches: i64,
}

impl ListVersion {
    /// Whether the list must be read anew: something was changed or refused. Uses alone change no
    /// more than what is told of one key.
    #[must_use]
    pub fn is_other(&self, shown: &Self) -> bool {
        (self.epoch, self.refusals) != (shown.epoch, shown.refusals)
    }
}

/// How many characters of a text are sorted by; see the migration.
pub const SORTED_CHARACTERS: usize = 200;

impl Cursor {
    /// Where a key stands in an order, without asking the store.
    #[must_use]
    pub fn of(key: &Key, field: SortField, now: Moment) -> Self {
        let number =
            |value: Option<Moment>, none| SortValue::Number(value.map_or(none, Moment::millis));
        let cut = |text: &str| SortValue::Text(text.chars().take(SORTED_CHARACTERS).collect());
        let value = match field {
            SortField::Created => SortValue::Number(key.sequence),
            SortField::Name => cut(&text::folded(key.name())),
            SortField::Access => {
                let areas: Vec<&str> = key
                    .draft
                    .conditions
                    .grants
                    .iter()
                    .map(|(area, _)| area.as_str())
                    .collect();
                cut(&areas.join(" "))
            }
            SortField::Attention => SortValue::Number(Attention::urgency(key, now)),
            SortField::LastUsed => number(key.last_use.map(|usage| usage.at), 0),
            SortField::Expires => number(key.draft.conditions.expires_at, i64::MAX),
            SortField::Addresses => SortValue::Number(
                i64::try_from(key.draft.conditions.allow.entries().len()).unwrap_or(i64::MAX),
            ),
        };
        Self {
            value,
            sequence: key.sequence,
        }
    }
}
