//! What can be told about a keyring's soundness: for `doctor` and `audit verify`.
use super::{Keyring, KeyringError};
use crate::{
    domain::{
        agent::AgentScope,
        audit::Checkpoint,
        listing::{Direction, Filter, PageRequest, Sort},
        moment::Moment,
    },
    vault::{MasterKey, VaultError},
};

/// What `doctor` finds out here; an empty list means that nothing is wrong.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// What the database says of its own pages.
    pub complaints: Vec<String>,
    /// Why the master key cannot be used, if it cannot; `None` also where none is needed yet.
    pub master_key: Option<VaultError>,
    /// Whether tokens are sealed already, so that the master key must be there.
    pub sealed: bool,
    /// The newest event, if it lies in the future: the clock was set back.
    pub future_event: Option<Moment>,
    /// Why the audit log does not hold, if it does not.
    pub audit: Option<KeyringError>,
    /// Whether the database itself still refuses to change or remove an audit event.
    pub guarded: bool,
    /// A key that cannot be read, if there is one.
    pub keys: Option<KeyringError>,
}

impl Keyring {
    /// Looks at everything that can be looked at without changing anything; the audit log is compared
    /// with these checkpoints.
    ///
    /// # Errors
    /// The store's, if it cannot be read at all.
    pub async fn health(&self, kept: &[Checkpoint]) -> Result<Health, KeyringError> {
        let stored = self.store.data_key().await?;
        let master_key = match (&stored, MasterKey::load(&self.master_key)) {
            (None, Ok(_) | Err(VaultError::Missing { .. })) => None,
            (_, Err(error)) => Some(error),
            (Some(_), Ok(_)) => match self.data_key().await {
                Err(KeyringError::Vault(error)) => Some(error),
                _ => None,
            },
        };
        let newest = self.store.newest_moment().await?;
        Ok(Health {
            complaints: self.store.complaints().await?,
            master_key,
            sealed: stored.is_some(),
            future_event: newest.filter(|at| at.millis() > self.now().millis() + 60_000),
            audit: self.verify(kept).await.err(),
            guarded: self.store.is_guarded().await?,
            keys: self.read_every_key().await.err(),
        })
    }

    async fn read_every_key(&self) -> Result<(), KeyringError> {
        let mut direction = Direction::First;
        loop {
            let request = PageRequest {
                scope: AgentScope::Everything,
                filter: Filter::default(),
                sort: Sort::NEWEST,
                direction,
                limit: 500,
                now: self.now(),
                damaged: Vec::new(),
            };
            let mut page = self.store.page(&request).await?;
            if !page.unreadable.is_empty() {
                return Err(page.unreadable.remove(0).into());
            }
            match page.rows.pop() {
                Some(last) => direction = Direction::After(last.cursor),
                None => return Ok(()),
            }
        }
    }
}
