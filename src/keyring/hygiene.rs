//! Hygiene: checks all keys for findings, one batch at a time.
use super::{Keyring, KeyringError};
use crate::domain::{
    agent::AgentScope,
    facet::Facet,
    hygiene::{self, HygieneRow, ObservedUse, WATCHED_DAYS},
    key::Key,
    listing::{Cursor, Direction, PageRequest, Row},
    moment::{DAY, Moment},
    owner::Owner,
};

/// The number of keys in a batch.
const KEYS_PER_READ: u32 = 500;

/// The findings about a batch of keys.
#[derive(Debug, Clone, Default)]
pub struct HygieneReport {
    /// The findings, those of the newest key first.
    pub rows: Vec<HygieneRow>,
    /// The position where the next batch starts; `None` after the last one.
    pub next: Option<Cursor>,
}

impl Keyring {
    /// Returns the time since which uses are counted, or `None` if they never were.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the database fails.
    pub async fn counted_since(&self) -> Result<Option<Moment>, KeyringError> {
        Ok(self.store.counted_since().await?)
    }

    /// Returns all keys of an owner, the newest first.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if one of the keys cannot be read or the database fails.
    pub async fn keys_of(&self, owner: &Owner) -> Result<Vec<Key>, KeyringError> {
        let mut keys = Vec::new();
        let mut request = PageRequest::first(KEYS_PER_READ, self.now());
        request.filter.facets = vec![Facet::Owner(owner.clone())];
        loop {
            let mut page = self.page(&request).await?;
            if !page.unreadable.is_empty() {
                return Err(page.unreadable.remove(0).into());
            }
            keys.extend(page.rows.into_iter().map(|row| row.key));
            match page.reached {
                Some(cursor) if page.more => request.direction = Direction::After(cursor),
                _ => return Ok(keys),
            }
        }
    }

    /// Checks a batch of these agents' keys, from the newest one or from the end of the previous
    /// batch. A key that cannot be read is skipped: it is refused everywhere, and the list shows
    /// it.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn inspect(
        &self,
        scope: &AgentScope,
        after: Option<Cursor>,
    ) -> Result<HygieneReport, KeyringError> {
        let now = self.now();
        let page = self
            .page(&PageRequest {
                scope: scope.clone(),
                direction: after.map_or(Direction::First, Direction::After),
                ..PageRequest::first(KEYS_PER_READ, now)
            })
            .await?;
        let since = self.store.counted_since().await?;
        let policy = self.policy().await?;
        let sequences = || page.rows.iter().map(|row| row.key.sequence);
        let observed_uses = match (sequences().min(), sequences().max()) {
            (Some(least), Some(most)) => {
                let lately = now.plus(-WATCHED_DAYS * DAY);
                self.store.observed_uses((least, most), lately).await?
            }
            _ => std::collections::HashMap::new(),
        };
        let none = ObservedUse::default();
        let has_owner = |row: &Row| row.key.draft.owner.is_some();
        let former = if page.rows.iter().any(has_owner) {
            self.store.former_members().await?
        } else {
            Vec::new()
        };
        let rows = page.rows.iter().flat_map(|row| {
            let done = observed_uses.get(&row.key.id).unwrap_or(&none);
            let owner = row.key.draft.owner.as_ref();
            let is_gone = owner.is_some_and(|owner| former.iter().any(|it| it == owner.as_str()));
            let left = is_gone.then(|| hygiene::owner_is_gone(&row.key)).flatten();
            let found = hygiene::findings(&row.key, done, since, policy, now);
            left.into_iter().chain(found)
        });
        Ok(HygieneReport {
            rows: rows.collect(),
            next: page.reached.filter(|_| page.more),
        })
    }
}
