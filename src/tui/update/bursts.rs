//! Interprets characters that arrived together: as text where there is a text field, as key presses
//! where each of them is bound, and otherwise as nothing.
//!
//! A paste that is not bracketed looks like this, and so do keys pressed over a slow connection. A
//! burst is taken for a paste if it contains a line end, two digits, or a character that is not
//! bound here: it then reaches no matrix, no preset and no button, and neither does the Enter after
//! it.
use crossterm::event::{KeyCode, KeyEvent};

use crate::tui::{
    keymap::{Chord, Intent, Place, intent_of},
    message::Message,
    model::Model,
};

/// Characters that arrived together, with the part of them that was already processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burst {
    text: String,
    /// The number of bytes of the text that are processed.
    taken: usize,
    /// Whether Enter followed the characters.
    entered: bool,
    /// The place where the characters were last taken for key presses.
    keys_in: Option<Place>,
}

impl Burst {
    /// Creates a burst of these characters, with `\n` for line ends between them. `entered` says
    /// whether Enter followed them.
    #[must_use]
    pub const fn new(text: String, entered: bool) -> Self {
        Self {
            text,
            taken: 0,
            entered,
            keys_in: None,
        }
    }

    /// Returns the message for the next part of the burst at the current place, or `None` once all
    /// of it is processed.
    pub fn next(&mut self, model: &Model) -> Option<Message> {
        if model.ignores_burst {
            self.taken = self.text.len();
            self.entered = false;
        }
        let rest = &self.text[self.taken..];
        let Some(first) = rest.chars().next() else {
            let enter = std::mem::take(&mut self.entered);
            return enter.then(|| Message::Pressed(KeyCode::Enter.into()));
        };
        let place = model.place();
        if place.takes_text() {
            let text = rest.to_owned();
            self.taken = self.text.len();
            return Some(Message::Typed(text));
        }
        if self.keys_in != Some(place) && is_text(place, rest, self.entered) {
            self.taken = self.text.len();
            self.entered = false;
            return Some(Message::Strayed);
        }
        self.keys_in = Some(place);
        self.taken += first.len_utf8();
        Some(Message::Pressed(KeyCode::Char(first).into()))
    }
}

/// Whether the burst is text rather than key presses, at a place without a text field.
fn is_text(place: Place, text: &str, entered: bool) -> bool {
    if text.contains('\n') {
        return true;
    }
    let meant = |c: char| intent_of(place, Chord::of(KeyEvent::from(KeyCode::Char(c))));
    // Everything after `/` or `:` is typed into a field.
    let opens_line = |c: &char| matches!(meant(*c), Some(Intent::Filter | Intent::Palette));
    let keys: Vec<char> = text.chars().take_while(|c| !opens_line(c)).collect();
    let digits = keys.iter().filter(|c| c.is_ascii_digit()).count();
    let is_strange = keys.iter().any(|c| meant(*c).is_none());
    (keys.len() > 1 && (digits > 1 || is_strange)) || (entered && is_strange)
}

/// Whether a key is a character that is not bound here: the rest of its burst is then taken for
/// text.
#[must_use]
pub fn is_stray(model: &Model, key: KeyEvent) -> bool {
    let place = model.place();
    let is_character = matches!(key.code, KeyCode::Char(_));
    is_character && !place.takes_text() && intent_of(place, Chord::of(key)).is_none()
}

/// Reports, where the user can see it, that a paste was ignored.
pub(super) fn stray(model: &mut Model) {
    const WHY: &str = "That came in all at once, like a paste, and there is no text field here: it was left out. Press one key at a time";
    model.ignores_burst = true;
    let unreported = match model.modals.last_mut() {
        Some(top) => top.dialog_mut().ignore_paste(WHY),
        None => Some(format!("{WHY}.")),
    };
    if let Some(why) = unreported {
        model.dismiss_notice();
        model.report_error(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_text() {
        for (place, text, expected) in [
            (Place::Matrix, "1", false),
            (Place::Matrix, "j1", false),
            (Place::Matrix, "jl ", false),
            (Place::Matrix, "   ", false),
            (Place::Matrix, "12", true),
            (Place::Matrix, "1j2", true),
            (Place::Matrix, "10.20.0.0/16", true),
            (Place::Matrix, "1\n2", true),
            (Place::Buttons, "no", true),
            (Place::Confirmation, "yes", true),
            (Place::NewToken, "copy", true),
            (Place::List, "jjjj", false),
            (Place::List, "ssss", false),
            (Place::List, "!t", false),
            (Place::List, "/acme", false),
            (Place::List, "jj/10.20.0.0/16", false),
            (Place::List, ":q", false),
            (Place::List, "10.20.0.0/16", true),
            (Place::List, "compromised", true),
            (Place::List, "j\nj", true),
        ] {
            assert_eq!(is_text(place, text, false), expected, "{place:?} {text:?}");
        }
        assert!(is_text(Place::Confirmation, "b", true));
        assert!(!is_text(Place::Matrix, "1", true));
    }
}
