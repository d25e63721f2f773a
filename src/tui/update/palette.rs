//! Handles intents in the palette, and decides what it offers.
use super::perform;
use crate::tui::{
    explain::ExplainDialog,
    keymap::{BINDINGS, Intent},
    message::Effect,
    model::Model,
    palette::{Palette, palette_entries},
};

pub(super) fn on_palette(model: &mut Model, intent: Intent) -> Option<Effect> {
    let below = model.modals.len() == 1;
    let palette = model.top::<Palette>()?;
    let (text, selected) = (palette.input.value().to_owned(), palette.selected);
    let entries = palette_entries(&text, |intent| palette_allows(model, intent, below));
    let palette = model.top_mut::<Palette>()?;
    match intent {
        Intent::Up => {
            palette.selected = selected
                .checked_sub(1)
                .unwrap_or(entries.len().saturating_sub(1));
        }
        Intent::Down => {
            palette.selected = if selected + 1 < entries.len() {
                selected + 1
            } else {
                0
            };
        }
        Intent::Accept => {
            if let Some(id) = palette.decision() {
                model.modals.pop();
                model.open(ExplainDialog::decision(id));
                return None;
            }
            let (_, intent) = *entries.get(selected)?;
            model.modals.pop();
            return if model.allows(intent) {
                perform(model, intent)
            } else {
                None
            };
        }
        _ => {}
    }
    None
}

/// Whether the palette offers an intent. Over another dialog it offers only intents that are bound
/// everywhere.
#[must_use]
pub fn palette_allows(model: &Model, intent: Intent, on_list: bool) -> bool {
    let everywhere = BINDINGS
        .iter()
        .any(|b| b.places.is_empty() && b.intent == intent);
    (on_list || everywhere) && model.allows(intent)
}
