//! The lookup task, which reads the store for all waiting requests.
use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    super::{cache::Cache, metrics::Metrics},
    LookupAnswer, LookupRequest, Undecided,
};
use crate::{
    domain::{
        route::Routes,
        token::{self, KeyId, Prefixes},
    },
    keyring::{ChangeMark, Decider, KEYS_PER_LOOKUP, KeyRecord, LogHead, StoreError, Watch},
};

/// The maximum number of requests that are answered after one read of the store.
const BATCH_LIMIT: usize = 512;
/// The time limit for one batch in the store, including its look-ups, and for a request to become
/// part of a batch. So a request waits two seconds at most.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(950);
/// The maximum number of changes that are read at a time.
const CHANGES_PER_READ: i64 = 500;

/// The lookup worker.
pub(super) struct LookupWorker {
    decider: Arc<Decider>,
    watch: Option<Watch>,
    /// The log head for which the cache, the routes and the prefixes are current.
    seen: Option<LogHead>,
    cache: Cache,
    routes: Arc<Routes>,
    prefixes: watch::Sender<Arc<Prefixes>>,
    metrics: Arc<Metrics>,
}

impl LookupWorker {
    /// Creates a worker with an empty cache.
    pub(super) fn new(
        decider: Arc<Decider>,
        cache_bytes: usize,
        metrics: Arc<Metrics>,
        prefixes: watch::Sender<Arc<Prefixes>>,
    ) -> Self {
        Self {
            decider,
            watch: None,
            seen: None,
            cache: Cache::new(cache_bytes),
            routes: Arc::default(),
            prefixes,
            metrics,
        }
    }

    /// Answers requests until all clients are dropped.
    pub(super) async fn work(mut self, mut questions: mpsc::Receiver<LookupRequest>) {
        let mut batch = Vec::with_capacity(BATCH_LIMIT);
        // The requests that wait for a look-up in the store, first come first served.
        let mut unknown = VecDeque::new();
        loop {
            if unknown.is_empty() {
                let Some(first) = questions.recv().await else {
                    return;
                };
                batch.push(first);
                tokio::task::yield_now().await;
            }
            let oldest = self
                .decider
                .machine()
                .uptime()
                .saturating_sub(LOOKUP_TIMEOUT);
            unknown = unknown
                .into_iter()
                .filter_map(|question| in_time(question, oldest))
                .collect();
            gather(&mut questions, &mut batch, oldest).await;
            let deadline = Instant::now() + LOOKUP_TIMEOUT;
            if let Err(undecided) = before(deadline, self.catch_up()).await {
                for question in batch.drain(..).chain(unknown.drain(..)) {
                    let _ = question.answer.send(Err(undecided.clone()));
                }
                continue;
            }
            for question in batch.drain(..) {
                if let Some(question) = self.answer(question) {
                    unknown.push_back(question);
                }
            }
            self.look_up(&mut unknown, deadline).await;
        }
    }

    /// Answers a request from the cache, or returns it if its key is not cached.
    fn answer(&mut self, question: LookupRequest) -> Option<LookupRequest> {
        let key_record = match &question.id {
            None => KeyRecord::Absent,
            Some(id) => match self.cache.get(id) {
                Some(key_record) => key_record.clone(),
                None => return Some(question),
            },
        };
        let _ = question.answer.send(Ok(self.told(key_record)));
        None
    }

    /// Returns the answer with this record.
    fn told(&self, key_record: KeyRecord) -> LookupAnswer {
        LookupAnswer {
            key_record,
            routes: Arc::clone(&self.routes),
            prefixes: Arc::clone(&self.prefixes.borrow()),
        }
    }

    /// Publishes the prefixes, if these are others than before.
    fn know_prefixes(&self, prefixes: Prefixes) {
        token::remember(&prefixes);
        self.prefixes.send_if_modified(|known| {
            let differ = **known != prefixes;
            if differ {
                *known = Arc::new(prefixes);
            }
            differ
        });
    }

    /// Looks up the keys of the first few waiting requests, and answers these requests.
    async fn look_up(&mut self, unknown: &mut VecDeque<LookupRequest>, deadline: Instant) {
        let mut asked = Vec::new();
        let mut ids: Vec<KeyId> = Vec::new();
        while ids.len() < KEYS_PER_LOOKUP
            && let Some(question) = unknown.pop_front()
        {
            if let Some(question) = self.answer(question)
                && let Some(id) = &question.id
            {
                if !ids.contains(id) {
                    ids.push(id.clone());
                }
                asked.push(question);
            }
        }
        if ids.is_empty() {
            return;
        }
        let found = match before(deadline, self.key_records(&ids)).await {
            Ok(found) => found,
            Err(undecided) => {
                for question in asked {
                    let _ = question.answer.send(Err(undecided.clone()));
                }
                return;
            }
        };
        for (id, key_record) in &found {
            if let Ok(key_record) = key_record {
                self.cache.put(id, key_record);
            }
        }
        self.metrics.lookups.inc_by(ids.len() as u64);
        self.publish_gauges();
        for question in asked {
            let found = found
                .iter()
                .find(|(id, _)| Some(id) == question.id.as_ref());
            let told = match found {
                Some((_, Ok(key_record))) => Ok(self.told(key_record.clone())),
                Some((_, Err(error))) => Err(error.clone().into()),
                None => Err(Undecided::Ending),
            };
            let _ = question.answer.send(told);
        }
    }

