//! What is asked before keys are changed: the question, its fields, and which of them has the keys.
//!
//! A small state with its own focus; it neither draws nor acts.
use tui_input::Input;

use crate::domain::{
    hygiene::HygieneChange,
    key::{Key, KeyVersion, RevokeReason},
    listing::Damaged,
    moment::Moment,
    token::KeyId,
};

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
    /// Or to which one that cannot be read.
    pub damaged: Option<Damaged>,
    /// Why; unset is never guessed.
    pub reason: Option<RevokeReason>,
    /// What becomes of the old token.
    pub overlap: Overlap,
    /// Whether an old token is good still.
    pub unfinished: bool,
    /// What is to be done to each of several keys, where that differs.
    pub hygiene_changes: Vec<HygieneChange>,
    /// What must be typed, if anything.
    pub expected: Option<String>,
    /// What was typed.
    pub typed: Input,
    /// What has the keys.
    pub focus: ConfirmationFocus,
    /// Why nothing happened.
    pub problem: Option<String>,
    /// How far what it says is scrolled, where that does not fit.
    pub scroll: u16,
    /// Whether it is being done.
    pub working: bool,
    /// Whether it is known when the key was used last: what a list shows of that may be old.
    pub known: Known,
    /// Whether the button was pressed before that was known: then it is done once it is.
    pub pressed: bool,
}

/// How far it is known when a key was used last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// As the list had it.
    AsListed,
    /// It is being looked up.
    Awaited,
    /// As it is; or it does not matter, for no single key is asked about.
    Now,
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
        let unfinished = keys.iter().any(|key| key.previous_until >= Some(now));
        let overlap = match (verb, unfinished) {
            (Verb::Rotate, true) => Overlap::Finish,
            _ => Overlap::Hours(24),
        };
        let known = match keys.as_slice() {
            [_] if verb != Verb::Tidy => Known::AsListed,
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

    /// Asks whether to revoke a key that cannot be read. When it was used last is not known, so the start
    /// of its id is typed.
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

    /// Asks about several changes together. If one of them deletes a key, their number is typed.
    #[must_use]
    pub fn hygiene_change(changes: Vec<(Key, HygieneChange)>, now: Moment) -> Self {
        let count = changes.len();
        let revokes = changes
            .iter()
            .any(|(_, hygiene_change)| *hygiene_change == HygieneChange::Revoke);
        let (keys, hygiene_changes) = changes.into_iter().unzip();
        let asked = Self::about(Verb::Tidy, keys, now);
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

    /// Whether it is about this key and no other.
    #[must_use]
    pub fn is_about(&self, id: &KeyId) -> bool {
        !self.working && matches!(self.keys.as_slice(), [one] if one.id == *id)
    }

    /// The key that must be looked up, if one must; it is being looked up from now on.
    pub fn to_look_up(&mut self) -> Option<KeyId> {
        if self.known != Known::AsListed {
            return None;
        }
        self.known = Known::Awaited;
        self.keys.first().map(|key| key.id.clone())
    }

    /// Learns how its key is now; answers whether what was pressed before is to be done. One that was
    /// changed is withdrawn by whoever reads the list; one that was used since wants the start of its id.
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
    pub fn seen(&self) -> Vec<KeyVersion> {
        self.keys.iter().map(KeyVersion::of).collect()
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
        self.pressed = false;
        let order = self.order();
        let at = order.iter().position(|one| *one == self.focus).unwrap_or(0);
        let step = if forward { 1 } else { order.len() - 1 };
        self.focus = order[(at + step) % order.len()];
    }

    /// `←` and `→`: another reason, or the other button.
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

    /// Whether what must be typed was typed; else says why not.
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
