//! Checks the condition of a keyring, for `doctor` and `audit verify`.
use super::{Keyring, KeyringError};
use crate::{
    domain::{
        audit::Checkpoint,
        listing::{Direction, PageRequest},
        moment::Moment,
    },
    vault::{MasterKey, VaultError},
};

/// The results of the checks; an empty list or `None` means that nothing was found.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// The problems that the database reports about its own pages.
    pub complaints: Vec<String>,
    /// The reason why the master key cannot be used; `None` if it can, or if none is needed yet.
    pub master_key: Option<VaultError>,
    /// `true` if tokens are sealed, so that the master key must exist.
    pub sealed: bool,
    /// The time of the newest event if it is more than a minute in the future: the clock was set
    /// back.
    pub future_event: Option<Moment>,
    /// The reason why the audit log does not verify, if it does not.
    pub audit: Option<KeyringError>,
    /// `true` if the database itself still refuses to change or delete audit events.
    pub guarded: bool,
    /// The error of a key that cannot be read, if there is one.
    pub keys: Option<KeyringError>,
}

impl Keyring {
    /// Runs all checks that change nothing, and compares the audit log with these checkpoints.
    ///
    /// # Errors
    /// Returns [`KeyringError::Store`] if the store cannot be read at all.
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
        let mut request = PageRequest::first(500, self.now());
        loop {
            let mut page = self.store.page(&request).await?;
            if !page.unreadable.is_empty() {
                return Err(page.unreadable.remove(0).into());
            }
            match page.rows.pop() {
                Some(last) => request.direction = Direction::After(last.cursor),
                None => return Ok(()),
            }
        }
    }
}
