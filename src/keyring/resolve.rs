//! Finds the key that a user means: by a full id, else by an exact name, else by the beginning of
//! an id.
use super::{Keyring, KeyringError};
use crate::domain::{key::Key, member::Permission, text::visible, token::KeyId};

/// The number of keys that are listed when several match.
pub(super) const MOST_LISTED: usize = 20;
/// The number of characters that the beginning of an id must have at least.
const SHORTEST_START: usize = 4;

impl Keyring {
    /// Returns the id of the one key that matches a text. If there is none, returns the id of the
    /// key that had that id or that name and was revoked last.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::resolve`].
    pub async fn id_of(&self, text: &str) -> Result<KeyId, KeyringError> {
        match self.resolve(text).await {
            Ok(key) => Ok(key.id),
            Err(error @ KeyringError::NoSuchKey(_)) => {
                let most = i64::try_from(MOST_LISTED).unwrap_or(i64::MAX);
                let mut revoked = self.store.revoked_named(text, most).await?;
                if let Ok(id) = text.parse::<KeyId>()
                    && self.store.tombstone(&id).await?.is_some()
                {
                    revoked.insert(0, id);
                }
                for id in revoked {
                    // Keys of agents outside the actor's scope are treated as if they did not
                    // exist.
                    if self.demand_sight(Some(&id)).await.is_ok() {
                        return Ok(id);
                    }
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the one key that matches a text.
    ///
    /// # Errors
    /// Returns [`KeyringError::NoSuchKey`] if none matches, [`KeyringError::Ambiguous`] with the
    /// keys that match if there are several, [`KeyringError::Denied`] if the actor may not see
    /// keys, and [`KeyringError::Store`] if the database fails.
    pub async fn resolve(&self, text: &str) -> Result<Key, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        if let Ok(id) = text.parse::<KeyId>()
            && let Some(key) = self.store.key(&id).await?
            && scope.includes(&key.agent)
        {
            return Ok(key);
        }
        let most = i64::try_from(MOST_LISTED + 1).unwrap_or(i64::MAX);
        let named = self.store.keys_named(text, &scope, most).await?;
        if !named.is_empty() {
            return only_one(text, named);
        }
        let is_start = (SHORTEST_START..=12).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric());
        let started = if is_start {
            self.store.keys_starting(text, &scope, most).await?
        } else {
            Vec::new()
        };
        only_one(text, started)
    }
}

fn only_one(text: &str, mut keys: Vec<Key>) -> Result<Key, KeyringError> {
    match keys.len() {
        0 if text.trim().is_empty() => Err(KeyringError::NoSuchKey("an empty text".to_owned())),
        0 => Err(KeyringError::NoSuchKey(visible(text))),
        1 => Ok(keys.remove(0)),
        _ => Err(KeyringError::Ambiguous {
            text: visible(text),
            keys,
        }),
    }
}
