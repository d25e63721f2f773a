//! Notices: finds the keys that somebody should be told of.
use std::collections::{HashMap, HashSet};

use super::{Keyring, KeyringError, StoreError};
use crate::domain::{
    agent::AgentScope,
    key::Key,
    listing::{Cursor, Direction, Filter, PageRequest, Sort, SortField, SortValue},
    moment::Moment,
    notice::{self, NoticeKind},
    token::KeyId,
    usage::REFUSAL_NEWS_MILLIS,
};

/// The number of keys that are read at a time.
const KEYS_PER_READ: u32 = 500;

/// What somebody should be told about keys.
#[derive(Debug, Default)]
pub struct Notices {
    /// The notices, each with its key.
    pub notices: Vec<(Key, NoticeKind)>,
    /// The errors of the keys that cannot be read and are refused everywhere.
    pub unreadable: Vec<StoreError>,
}

/// Some keys of a list, and where they end.
struct SomeKeys {
    keys: Vec<Key>,
    unreadable: Vec<StoreError>,
    reached: Cursor,
}

impl Keyring {
    /// Returns the notices about these agents' keys: first of the keys that need attention, then of
    /// the others that end within `within` milliseconds.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn notices(&self, scope: &AgentScope, within: i64) -> Result<Notices, KeyringError> {
        let now = self.now();
        let since = now.plus(-REFUSAL_NEWS_MILLIS);
        let limited: HashMap<KeyId, usize> = self.store.limited_keys(since).await?;
        let mut told: HashSet<KeyId> = HashSet::new();
        let mut notices = Vec::new();
        let mut unreadable = Vec::new();
        let mut tell = |key: Key| {
            if told.insert(key.id.clone()) {
                let limited = limited.get(&key.id).copied().unwrap_or(0);
                let kinds = notice::notices(&key, limited, within, now);
                notices.extend(kinds.into_iter().map(|kind| (key.clone(), kind)));
            }
        };
        let attention = Sort {
            field: SortField::Attention,
            descending: false,
        };
        let filter = Filter {
            attention: true,
            ..Filter::default()
        };
        // Damaged keys are found only by reading every key.
        self.look_for_damage().await?;
        let mut direction = Direction::First;
        while let Some(page) = self.some(scope, &filter, attention, direction, now).await? {
            page.keys.into_iter().for_each(&mut tell);
            unreadable.extend(page.unreadable);
            direction = Direction::After(page.reached);
        }
        let ending = Sort {
            field: SortField::Expires,
            descending: false,
        };
        let mut direction = Direction::After(Cursor {
            value: SortValue::Number(now.millis() - 1),
            sequence: i64::MAX,
        });
        let all = Filter::default();
        while let Some(page) = self.some(scope, &all, ending, direction, now).await? {
            let SomeKeys { keys, reached, .. } = page;
            let ends = |key: &Key| {
                let end = key.draft.conditions.expires_at;
                end.is_some_and(|end| end.millis() - now.millis() <= within)
            };
            let is_last = keys.last().is_some_and(|key| !ends(key));
            keys.into_iter().filter(ends).for_each(&mut tell);
            if is_last {
                break;
            }
            direction = Direction::After(reached);
        }
        Ok(Notices {
            notices,
            unreadable,
        })
    }

    /// Returns some keys and where they end; `None` after the last one.
    async fn some(
        &self,
        scope: &AgentScope,
        filter: &Filter,
        sort: Sort,
        direction: Direction,
        now: Moment,
    ) -> Result<Option<SomeKeys>, KeyringError> {
        let page = self
            .page(&PageRequest {
                scope: scope.clone(),
                filter: filter.clone(),
                sort,
                direction,
                limit: KEYS_PER_READ,
                now,
                damaged: Vec::new(),
            })
            .await?;
        let keys = page.rows.into_iter().map(|row| row.key).collect();
        let unreadable = page.unreadable;
        Ok(page.reached.map(|reached| SomeKeys {
            keys,
            unreadable,
            reached,
        }))
    }
}
