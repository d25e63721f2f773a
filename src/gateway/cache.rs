//! A cache of key records, in bounded memory. It does not track the age of its entries: the caller
//! brings it up to date with the store before reading from it, and makes it forget every key that a
//! change names.
use lru::LruCache;

use crate::{
    domain::{
        allowlist::AllowList,
        decision::{PreviousToken, Rules},
        token::KeyId,
    },
    keyring::KeyRecord,
};

/// The size of an entry without the texts and lists of its rules, in bytes: the id twice, the links
/// of the list, the shared counts. Measured at 10,000 keys, and rounded up.
const ENTRY: usize = 400;
/// The sizes of one network, and of one area of the grants, in bytes.
const NETWORK: usize = 32;
const GRANT: usize = 96;
/// The size of a label without its texts, in bytes.
const LABEL: usize = 64;

/// The most recently requested key records, as many as fit within the memory limit.
pub(super) struct Cache {
    entries: LruCache<KeyId, KeyRecord>,
    weight: usize,
    limit: usize,
}

impl Cache {
    /// Creates an empty cache that holds at most about `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            entries: LruCache::unbounded(),
            weight: 0,
            limit,
        }
    }

    /// Returns the record of a key, or `None` if it is not cached.
    pub(super) fn get(&mut self, id: &KeyId) -> Option<&KeyRecord> {
        self.entries.get(id)
    }

    /// Caches the record of an id. An absent key is not cached: otherwise clients that send made-up
    /// ids would fill the memory.
    pub(super) fn put(&mut self, id: &KeyId, key_record: &KeyRecord) {
        if matches!(key_record, KeyRecord::Absent) {
            return;
        }
        self.forget(id.as_str());
        self.weight += weight(key_record);
        self.entries.put(id.clone(), key_record.clone());
        while self.weight > self.limit
            && let Some((_, oldest)) = self.entries.pop_lru()
        {
            self.weight -= weight(&oldest);
        }
    }

    /// Removes a key that was changed; other subjects of changes are ignored.
    pub(super) fn forget(&mut self, subject: &str) {
        let Ok(id) = subject.parse::<KeyId>() else {
            return;
        };
        if let Some(key_record) = self.entries.pop(&id) {
            self.weight -= weight(&key_record);
        }
    }

    /// Returns the number of cached keys.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

fn weight(key_record: &KeyRecord) -> usize {
    match key_record {
        KeyRecord::Absent => ENTRY,
        KeyRecord::Revoked(digests) => ENTRY + size_of_val(&**digests),
        KeyRecord::Key(_, rules) => ENTRY + of_rules(rules),
    }
}

fn of_rules(rules: &Rules) -> usize {
    let networks = match &rules.conditions.allow {
        AllowList::Anywhere => 0,
        AllowList::Only(networks) => networks.as_slice().len(),
    };
    let labels = rules.labels.iter();
    let labels = labels.map(|(name, value)| name.as_str().len() + value.len() + LABEL);
    let labels: usize = labels.sum();
    let previous = rules.previous_tokens.len() * size_of::<PreviousToken>();
    rules.name.len()
        + rules.owner.as_ref().map_or(0, |owner| owner.as_str().len())
        + labels
        + (networks + rules.conditions.deny.as_slice().len()) * NETWORK
        + rules.conditions.grants.iter().count() * GRANT
        + previous
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::token::{Token, TokenPrefix};

    fn id(number: usize) -> KeyId {
        format!("{number:012}").parse().expect("an id")
    }

    fn revoked() -> KeyRecord {
        let token = Token::mint(&TokenPrefix::default(), &id(0), &mut |buffer| {
            buffer.fill(7);
        });
        KeyRecord::Revoked([token.digest()].into())
    }

    #[test]
    fn it_keeps_what_was_asked_for_last_and_stays_within_its_limit() {
        let mut cache = Cache::new(ENTRY * 10);
        for number in 0..1000 {
            cache.put(&id(number), &revoked());
            assert!(cache.get(&id(0)).is_some(), "asked for every time");
            assert!(cache.len() <= 10 && cache.weight <= cache.limit);
        }
        assert!(cache.get(&id(999)).is_some());
        assert!(cache.get(&id(500)).is_none());
        for number in 0..1000 {
            cache.forget(id(number).as_str());
        }
        assert_eq!((cache.len(), cache.weight), (0, 0));
    }

    #[test]
    fn nobody_is_not_remembered_and_other_subjects_are_nothing_to_it() {
        let mut cache = Cache::new(ENTRY * 10);
        cache.put(&id(1), &KeyRecord::Absent);
        cache.put(&id(2), &revoked());
        cache.put(&id(2), &revoked());
        for subject in ["workspace", "area:contacts", "", "000000000002x"] {
            cache.forget(subject);
        }
        assert_eq!((cache.len(), cache.weight), (1, ENTRY + 32));
    }
}
