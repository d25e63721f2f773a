//! Takes in a loaded page: the rows are placed, the selection stays on its key, and dialogs learn
//! the current state of their keys.
use crate::{
    domain::{attention::Attention, key::Key, listing::Direction, token::KeyId},
    tui::{
        confirmation::Confirmation,
        message::Effect,
        modal::InModal as _,
        model::{MAX_LOADED_ROWS, Model, Placement},
        read::{ListRow, Loaded},
        texts::Withdrawn,
        update::{mark_stale, walk},
    },
};

pub(super) fn take_in(model: &mut Model, loaded: Loaded, placement: Placement) -> Option<Effect> {
    let list = &mut model.list;
    let was_at = list
        .selected
        .as_ref()
        .and_then(|id| list.rows.iter().position(|r| r.id() == id));
    let (old_first, old_top) = (list.rows.first().map(|row| row.id().clone()), list.top);
    list.loaded = true;
    list.count = loaded.count;
    let news = loaded.list_version.is_other(&list.list_version);
    list.list_version = loaded.list_version;
    if list
        .agent
        .as_ref()
        .is_some_and(|agent| !loaded.agents.contains(agent))
    {
        // The agent whose keys are shown is gone or no longer in the user's scope.
        list.agent = None;
        model.agents = loaded.agents;
        model.notify("The agent whose keys were shown is gone: these are those of all agents.");
        return Some(model.load(Direction::First, Placement::Top));
    }
    model.role = loaded.role;
    model.agents = loaded.agents;
    model.areas = loaded.areas;
    model.policy = loaded.policy;
    // The activity is as old as the previous list, so it must be read again.
    model.loading_details = None;
    if news {
        mark_stale(model);
    }
    let list = &mut model.list;
    match placement {
        Placement::Append => {
            list.at_end = !loaded.more;
            list.rows.extend(loaded.rows);
            let surplus = list.rows.len().saturating_sub(MAX_LOADED_ROWS);
            list.rows.drain(..surplus);
            list.top = list.top.saturating_sub(surplus);
            list.at_start &= surplus == 0;
        }
        Placement::Prepend => {
            list.at_start = !loaded.more;
            list.top += loaded.rows.len();
            list.rows.splice(0..0, loaded.rows);
            list.at_end &= list.rows.len() <= MAX_LOADED_ROWS;
            list.rows.truncate(MAX_LOADED_ROWS);
        }
        Placement::Refresh => {
            list.at_end = !loaded.more;
            list.rows = loaded.rows;
            // Rows that were inserted above push the view down with the rows that were there.
            if let Some(first) = old_first
                && let Some(shift) = list.rows.iter().position(|row| *row.id() == first)
                && old_top > 0
            {
                list.top = old_top + shift;
            }
        }
        Placement::Top | Placement::Refused | Placement::Bottom | Placement::Follow => {
            let from_top = matches!(placement, Placement::Top | Placement::Refused);
            list.at_start = from_top || (placement == Placement::Bottom && !loaded.more);
            list.at_end = placement == Placement::Bottom || !loaded.more;
            list.rows = loaded.rows;
            list.top = 0;
        }
    }
    if loaded.unreadable > 0 {
        model.report_error(unreadable(loaded.unreadable));
    }
    note_namesakes(model);
    let followed = choose(model, placement, was_at, &loaded.watched);
    look_after(model, loaded.watched);
    walk::keep_in_view(model);
    followed.or_else(|| walk::load_around(model))
}

/// Records which listed keys have the same name as another key, or a similar one.
fn note_namesakes(model: &mut Model) {
    let Model {
        list, namesakes, ..
    } = model;
    if namesakes.len() > 4 * MAX_LOADED_ROWS {
        namesakes.retain(|id| list.marks.contains_key(id));
    }
    for row in &list.rows {
        match row {
            ListRow::Key(row) if row.has_twin => {
                namesakes.insert(row.key.id.clone());
            }
            ListRow::Key(row) => {
                namesakes.remove(&row.key.id);
            }
            ListRow::Damaged(..) => {}
        }
    }
}

