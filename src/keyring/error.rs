//! The errors of the use cases; each message is a sentence that tells the user what to do.
use super::{StoreError, VaultError, resolve::MOST_LISTED};
use crate::domain::{
    access::AccessError,
    agent::AgentError,
    conditions::Contradiction,
    key::Key,
    member::{Denied, MemberError},
    policy::PolicyError,
    route::RouteError,
    text::{self, TextError},
};

/// The reason why a use case failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The access area does not exist, or is invalid.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The route is invalid.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The actor does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The agent does not exist, or its name is invalid.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The member does not exist, or the change to it is refused.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The text is invalid.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The workspace's policy refuses this expiry.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// With these conditions no request could ever pass.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// No previous token of the key is valid any more.
    #[error("no old token of {0} is good any more: there is nothing to finish")]
    NothingToFinish(String),
    /// One more previous token would displace one that is still valid.
    #[error(
        "{name} has {good} old tokens that are still good, and no more are kept: nothing was done. End them first with `claviger rotate KEY --finish` (R on the screen), or rotate with an overlap of 0, which ends them too"
    )]
    TooManyGood {
        /// The key's name.
        name: String,
        /// The number of previous tokens that are still valid.
        good: usize,
    },
    /// No refusal with that id is stored.
    #[error(
        "no refusal {0} is known. Only refusals are kept: the last 50 of each key, for 100 days, and the last 500 that match no key, from some seconds after the decision. Requests that were answered with 400 or 503 are only in the log of the endpoint"
    )]
    NoSuchDecision(String),
    /// Every stored refusal matches a key.
    #[error("no refusal is kept of a request that matches no key")]
    NothingUnmatched,
    /// No key matches the text.
    #[error(
        "no key is called {0}, has that id, or an id that begins so (4 characters or more): `claviger list` shows them all"
    )]
    NoSuchKey(String),
    /// Several keys match the text.
    #[error("{text} means {}: nothing was done. Use the id of the one you mean:{}", several(.keys), listed(.keys))]
    Ambiguous {
        /// The text that was given.
        text: String,
        /// The keys that match it.
        keys: Vec<Key>,
    },
    /// Several keys of the agent have the name of the key that was to be created if there was
    /// none.
    #[error("{} are called {name}: nothing was done. Revoke or rename all but one of them, or choose another name:{}", several(.keys), listed(.keys))]
    SameName {
        /// The name.
        name: String,
        /// The keys with the name.
        keys: Vec<Key>,
    },
    /// An event whose row cannot be read.
    #[error(
        "the audit log does not hold at event {sequence}: it was changed after it was recorded ({why})"
    )]
    Unreadable {
        /// The number of the first event that does not verify.
        sequence: i64,
        /// The reason why its row cannot be read.
        why: StoreError,
    },
    /// An event that breaks the chain or contradicts a checkpoint.
    #[error("the audit log does not hold at event {sequence}: {why}")]
    BrokenChain {
        /// The number of the first event that does not verify.
        sequence: i64,
        /// The reason why it does not verify.
        why: &'static str,
    },
}

impl KeyringError {
    /// Returns `true` if the given value was refused, and `false` if the operation failed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        // In these two cases the given value was valid.
        if let Self::Member(error) | Self::Store(StoreError::Member(error)) = self {
            return !matches!(error, MemberError::Conflict(_) | MemberError::LastOwner(_));
        }
        matches!(
            self,
            Self::Access(_)
                | Self::Text(_)
                | Self::Route(_)
                | Self::Policy(_)
                | Self::Contradiction(_)
                | Self::Agent(_)
                | Self::TooManyGood { .. }
                | Self::SameName { .. }
                | Self::Ambiguous { .. }
                | Self::Store(
                    StoreError::AreaExists { .. }
                        | StoreError::Route(_)
                        | StoreError::Access(_)
                        | StoreError::AgentExists(_)
                        | StoreError::Agent(_)
                )
        )
    }

    /// Returns `true` if the actor is no longer a member.
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
