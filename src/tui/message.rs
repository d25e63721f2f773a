//! Messages, which say what happened (past tense), and effects, which say what to do (imperative).
//!
//! Effects are data: the shell in `tui.rs` carries them out and answers with a message. Neither
//! holds a connection, and no effect holds a secret. To add an effect, add a variant here, an arm
//! in the shell, and a message for its answer.
use std::{
    collections::HashMap,
    mem::{self, Discriminant},
};

use crossterm::event::KeyEvent;
use secrecy::SecretString;
use strum::{EnumCount, VariantArray};

use crate::domain::{
    agent::AgentName,
    approval::PendingChange,
    audit::EventFilter,
    hygiene::HygieneChange,
    key::{Draft, Key, KeyVersion, RevokeReason},
    listing::ListVersion,
    member::{Member, MemberDraft},
    moment::Moment,
    token::{KeyId, TokenPrefix},
};

use super::{
    audit::ExportForm,
    confirmation::Overlap,
    read::{Answer, Read, Ticket},
};

/// Something that happened.
#[derive(Debug)]
pub enum Message {
    /// A key was pressed.
    Pressed(KeyEvent),
    /// Text was pasted; it is treated as text and never as key presses.
    Pasted(String),
    /// Characters arrived together for the focused field, with `\n` for line ends between them.
    Typed(String),
    /// Characters arrived together where there is no text field; they are ignored.
    Strayed,
    /// The terminal was resized to this number of columns and rows.
    Resized(u16, u16),
    /// A second passed while something counts down.
    Ticked,
    /// The current list version was read, and it differs from the one shown.
    ListVersionRead(ListVersion),
    /// The read with this ticket ended.
    Answered(Ticket, Answer),
    /// A key was created.
    Created(Result<Box<(Key, TokenPrefix)>, ChangeError>),
    /// A key was edited; holds its new state.
    Edited(Result<Box<Key>, ChangeError>),
    /// Keys were disabled (`true`) or enabled; holds their new state.
    Switched(bool, Result<Vec<Key>, ChangeError>),
    /// A key got a new token, or its previous tokens were ended; holds its new state and the kind
    /// of rotation.
    Rotated(Result<Box<(Key, Rotation)>, ChangeError>),
    /// Hygiene changes were made together.
    HygieneOutcome(HygieneOutcome),
    /// A request was approved or rejected: a sentence about it, and the key that was revoked by that,
    /// if one was; or why that failed.
    Decided(Result<(String, Option<KeyId>), String>),
    /// This number of changes was not made and waits for approval; comes after the message about
    /// them.
    Waits(usize),
    /// Requests for approval were withdrawn by a change; comes after the message about it.
    Withdrew(Vec<String>),
    /// The audit log was exported: a sentence about the file, or why the export failed.
    Exported(Result<String, String>),
    /// A member was added, changed or removed: a sentence about it, or why that failed.
    MemberSaved(Result<String, String>),
    /// Something failed that is not part of a change, such as keeping a checkpoint.
    Warned(String),
    /// The acting user is no longer a member.
    Expelled(String),
    /// Keys were revoked.
    Revoked(Result<Vec<KeyId>, ChangeError>),
    /// A copy ended.
    Copied(Copied),
    /// A token was opened to be shown.
    Revealed(Result<RevealedToken, ChangeError>),
    /// The terminal's clipboard was overwritten, or why that failed.
    Overwritten(Result<(), String>),
    /// A native clipboard was checked; `true` if it still held the token and was cleared.
    Cleared(bool),
    /// A shown token was saved: the path, or why that failed.
    Saved(Result<String, String>),
}

/// The tickets of the awaited reads: for each kind of read the newest.
#[derive(Debug, Default)]
pub struct Tickets {
    last: u64,
    awaited: HashMap<Discriminant<Read>, Ticket>,
}

impl Tickets {
    /// Gives out a ticket for a read; the answers to older reads of its kind are dropped from now
    /// on.
    #[must_use]
    pub fn ask(&mut self, read: Read) -> Effect {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.awaited.insert(mem::discriminant(&read), ticket);
        Effect::Read(ticket, read)
    }