/// Returns the report about unreadable keys: they are refused everywhere, so the user must learn of
/// them.
fn unreadable(count: usize) -> String {
    let keys = if count == 1 {
        "1 key here cannot be read and is refused".to_owned()
    } else {
        format!("{count} keys here cannot be read and are refused")
    };
    format!("{keys} everywhere: run `claviger doctor`.")
}

/// Returns the index of the key that was refused last and shows the refusal, or else 0.
fn refused_last(model: &Model) -> usize {
    let shown = |key: &Key| matches!(model.attention(key), Some(Attention::Refused(_)));
    let at = |key: &Key| key.refused.filter(|_| shown(key)).map(|refused| refused.at);
    let rows = model.list.rows.iter().enumerate().rev();
    let refused = rows.filter_map(|(place, row)| Some((at(row.key()?)?, place)));
    refused
        .max_by_key(|(at, _)| *at)
        .map_or(0, |(_, place)| place)
}

/// Keeps the selection on its key. If the key is gone, selects a neighbour and says so.
fn choose(
    model: &mut Model,
    placement: Placement,
    was_at: Option<usize>,
    watched: &[(KeyId, Option<Key>)],
) -> Option<Effect> {
    let rows = &model.list.rows;
    let end = match placement {
        Placement::Bottom => rows.len().checked_sub(1),
        Placement::Refused => Some(refused_last(model)),
        _ => Some(0),
    };
    if matches!(
        placement,
        Placement::Top | Placement::Refused | Placement::Bottom
    ) {
        model.list.selected = end.and_then(|at| rows.get(at)).map(|row| row.id().clone());
        return None;
    }
    if model.selected_index().is_some() {
        return None;
    }
    let before = model.list.selected.clone();
    let fate = before
        .as_ref()
        .and_then(|id| watched.iter().find(|(known, _)| known == id));
    if let Some((_, Some(key))) = fate
        && placement == Placement::Refresh
        && model.list.filter.matches(key, model.now)
    {
        // The key still exists, but at another place in the order.
        let key = key.clone();
        return Some(model.follow(&key));
    }
    let neighbour = was_at
        .unwrap_or(0)
        .min(model.list.rows.len().saturating_sub(1));
    model.list.selected = model.list.rows.get(neighbour).map(|row| row.id().clone());
    if matches!(fate, Some((_, None))) {
        model.notify(if model.list.selected.is_some() {
            "The selected key was revoked by someone else; the cursor is on its neighbour."
        } else {
            "The selected key was revoked by someone else."
        });
    }
    None
}

/// Updates the marked keys, and withdraws a confirmation about a key that was changed.
fn look_after(model: &mut Model, watched: Vec<(KeyId, Option<Key>)>) {
    let mut withdrawn = None;
    for confirmation in model.modals.iter().filter_map(Confirmation::of) {
        if confirmation.working {
            continue;
        }
        withdrawn = confirmation.keys.iter().find_map(|seen| {
            let (_, now) = watched.iter().find(|(id, _)| *id == seen.id)?;
            match now {
                None => Some(format!("{} was revoked meanwhile: the question was withdrawn.", model.label(&seen.id, seen.name()))),
                Some(now) if now.revision != seen.revision => {
                    Some(format!("{} was changed meanwhile: the question was withdrawn. Look at it and ask again.", model.label(&seen.id, seen.name())))
                }
                Some(_) => None,
            }
        });
    }
    if let Some(sentence) = withdrawn {
        for modal in &mut model.modals {
            if Confirmation::of(modal).is_some() {
                let why = sentence.clone();
                *modal = Withdrawn { why }.into();
            }
        }
    }
    for (id, key) in watched {
        if let Some(mark) = model.list.marks.get_mut(&id) {
            match key {
                Some(key) => *mark = key,
                None => {
                    model.list.marks.remove(&id);
                }
            }
        }
    }
}
