//! The dialogs that only show a text: a key's details, the help, and why a confirmation was
//! withdrawn.
use super::{dialog::Dialog, keymap::Place};

/// The details of the selected key.
#[derive(Debug, Clone, Default)]
pub struct KeyDetails {
    /// How many lines the text is scrolled.
    pub scroll: u16,
}

/// The help for a place.
#[derive(Debug, Clone)]
pub struct Help {
    /// The place.
    pub place: Place,
    /// How many lines the text is scrolled.
    pub scroll: u16,
}

/// In place of a confirmation that was withdrawn: why. It swallows keys that are still typed.
#[derive(Debug, Clone)]
pub struct Withdrawn {
    /// Why, as a sentence.
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