    /// Takes a ticket back. Returns whether its answer is awaited; any other answer is dropped.
    pub fn take_back(&mut self, ticket: Ticket) -> bool {
        let before = self.awaited.len();
        self.awaited.retain(|_, awaited| *awaited != ticket);
        self.awaited.len() < before
    }
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeError {
    /// The key was changed meanwhile: its current state, and who changed it.
    Conflict(Box<Key>, String),
    /// The key is gone, and who revoked it.
    Gone(String),
    /// Any other reason, as a sentence.
    Other(String),
}

/// The result of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The previous tokens were ended, and no new one was made.
    Finished,
    /// A new token was made; holds the time until which the old one is valid, if it still is, and
    /// what the new one begins with.
    Renewed(Option<Moment>, TokenPrefix),
}

/// The result of changes that were made together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HygieneOutcome {
    /// The number of edited keys.
    pub edited: usize,
    /// The keys that were revoked.
    pub revoked: Vec<KeyId>,
    /// Why other keys were not changed, one sentence each.
    pub failed: Vec<String>,
}

/// How a copy ended.
#[derive(Debug)]
pub enum Copied {
    /// The token is on the local clipboard; holds the key's id and name.
    Native(KeyId, String),
    /// The token was sent to the terminal; holds the key's id and name, and why the token may not
    /// arrive, if that is in doubt.
    Sent(KeyId, String, Option<String>),
    /// No clipboard is available, so the token must be shown; holds the token and the reason.
    Nowhere(RevealedToken, String),
    /// The token could not be opened.
    Failed(ChangeError),
}

/// A token that is about to be shown.
pub struct RevealedToken {
    /// The key's id.
    pub id: KeyId,
    /// The key's name.
    pub name: String,
    /// The token.
    pub text: SecretString,
}

impl std::fmt::Debug for RevealedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shown({})", self.id)
    }
}

/// A form in which a token is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum CopyForm {
    /// The token alone.
    Token,
    /// A curl command line.
    Curl,
    /// A shell's export line.
    Export,
    /// A line of an .env file.
    DotEnv,
}

impl CopyForm {
    /// All forms, in the order in which they are offered.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the form filled with the token.
    #[must_use]
    pub fn filled(self, token: &str) -> String {
        match self {
            Self::Token => token.to_owned(),
            Self::Curl => format!("curl -H 'Authorization: Bearer {token}' "),
            Self::Export => format!("export API_KEY={token}"),
            Self::DotEnv => format!("API_KEY={token}"),
        }
    }

    /// The name of the form in the dialog.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Token => "the token alone",
            Self::Curl => "a curl line",
            Self::Export => "an export line",
            Self::DotEnv => "an .env line",
        }
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read something. A newer read of the same kind may abort it.
    Read(Ticket, Read),
    /// Create a key for this agent; `None` leaves the choice to the keyring, which takes the only
    /// agent or the default one.
    Create(Option<AgentName>, Draft),
    /// Change a key.
    Edit(KeyVersion, Draft),
    /// Disable (`true`) or enable keys.
    Switch(Vec<KeyVersion>, bool),
    /// Revoke a key that cannot be read.
    RevokeDamaged(KeyId, RevokeReason),
    /// Revoke keys.
    Revoke(Vec<KeyVersion>, RevokeReason),
    /// Give a key a new token, or end its previous ones.
    Rotate(KeyVersion, Overlap),
    /// Approve (`true`) or reject a request.
    Decide(Box<PendingChange>, bool),
    /// Write events of the audit log to a file with mode 0600.
    Export(EventFilter, ExportForm),
    /// Add a member.
    AddMember(MemberDraft),
    /// Change a member, given as the user saw it.
    EditMember(Box<Member>, MemberDraft),
    /// Remove a member, given as the user saw it.
    RemoveMember(Box<Member>),
    /// Make these changes, one after the other.
    ApplyHygiene(Vec<(KeyVersion, HygieneChange)>),
    /// Copy a key's token.
    Copy(KeyId, CopyForm),
    /// Open a key's token to be shown.
    Reveal(KeyId),
    /// Save the shown token to a file with mode 0600.
    Save(KeyId),
    /// Overwrite the terminal's clipboard.
    Overwrite,
    /// Clear the native clipboard if it still holds the token.
    Clear,
    /// Repaint the whole screen.
    Redraw,
    /// Give the terminal back until the user's shell brings the program to the foreground again.
    Suspend,
    /// End the program after the writes that are under way.
    Quit,
}
