//! What happens (messages, in the past tense) and what is to be done (effects, imperative).
//!
//! Effects are data: the shell in `tui.rs` carries them out and answers with a message. Neither
//! holds a connection, and no effect holds a secret. To add an effect: a variant here, an arm in
//! the shell, and a message for its answer.
use crossterm::event::KeyEvent;
use secrecy::SecretString;
use strum::{EnumCount, VariantArray};

use crate::domain::{
    access::Area,
    agent::{AgentName, AgentScope},
    audit::{Event, EventCursor, EventFilter},
    explain::Explanation,
    hygiene::HygieneChange,
    key::{Draft, Key, KeyName, KeyVersion, Namesakes, RevokeReason},
    listing::{Count, Cursor, Damaged, ListVersion, PageRequest, Row},
    member::{Member, MemberDraft, Role},
    moment::Moment,
    policy::Policy,
    token::KeyId,
    usage::Activity,
};

use super::{
    audit::ExportForm, confirmation::Overlap, explain::ExplainQuery, hygiene::HygieneFindings,
};

/// Something that happened.
#[derive(Debug)]
pub enum Message {
    /// A key was pressed.
    Pressed(KeyEvent),
    /// Text was pasted; it is text and never keys.
    Pasted(String),
    /// Characters came in together for the focused field, line ends between them as `\n`.
    Typed(String),
    /// Characters came in together where there is no text field: nothing is to be done.
    Strayed,
    /// The terminal has another size: columns and rows.
    Resized(u16, u16),
    /// A second went by while something counts down; also brings the present moment.
    Ticked(Moment),
    /// It was read of what a list would be a picture by now.
    EditionRead(ListVersion),
    /// A load ended.
    Loaded(u64, Result<Box<Loaded>, String>),
    /// A key was made.
    Created(Result<Box<Key>, ChangeError>),
    /// A key was edited; as it is now.
    Edited(Result<Box<Key>, ChangeError>),
    /// Keys were switched off (`true`) or on; as they are now.
    Switched(bool, Result<Vec<Key>, ChangeError>),
    /// A key got a new token, or its old ones were ended; as it is now, and what became of those.
    Rotated(Result<Box<(Key, Rotation)>, ChangeError>),
    /// A key, and what is known of its use, was read.
    KeyDetailsLoaded(KeyId, Result<Box<(Key, Activity)>, String>),
    /// Keys were looked at for what deserves to be put right.
    HygieneReport(Result<Box<HygieneFindings>, String>),
    /// Changes were made together.
    HygieneOutcome(HygieneOutcome),
    /// A request was explained.
    Explained(u64, Result<Box<Explanation>, String>),
    /// Events of the audit log were read.
    EventsRead(EventFilter, EventCursor, Result<Vec<Event>, String>),
    /// The audit log was written to a file, or why not.
    Exported(Result<String, String>),
    /// All keys were read: how many are damaged, or why not.
    DamageFound(Result<usize, String>),
    /// Other keys that have this name, or one that looks like it, were looked for.
    NamesakesFound(KeyName, Namesakes),
    /// Who the members are was read.
    MembersRead(Result<Vec<Member>, String>),
    /// A change of a member was made, or why not.
    MemberSaved(Result<String, String>),
    /// Something beside a change went wrong.
    Warned(String),
    /// Whoever acts is no member any more.
    Expelled(String),
    /// Keys were revoked.
    Revoked(Result<Vec<KeyId>, ChangeError>),
    /// A copy ended.
    Copied(Copied),
    /// A token was opened to be shown.
    Revealed(Result<RevealedToken, ChangeError>),
    /// The terminal's clipboard was overwritten, or why not.
    Overwritten(Result<(), String>),
    /// A native clipboard was cleared; whether it still held the token.
    Cleared(bool),
    /// A shown token was saved in this file, or why not.
    Saved(Result<String, String>),
}

/// What a load brings.
#[derive(Debug)]
pub struct Loaded {
    /// The rows, in the list's order.
    pub rows: Vec<ListRow>,
    /// Whether the list goes on in the direction that was read.
    pub more: bool,
    /// How many keys in between cannot be read and have no row either.
    pub unreadable: usize,
    /// How many keys there are.
    pub count: Count,
    /// What whoever acts may do.
    pub role: Role,
    /// The agents whose keys they may see.
    pub agents: Vec<AgentName>,
    /// The areas.
    pub areas: Vec<Area>,
    /// How keys must end.
    pub policy: Policy,
    /// Of what this is a picture; read before the rows were.
    pub list_version: ListVersion,
    /// When.
    pub now: Moment,
    /// The keys that were asked after, as they are now; `None` for one that is gone.
    pub watched: Vec<(KeyId, Option<Key>)>,
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeError {
    /// The key was changed meanwhile: as it is now, and who did it.
    Conflict(Box<Key>, String),
    /// The key is gone, and who revoked it.
    Gone(String),
    /// Anything else, as a sentence.
    Said(String),
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The old tokens are over, and no new one was made.
    Finished,
    /// There is a new one; until when the old one is good, if it is.
    Renewed(Option<Moment>),
}

/// What became of changes that were made together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HygieneOutcome {
    /// How many keys were edited.
    pub edited: usize,
    /// The keys that were revoked.
    pub revoked: Vec<KeyId>,
    /// Why others were not changed.
    pub failed: Vec<String>,
}

