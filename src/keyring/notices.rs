//! Notices: finds the keys that somebody should be told of.
use std::collections::{HashMap, HashSet};

use super::{Keyring, KeyringError, StoreError};
use crate::domain::{
    agent::AgentScope,
    key::Key,
    listing::{Cursor, Direction, PageRequest, Sort, SortField, SortValue},
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
        let pending = self.pending_changes(scope).await?;
        let mut unreadable = self.damaged_requests().await?;
        let mut told: HashSet<KeyId> = HashSet::new();
        let mut notices = Vec::new();
        let mut tell = |key: Key| {
            if told.insert(key.id.clone()) {
                let limited = limited.get(&key.id).copied().unwrap_or(0);
                let request = pending.iter().find(|one| one.subject == key.id.as_str());
                // A new key that waits tells so itself.
                let request = request.filter(|_| key.pending_at.is_none());
                let waits = request.map(|request| NoticeKind::Waits(request.at));
                let kinds = notice::notices(&key, limited, within, now);
                let kinds = waits.into_iter().chain(kinds);
                notices.extend(kinds.map(|kind| (key.clone(), kind)));
            }
        };
        // Damaged keys are found only by reading every key.
        self.look_for_damage().await?;
        let mut request = PageRequest {
            scope: scope.clone(),
            sort: Sort {
                field: SortField::Attention,
                descending: false,
            },
            ..PageRequest::first(KEYS_PER_READ, now)
        };
        request.filter.attention = true;
        loop {
            let page = self.page(&request).await?;
            page.rows.into_iter().for_each(|row| tell(row.key));
            unreadable.extend(page.unreadable);
            match page.reached {
                Some(cursor) if page.more => request.direction = Direction::After(cursor),
                _ => break,
            }
        }
        let ends = |key: &Key| {
            let end = key.draft.conditions.expires_at;
            end.is_some_and(|end| end.millis() - now.millis() <= within)
        };
        request.filter.attention = false;
        request.sort.field = SortField::Expires;
        // Behind those that have ended.
        request.direction = Direction::After(Cursor {
            value: SortValue::Number(now.millis() - 1),
            sequence: i64::MAX,
        });
        loop {
            let page = self.page(&request).await?;
            let is_last = page.rows.last().is_none_or(|row| !ends(&row.key));
            let ending = page.rows.into_iter().map(|row| row.key).filter(ends);
            ending.for_each(&mut tell);
            match page.reached {
                Some(cursor) if page.more && !is_last => {
                    request.direction = Direction::After(cursor);
                }
                _ => break,
            }
        }
        let waiting: Vec<KeyId> = pending
            .iter()
            .filter_map(|request| request.subject.parse().ok())
            .collect();
        for id in waiting {
            match self.key(&id).await {
                Ok(key) => tell(key),
                // It was revoked meanwhile, or is damaged and told as such.
                Err(KeyringError::Store(StoreError::Gone { .. } | StoreError::Corrupt { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Notices {
            notices,
            unreadable,
        })
    }
}
