//! The dialogs beside the wizard: confirmations, the new token, copy as, a shown token, palette.
//!
//! Each is a small state with its own focus; none draws and none acts.
use tui_input::Input;

use super::{keymap::Intent, message::Shown};
use crate::domain::{
    decision::DecisionId,
    hygiene::Tidying,
    key::{Key, RevokeReason, Seen},
    moment::Moment,
    token::KeyId,
};

/// Seconds for which a revealed token is shown.
pub const REVEAL_SECONDS: u32 = 30;
/// Seconds after which a native clipboard is cleared.
pub const CLIPBOARD_SECONDS: u32 = 45;

/// What is to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Delete for good.
    Revoke,
    /// Switch off.
    Disable,
    /// Switch on again.
    Enable,
    /// Give a new token.
    Rotate,
    /// Make several changes together.
    Tidy,
}

impl Verb {
    /// The word for it, as a button has it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Revoke => "Revoke",
            Self::Disable => "Disable",
            Self::Enable => "Enable",
            Self::Rotate => "Rotate",
            Self::Tidy => "Apply",
        }
    }
}

/// What has the keys in a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "a field, a choice and two buttons")]
pub enum ConfirmationFocus {
    Field,
    Reason,
    Cancel,
    Act,
}

/// What becomes of the token that is rotated out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// Those that are good still end now, and no new one is made.
    Finish,
    /// It ends at once.
    None,
    /// It stays good for so many hours.
    Hours(i64),
}

impl Overlap {
    /// As they are offered; the first one only where something is to be finished.
    const ALL: [Self; 6] = [
        Self::Finish,
        Self::None,
        Self::Hours(1),
        Self::Hours(24),
        Self::Hours(7 * 24),
        Self::Hours(30 * 24),
    ];

    /// The words in the dialog.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Finish => "end the old token now, make no new one",
            Self::None => "none: the old token ends at once",
            Self::Hours(1) => "1 hour",
            Self::Hours(24) => "24 hours",
            Self::Hours(168) => "7 days",
            Self::Hours(_) => "30 days",
        }
    }

    fn neighbour(self, forward: bool, unfinished: bool) -> Self {
        let offered = &Self::ALL[usize::from(!unfinished)..];
        let at = offered.iter().position(|one| *one == self).unwrap_or(0);
        let step = if forward { 1 } else { offered.len() - 1 };
        offered[(at + step) % offered.len()]
    }
}

/// A question before something that hurts.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// What is to be done.
    pub verb: Verb,
    /// To which keys, as they were seen.
    pub keys: Vec<Key>,
    /// Why; unset is never guessed.
    pub reason: Option<RevokeReason>,
    /// What becomes of the old token.
    pub overlap: Overlap,
    /// Whether an old token is good still.
    pub unfinished: bool,
    /// What is to be done to each of several keys, where that differs.
    pub tidyings: Vec<Tidying>,
    /// What must be typed, if anything.
    pub expected: Option<String>,
    /// What was typed.
    pub typed: Input,
    /// What has the keys.
    pub focus: ConfirmationFocus,
    /// Why nothing happened.
    pub problem: Option<String>,
    /// Whether it is being done.
    pub working: bool,
}

impl Confirmation {
    /// Asks about these keys: typed for several keys and for one that was used of late, else
    /// starting on Cancel.
    #[must_use]
    pub fn about(verb: Verb, keys: Vec<Key>, now: Moment) -> Self {
        let expected = match (verb, keys.as_slice()) {
            (Verb::Disable | Verb::Enable | Verb::Rotate | Verb::Tidy, _) => None,
            (Verb::Revoke, [one]) => one.recently_used(now).then(|| one.id.start().to_owned()),
            (Verb::Revoke, several) => Some(several.len().to_string()),
        };
        let focus = if expected.is_some() {
            ConfirmationFocus::Field
        } else {
            ConfirmationFocus::Cancel
        };
        // Whoever comes back while an old token is good comes to end it.
        let unfinished = keys.iter().any(|key| key.former_until >= Some(now));
        let overlap = match (verb, unfinished) {
            (Verb::Rotate, true) => Overlap::Finish,
            _ => Overlap::Hours(24),
        };
        Self {
            verb,
            keys,
            overlap,
            unfinished,
            tidyings: Vec::new(),
            reason: None,
            expected,
            typed: Input::default(),
            focus,
            problem: None,
            working: false,
        }
    }