/// How a copy ended.
#[derive(Debug)]
pub enum Copied {
    /// The local clipboard holds it; whose token it is, and what that key is called.
    Native(KeyId, String),
    /// It went to the terminal: whose token it is, what that key is called, and why it may not arrive,
    /// if it may not.
    Sent(KeyId, String, Option<String>),
    /// There is no clipboard: the token must be shown.
    Nowhere(RevealedToken, String),
    /// The token could not be opened.
    Failed(ChangeError),
}

/// A token that is about to be shown.
pub struct RevealedToken {
    /// Whose it is.
    pub id: KeyId,
    /// What that key is called.
    pub name: String,
    /// What to show.
    pub text: SecretString,
}

impl std::fmt::Debug for RevealedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shown({})", self.id)
    }
}

/// In which form a token is copied.
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
    /// All forms, as they are offered.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The form with the token in it.
    #[must_use]
    pub fn filled(self, token: &str) -> String {
        match self {
            Self::Token => token.to_owned(),
            Self::Curl => format!("curl -H 'Authorization: Bearer {token}' "),
            Self::Export => format!("export API_KEY={token}"),
            Self::DotEnv => format!("API_KEY={token}"),
        }
    }

    /// What the form is called.
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

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read a page and what goes with it; an older read under way is dropped.
    Load(Load),
    /// Make a key for an agent, or for the one that goes without saying.
    Create(Option<AgentName>, Draft),
    /// Change a key.
    Edit(KeyVersion, Draft),
    /// Switch keys off (`true`) or on.
    Switch(Vec<KeyVersion>, bool),
    /// Revoke a key that cannot be read.
    RevokeDamaged(KeyId, RevokeReason),
    /// Read all keys, so that those that are damaged are known.
    LookForDamage,
    /// Look for other keys than this one that have this name, or one that looks like it.
    FindNamesakes(KeyName, Option<KeyId>),
    /// Revoke keys.
    Revoke(Vec<KeyVersion>, RevokeReason),
    /// Give a key a new token, or end its old ones.
    Rotate(KeyVersion, Overlap),
    /// Read a key, and what is known of its use.
    LoadKeyDetails(KeyId),
    /// Read events of the audit log, in one direction.
    ReadEvents(EventFilter, EventCursor),
    /// Write events of the audit log to a file that nobody else can read.
    Export(EventFilter, ExportForm),
    /// Read who the members are.
    ReadMembers,
    /// Add a member.
    AddMember(MemberDraft),
    /// Change a member, as they were seen.
    EditMember(Box<Member>, MemberDraft),
    /// Remove a member, as they were seen.
    RemoveMember(Box<Member>),
    /// Look at all keys of these agents for what deserves to be put right.
    ReadHygiene(AgentScope),
    /// Make these changes, one after the other.
    Tidy(Vec<(KeyVersion, HygieneChange)>),
    /// Explain a request; the answer names the ticket.
    Explain(u64, ExplainQuery),
    /// Copy a key's token.
    Copy(KeyId, CopyForm),
    /// Open a key's token to be shown.
    Reveal(KeyId),
    /// Save what is shown to a file that nobody else can read.
    Save(KeyId),
    /// Overwrite the terminal's clipboard.
    Overwrite,
    /// Clear the native clipboard if it still holds the token.
    Clear,
    /// Paint everything anew.
    Redraw,
    /// Give the terminal back until the shell brings us to the front again.
    Suspend,
    /// End the program, after the writes that are under way.
    Quit,
}

impl Effect {
    /// Whether nothing is changed or given out: a newer one of its kind may end it.
    #[must_use]
    pub const fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::Load(_)
                | Self::LoadKeyDetails(_)
                | Self::ReadHygiene(_)
                | Self::Explain(..)
                | Self::ReadEvents(..)
                | Self::ReadMembers
                | Self::LookForDamage
                | Self::FindNamesakes(..)
        )
    }
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListRow {
    /// A key.
    Key(Box<Row>),
    /// A key that cannot be read, and its place in the list's order.
    Damaged(Damaged, Cursor),
}

impl ListRow {
    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        match self {
            Self::Key(row) => &row.key.id,
            Self::Damaged(damaged, _) => &damaged.id,
        }
    }

    /// The key, if it can be read.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Key(row) => Some(&row.key),
            Self::Damaged(..) => None,
        }
    }

    /// The key, to be brought up to date.
    pub fn key_mut(&mut self) -> Option<&mut Key> {
        match self {
            Self::Key(row) => Some(&mut row.key),
            Self::Damaged(..) => None,
        }
    }

    /// Its place in the list's order.
    #[must_use]
    pub const fn cursor(&self) -> &Cursor {
        match self {
            Self::Key(row) => &row.cursor,
            Self::Damaged(_, cursor) => cursor,
        }
    }
}

/// A page to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The answer names it; an answer to an older one is dropped.
    pub ticket: u64,
    /// Which page.
    pub request: PageRequest,
    /// Keys to look at as well: those that a dialog is about, and the marked ones.
    pub watch: Vec<KeyId>,
}
