//! The dialogs beside the wizard and the confirmations: the new token, copy as, a shown token,
//! palette; and which dialogs there are.
//!
//! Each is a small state with its own focus; none draws and none acts.
use strum::{EnumCount, VariantArray};
use tui_input::Input;

use super::{confirmation::Confirmation, keymap::Intent, message::RevealedToken};
use crate::domain::{decision::DecisionId, token::KeyId};

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

    /// What stands on it.
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

/// The dialog of a key that was just made, or got a new token. It holds no token: that is opened when it is wanted.
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
        let at = TokenButton::ALL
            .iter()
            .position(|one| *one == self.focus)
            .unwrap_or(0);
        let step = if forward {
            1
        } else {
            TokenButton::ALL.len() - 1
        };
        self.focus = TokenButton::ALL[(at + step) % TokenButton::ALL.len()];
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

/// Every action by name.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    /// What was typed.
    pub input: Input,
    /// Which of the matches is selected.
    pub selected: usize,
}

impl Palette {
    /// The decision whose name was typed: it can be explained.
    #[must_use]
    pub fn decision(&self) -> Option<DecisionId> {
        self.input.value().trim().parse().ok()
    }
}

/// What can be on top of the list.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is one of the types above")]
pub enum Modal {
    Details {
        scroll: u16,
    },
    Wizard(Box<super::wizard::Wizard>),
    Explain(Box<super::explain::ExplainDialog>),
    Hygiene(Box<super::hygiene::HygieneDialog>),
    Audit(Box<super::audit::AuditDialog>),
    Export(super::audit::ExportForm),
    Members(Box<super::members::MembersDialog>),
    MemberForm(Box<super::members::MemberForm>),
    Removal(super::members::Removal),
    Agents(super::agents::AgentChoice),
    Confirmation(Confirmation),
    /// In the place of a confirmation that was withdrawn: why. It swallows what is still typed.
    Withdrawn(String),
    NewToken(NewToken),
    CopyAs {
        id: KeyId,
        name: String,
        choice: usize,
    },
    Revealed(Revealed),
    Help {
        place: super::keymap::Place,
        scroll: u16,
    },
    Palette(Palette),
}

/// What the palette offers: every intent that has a meaning on the list.
#[must_use]
pub fn palette_entries(
    input: &str,
    allowed: impl Fn(Intent) -> bool,
) -> Vec<(&'static str, Intent)> {
    use super::keymap::{BINDINGS, Place};
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
    // `:q` is quit, whatever else has a q in it.
    entries.sort_by_key(|(name, _)| !name.to_lowercase().starts_with(&wanted));
    entries
}