    /// Asks about several changes together. If one of them deletes a key, their number is typed.
    #[must_use]
    pub fn tidying(changes: Vec<(Key, Tidying)>, now: Moment) -> Self {
        let count = changes.len();
        let revokes = changes
            .iter()
            .any(|(_, tidying)| *tidying == Tidying::Revoke);
        let (keys, tidyings) = changes.into_iter().unzip();
        let asked = Self::about(Verb::Tidy, keys, now);
        Self {
            tidyings,
            expected: revokes.then(|| count.to_string()),
            focus: if revokes {
                ConfirmationFocus::Field
            } else {
                ConfirmationFocus::Cancel
            },
            ..asked
        }
    }

    /// What stands on the button, and begins the question.
    #[must_use]
    pub fn act(&self) -> &'static str {
        match (self.verb, self.overlap) {
            (Verb::Rotate, Overlap::Finish) => "End old token",
            (verb, _) => verb.title(),
        }
    }

    /// The keys at the revisions that were seen.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.keys.iter().map(Seen::of).collect()
    }

    fn order(&self) -> Vec<ConfirmationFocus> {
        use ConfirmationFocus::{Act, Cancel, Field, Reason};
        match (self.verb, &self.expected) {
            (Verb::Tidy, Some(_)) => vec![Field, Cancel, Act],
            (Verb::Disable | Verb::Enable | Verb::Tidy, _) => vec![Cancel, Act],
            (Verb::Rotate, _) => vec![Reason, Cancel, Act],
            (Verb::Revoke, None) => vec![Cancel, Act, Reason],
            (Verb::Revoke, Some(_)) => vec![Field, Reason, Cancel, Act],
        }
    }

    /// The next or the previous thing to focus.
    pub fn move_focus(&mut self, forward: bool) {
        let order = self.order();
        let at = order.iter().position(|one| *one == self.focus).unwrap_or(0);
        let step = if forward { 1 } else { order.len() - 1 };
        self.focus = order[(at + step) % order.len()];
    }

    /// `←` and `→`: another reason, or the other button.
    pub fn sideways(&mut self, forward: bool) {
        match self.focus {
            ConfirmationFocus::Reason if self.verb == Verb::Rotate => {
                self.overlap = self.overlap.neighbour(forward, self.unfinished);
            }
            ConfirmationFocus::Reason => self.reason = neighbour_reason(self.reason, forward),
            ConfirmationFocus::Cancel => self.focus = ConfirmationFocus::Act,
            ConfirmationFocus::Act => self.focus = ConfirmationFocus::Cancel,
            ConfirmationFocus::Field => {}
        }
    }

    /// Whether what must be typed was typed; else says why not.
    pub fn confirmed(&mut self) -> bool {
        let Some(expected) = &self.expected else {
            return true;
        };
        if self.typed.value().trim() == expected {
            return true;
        }
        let typed = self.typed.value().trim();
        let done = if self.verb == Verb::Tidy {
            "applied"
        } else {
            "revoked"
        };
        self.problem = Some(if typed.is_empty() {
            format!("Nothing was {done}: type {expected} first")
        } else {
            format!(
                "Nothing was {done}: {} is not {expected}",
                crate::domain::text::visible(typed)
            )
        });
        self.focus = ConfirmationFocus::Field;
        false
    }
}

fn neighbour_reason(reason: Option<RevokeReason>, forward: bool) -> Option<RevokeReason> {
    let choices: Vec<Option<RevokeReason>> = std::iter::once(None)
        .chain(RevokeReason::ALL.map(Some))
        .collect();
    let at = choices
        .iter()
        .position(|choice| *choice == reason)
        .unwrap_or(0);
    let step = if forward { 1 } else { choices.len() - 1 };
    choices[(at + step) % choices.len()]
}

/// A button of the new token's dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub const ALL: [Self; 5] = [
        Self::Copy,
        Self::CopyAs,
        Self::Reveal,
        Self::Test,
        Self::Close,
    ];

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
    pub shown: Shown,
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
    Access(Box<super::access::AccessTest>),
    Hygiene(Box<super::hygiene::Hygiene>),
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
