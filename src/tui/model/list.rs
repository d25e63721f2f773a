//! The state of the list of keys.
use std::collections::BTreeMap;

use tui_input::Input;

use crate::{
    domain::{
        agent::AgentName,
        key::Key,
        listing::{Count, Filter, ListVersion, Sort},
        token::KeyId,
    },
    tui::read::ListRow,
};

/// The list of keys, as far as it is loaded.
#[derive(Debug)]
pub struct List {
    /// The loaded rows, in order.
    pub rows: Vec<ListRow>,
    /// Whether nothing comes before the first row.
    pub at_start: bool,
    /// Whether nothing comes after the last row.
    pub at_end: bool,
    /// The selected key.
    pub selected: Option<KeyId>,
    /// The index of the first visible row.
    pub top: usize,
    /// The number of keys.
    pub count: Count,
    /// The agent whose keys are listed; `None` for all agents.
    pub agent: Option<AgentName>,
    /// The filter.
    pub filter: Filter,
    /// The sort order.
    pub sort: Sort,
    /// The filter while it is being typed.
    pub typing: Option<Input>,
    /// The state of the search for damaged keys.
    pub damage: DamageSearch,
    /// The marked keys, as they were when they were marked or last read.
    pub marks: BTreeMap<KeyId, Key>,
    /// The version of the list that is shown.
    pub list_version: ListVersion,
    /// Where the rows of the awaited load go, if one is awaited.
    pub awaited: Option<Placement>,
    /// Whether anything was loaded yet.
    pub loaded: bool,
}

/// The state of the search for damaged keys. The search runs once (again only after a failure),
/// when the user looks for keys that need attention, because it reads every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say what they are")]
pub enum DamageSearch {
    NotYet,
    Begun,
    Failed,
}

/// Where the rows of a load are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// They replace the current rows; the selection stays on its key or goes to a neighbour.
    Refresh,
    /// They replace the current rows; the first row is selected.
    Top,
    /// They replace the current rows; the key that was refused last is selected, or else the first
    /// row.
    Refused,
    /// They replace the current rows; the last row is selected.
    Bottom,
    /// They replace the current rows; if the selected key is not among them, it is not searched
    /// elsewhere.
    Follow,
    /// They are appended to the current rows.
    Append,
    /// They are put before the current rows.
    Prepend,
}
