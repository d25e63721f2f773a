//! Uses and refusals, written down in batches off the path of the requests.
//!
//! What came in of each key waits here until the next write, two seconds later; while the database
//! takes no writes it waits on. So a crash loses some two seconds, an orderly end nothing, and the
//! memory that this takes is bounded: so many keys, so many counts and refusals of each.
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

/// How long uses wait for company.
const WRITE_INTERVAL: Duration = Duration::from_secs(2);
/// How long to wait at most after a write that failed.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);
/// How long the last write may take when the endpoint ends.
const FINAL_WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often older counts are folded together.
const FOLD_INTERVAL: Duration = Duration::from_hours(1);
/// How long others may write, at least, between two bits of that.
const FOLD_PAUSE: Duration = Duration::from_millis(50);

/// What waits to be written, and what is being written.
pub struct Recorder {
    decider: Arc<Decider>,
    waiting: Mutex<Waiting>,
    /// Out of the waiting ones, and not known to be written.
    queue: Mutex<Queue>,
    some: Notify,
}

impl Recorder {
    /// One that writes through this decider.
    pub fn new(decider: Arc<Decider>) -> Self {
        Self {
            decider,
            waiting: Mutex::default(),
            queue: Mutex::default(),
            some: Notify::new(),
        }
    }

    /// Takes note of an allowed use.
    pub fn allowed(&self, used: AllowedUse<'_>) {
        self.note(|waiting| waiting.allowed(used));
    }

    /// Takes note of a refusal; it is made only if it is kept.
    pub fn refused(
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

    /// How many keys' uses wait.
    pub fn len(&self) -> usize {
        lock(&self.waiting).len() + lock(&self.queue).len()
    }

    /// Whether nothing waits, not even a refusal that matches no key.
    fn is_idle(&self) -> bool {
        lock(&self.waiting).is_empty() && lock(&self.queue).is_empty()
    }

    /// Writes, and folds what is old, for as long as the endpoint runs; `failed` hears of each failure.
    pub async fn work(&self, failed: &impl Fn(&KeyringError)) {
        tokio::join!(self.writing(failed), self.tidying(failed));
    }

    /// Writes what waits. A failed write is tried again, later and later.
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

    /// Folds older counts together, bit by bit.
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

    /// Writes what waits, when the endpoint ends; answers of how many keys it could not be written,
    /// and why not.
    pub async fn finish(&self) -> (usize, String) {
        let why = match tokio::time::timeout(FINAL_WRITE_TIMEOUT, self.write()).await {
            Ok(Ok(())) => String::new(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the database did not answer in time".to_owned(),
        };
        (self.len(), why)
    }

    /// Writes what a write that failed or was broken off left behind, then what waits now, one batch
    /// after another.
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
