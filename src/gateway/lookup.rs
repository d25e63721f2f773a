//! Looks up what a key may do, as of a time after the lookup was requested.
//!
//! A single task holds one connection. It takes all waiting requests, reads the store's log head
//! once, applies the changes since then to the cache, and answers. So no answer is older than its
//! request, however many processes change the store, and a batch costs one read. Keys that are not
//! cached are looked up after those that are, a few at a time, so that a flood of made-up ids
//! delays only itself. The changes are followed along the chain of the audit log, so a store that
//! went back (a restored backup, a standby) is never taken for an unchanged one.
mod worker;

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};
use worker::LookupWorker;

use super::metrics::Metrics;
use crate::{
    domain::{
        route::Routes,
        token::{KeyId, Prefixes},
    },
    keyring::{Decider, KeyRecord, KeyringError, StoreError},
    machine::Machine,
};

/// The maximum number of waiting requests; further ones are not decided.
const QUEUE: usize = 16_384;

/// The reason why a request could not be decided. It never results in an allow.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Undecided {
    /// The store did not answer in time.
    #[error("the database did not answer in time")]
    Timeout,
    /// Too many requests are waiting.
    #[error("too many requests are waiting for the database")]
    Overloaded,
    /// The endpoint is ending, or the lookup task has died.
    #[error("the endpoint is shutting down")]
    Ending,
    /// The store failed, or one of its rows is unusable.
    #[error(transparent)]
    Store(KeyringError),
    /// The store does not continue from the state that was last read.
    #[error(
        "the database went back: it does not continue from change {seen}, which this endpoint has read, and stands at change {now}. A backup was restored over it, or a standby without the last changes took over. Every request is answered with 503 until the database is right again or this endpoint is restarted. Before you restart it, revoke again every key that was revoked since the backup was made: the audit log of this database does not show it any more"
    )]
    WentBack {
        /// The number of the newest change that had been read.
        seen: i64,
        /// The number of the store's newest change now.
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

/// The answer to a lookup.
#[derive(Debug, Clone)]
pub(super) struct LookupAnswer {
    /// The record stored under the key's id.
    pub key_record: KeyRecord,
    /// The routes at the time of the lookup.
    pub routes: Arc<Routes>,
    /// The prefixes of tokens at the time of the lookup.
    pub prefixes: Arc<Prefixes>,
}

struct LookupRequest {
    /// The key's id; `None` only checks whether the store can be read.
    id: Option<KeyId>,
    /// The time of the request, as the machine's uptime.
    asked: Duration,
    answer: oneshot::Sender<Result<LookupAnswer, Undecided>>,
}

/// The client of the lookup task.
#[derive(Clone)]
pub(super) struct LookupClient {
    questions: mpsc::Sender<LookupRequest>,
    prefixes: watch::Receiver<Arc<Prefixes>>,
    machine: Machine,
}

impl LookupClient {
    /// Starts the lookup task and returns a client of it. The task ends when its last client is
    /// dropped.
    pub(super) fn open(decider: Arc<Decider>, cache_bytes: usize, metrics: Arc<Metrics>) -> Self {
        let (questions, waiting) = mpsc::channel(QUEUE);
        let machine = decider.machine().clone();
        let (known, prefixes) = watch::channel(Arc::default());
        let clerk = LookupWorker::new(decider, cache_bytes, metrics, known);
        tokio::spawn(clerk.work(waiting));
        Self {
            questions,
            prefixes,
            machine,
        }
    }

    /// Returns the record under a key's id and the routes, as of a time after this call.
    ///
    /// # Errors
    /// Returns [`Undecided`] if the store fails, went back or does not answer in time, if too many
    /// requests are waiting, or if the endpoint is ending.
    pub(super) async fn ask(&self, id: &KeyId) -> Result<LookupAnswer, Undecided> {
        self.put(Some(id.clone())).await
    }

    /// Checks whether the store can be read, and returns the prefixes of tokens as of a time after
    /// this call.
    ///
    /// # Errors
    /// Returns [`Undecided`] in the same cases as [`Self::ask`].
    pub(super) async fn ready(&self) -> Result<Arc<Prefixes>, Undecided> {
        Ok(self.put(None).await?.prefixes)
    }

    /// Returns the prefixes of tokens at the time of the last lookup of any request.
    pub(super) fn last_prefixes(&self) -> Arc<Prefixes> {
        Arc::clone(&self.prefixes.borrow())
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
