//! Damaged keys, whose rows cannot be read: finds them, remembers them while the program runs, and
//! revokes them.
use std::{
    collections::BTreeSet,
    sync::{MutexGuard, PoisonError},
};

use super::{KeyPage, Keyring, KeyringError, Recorded, StoreError};
use crate::domain::{
    agent::AgentScope,
    audit::{Change, EventDraft},
    key::RevokeReason,
    listing::{Direction, PageRequest},
    member::Denied,
    text::visible,
    token::KeyId,
};

/// The number of keys that are read at a time.
const KEYS_PER_READ: u32 = 500;

impl Keyring {
    /// Reads every key to find the damaged ones, and returns their number.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn look_for_damage(&self) -> Result<usize, KeyringError> {
        let mut request = PageRequest::first(KEYS_PER_READ, self.now());
        loop {
            let page = self.page(&request).await?;
            match page.reached {
                Some(cursor) if page.more => request.direction = Direction::After(cursor),
                _ => return Ok(self.known_damaged().len()),
            }
        }
    }

    /// Permanently deletes a key that cannot be read. Its token is remembered as that of a revoked
    /// key, if it was stored at all.
    ///
    /// # Errors
    /// Returns [`StoreError::Gone`] if there is no such key, [`StoreError::Conflict`] if the key
    /// can be read, [`Denied`] if the actor may not revoke it, and [`KeyringError::Store`] if the
    /// database fails.
    pub async fn revoke_damaged(
        &self,
        id: &KeyId,
        reason: RevokeReason,
    ) -> Result<Recorded, KeyringError> {
        let authority = self.demand_change(Change::Revoked).await?;
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

    /// Remembers the damaged keys of a page, and forgets those that can be read again.
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
