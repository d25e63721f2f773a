//! Reads the audit log, and verifies its chain from the first event to the newest.
use std::collections::BTreeMap;

use super::{Keyring, KeyringError};
use crate::{
    domain::{
        audit::{self, Checkpoint, Event, EventCursor, EventFilter},
        location::CheckpointTarget,
        member::Permission,
    },
    journal::Journal,
    store::Committed,
};

/// The number of events that are read at a time.
const EVENTS_PER_READ: i64 = 500;

/// The result of verifying an audit log that is intact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The number of events.
    pub events: i64,
    /// The hash of the newest event, in hexadecimal.
    pub head: String,
    /// The number of checkpoints that agree with the log.
    pub checkpoints: usize,
}

/// The record of an operation that changes the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The number of recorded events; 0 if there was nothing to change.
    pub events: usize,
    /// The requests for approval that are withdrawn by it, in words.
    pub withdrawn: Vec<String>,
    /// The number of changes that were not made and wait for approval instead.
    pub waiting: usize,
    /// Why a checkpoint of the events could not be stored, as a sentence. The change is made
    /// anyway.
    pub checkpoint_error: Option<String>,
}

impl Recorded {
    /// Returns the record of both operations.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            waiting: self.waiting + other.waiting,
            withdrawn: [self.withdrawn, other.withdrawn].concat(),
            checkpoint_error: other.checkpoint_error.or(self.checkpoint_error),
        }
    }
}

impl Keyring {
    /// Opens the journal to which a checkpoint of each event is written, from now on, after its
    /// commit.
    ///
    /// # Errors
    /// Returns a sentence if the journal cannot be opened. Then no checkpoint is written.
    pub fn keep_checkpoints(&mut self, target: &CheckpointTarget) -> Result<(), String> {
        self.journal = Journal::open(target)?;
        Ok(())
    }

    /// Writes the checkpoints of a committed change, and returns what was recorded.
    pub(super) fn recorded(&self, committed: &Committed) -> Recorded {
        let mut recorded = Recorded {
            events: committed.events().len(),
            waiting: 0,
            withdrawn: committed.withdrawn().to_vec(),
            checkpoint_error: None,
        };
        let Some(journal) = &self.journal else {
            return recorded;
        };
        for (sequence, hash) in committed.events() {
            let checkpoint = Checkpoint {
                workspace: self.workspace.uuid.clone(),
                sequence,
                hash: hash.to_owned(),
            };
            if let Err(sentence) = journal.keep(&checkpoint, self.now()) {
                recorded.checkpoint_error = Some(sentence);
            }
        }
        recorded
    }

    /// Returns the events that match the filter, limited to keys that the actor may see; at most
    /// `limit`.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see the audit log, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn events(
        &self,
        filter: &EventFilter,
        onward: EventCursor,
        limit: i64,
    ) -> Result<Vec<Event>, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        let mut narrowed = filter.clone();
        narrowed.scope = filter.scope.within(&scope);
        Ok(self.store.events(&narrowed, onward, limit).await?)
    }

    /// Verifies the chain of events from the first to the newest, and compares it with checkpoints
    /// that were stored elsewhere. Checkpoints of other workspaces are ignored.
    ///
    /// # Errors
    /// Returns [`KeyringError::BrokenChain`] with the first event that does not match,
    /// [`KeyringError::Unreadable`] with the first event that cannot be read,
    /// [`KeyringError::Denied`] if the actor may not see the audit log, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn verify(&self, kept: &[Checkpoint]) -> Result<Verified, KeyringError> {
        self.demand(Permission::See).await?;
        // The workspace is read before the events: an event recorded in between has a higher
        // number.
        let workspace = self.store.workspace().await?;
        let mut known: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
        for one in kept.iter().filter(|one| one.workspace == workspace.uuid) {
            known.entry(one.sequence).or_default().push(&one.hash);
        }
        let mut previous = audit::genesis(&workspace.uuid);
        let (mut sequence, mut checkpoints) = (0, 0);
        // Starts below the first number, because no event may exist there.
        let mut from = i64::MIN;
        loop {
            let events = self.store.events_one_by_one(from, EVENTS_PER_READ).await?;
            if events.is_empty() {
                break;
            }
            for event in events {
                let event = event.map_err(|why| KeyringError::Unreadable {
                    sequence: sequence + 1,
                    why,
                })?;
                let hashes = known.get(&event.sequence).map_or(&[][..], Vec::as_slice);
                if let Some(why) = flaw(&event, sequence, &previous, hashes) {
                    return Err(KeyringError::BrokenChain {
                        sequence: sequence + 1,
                        why,
                    });
                }
                if event.sequence == workspace.epoch && event.hash != workspace.chain_head {
                    return Err(KeyringError::BrokenChain {
                        sequence: sequence + 1,
                        why: "it is not the event that the workspace ended with",
                    });
                }
                checkpoints += hashes.len();
                sequence = event.sequence;
                from = sequence;
                previous = event.hash;
            }
        }
        if sequence < workspace.epoch {
            return Err(KeyringError::BrokenChain {
                sequence: sequence + 1,
                why: "it is missing",
            });
        }
        if known
            .last_key_value()
            .is_some_and(|(last, _)| *last > sequence)
        {
            return Err(KeyringError::BrokenChain {
                sequence: sequence + 1,
                why: "it is missing, and a checkpoint that was kept elsewhere knows of it: the end was cut off, or an older backup restored",
            });
        }
        Ok(Verified {
            events: sequence,
            head: previous,
            checkpoints,
        })
    }
}

/// Returns why this event cannot follow the previous one, or `None` if it can.
fn flaw(event: &Event, before: i64, previous: &str, kept: &[&str]) -> Option<&'static str> {
    if event.sequence <= before {
        return Some("an event that was never recorded stands before it");
    }
    if event.sequence != before + 1 {
        return Some("it is missing");
    }
    if event.previous_hash != previous {
        return Some("it does not follow the event before it");
    }
    if audit::chain(previous, event.sequence, &event.draft) != event.hash {
        return Some("it was changed after it was recorded");
    }
    kept.iter().any(|hash| **hash != event.hash).then_some(
        "it is not the event that a checkpoint kept elsewhere knows: it, or one before it, was recorded anew",
    )
}
