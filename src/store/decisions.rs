//! The queries that decisions use.
//!
//! A credential is found by the key id in its token, and then compared by digest in constant time.
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

/// The time, in milliseconds, within which a repeated use from the same address is not recorded.
const SAME_USE_WINDOW: i64 = 60_000;

impl Store {
    /// Returns what the token that was sent is.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if the key's record cannot be read, and another
    /// [`StoreError`] if the database fails. An error is never an allow.
    pub(crate) async fn credential(&self, token: &Token) -> Result<Credential, StoreError> {
        Ok(self.key_record(token.key_id()).await?.credential(token))
    }

    /// Returns the record that is stored under a key's id.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if the record cannot be read, and another [`StoreError`] if
    /// the database fails.
    pub(crate) async fn key_record(&self, id: &KeyId) -> Result<KeyRecord, StoreError> {
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
            None => self.tombstone_record(id).await,
        }
    }

    async fn tombstone_record(&self, id: &KeyId) -> Result<KeyRecord, StoreError> {
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

    /// Returns the revoked keys that had exactly this name, the most recently revoked first, at
    /// most `limit`.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if an id is invalid, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn revoked_named(
        &self,
        name: &str,
        limit: i64,
    ) -> Result<Vec<KeyId>, StoreError> {
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

    /// Returns the tombstone of a revoked key, or `None` if no key with this id was revoked.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if the tombstone cannot be read, and another [`StoreError`]
    /// if the database fails.
    pub(crate) async fn tombstone(&self, id: &KeyId) -> Result<Option<Tombstone>, StoreError> {
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

    /// Returns `true` if this use adds nothing new: the key was used within the last minute from
    /// the same address, and this area and action from there are counted in this span. Uses are
    /// shown to the minute.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn is_repeated_use(
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
