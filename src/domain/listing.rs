//! Requests for pages of the key list: which keys, in which order, starting where.
//!
//! A page continues from a [`Cursor`]: the value that the list is sorted by, and the key's sequence
//! number, which orders keys with equal values. Nothing here loads anything.
use super::{
    agent::AgentScope, attention::Attention, facet::Facet, key::Key, moment::Moment, text,
    token::KeyId,
};

/// The columns that the list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortField {
    /// The order of creation.
    Created,
    /// The folded name.
    Name,
    /// The areas that the key has access to.
    Access,
    /// The reason why the key needs attention, the most urgent first.
    Attention,
    /// The time of the last use.
    LastUsed,
    /// The time of expiry; keys without one come last.
    Expires,
    /// The number of addresses and networks; keys allowed from anywhere come first.
    Addresses,
}

/// A sort order: a column and a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// The column.
    pub field: SortField,
    /// Whether the largest value comes first.
    pub descending: bool,
}

impl Sort {
    /// The initial order of the list: newest first.
    pub const NEWEST: Self = Self {
        field: SortField::Created,
        descending: true,
    };
}

/// The condition on the keys that are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// A part of the name, the description or the id; upper and lower case are treated alike.
    pub search: String,
    /// Whether to list only keys that need attention.
    pub attention: bool,
    /// What the keys must have, all of it; at most [`MOST_FACETS`].
    pub facets: Vec<Facet>,
}

/// The largest number of facets in a filter.
pub const MOST_FACETS: usize = 4;

impl Filter {
    /// Returns `true` if the filter includes the key. The store applies the same condition in SQL.
    #[must_use]
    pub fn matches(&self, key: &Key, now: Moment) -> bool {
        let found = self.search.is_empty()
            || searched_text(&key.draft, key.id.as_str()).contains(&text::folded(&self.search));
        let has_all = self.facets.iter().all(|facet| facet.is_of(&key.draft));
        found && has_all && (!self.attention || Attention::of(key, now).is_some())
    }
}

/// Returns the text that a search looks through: name, description and id, folded.
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

/// A position in a sort order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The value in the column that the list is sorted by.
    pub value: SortValue,
    /// The key's sequence number, which orders keys with equal values.
    pub sequence: i64,
}

/// A value in the column that a list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortValue {
    /// Text, sorted by bytes.
    Text(String),
    /// A number.
    Number(i64),
}

/// Where a page starts, and in which direction it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// The first page of the list.
    First,
    /// The last page of the list.
    Last,
    /// The rows after this position.
    After(Cursor),
    /// The rows before this position, still in the list's order.
    Before(Cursor),
    /// The row at this position, if it still exists, and the rows after it.
    From(Cursor),
}

/// A request for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The agents whose keys are listed.
    pub scope: AgentScope,
    /// The condition on the keys.
    pub filter: Filter,
    /// The sort order.
    pub sort: Sort,
    /// Where the page starts.
    pub direction: Direction,
    /// The maximum number of rows.
    pub limit: u32,
    /// The time at which attention is evaluated.
    pub now: Moment,
    /// Keys that are known to be damaged; they count as the most urgent.
    pub damaged: Vec<KeyId>,
}

impl PageRequest {
    /// Requests the first page of all keys, the newest first.
    #[must_use]
    pub fn first(limit: u32, now: Moment) -> Self {
        Self {
            scope: AgentScope::Everything,
            filter: Filter::default(),
            sort: Sort::NEWEST,
            direction: Direction::First,
            limit,
            now,
            damaged: Vec::new(),
        }
    }
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Key,
    /// The row's position in the sort order.
    pub cursor: Cursor,
    /// Whether another listed key has the same name, or one that looks like it.
    pub has_twin: bool,
}

/// A key whose record cannot be read: it is refused everywhere, and can be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The key's id.
    pub id: KeyId,
    /// The damage, as a sentence without its full stop.
    pub why: String,
}

/// The numbers of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// The number of keys that the filter includes.
    pub matching: i64,
    /// The number of all keys.
    pub total: i64,
}

/// The version of the data that a loaded list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListVersion {
    /// The number of the newest change.
    pub epoch: i64,
    /// The number of refusals recorded so far.
    pub refusals: i64,
    /// The number of batches of uses or refusals recorded so far.
    pub batches: i64,
}

impl ListVersion {
    /// Returns `true` if the list must be reloaded because a change or a refusal was recorded. Uses
    /// alone only affect the details that are shown of a single key.
    #[must_use]
    pub fn is_other(&self, shown: &Self) -> bool {
        (self.epoch, self.refusals) != (shown.epoch, shown.refusals)
    }
}

/// The number of characters of a text that are used for sorting; see the migration `0001_keys.sql`.
pub const SORTED_CHARACTERS: usize = 200;

impl Cursor {
    /// Returns the key's position in a sort order, without a query to the store.
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
