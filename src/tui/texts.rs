//! The dialogs that only show a text: a key's details, the help, and the reason why a confirmation
//! was withdrawn.
use super::{dialog::Dialog, keymap::Place};

/// The details of the selected key.
#[derive(Debug, Clone, Default)]
pub struct KeyDetails {
    /// The number of lines by which the text is scrolled.
    pub scroll: u16,
}

/// The help for a place.
#[derive(Debug, Clone)]
pub struct Help {
    /// The place whose bindings are explained.
    pub place: Place,
    /// The number of lines by which the text is scrolled.
    pub scroll: u16,
}

/// The dialog that replaces a withdrawn confirmation and shows the reason. It ignores keys that are
/// still being typed.
#[derive(Debug, Clone)]
pub struct Withdrawn {
    /// The reason, as a sentence.
    pub why: String,
}

impl Dialog for KeyDetails {
    fn place(&self) -> Place {
        Place::Details
    }

    fn shows_use(&self) -> bool {
        true
    }
}

impl Dialog for Help {
    fn place(&self) -> Place {
        Place::Help
    }
}

impl Dialog for Withdrawn {
    fn place(&self) -> Place {
        Place::Withdrawn
    }
}
