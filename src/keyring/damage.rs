//! Keys that cannot be read: found, remembered while the program runs, and revoked.
use std::{
    collections::BTreeSet,
    sync::{MutexGuard, PoisonError},
};

use super::{KeyPage, Keyring, KeyringError, Recorded, StoreError};
use crate::domain::{
    agent::AgentScope,
    audit::EventDraft,
    key::RevokeReason,
    listing::{Direction, Filter, PageRequest, Sort},
    member::{Denied, Permission},
    text::visible,
    token::KeyId,
};

/// How many keys are read at a time.
const KEYS_PER_READ: u32 = 500;

impl Keyring {
    /// Reads every key, so that those that are damaged are known; answers how many these are.
    ///
    /// # Errors
    /// The store's.
    pub async fn look_for_damage(&self) -> Result<usize, KeyringError> {
        let mut request = PageRequest {
            scope: AgentScope::Everything,
            filter: Filter::default(),
            sort: Sort::NEWEST,
            direction: Direction::First,
            limit: KEYS_PER_READ,
            now: self.now(),
            damaged: Vec::new(),
        };
        loop {
            let page = self.page(&request).await?;
            match page.reached {
                Some(cursor) if page.more => request.direction = Direction::After(cursor),
                _ => return Ok(self.known_damaged().len()),
            }
        }
    }

    /// Deletes a key for good that cannot be read. Its token stays known as that of a revoked key,
    /// as far as it was known at all.
    ///
    /// # Errors
    /// [`StoreError::Gone`] if there is no such key, [`StoreError::Conflict`] if it can be read after
    /// all; [`Denied`]; the store's.
    pub async fn revoke_damaged(
        &self,
        id: &KeyId,
        reason: RevokeReason,
    ) -> Result<Recorded, KeyringError> {
        let authority = self.demand(Permission::Revoke).await?;
        let gone = || StoreError::Gone { id: id.to_string() };
        let (name, agent) = self.store.raw_key(id).await?.ok_or_else(gone)?;
        let agent = agent.parse().ok();
        match &agent {
            Some(agent) => authority.demand_agent(agent)?,
            None if authority.scope == AgentScope::Everything => {}
            None => return Err(Denied::Agent(authority.scope).into()),
        }
        match self.store.key(id).await {
            Err(StoreError::Corrupt { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(StoreError::Conflict { id: id.to_string() }.into()),
        }
        let subject = (id.to_string(), visible(&name));
        let event =
            EventDraft::damaged_key_revoked(self.now(), self.actor(), subject, agent, reason);
        let committed = self.store.revoke_damaged(id, &event, reason).await?;
        self.damaged().remove(id);
        Ok(self.recorded(&committed))
    }

    pub(super) fn known_damaged(&self) -> Vec<KeyId> {
        self.damaged().iter().cloned().collect()
    }

    /// Remembers which keys of a page are damaged, and which are no longer.
    pub(super) fn note_damaged(&self, page: &KeyPage) {
        let mut known = self.damaged();
        if !known.is_empty() {
            for row in &page.rows {
                known.remove(&row.key.id);
            }
        }
        known.extend(
            page.damaged
                .iter()
                .map(|(_, damaged, _)| damaged.id.clone()),
        );
    }

    fn damaged(&self) -> MutexGuard<'_, BTreeSet<KeyId>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
