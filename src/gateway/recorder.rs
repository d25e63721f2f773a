//! Uses, written down in batches off the path of the requests.
//!
//! The newest use of each key waits here until the next write, two seconds later; while the database
//! takes no writes it waits on. So a crash loses some two seconds, an orderly end nothing, and the
//! memory that this takes is that of the keys that were used.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    domain::{key::LastUse, token::KeyId},
    keyring::{Decider, KeyringError},
};

/// How long uses wait for company.
const EVERY: Duration = Duration::from_secs(2);
/// How long to wait at most after a write that failed.
const AT_MOST: Duration = Duration::from_secs(30);
/// How many uses one transaction writes: whoever wants to change a key gets his turn in between.
const BATCH: usize = 1024;
/// How many keys can wait at most; the uses of further ones are not written down.
const MOST: usize = 1_000_000;
/// How long the last write may take when the endpoint ends.
const LAST: Duration = Duration::from_secs(5);

/// Uses that wait to be written.
pub struct Recorder {
    decider: Arc<Decider>,
    waiting: Mutex<HashMap<KeyId, LastUse>>,
    some: Notify,
}

impl Recorder {
    /// One that writes through this decider.
    pub fn new(decider: Arc<Decider>) -> Self {
        Self {
            decider,
            waiting: Mutex::default(),
            some: Notify::new(),
        }
    }

    /// Takes note of a use.
    pub fn note(&self, id: &KeyId, usage: LastUse) {
        let mut waiting = self.waiting();
        let first = waiting.is_empty();
        if let Some(known) = waiting.get_mut(id) {
            if known.at <= usage.at {
                *known = usage;
            }
        } else if waiting.len() < MOST {
            waiting.insert(id.clone(), usage);
        }
        drop(waiting);
        if first {
            self.some.notify_one();
        }
    }

    /// How many keys' uses wait.
    pub fn len(&self) -> usize {
        self.waiting().len()
    }

    /// Writes for as long as the endpoint runs. A failed write is tried again, later and later;
    /// `failed` hears of each.
    pub async fn work(&self, failed: impl Fn(&KeyringError)) {
        let mut pause = EVERY;
        loop {
            self.some.notified().await;
            while self.len() > 0 {
                tokio::time::sleep(pause).await;
                pause = match self.write().await {
                    Ok(()) => EVERY,
                    Err(error) => {
                        failed(&error);
                        (pause * 2).min(AT_MOST)
                    }
                };
            }
        }
    }

    /// Writes what waits, when the endpoint ends; answers how many uses could not be written, and
    /// why not.
    pub async fn finish(&self) -> (usize, String) {
        let why = match tokio::time::timeout(LAST, self.write()).await {
            Ok(Ok(())) => String::new(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the database did not answer in time".to_owned(),
        };
        (self.len(), why)
    }

    /// Writes what waits now. What has been written is known to be so one batch at a time.
    async fn write(&self) -> Result<(), KeyringError> {
        let uses: Vec<(KeyId, LastUse)> = {
            let waiting = self.waiting();
            waiting
                .iter()
                .map(|(id, usage)| (id.clone(), *usage))
                .collect()
        };
        for batch in uses.chunks(BATCH) {
            self.decider.record_uses(batch).await?;
            let mut waiting = self.waiting();
            for (id, written) in batch {
                if waiting.get(id) == Some(written) {
                    waiting.remove(id);
                }
            }
        }
        Ok(())
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<KeyId, LastUse>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
