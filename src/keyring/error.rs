//! Why a use case could not be carried out, each a sentence that a person can act on.
use super::{StoreError, VaultError, resolve::MOST_LISTED};
use crate::domain::{
    access::AccessError,
    agent::AgentError,
    key::Key,
    member::{Denied, MemberError},
    policy::PolicyError,
    route::RouteError,
    text::{self, TextError},
};

/// Why a use case could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An area that there is not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A route that is refused.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Whoever asked may not do that.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// An agent that is refused, or that there is not.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A member that is refused, or that there is not.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// A text that is refused.
    #[error(transparent)]
    Text(#[from] TextError),
    /// An end that the workspace's policy refuses.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No token that was rotated out is good any more.
    #[error("no old token of {0} is good any more: there is nothing to finish")]
    NothingToFinish(String),
    /// Another old token would push out one that is good still.
    #[error(
        "{good} old tokens of {name} are good still, and no more are kept: nothing was done. End them first with `claviger rotate --finish` (R on the screen), or rotate with an overlap of 0, which ends them too"
    )]
    TooManyGood {
        /// The key's name.
        name: String,
        /// How many.
        good: usize,
    },
    /// No refusal is kept under that id.
    #[error(
        "no refusal {0} is known: the last 50 of each key are kept for 100 days, and written down some seconds after the decision; allowed requests are counted, not kept, and of what an endpoint could not even read only its log tells"
    )]
    NoSuchDecision(String),
    /// Every refusal that is kept matches a key.
    #[error("no refusal is kept that matches no key")]
    NothingUnmatched,
    /// No key is meant by that.
    #[error(
        "no key is called {0}, has that id, or an id that begins so: `claviger list` shows them all"
    )]
    NoSuchKey(String),
    /// Several keys are meant by that.
    #[error("{text} means {}: nothing was done. Use the id of the one you mean:{}", several(.keys), listed(.keys))]
    Ambiguous {
        /// What was given.
        text: String,
        /// The keys that it could mean.
        keys: Vec<Key>,
    },
    /// An event that cannot even be read.
    #[error(
        "the audit log does not hold at event {sequence}: it was changed after it was recorded ({why})"
    )]
    Unreadable {
        /// The first event that does not hold.
        sequence: i64,
        /// What is wrong with its row.
        why: StoreError,
    },
    /// One of the things that a reader of the audit log relies on does not hold.
    #[error("the audit log does not hold at event {sequence}: {why}")]
    BrokenChain {
        /// The first event that does not hold.
        sequence: i64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl KeyringError {
    /// Whether it is the value given that was refused, and not the work that failed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        // Of these it is not the value that was wrong.
        if let Self::Member(error) | Self::Store(StoreError::Member(error)) = self {
            return !matches!(error, MemberError::Conflict(_) | MemberError::LastOwner(_));
        }
        matches!(
            self,
            Self::Access(_)
                | Self::Text(_)
                | Self::Route(_)
                | Self::Policy(_)
                | Self::Agent(_)
                | Self::TooManyGood { .. }
                | Self::Store(
                    StoreError::AreaExists { .. }
                        | StoreError::RouteTaken { .. }
                        | StoreError::Access(_)
                        | StoreError::AgentExists(_)
                        | StoreError::Agent(_)
                )
        )
    }

    /// Whether whoever acts is no member any more.
    #[must_use]
    pub fn is_expulsion(&self) -> bool {
        matches!(
            self,
            Self::Denied(Denied::NotAMember) | Self::Store(StoreError::Denied(Denied::NotAMember))
        )
    }
}

fn several(keys: &[Key]) -> String {
    if keys.len() > MOST_LISTED {
        "many keys".to_owned()
    } else {
        format!("{} keys", keys.len())
    }
}

fn listed(keys: &[Key]) -> String {
    let line = |key: &Key| {
        let (name, made) = (text::visible(key.name()), key.created_at.date());
        format!("\n  {}  {name}  made {made}", key.id)
    };
    keys.iter()
        .take(MOST_LISTED)
        .map(line)
        .collect::<Vec<_>>()
        .concat()
}
