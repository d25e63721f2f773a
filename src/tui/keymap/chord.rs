//! A key press, and its name in the footer, the help and the key table.
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    pub(super) code: KeyCode,
    control: bool,
}

pub(super) const fn plain(c: char) -> Chord {
    Chord {
        code: KeyCode::Char(c),
        control: false,
    }
}

pub(super) const fn control(c: char) -> Chord {
    Chord {
        code: KeyCode::Char(c),
        control: true,
    }
}

pub(super) const fn named(code: KeyCode) -> Chord {
    Chord {
        code,
        control: false,
    }
}

pub(super) const UP: Chord = named(KeyCode::Up);
pub(super) const DOWN: Chord = named(KeyCode::Down);
pub(super) const LEFT: Chord = named(KeyCode::Left);
pub(super) const RIGHT: Chord = named(KeyCode::Right);
pub(super) const TAB: Chord = named(KeyCode::Tab);
pub(super) const SHIFT_TAB: Chord = named(KeyCode::BackTab);
pub(super) const ENTER: Chord = named(KeyCode::Enter);
pub(super) const ESC: Chord = named(KeyCode::Esc);

impl Chord {
    /// The chord of a key event.
    #[must_use]
    pub fn of(event: KeyEvent) -> Self {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        let back = event.code == KeyCode::Tab && event.modifiers.contains(KeyModifiers::SHIFT);
        let code = if back { KeyCode::BackTab } else { event.code };
        Self { code, control }
    }

    /// Whether the key press is text where there is a text field.
    pub(super) fn is_text(self) -> bool {
        !self.control && matches!(self.code, KeyCode::Char(_))
    }

    /// The name of the chord: `Ctrl-L`, `PgUp`, `x`.
    #[must_use]
    pub fn written(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) if self.control => c.to_ascii_uppercase().to_string(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            other => format!("{other:?}"),
        };
        if self.control {
            format!("Ctrl-{name}")
        } else {
            name
        }
    }
}
