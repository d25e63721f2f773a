//! Moving through the list, sorting, marking, and loading more rows where the loaded ones end.
use crate::{
    domain::listing::{Direction, Sort, SortField},
    tui::{
        keymap::Intent,
        message::Effect,
        model::{Model, Placement},
    },
};

/// The distance from the end of the loaded rows, in rows, at which the next page is read.
const MARGIN: usize = 20;

/// Moves the selection, and loads more rows if needed.
pub(super) fn walked(model: &mut Model, intent: Intent) -> Option<Effect> {
    match intent {
        Intent::First if !model.list.at_start => {
            return Some(model.load(Direction::First, Placement::Top));
        }
        Intent::Last if !model.list.at_end => {
            return Some(model.load(Direction::Last, Placement::Bottom));
        }
        _ => {}
    }
    let last = model.list.rows.len().checked_sub(1)?;
    let at = model.selected_index().unwrap_or(0);
    let page = model.visible_rows();
    let to = match intent {
        Intent::Up => at.saturating_sub(1),
        Intent::Down => (at + 1).min(last),
        Intent::PageUp => at.saturating_sub(page),
        Intent::PageDown => (at + page).min(last),
        Intent::First => 0,
        _ => last,
    };
    model.list.selected = Some(model.list.rows[to].id().clone());
    keep_in_view(model);
    load_around(model)
}

/// Scrolls as little as is needed to show the selected row.
pub(super) fn keep_in_view(model: &mut Model) {
    let room = model.visible_rows();
    let at = model.selected_index().unwrap_or(0);
    let most = model.list.rows.len().saturating_sub(room);
    let top = model.list.top.min(most);
    model.list.top = if at < top {
        at
    } else if at >= top + room {
        at + 1 - room
    } else {
        top
    };
}

/// Returns the effect that loads more rows, if the selection or the view is near an end of the
/// loaded rows.
pub(super) fn load_around(model: &mut Model) -> Option<Effect> {
    if model.list.awaited.is_some() {
        return None;
    }
    let at = model.selected_index()?;
    let room = model.visible_rows();
    let near_end = at.max(model.list.top + room) + MARGIN >= model.list.rows.len();
    if near_end && !model.list.at_end {
        let cursor = model.list.rows.last()?.cursor().clone();
        return Some(model.load(Direction::After(cursor), Placement::Append));
    }
    if at.min(model.list.top) < MARGIN && !model.list.at_start {
        let cursor = model.list.rows.first()?.cursor().clone();
        return Some(model.load(Direction::Before(cursor), Placement::Prepend));
    }
    None
}

/// Sorts by the next column, or reverses the order. The first row is selected.
pub(super) fn sorted(model: &mut Model, intent: Intent) -> Effect {
    let Sort { field, descending } = model.list.sort;
    model.list.sort = if intent == Intent::SortReverse {
        Sort {
            field,
            descending: !descending,
        }
    } else {
        let next = match field {
            SortField::Created => SortField::Name,
            SortField::Name => SortField::Access,
            SortField::Access => SortField::Attention,
            SortField::Attention => SortField::LastUsed,
            SortField::LastUsed => SortField::Expires,
            SortField::Expires => SortField::Addresses,
            SortField::Addresses => SortField::Created,
        };
        Sort {
            field: next,
            descending: matches!(next, SortField::Created | SortField::LastUsed),
        }
    };
    model.notify(format!("Sorted by {}.", sort_words(model.list.sort)));
    model.load(Direction::First, Placement::Top)
}

fn sort_words(sort: Sort) -> &'static str {
    match (sort.field, sort.descending) {
        (SortField::Created, true) => "creation, newest first",
        (SortField::Created, false) => "creation, oldest first",
        (SortField::Name, false) => "name, A to Z",
        (SortField::Name, true) => "name, Z to A",
        (SortField::Access, false) => "access, A to Z",
        (SortField::Access, true) => "access, Z to A",
        (SortField::Attention, false) => "attention, most urgent first",
        (SortField::Attention, true) => "attention, least urgent first",
        (SortField::LastUsed, true) => "last use, newest first",
        (SortField::LastUsed, false) => "last use, oldest first",
        (SortField::Expires, false) => "expiry, soonest first",
        (SortField::Expires, true) => "expiry, latest first",
        (SortField::Addresses, false) => "addresses, Any IP first",
        (SortField::Addresses, true) => "addresses, longest list first",
    }
}

/// Marks or unmarks the selected key and moves the selection one row down.
pub(super) fn marked(model: &mut Model) -> Option<Effect> {
    let key = model.selected()?.clone();
    if model.list.marks.remove(&key.id).is_none() {
        model.list.marks.insert(key.id.clone(), key);
    }
    walked(model, Intent::Down)
}
