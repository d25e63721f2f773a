//! The dialogs of a token: of a new one, the form in which it is copied, and a token that is shown.
use strum::{EnumCount, VariantArray};

use super::{
    dialog::{Dialog, Leave},
    keymap::{Intent, Place, neighbour},
    message::{CopyForm, RevealedToken},
};
use crate::domain::token::KeyId;

/// Seconds for which a revealed token is shown.
pub const REVEAL_SECONDS: u32 = 30;
/// Seconds after which a native clipboard is cleared.
pub const CLIPBOARD_SECONDS: u32 = 45;

/// A button of the new token's dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
#[expect(missing_docs, reason = "their titles say what they are")]
pub enum TokenButton {
    Copy,
    CopyAs,
    Reveal,
    Test,
    Close,
}

impl TokenButton {
    /// All buttons, from the left.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The text of the button.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Copy => "Copy",
            Self::CopyAs => "Copy as…",
            Self::Reveal => "Reveal",
            Self::Test => "Test it now",
            Self::Close => "Close",
        }
    }
}

/// The dialog of a key that was just made, or got a new token. It holds no token: that is opened
/// when it is wanted.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The key.
    pub id: KeyId,
    /// What it is called.
    pub name: String,
    /// What was done.
    pub title: &'static str,
    /// What became of the old token, if there is one.
    pub old: Option<String>,
    /// The focused button.
    pub focus: TokenButton,
}

impl NewToken {
    /// The next or the previous button.
    pub fn move_focus(&mut self, forward: bool) {
        self.focus = neighbour(&TokenButton::ALL, self.focus, forward);
    }
}

/// A token that is shown, for a while.
#[derive(Debug)]
pub struct Revealed {
    /// The token and whose it is.
    pub shown: RevealedToken,
    /// Seconds left.
    pub left: u32,
    /// Why it is shown, if nobody asked for that; where it was saved.
    pub note: Option<String>,
}

/// The choice of the form in which a token is copied.
#[derive(Debug, Clone)]
pub struct CopyAs {
    /// The key.
    pub id: KeyId,
    /// The key's name.
    pub name: String,
    /// The selected form.
    pub form: CopyForm,
}

impl Dialog for NewToken {
    fn place(&self) -> Place {
        Place::NewToken
    }

    fn accept_word(&self) -> Option<&'static str> {
        Some(self.focus.title())
    }

    fn allows(&self, intent: Intent) -> Option<bool> {
        (intent == Intent::Explain).then_some(true)
    }
}

impl Dialog for CopyAs {
    fn place(&self) -> Place {
        Place::CopyAs
    }
}

impl Dialog for Revealed {
    fn place(&self) -> Place {
        Place::Revealed
    }

    fn tick(&mut self) -> Leave {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            Leave::Stay
        } else {
            Leave::Close
        }
    }

    fn counts_down(&self) -> bool {
        true
    }
}
