//! The palette: finds actions by name.
use tui_input::Input;

use super::{
    dialog::{Dialog, Leave, Typed},
    keymap::{BINDINGS, Intent, Place},
    typing::{FieldLimit, TextEdit, type_into},
};
use crate::domain::decision::DecisionId;

/// The palette, in which an action is found by its name.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    /// The typed text.
    pub input: Input,
    /// The index of the selected match.
    pub selected: usize,
}

impl Palette {
    /// Returns the decision id that was typed, if the text is one; its decision can be explained.
    #[must_use]
    pub fn decision(&self) -> Option<DecisionId> {
        self.input.value().trim().parse().ok()
    }
}

impl Dialog for Palette {
    fn place(&self) -> Place {
        Place::Palette
    }

    fn type_into(&mut self, text: TextEdit<'_>) -> Typed {
        self.selected = 0;
        let cut = type_into(&mut self.input, text, FieldLimit::LINE);
        cut.map_or(Typed::Whole, |cut| Typed::CutUnreported(format!("{cut}.")))
    }

    fn leave_field(&mut self) -> Option<Leave> {
        Some(Leave::Close)
    }
}

/// Returns the entries of the palette that match `input`: the help text and the intent of each
/// allowed binding that applies in the list. Entries that begin with `input` come first.
#[must_use]
pub fn palette_entries(
    input: &str,
    allowed: impl Fn(Intent) -> bool,
) -> Vec<(&'static str, Intent)> {
    let wanted = input.trim().to_lowercase();
    let mut entries: Vec<(&'static str, Intent)> = BINDINGS
        .iter()
        .filter(|b| {
            b.holds_in(Place::List)
                && !matches!(
                    b.intent,
                    Intent::Close | Intent::Interrupt | Intent::Palette
                )
        })
        .filter(|b| allowed(b.intent))
        .map(|b| (b.help, b.intent))
        .filter(|(name, _)| name.to_lowercase().contains(&wanted))
        .collect();
    // So `:q` selects quit, although other names contain a q as well.
    entries.sort_by_key(|(name, _)| !name.to_lowercase().starts_with(&wanted));
    entries
}
