//! What a dialog answers by itself: [`Dialog`]. The list of all dialogs is in `modal.rs`.
//!
//! A dialog is a small state in a file of its own; it draws nothing and acts on nothing. To add
//! one: the state with its `impl Dialog` in `src/tui/NAME.rs` and a `mod` line in `tui.rs`; its
//! places and bindings in `keymap.rs`; a line in `modal.rs`; what its intents do in
//! `update/NAME.rs` with a line in `update.rs`; its picture in `view/NAME.rs` with a line in
//! `view.rs`. If it reads or changes something: an effect and a message in `message.rs`, a line
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

/// What became of typed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// All of it is in the field, or there is no field.
    Whole,
    /// A part of it did not fit, and the dialog says so.
    Cut,
    /// A part of it did not fit; the sentence says so and has no place in the dialog.
    CutUnsaid(String),
}

impl Typed {
    /// [`Typed::Cut`] if there is a sentence about it.
    #[must_use]
    pub fn cut_if(sentence: Option<&String>) -> Self {
        sentence.map_or(Self::Whole, |_| Self::Cut)
    }
}

/// What a dialog answers by itself. Only [`Dialog::place`] must be answered; the rest has an answer
/// that fits a dialog without text fields, without anything to lose and without anything to read.
pub trait Dialog {
    /// The place of the bindings that hold while the dialog is topmost.
    fn place(&self) -> Place;

    /// Whether the second step of the dialog is shown, in which keys mean something else.
    fn is_second_step(&self) -> bool {
        false
    }

    /// A key was pressed that neither closes the dialog nor quits.
    fn key_pressed(&mut self) {}

    /// Types into the focused text field.
    fn type_into(&mut self, _text: TextEdit<'_>) -> Typed {
        Typed::Whole
    }

    /// Esc: closes the innermost part.
    fn leave(&mut self) -> Leave {
        Leave::Close
    }

    /// Ctrl-C: leaves the focused text field; `None` if none has the focus.
    fn leave_field(&mut self) -> Option<Leave> {
        None
    }

    /// Whether the program may quit without another press; the dialog asks for that press itself.
    fn may_quit(&mut self) -> bool {
        true
    }

    /// Shows why an intent was refused; returns the sentence if it has no place in the dialog.
    fn refuse(&mut self, why: String) -> Option<String> {
        Some(why)
    }

    /// Shows that pasted text was ignored, like [`Dialog::refuse`].
    fn ignore_paste(&mut self, why: &str) -> Option<String> {
        self.refuse(format!("{why}."))
    }

    /// The word for Enter, if it depends on the focus.
    fn accept_word(&self) -> Option<&'static str> {
        None
    }

    /// Whether an intent makes sense now; `None` leaves that to the rules for the list.
    fn allows(&self, _intent: Intent) -> Option<bool> {
        None
    }

    /// Notes that something changed in the store: what was read is read again.
    fn mark_stale(&mut self) {}

    /// The read that the dialog needs now, if any; it counts as asked for from then on.
    fn to_read(&mut self, _agents: &AgentScope, _is_topmost: bool) -> Option<Read> {
        None
    }

    /// A second passed.
    fn tick(&mut self) -> Leave {
        Leave::Stay
    }

    /// Whether the dialog counts seconds.
    fn counts_down(&self) -> bool {
        false
    }

    /// Whether the dialog shows the use of the selected key.
    fn shows_use(&self) -> bool {
        false
    }
}
