//! Hygiene: what is found about all keys, a batch at a time.
use super::{Keyring, KeyringError};
use crate::domain::{
    agent::AgentScope,
    hygiene::{self, HygieneRow, ObservedUse, WATCHED_DAYS},
    listing::{Cursor, Direction, Filter, PageRequest, Sort},
    moment::{DAY, Moment},
};

/// How many keys are looked at at a time.
const KEYS_PER_READ: u32 = 500;

/// What was found about some keys.
#[derive(Debug, Clone, Default)]
pub struct HygieneReport {
    /// The findings, by the newest key first.
    pub rows: Vec<HygieneRow>,
    /// From where to go on; none at the end.
    pub next: Option<Cursor>,
}

impl Keyring {
    /// Since when uses are counted; none if they never were.
    ///
    /// # Errors
    /// The store's.
    pub async fn counted_since(&self) -> Result<Option<Moment>, KeyringError> {
        Ok(self.store.counted_since().await?)
    }

    /// Looks at a batch of these agents' keys, from the newest on or from where the last one ended. A key that
    /// cannot be read is passed over: it is refused everywhere, and the list names it.
    ///
    /// # Errors
    /// The store's.
    pub async fn inspect(
        &self,
        scope: &AgentScope,
        after: Option<Cursor>,
    ) -> Result<HygieneReport, KeyringError> {
        let now = self.now();
        let page = self
            .page(&PageRequest {
                scope: scope.clone(),
                filter: Filter::default(),
                sort: Sort::NEWEST,
                direction: after.map_or(Direction::First, Direction::After),
                limit: KEYS_PER_READ,
                now,
                damaged: Vec::new(),
            })
            .await?;
        let since = self.store.counted_since().await?;
        let policy = self.policy().await?;
        let sequences = || page.rows.iter().map(|row| row.key.sequence);
        let exercised = match (sequences().min(), sequences().max()) {
            (Some(least), Some(most)) => {
                let lately = now.plus(-WATCHED_DAYS * DAY);
                self.store.exercised((least, most), lately).await?
            }
            _ => std::collections::HashMap::new(),
        };
        let none = ObservedUse::default();
        let rows = page.rows.iter().flat_map(|row| {
            let done = exercised.get(&row.key.id).unwrap_or(&none);
            hygiene::findings(&row.key, done, since, policy, now)
        });
        Ok(HygieneReport {
            rows: rows.collect(),
            next: page.reached.filter(|_| page.more),
        })
    }
}
