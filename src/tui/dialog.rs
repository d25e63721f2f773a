//! The [`Dialog`] trait: the part of a dialog's behaviour that the dialog decides itself. All
//! dialogs are listed in `modal.rs`.
//!
//! A dialog is a small state in its own file; it draws nothing and performs no effects. To add one,
//! write the state with its `impl Dialog` in `src/tui/NAME.rs` and a `mod` line in `tui.rs`; its
//! places and bindings in `keymap.rs`; a line in `modal.rs`; the handling of its intents in
//! `update/NAME.rs` with a line in `update.rs`; its drawing in `view/NAME.rs` with a line in
//! `view.rs`. If it reads or changes data, add an effect and a message in `message.rs`, and a line
//! each in `effects.rs` and in `update/answers.rs`.
use super::{
    keymap::{Intent, Place},
    read::Read,
    typing::TextEdit,
};
use crate::domain::agent::AgentScope;

/// Whether a dialog closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It closes.
    Close,
    /// It stays open: it left an inner part, asks for a second press, or is working.
    Stay,
}

/// The result of typing text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// All of the text is in the field, or there is no field.
    Whole,
    /// A part of the text did not fit, and the dialog says so.
    Cut,
    /// A part of the text did not fit. The sentence that says so has no place in the dialog.
    CutUnreported(String),
}

impl Typed {
    /// Returns [`Typed::Cut`] if there is a sentence about it, and [`Typed::Whole`] otherwise.
    #[must_use]
    pub fn cut_if(sentence: Option<&String>) -> Self {
        sentence.map_or(Self::Whole, |_| Self::Cut)
    }
}

/// The part of a dialog's behaviour that the dialog decides itself. Only [`Dialog::place`] is
/// required; the default methods suit a dialog without text fields that has nothing to lose and
/// nothing to read.
pub trait Dialog {
    /// The place whose bindings apply while the dialog is topmost.
    fn place(&self) -> Place;

    /// Whether the dialog shows its second step, in which keys have other meanings.
    fn is_second_step(&self) -> bool {
        false
    }

    /// Notes that a key was pressed that neither closes the dialog nor quits.
    fn key_pressed(&mut self) {}

    /// Types into the focused text field.
    fn type_into(&mut self, _text: TextEdit<'_>) -> Typed {
        Typed::Whole
    }

    /// Handles Esc: closes the innermost part.
    fn leave(&mut self) -> Leave {
        Leave::Close
    }

    /// Handles Ctrl-C: leaves the focused text field. Returns `None` if no text field has the
    /// focus.
    fn leave_field(&mut self) -> Option<Leave> {
        None
    }

    /// Whether the program may quit without another key press. If not, the dialog itself asks for
    /// that press.
    fn may_quit(&mut self) -> bool {
        true
    }

    /// Shows why an intent was refused. Returns the sentence if the dialog has no place for it.
    fn refuse(&mut self, why: String) -> Option<String> {
        Some(why)
    }

    /// Shows that pasted text was ignored, like [`Dialog::refuse`].
    fn ignore_paste(&mut self, why: &str) -> Option<String> {
        self.refuse(format!("{why}."))
    }

    /// The label of Enter in the hints, if it depends on the focus.
    fn accept_word(&self) -> Option<&'static str> {
        None
    }

    /// Whether an intent makes sense now. `None` means that the rules for the list decide.
    fn allows(&self, _intent: Intent) -> Option<bool> {
        None
    }

    /// Notes that the store has changed, so that the dialog reads its data again.
    fn mark_stale(&mut self) {}

    /// Returns the read that the dialog needs now, if any. The read counts as requested from then
    /// on.
    fn to_read(&mut self, _agents: &AgentScope, _is_topmost: bool) -> Option<Read> {
        None
    }

    /// Handles the passing of one second.
    fn tick(&mut self) -> Leave {
        Leave::Stay
    }

    /// Whether the dialog counts seconds.
    fn counts_down(&self) -> bool {
        false
    }

    /// Whether the dialog shows the usage of the selected key.
    fn shows_use(&self) -> bool {
        false
    }
}
