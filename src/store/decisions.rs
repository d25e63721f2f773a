//! What decisions read.
//!
//! A credential is found by the key id that its token names and then compared by digest in
//! constant time.
use std::sync::Arc;

use super::{
    Store, StoreError,
    rows::{CredentialRow, credentials, digests_of, moment, tombstones},
    watch::KeyRecord,
    with_pool,
};
use crate::domain::{
    decision::Credential,
    explain::Tombstone,
    key::LastUse,
    token::{KeyId, Token},
    usage::Tally,
};

/// Within this time one use from one address is enough to know.
const SAME_USE_WINDOW: i64 = 60_000;

impl Store {
    /// What the presented token turns out to be.
    ///
    /// # Errors
    /// The store's faults and [`StoreError::Corrupt`]: neither is ever an allow.
    pub async fn credential(&self, token: &Token) -> Result<Credential, StoreError> {
        Ok(self.key_record(token.key_id()).await?.credential(token))
    }

    /// What stands under a key's id.
    ///
    /// # Errors
    /// The store's faults and [`StoreError::Corrupt`].
    pub async fn key_record(&self, id: &KeyId) -> Result<KeyRecord, StoreError> {
        let found: Option<CredentialRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            credentials!(), " = $1"
        ))
        .bind(id.as_str())
        .fetch_optional(pool)
        .await)?;
        match found {
            Some(row) => {
                let (digest, rules) = row.read()?;
                Ok(KeyRecord::Key(digest, Arc::new(rules)))
            }
            None => self.buried(id).await,
        }
    }

    async fn buried(&self, id: &KeyId) -> Result<KeyRecord, StoreError> {
        let stone: Option<(String, String)> = with_pool!(self, pool => sqlx::query_as(
            concat!(tombstones!(), " = $1"),
        )
        .bind(id.as_str())
        .fetch_optional(pool)
        .await)?;
        match stone {
            Some((id, digests)) => digests_of(&digests, &id).map(KeyRecord::Revoked),
            None => Ok(KeyRecord::Absent),
        }
    }

    /// The keys that were called exactly so and were revoked, the last one first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for an id that is none; what the database says.
    pub async fn revoked_named(&self, name: &str, limit: i64) -> Result<Vec<KeyId>, StoreError> {
        let ids: Vec<String> = with_pool!(self, pool => sqlx::query_scalar(
            "SELECT key_id FROM tombstones WHERE name = $1 ORDER BY revoked_at DESC, key_id LIMIT $2",
        )
        .bind(name)
        .bind(limit)
        .fetch_all(pool)
        .await)?;
        let read = |id: String| {
            id.parse()
                .map_err(|_| StoreError::corrupt("tombstones", "key_id", &id))
        };
        ids.into_iter().map(read).collect()
    }

    /// What is remembered of a key that was deleted.
    ///
    /// # Errors
    /// The store's faults and [`StoreError::Corrupt`].
    pub async fn tombstone(&self, id: &KeyId) -> Result<Option<Tombstone>, StoreError> {
        let row: Option<(String, i64, String, String)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT name, revoked_at, actor, reason FROM tombstones WHERE key_id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(pool)
        .await)?;
        let Some((name, at, by, reason)) = row else {
            return Ok(None);
        };
        let bad = |column| StoreError::corrupt("tombstones", column, id.as_str());
        Ok(Some(Tombstone {
            id: id.clone(),
            name,
            at: moment(at).ok_or_else(|| bad("revoked_at"))?,
            by,
            reason: reason.parse().map_err(|_| bad("reason"))?,
        }))
    }

    /// Whether this use would tell nothing new: the key was used so from the same address within the
    /// last minute already, and a minute is all that is shown of a use.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn used_lately(
        &self,
        id: &KeyId,
        usage: &LastUse,
        tally: &Tally,
    ) -> Result<bool, StoreError> {
        let from = usage.from.map(|address| address.to_string());
        let (area, action) = tally.kind.target_words();
        let (lately,): (i64,) = with_pool!(self, pool => sqlx::query_as(
            "SELECT count(*) FROM keys WHERE id = $1 AND last_used_at > $2 AND last_used_at <= $3 \
             AND coalesce(last_used_from, '') = $4 AND EXISTS (SELECT 1 FROM uses \
             WHERE key_id = $1 AND began_at = $5 AND span = $6 AND area = $7 AND action = $8 \
             AND source = $4 AND verdict = 'allow')",
        )
        .bind(id.as_str())
        .bind(usage.at.millis() - SAME_USE_WINDOW)
        .bind(usage.at.millis())
        .bind(from.unwrap_or_default())
        .bind(tally.began_at.millis())
        .bind(tally.span)
        .bind(area)
        .bind(action)
        .fetch_one(pool)
        .await)?;
        Ok(lately > 0)
    }
}
