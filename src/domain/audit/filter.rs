//! Which events of the audit log are wanted.
use crate::domain::{agent::Reach, moment::Moment};

/// Which events are wanted; an empty text is any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Of which agents' keys; what is no key's is always told.
    pub reach: Reach,
    /// Part of who did it.
    pub actor: String,
    /// To what exactly: the id of a key, say.
    pub subject_id: String,
    /// Part of what its subject was called, or its id.
    pub subject: String,
    /// Part of what was done: `key.revoked`, or `revoked`, or `member`.
    pub change: String,
    /// Not before.
    pub since: Option<Moment>,
    /// Not after.
    pub until: Option<Moment>,
}
