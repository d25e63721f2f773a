//! The reads that the screen requests, and their answers. A read changes nothing and never returns
//! a token.
use crate::domain::{
    access::Area,
    agent::{AgentName, AgentScope},
    approval::PendingChange,
    audit::{Event, EventCursor, EventFilter},
    decision::DecisionId,
    explain::{ExplainSubject, Explanation},
    hygiene::HygieneRow,
    key::{Key, KeyName, Namesakes},
    listing::{Count, Cursor, Damaged, ListVersion, PageRequest, Row},
    member::{Member, Role},
    moment::Moment,
    policy::Policy,
    token::KeyId,
    usage::{Activity, UsageDimension},
};

/// A request for data. A read changes nothing and never returns a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// A page of the list, and the data shown with it.
    List(Load),
    /// A key and its activity.
    KeyDetails(KeyId),
    /// The hygiene findings about all keys of these agents.
    Hygiene(AgentScope),
    /// The requests for approval, of these agents.
    Approvals(AgentScope),
    /// Counts of requests.
    Usage(UsageQuery),
    /// The explanation of a request.
    Explain(ExplainQuery),
    /// Events of the audit log that match the filter, in one direction.
    Events(EventFilter, EventCursor),
    /// The members.
    Members,
    /// All keys, to find the damaged ones.
    Damage,
    /// The keys, other than the given key, that have this name or a similar one.
    Namesakes(KeyName, Option<KeyId>),
}

/// The result of a [`Read`]: the data, or a sentence that says why the read failed.
#[derive(Debug)]
pub enum Answer {
    /// A page of the list.
    List(Result<Box<Loaded>, String>),
    /// A key and its activity.
    KeyDetails(KeyId, Result<Box<(Key, Activity)>, String>),
    /// Hygiene findings.
    Hygiene(Result<Box<HygieneFindings>, String>),
    /// The requests for approval.
    Approvals(Result<Vec<PendingChange>, String>),
    /// Counts of requests.
    Usage(Result<Vec<UsageLine>, String>),
    /// An explanation.
    Explain(Result<Box<Explanation>, String>),
    /// Events.
    Events(Result<Vec<Event>, String>),
    /// The members.
    Members(Result<Vec<Member>, String>),
    /// The number of damaged keys.
    Damage(Result<usize, String>),
    /// The other keys with this name, or a similar one.
    Namesakes(KeyName, Namesakes),
}

/// The request to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExplainQuery {
    /// The newest refusal of a key or, if there is none, an ordinary request.
    Newest(KeyId),
    /// The given request or refusal.
    Of(ExplainSubject),
    /// An ordinary request with the current token of a key.
    Ordinary(KeyId),
    /// The refusal with this decision id.
    Decision(DecisionId),
    /// The newest refusal that matches no key.
    Unmatched,
}

/// The counts to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    /// The key whose requests are counted; `None` for all keys of these agents.
    pub key: Option<KeyId>,
    /// The agents.
    pub scope: AgentScope,
    /// What the counts are grouped by.
    pub by: UsageDimension,
    /// The number of days back from now.
    pub days: i64,
}

/// The number of lines after which the usage screen shows no more.
pub const MOST_USAGE_LINES: usize = 200;

/// A line of the usage screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageLine {
    /// What was counted: a day, a key's name, an area and so on; empty for none.
    pub text: String,
    /// The key, if the counts are grouped by keys.
    pub key: Option<KeyId>,
    /// The number of allowed requests.
    pub allowed: i64,
    /// The number of refused requests.
    pub refused: i64,
}

impl UsageLine {
    /// Returns the number of requests.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.allowed.saturating_add(self.refused)
    }
}

/// The findings about all inspected keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HygieneFindings {
    /// The time since which uses are counted.
    pub since: Option<Moment>,
    /// The findings, those of the newest key first.
    pub rows: Vec<HygieneRow>,
    /// Whether there are more findings than these.
    pub more: bool,
}

/// The number that pairs a read with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub(super) u64);

/// A page to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The requested page.
    pub request: PageRequest,
    /// Further keys whose current state is wanted: the selected one, the marked ones and those of
    /// an open confirmation.
    pub watch: Vec<KeyId>,
}

/// The result of a load.
#[derive(Debug)]
pub struct Loaded {
    /// The rows, in the list's order.
    pub rows: Vec<ListRow>,
    /// Whether the list continues in the direction that was read.
    pub more: bool,
    /// The number of keys in this range that cannot be read and have no row.
    pub unreadable: usize,
    /// The number of keys.
    pub count: Count,
    /// The role of the acting user.
    pub role: Role,
    /// The agents whose keys the acting user may see.
    pub agents: Vec<AgentName>,
    /// The access areas.
    pub areas: Vec<Area>,
    /// The policy for the ends of keys.
    pub policy: Policy,
    /// The version of the list, read before the rows were.
    pub list_version: ListVersion,
    /// The watched keys in their current state; `None` for a key that is gone.
    pub watched: Vec<(KeyId, Option<Key>)>,
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListRow {
    /// A readable key.
    Key(Box<Row>),
    /// A damaged key, and its position in the list's order.
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

    /// The key, if it can be read, for updating it.
    pub fn key_mut(&mut self) -> Option<&mut Key> {
        match self {
            Self::Key(row) => Some(&mut row.key),
            Self::Damaged(..) => None,
        }
    }

    /// The position of the row in the list's order.
    #[must_use]
    pub const fn cursor(&self) -> &Cursor {
        match self {
            Self::Key(row) => &row.cursor,
            Self::Damaged(_, cursor) => cursor,
        }
    }
}
