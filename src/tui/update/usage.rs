//! Handles intents on the usage screen, and the answer to its read.
use crate::tui::{
    keymap::Intent, message::Effect, model::Model, read::UsageLine, usage::UsageDialog,
};

pub(super) fn on_usage(model: &mut Model, intent: Intent) -> Option<Effect> {
    let dialog = model.find_mut::<UsageDialog>()?;
    dialog.rows.step(intent);
    match intent {
        Intent::Next | Intent::Right => dialog.turn(true),
        Intent::Previous | Intent::Left => dialog.turn(false),
        Intent::SortNext => dialog.next_span(),
        Intent::Open => dialog.choose(),
        _ => {}
    }
    None
}

/// Takes in the counts.
pub(super) fn read(model: &mut Model, found: Result<Vec<UsageLine>, String>) {
    let Some(dialog) = model.find_mut::<UsageDialog>() else {
        return;
    };
    match found {
        Ok(lines) => {
            dialog.rows.problem = None;
            dialog
                .rows
                .take_in(lines, |old, new| old.text == new.text && old.key == new.key);
        }
        Err(sentence) => dialog.rows.problem = Some(sentence),
    }
}