    async fn key_records(
        &mut self,
        ids: &[KeyId],
    ) -> Result<Vec<(KeyId, Result<KeyRecord, StoreError>)>, Undecided> {
        let mut watch = self.take_watch().await?;
        let found = watch.key_records(ids).await?;
        self.watch = Some(watch);
        Ok(found)
    }

    /// Returns the connection, or a new one. It is put back only after the work with it succeeded:
    /// after an error or a cancelled wait its state is unknown.
    async fn take_watch(&mut self) -> Result<Watch, Undecided> {
        match self.watch.take() {
            Some(watch) => Ok(watch),
            None => Ok(self.decider.watch().await?),
        }
    }

    /// Brings the cache, the routes and the prefixes up to date with the store. They are changed in one step
    /// after each wait, so that cancellation leaves nothing half done.
    async fn catch_up(&mut self) -> Result<(), Undecided> {
        let mut watch = self.take_watch().await?;
        let log_head = watch.log_head().await?;
        self.metrics.log_head_reads.inc();
        if self.seen.is_none() {
            let routes = Arc::new(watch.routes().await?);
            let prefixes = watch.prefixes().await?;
            self.routes = routes;
            self.know_prefixes(prefixes);
            self.seen = Some(log_head.clone());
        }
        while let Some(seen) = self
            .seen
            .as_ref()
            .filter(|seen| seen.epoch < log_head.epoch)
        {
            let marks = watch.changes_after(seen.epoch, CHANGES_PER_READ).await?;
            let routes = if marks.iter().any(|mark| mark.about_areas) {
                Some(watch.routes().await?)
            } else {
                None
            };
            let prefixes = if marks.iter().any(|mark| mark.about_agents) {
                Some(watch.prefixes().await?)
            } else {
                None
            };
            let Some(next) = follow(seen, &marks) else {
                self.watch = Some(watch);
                return Err(went_back_error(seen, &log_head));
            };
            for mark in &marks {
                self.cache.forget(&mark.subject);
            }
            self.routes = routes.map_or_else(|| Arc::clone(&self.routes), Arc::new);
            if let Some(prefixes) = prefixes {
                self.know_prefixes(prefixes);
            }
            // The marks may include changes that were made after the log head was read.
            self.seen = Some(next);
            if marks
                .iter()
                .any(|mark| mark.sequence == log_head.epoch && mark.hash == log_head.head)
            {
                self.publish_gauges();
                self.watch = Some(watch);
                return Ok(());
            }
        }
        self.watch = Some(watch);
        if let Some(seen) = self.seen.as_ref().filter(|seen| **seen != log_head) {
            return Err(went_back_error(seen, &log_head));
        }
        self.publish_gauges();
        Ok(())
    }

    fn publish_gauges(&self) {
        let epoch = self.seen.as_ref().map_or(0, |seen| seen.epoch);
        self.metrics.stands_at(epoch, self.cache.len());
    }
}

/// Returns the request, unless its client no longer waits for the answer or it was made before
/// `oldest`. In the latter case it is answered with [`Undecided::Timeout`].
fn in_time(question: LookupRequest, oldest: Duration) -> Option<LookupRequest> {
    if question.answer.is_closed() {
        return None;
    }
    if question.asked < oldest {
        let _ = question.answer.send(Err(Undecided::Timeout));
        return None;
    }
    Some(question)
}

/// Adds the requests that have already arrived to the batch, for as long as more arrive: each batch
/// costs one read of the store, and two threads that wake each other.
async fn gather(
    questions: &mut mpsc::Receiver<LookupRequest>,
    batch: &mut Vec<LookupRequest>,
    oldest: Duration,
) {
    loop {
        let before = batch.len();
        while batch.len() < BATCH_LIMIT
            && let Ok(question) = questions.try_recv()
        {
            batch.extend(in_time(question, oldest));
        }
        if batch.len() == BATCH_LIMIT || batch.len() == before {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn went_back_error(seen: &LogHead, log_head: &LogHead) -> Undecided {
    Undecided::WentBack {
        seen: seen.epoch,
        now: log_head.epoch,
    }
}

/// Returns the log head after these changes; `None` if there are none, or unless the first follows
/// on `seen` and each other on the one before it.
fn follow(seen: &LogHead, marks: &[ChangeMark]) -> Option<LogHead> {
    let mut at = seen.clone();
    for mark in marks {
        if mark.sequence != at.epoch + 1 || mark.previous != at.head {
            return None;
        }
        at.epoch = mark.sequence;
        at.head.clone_from(&mark.hash);
    }
    (at != *seen).then_some(at)
}

async fn before<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, Undecided>>,
) -> Result<T, Undecided> {
    tokio::time::timeout_at(deadline, work)
        .await
        .unwrap_or(Err(Undecided::Timeout))
}
