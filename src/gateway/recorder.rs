//! Records uses and refusals in batches, without delaying requests.
//!
//! The uses and refusals of each key wait here until the next write, two seconds later; while the
//! database takes no writes, they keep waiting. So a crash loses about two seconds, and an orderly
//! end nothing. The memory is bounded: there are limits on the number of keys, and on the counts
//! and refusals of each.
mod queue;
mod waiting;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use queue::Queue;
use tokio::sync::Notify;
use waiting::Waiting;

use crate::{
    domain::{authorization::AllowedUse, forwarded::ClientAddress, token::KeyId, usage::Refusal},
    keyring::{Decider, KeyringError},
};

/// The time for which uses are collected before a write.
const WRITE_INTERVAL: Duration = Duration::from_secs(2);
/// The maximum pause after a write that failed.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);
/// The time limit for the last write when the endpoint ends.
const FINAL_WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval at which old counts are merged.
const FOLD_INTERVAL: Duration = Duration::from_hours(1);
/// The minimum time for which other writers can write between two steps of that.
const FOLD_PAUSE: Duration = Duration::from_millis(50);

/// The uses and refusals that wait to be written or are being written.
pub(super) struct Recorder {
    decider: Arc<Decider>,
    waiting: Mutex<Waiting>,
    /// The batches that were taken from `waiting` and are not known to be written.
    queue: Mutex<Queue>,
    some: Notify,
}

impl Recorder {
    /// Creates a recorder that writes through this decider.
    pub(super) fn new(decider: Arc<Decider>) -> Self {
        Self {
            decider,
            waiting: Mutex::default(),
            queue: Mutex::default(),
            some: Notify::new(),
        }
    }

    /// Takes note of an allowed use.
    pub(super) fn allowed(&self, used: AllowedUse<'_>) {
        self.note(|waiting| waiting.allowed(used));
    }

    /// Takes note of a refusal; it is made only if it is kept.
    pub(super) fn refused(
        &self,
        key: Option<&KeyId>,
        from: ClientAddress,
        refusal: impl FnOnce() -> Option<Refusal>,
    ) {
        match key {
            Some(id) => {
                // Made before the lock is taken, which keeps all others waiting.
                if let Some(refusal) = refusal() {
                    self.note(|waiting| waiting.refused(id, refusal));
                }
            }
            None => self.note(|waiting| waiting.unmatched(from, refusal)),
        }
    }

    fn note(&self, note: impl FnOnce(&mut Waiting)) {
        let mut waiting = lock(&self.waiting);
        let first = waiting.is_empty();
        note(&mut waiting);
        drop(waiting);
        if first {
            self.some.notify_one();
        }
    }

    /// Returns the number of keys whose uses wait to be written.
    pub(super) fn len(&self) -> usize {
        lock(&self.waiting).len() + lock(&self.queue).len()
    }

    /// Returns `true` if nothing waits, not even a refusal that matches no key.
    fn is_idle(&self) -> bool {
        lock(&self.waiting).is_empty() && lock(&self.queue).is_empty()
    }

    /// Writes uses and merges old counts for as long as the endpoint runs. Calls `failed` with each
    /// error.
    pub(super) async fn work(&self, failed: &impl Fn(&KeyringError)) {
        tokio::join!(self.writing(failed), self.tidying(failed));
    }

    /// Writes what waits. A failed write is tried again after increasing pauses.
    async fn writing(&self, failed: &impl Fn(&KeyringError)) {
        let mut pause = WRITE_INTERVAL;
        loop {
            if self.is_idle() {
                self.some.notified().await;
                continue;
            }
            tokio::time::sleep(pause).await;
            pause = match self.write().await {
                Ok(()) => WRITE_INTERVAL,
                Err(error) => {
                    failed(&error);
                    (pause * 2).min(MAX_RETRY_DELAY)
                }
            };
        }
    }

    /// Merges old counts, step by step.
    async fn tidying(&self, failed: &impl Fn(&KeyringError)) {
        loop {
            let pause = match self.decider.tidy_usage().await {
                Ok(true) => FOLD_PAUSE,
                Ok(false) => FOLD_INTERVAL,
                Err(error) => {
                    failed(&error);
                    FOLD_INTERVAL
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Writes what waits when the endpoint ends. Returns the number of keys whose uses could not be
    /// written, and the reason.
    pub(super) async fn finish(&self) -> (usize, String) {
        let why = match tokio::time::timeout(FINAL_WRITE_TIMEOUT, self.write()).await {
            Ok(Ok(())) => String::new(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the database did not answer in time".to_owned(),
        };
        (self.len(), why)
    }

    /// Writes the batches that a failed or cancelled write left behind, then what waits now, one
    /// batch after another.
    async fn write(&self) -> Result<(), KeyringError> {
        let mut taken = false;
        loop {
            let next = lock(&self.queue).front();
            match next {
                Some(batch) => {
                    self.decider
                        .record_usage(&batch.uses, &batch.refusals)
                        .await?;
                    lock(&self.queue).pop();
                }
                None if taken => return Ok(()),
                None => {
                    taken = true;
                    let waited = lock(&self.waiting).take();
                    lock(&self.queue).fill(waited);
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
