//! The queue of batches to be written. Each batch stays in it until it is known to be written.
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::waiting::{MAX_PENDING_KEYS, Waiting};
use crate::domain::{
    key::LastUse,
    token::KeyId,
    usage::{KeyUse, Refusal},
};

/// The number of keys whose uses one transaction writes. Between two transactions, other writers
/// can change keys.
const KEYS_PER_TRANSACTION: usize = 512;
/// A minute in milliseconds: the precision with which last uses are shown, beside their address.
const MINUTE: i64 = 60_000;

/// The data that one transaction writes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The uses of keys.
    pub uses: Vec<KeyUse>,
    /// The refusals of these keys, and those that match no key.
    pub refusals: Vec<Refusal>,
}

/// The batches, the oldest first.
#[derive(Default)]
pub(super) struct Queue {
    batches: VecDeque<Arc<Batch>>,
    /// The last uses that were put into a batch. The last use of a key in constant use need not be
    /// written every time.
    told: HashMap<KeyId, LastUse>,
}

impl Queue {
    /// Returns the number of keys in the queue.
    pub(super) fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.uses.len()).sum()
    }

    /// Returns `true` if the queue has no batches.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Returns the batch that is to be written next.
    pub(super) fn front(&self) -> Option<Arc<Batch>> {
        self.batches.front().cloned()
    }

    /// Removes the next batch, after it was written.
    pub(super) fn pop(&mut self) {
        self.batches.pop_front();
    }

    /// Turns waiting uses and refusals into batches.
    pub(super) fn fill(&mut self, waited: Waiting) {
        let (keys, unmatched) = waited.into_parts();
        let mut batch = Batch {
            uses: Vec::new(),
            refusals: unmatched,
        };
        // Sorted by id, as the counts are in the database: rows that are written together are
        // stored together.
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        for (mut one, refusals) in keys {
            one.last = one.last.filter(|last| self.is_news(&one.id, last));
            batch.uses.push(one);
            batch.refusals.extend(refusals);
            if batch.uses.len() == KEYS_PER_TRANSACTION {
                self.batches.push_back(Arc::new(std::mem::take(&mut batch)));
            }
        }
        if !batch.uses.is_empty() || !batch.refusals.is_empty() {
            self.batches.push_back(Arc::new(batch));
        }
    }

    /// Returns `true` if a last use differs from the previously queued one in its minute or
    /// address, and remembers it if so.
    fn is_news(&mut self, id: &KeyId, last: &LastUse) -> bool {
        let minute = |usage: &LastUse| usage.at.millis() / MINUTE;
        let known = self.told.get(id);
        if known.is_some_and(|told| minute(told) == minute(last) && told.from == last.from) {
            return false;
        }
        if self.told.len() >= MAX_PENDING_KEYS {
            self.told.clear();
        }
        self.told.insert(id.clone(), *last);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authorization::AllowedUse;
    use crate::domain::{
        decision::{Detail, Target},
        forwarded::ClientAddress,
        moment::Moment,
    };

    fn id(number: usize) -> KeyId {
        format!("{number:012}").parse().expect("an id")
    }

    fn used(waiting: &mut Waiting, number: usize, from: Option<[u8; 4]>, millis: i64) {
        let from = ClientAddress::from(from.map(Into::into));
        let at = Moment::from_millis(millis);
        waiting.allowed(AllowedUse {
            key: &id(number),
            previous: None,
            target: &Target::NoRoute(Detail::NoMatch),
            address: from,
            at,
        });
    }

    #[test]
    fn a_batch_stays_until_it_is_written_and_none_is_lost() {
        let (mut queue, mut waiting) = (Queue::default(), Waiting::default());
        for number in 0..1500 {
            used(&mut waiting, number, None, 0);
        }
        queue.fill(waiting.take());
        assert_eq!((queue.len(), waiting.len()), (1500, 0));
        let first = queue.front().expect("a batch");
        assert_eq!(first.uses.len(), KEYS_PER_TRANSACTION);
        // The first batch could not be written: it is still the next one, and others follow it.
        used(&mut waiting, 7, None, 0);
        queue.fill(waiting.take());
        assert!(Arc::ptr_eq(&first, &queue.front().expect("a batch")));
        let mut written = 0;
        while let Some(batch) = queue.front() {
            written += batch.uses.len();
            queue.pop();
        }
        assert_eq!(written, 1501);
        assert!(queue.is_empty());
        queue.fill(waiting.take());
        assert!(queue.is_empty(), "nothing makes no batch");
    }

    #[test]
    fn a_last_use_is_told_once_a_minute_and_whenever_its_address_changes() {
        let (mut queue, mut waiting) = (Queue::default(), Waiting::default());
        let mut told = |from: [u8; 4], millis: i64| {
            used(&mut waiting, 1, Some(from), millis);
            queue.fill(waiting.take());
            let batch = queue.front().expect("a batch");
            queue.pop();
            assert_eq!(batch.uses[0].tallies[0].count, 1, "counted all the same");
            batch.uses[0].last.map(|last| last.at.millis())
        };
        assert_eq!(told([10, 0, 0, 1], 60_000), Some(60_000));
        assert_eq!(told([10, 0, 0, 1], 119_999), None);
        assert_eq!(told([10, 0, 0, 2], 119_999), Some(119_999));
        assert_eq!(told([10, 0, 0, 2], 120_000), Some(120_000));
    }
}
