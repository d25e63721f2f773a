//! The confirmation before keys are changed: the question, its fields, and which of them has the
//! focus.
//!
//! This is a small state with its own focus; it neither draws nor acts.
use super::{
    dialog::{Dialog, Leave, Typed},
    keymap::{Place, neighbour},
    typing::{FieldLimit, TextEdit, type_into},
};
use tui_input::Input;

use crate::domain::{
    hygiene::HygieneChange,
    key::{Key, KeyVersion, RevokeReason},
    listing::Damaged,
    moment::Moment,
    token::KeyId,
};

/// The action to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Delete the keys permanently.
    Revoke,
    /// Disable the keys.
    Disable,
    /// Enable the keys again.
    Enable,
    /// Issue a new token for the key.
    Rotate,
    /// Apply several changes together.
    ApplyHygiene,
}

impl Verb {
    /// The label of the action's button.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Revoke => "Revoke",
            Self::Disable => "Disable",
            Self::Enable => "Enable",
            Self::Rotate => "Rotate",
            Self::ApplyHygiene => "Apply",
        }
    }
}

/// The part of a confirmation that has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "a field, a choice and two buttons")]
pub enum ConfirmationFocus {
    Field,
    Reason,
    Cancel,
    Act,
}

/// What happens to the tokens that a rotation replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// The previous tokens that are still valid end now, and no new token is made.
    Finish,
    /// The old token ends at once.
    None,
    /// The old token stays valid for this number of hours.
    Hours(i64),
}

impl Overlap {
    /// The choices in the order in which they are offered; the first one is offered only if a
    /// previous token is still valid.
    const ALL: [Self; 6] = [
        Self::Finish,
        Self::None,
        Self::Hours(1),
        Self::Hours(24),
        Self::Hours(7 * 24),
        Self::Hours(30 * 24),
    ];

    /// The text of the choice in the dialog.
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
        neighbour(offered, self, forward)
    }
}

/// A confirmation of an action that can do harm.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// The action.
    pub verb: Verb,
    /// The keys it applies to, in the version that the user saw.
    pub keys: Vec<Key>,
    /// The damaged key that it applies to instead, if any.
    pub damaged: Option<Damaged>,
    /// The reason for revoking; `None` until the user chooses one.
    pub reason: Option<RevokeReason>,
    /// What happens to the old token.
    pub overlap: Overlap,
    /// Whether a previous token is still valid.
    pub unfinished: bool,
    /// The change for each key in `keys`, if the changes differ per key.
    pub hygiene_changes: Vec<HygieneChange>,
    /// The text that must be typed to confirm, if any.
    pub expected: Option<String>,
    /// The text typed so far.
    pub typed: Input,
    /// The part that has the focus.
    pub focus: ConfirmationFocus,
    /// Why nothing was done.
    pub problem: Option<String>,
    /// How far the text is scrolled, if it does not fit.
    pub scroll: u16,
    /// Whether the action is under way.
    pub working: bool,
    /// Whether the key's last use is up to date; the value in the list may be old.
    pub known: Known,
    /// Whether the button was pressed before the last use was known: the action then runs once it
    /// is.
    pub pressed: bool,
}

/// Whether a key's last use is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The last use is the one from the list.
    AsListed,
    /// The key is being looked up.
    Awaited,
    /// The last use is current, or does not matter because the question is not about a single key.
    Now,
}

impl Confirmation {
    /// Creates a confirmation for these keys. Revoking several keys, or a key that was used in the
    /// last seven days, requires typing; in all other cases the focus starts on Cancel.
    #[must_use]
    pub fn about(verb: Verb, keys: Vec<Key>, now: Moment) -> Self {
        let expected = match (verb, keys.as_slice()) {
            (Verb::Disable | Verb::Enable | Verb::Rotate | Verb::ApplyHygiene, _) => None,
            (Verb::Revoke, [one]) => one.recently_used(now).then(|| one.id.start().to_owned()),
            (Verb::Revoke, several) => Some(several.len().to_string()),
        };
        let focus = if expected.is_some() {
            ConfirmationFocus::Field
        } else {
            ConfirmationFocus::Cancel
        };
        // A user who rotates again while an old token is valid usually wants to end that token.
        let unfinished = keys.iter().any(|key| key.previous_until >= Some(now));
        let overlap = match (verb, unfinished) {
            (Verb::Rotate, true) => Overlap::Finish,
            _ => Overlap::Hours(24),
        };
        let known = match keys.as_slice() {
            [_] if verb != Verb::ApplyHygiene => Known::AsListed,
            _ => Known::Now,
        };
        Self {
            verb,
            keys,
            damaged: None,
            known,
            pressed: false,
            overlap,
            unfinished,
            hygiene_changes: Vec::new(),
            reason: None,
            expected,
            typed: Input::default(),
            focus,
            problem: None,
            scroll: 0,
            working: false,
        }
    }

    /// Creates a confirmation for revoking a damaged key. Its last use is unknown, so the start of
    /// its id must be typed.
    #[must_use]
    pub fn of_damaged(damaged: Damaged, now: Moment) -> Self {
        Self {
            expected: Some(damaged.id.start().to_owned()),
            focus: ConfirmationFocus::Field,
            known: Known::Now,
            damaged: Some(damaged),
            ..Self::about(Verb::Revoke, Vec::new(), now)
        }
    }

