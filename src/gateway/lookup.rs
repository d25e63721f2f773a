//! The desk: where every decision learns what its key may do, as of a moment after it was asked.
//!
//! One task holds one connection. It takes all questions that are waiting, reads once where the
//! store stands, brings the cache there by the changes in between, and answers. So no answer is
//! older than its question, however many processes change the store, and a crowd costs one read.
//! Keys that the cache does not know are looked up after those that it does, a few at a time: a
//! flood of made-up ids waits for itself. The changes are followed along the chain of the audit
//! log, so a store that went back (a restored backup, a standby) is never taken for a quiet one.
mod worker;

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};
use worker::LookupWorker;

use super::metrics::Metrics;
use crate::{
    domain::{route::Routes, token::KeyId},
    keyring::{Decider, KeyRecord, KeyringError, StoreError},
    machine::Machine,
};

/// How many questions may wait; what comes on top is not decided.
const QUEUE: usize = 16_384;

/// Why nothing could be decided. That is never an allow.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Undecided {
    /// The store does not answer in time.
    #[error("the database did not answer in time")]
    Timeout,
    /// Too many are waiting.
    #[error("too many requests are waiting for the database")]
    Overloaded,
    /// The endpoint is ending, or its task has died.
    #[error("the endpoint is ending")]
    Ending,
    /// The store, or one row of it.
    #[error(transparent)]
    Store(KeyringError),
    /// The store is not a continuation of what was seen of it.
    #[error(
        "the database went back: it stands at change {now}, and change {seen} had been seen of it. A backup was restored over it, or a standby without the last changes took over. Every request is answered with 503 until it is put right or this endpoint is started again: look at `claviger audit`, and first revoke again what was revoked since"
    )]
    WentBack {
        /// The newest change that had been seen.
        seen: i64,
        /// Where the store stands now.
        now: i64,
    },
}

impl From<KeyringError> for Undecided {
    fn from(error: KeyringError) -> Self {
        Self::Store(error)
    }
}

impl From<StoreError> for Undecided {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct LookupAnswer {
    /// What stands under the key's id.
    pub key_record: KeyRecord,
    /// Where requests lead.
    pub routes: Arc<Routes>,
}

struct LookupRequest {
    /// None only asks whether the store can be read.
    id: Option<KeyId>,
    /// When it was asked, by the machine's uptime.
    asked: Duration,
    answer: oneshot::Sender<Result<LookupAnswer, Undecided>>,
}

/// The way to the desk.
#[derive(Clone)]
pub struct LookupClient {
    questions: mpsc::Sender<LookupRequest>,
    machine: Machine,
}

impl LookupClient {
    /// Sets up the desk; its task ends when the last way to it is gone.
    pub fn open(decider: Arc<Decider>, cache_bytes: usize, metrics: Arc<Metrics>) -> Self {
        let (questions, waiting) = mpsc::channel(QUEUE);
        let machine = decider.machine().clone();
        let clerk = LookupWorker::new(decider, cache_bytes, metrics);
        tokio::spawn(clerk.work(waiting));
        Self { questions, machine }
    }

    /// What stands under a key's id, at a moment after this was called.
    ///
    /// # Errors
    /// [`Undecided`].
    pub async fn ask(&self, id: &KeyId) -> Result<LookupAnswer, Undecided> {
        self.put(Some(id.clone())).await
    }

    /// Whether the store can be read.
    ///
    /// # Errors
    /// [`Undecided`].
    pub async fn ready(&self) -> Result<(), Undecided> {
        self.put(None).await.map(drop)
    }

    async fn put(&self, id: Option<KeyId>) -> Result<LookupAnswer, Undecided> {
        let (answer, told) = oneshot::channel();
        let asked = self.machine.uptime();
        self.questions
            .try_send(LookupRequest { id, asked, answer })
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => Undecided::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Undecided::Ending,
            })?;
        told.await.unwrap_or(Err(Undecided::Ending))
    }
}
