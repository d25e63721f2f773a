//! The dialogs about tokens: the new token, the choice of a form to copy, and the revealed token.
use strum::{EnumCount, VariantArray};

use super::{
    dialog::{Dialog, Leave},
    keymap::{Intent, Place, neighbour},
    message::{CopyForm, RevealedToken},
};
use crate::domain::token::{KeyId, TokenPrefix};

/// The number of seconds for which a revealed token is shown.
pub const REVEAL_SECONDS: u32 = 30;
/// The number of seconds after which the desktop's clipboard is cleared.
pub const CLIPBOARD_SECONDS: u32 = 45;

/// A button of the new token dialog.
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
    /// All buttons, from left to right.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The label of the button.
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

/// The dialog of a key that was just created or rotated. It does not contain the token, which is
/// opened only when the user copies or reveals it.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What the token begins with.
    pub prefix: TokenPrefix,
    /// The key.
    pub id: KeyId,
    /// The key's name.
    pub name: String,
    /// The title, which says what was done.
    pub title: &'static str,
    /// A sentence about the previous token, or that the key waits for approval, if there is one.
    pub old: Option<String>,
    /// The focused button.
    pub focus: TokenButton,
}

impl NewToken {
    /// Moves the focus to the next or the previous button.
    pub fn move_focus(&mut self, forward: bool) {
        self.focus = neighbour(&TokenButton::ALL, self.focus, forward);
    }
}

/// A revealed token, which is shown for [`REVEAL_SECONDS`].
#[derive(Debug)]
pub struct Revealed {
    /// The token and its key.
    pub shown: RevealedToken,
    /// The number of seconds left.
    pub left: u32,
    /// Why the token is shown although the user did not request it, or the result of saving it.
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