    /// Creates a confirmation for several changes together. If one of them revokes a key, the
    /// number of changes must be typed.
    #[must_use]
    pub fn hygiene_change(changes: Vec<(Key, HygieneChange)>, now: Moment) -> Self {
        let count = changes.len();
        let revokes = changes
            .iter()
            .any(|(_, hygiene_change)| *hygiene_change == HygieneChange::Revoke);
        let (keys, hygiene_changes) = changes.into_iter().unzip();
        let asked = Self::about(Verb::ApplyHygiene, keys, now);
        Self {
            hygiene_changes,
            expected: revokes.then(|| count.to_string()),
            focus: if revokes {
                ConfirmationFocus::Field
            } else {
                ConfirmationFocus::Cancel
            },
            ..asked
        }
    }

    /// Whether the confirmation is about exactly this key and not under way yet.
    #[must_use]
    pub fn is_about(&self, id: &KeyId) -> bool {
        !self.working && matches!(self.keys.as_slice(), [one] if one.id == *id)
    }

    /// Returns the key that must be looked up, if any, and records it as being looked up.
    pub fn to_look_up(&mut self) -> Option<KeyId> {
        if self.known != Known::AsListed {
            return None;
        }
        self.known = Known::Awaited;
        self.keys.first().map(|key| key.id.clone())
    }

    /// Takes in the current state of the key. Returns whether the button was pressed before, so
    /// that the action must run now. A key that was changed is left alone: the code that loads the
    /// list withdraws the confirmation. Revoking a key that was used meanwhile now requires typing
    /// the start of its id.
    pub fn learn(&mut self, key: &Key, now: Moment) -> bool {
        let pressed = std::mem::take(&mut self.pressed);
        let [known] = self.keys.as_mut_slice() else {
            return false;
        };
        if known.revision != key.revision {
            return false;
        }
        known.clone_from(key);
        self.known = Known::Now;
        if self.verb == Verb::Revoke && self.expected.is_none() && key.recently_used(now) {
            let start = key.id.start();
            self.problem =
                pressed.then(|| format!("Nothing was revoked: it was used, so type {start} first"));
            self.expected = Some(start.to_owned());
            self.focus = ConfirmationFocus::Field;
            return false;
        }
        pressed
    }

    /// The label of the button, which is also the first word of the question.
    #[must_use]
    pub fn act(&self) -> &'static str {
        match (self.verb, self.overlap) {
            (Verb::Rotate, Overlap::Finish) => "End old token",
            (verb, _) => verb.title(),
        }
    }

    /// The keys' ids and revisions as the user saw them.
    #[must_use]
    pub fn seen(&self) -> Vec<KeyVersion> {
        self.keys.iter().map(KeyVersion::of).collect()
    }

    fn order(&self) -> Vec<ConfirmationFocus> {
        use ConfirmationFocus::{Act, Cancel, Field, Reason};
        match (self.verb, &self.expected) {
            (Verb::ApplyHygiene, Some(_)) => vec![Field, Cancel, Act],
            (Verb::Disable | Verb::Enable | Verb::ApplyHygiene, _) => vec![Cancel, Act],
            (Verb::Rotate, _) => vec![Reason, Cancel, Act],
            (Verb::Revoke, None) => vec![Cancel, Act, Reason],
            (Verb::Revoke, Some(_)) => vec![Field, Reason, Cancel, Act],
        }
    }

    /// Moves the focus to the next or the previous part.
    pub fn move_focus(&mut self, forward: bool) {
        self.pressed = false;
        self.focus = neighbour(&self.order(), self.focus, forward);
    }

    /// Handles `←` and `→`: chooses another reason or overlap, or moves to the other button.
    pub fn sideways(&mut self, forward: bool) {
        self.pressed = false;
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

    /// Whether the action may run now. If not, sets `problem` to the reason, or `pressed` if the
    /// last use of the key is not known yet.
    pub fn confirmed(&mut self) -> bool {
        let Some(expected) = &self.expected else {
            if self.verb == Verb::Revoke && self.known != Known::Now {
                self.pressed = true;
                return false;
            }
            return true;
        };
        if self.typed.value().trim() == expected {
            return true;
        }
        let typed = self.typed.value().trim();
        let done = if self.verb == Verb::ApplyHygiene {
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
    neighbour(&choices, reason, forward)
}

impl Dialog for Confirmation {
    fn place(&self) -> Place {
        match self.focus {
            ConfirmationFocus::Field => Place::ConfirmationField,
            _ => Place::Confirmation,
        }
    }

    fn type_into(&mut self, text: TextEdit<'_>) -> Typed {
        self.problem = type_into(&mut self.typed, text, FieldLimit::LINE);
        Typed::cut_if(self.problem.as_ref())
    }

    fn leave(&mut self) -> Leave {
        if self.working {
            Leave::Stay
        } else {
            Leave::Close
        }
    }

    fn leave_field(&mut self) -> Option<Leave> {
        (self.focus == ConfirmationFocus::Field).then(|| {
            self.focus = ConfirmationFocus::Cancel;
            Leave::Stay
        })
    }

    fn ignore_paste(&mut self, why: &str) -> Option<String> {
        self.problem = Some(why.to_owned());
        None
    }

    fn accept_word(&self) -> Option<&'static str> {
        match (self.focus, self.verb) {
            (ConfirmationFocus::Cancel, _) => Some("Cancel"),
            (ConfirmationFocus::Act, _) => Some(self.act()),
            (ConfirmationFocus::Reason, _) => Some("next"),
            (ConfirmationFocus::Field, Verb::ApplyHygiene) => Some(Verb::ApplyHygiene.title()),
            (ConfirmationFocus::Field, _) => None,
        }
    }

    fn shows_use(&self) -> bool {
        true
    }
}
