//! Quotas: what endpoints have reserved of a key's quota in a day or month.
//!
//! A reservation is one small transaction, and durable before any request passes by it. What is
//! reserved never exceeds the quota, however many endpoints reserve at once; so what passes never
//! does either. It is no change: it raises no epoch and records no event.
use crate::{
    domain::{
        moment::{DAY, Moment},
        quota::Quota,
        token::KeyId,
    },
    store::{
        Store, StoreError,
        change::{execute, with_connection},
        with_pool,
    },
};

/// For how many days what was used of a quota is kept after the period began.
const KEPT_DAYS: i64 = 100;

impl Store {
    /// Reserves a share of a key's quota in the period that contains `now`. Returns how many
    /// requests may pass by it: at most `wanted`, and 0 if the quota is used up.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails; then nothing may be spent.
    pub(crate) async fn reserve_quota(
        &self,
        id: &KeyId,
        quota: Quota,
        wanted: i64,
        now: Moment,
    ) -> Result<i64, StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly(self.place.clone()));
        }
        let (began_at, _) = quota.period().around(now);
        let mut write = self.begin_write().await?;
        execute!(
            write,
            sqlx::query(
                "INSERT INTO quota_uses (key_id, period, began_at, reserved) VALUES ($1, $2, $3, 0) \
                 ON CONFLICT (key_id, period, began_at) DO NOTHING",
            )
            .bind(id.as_str())
            .bind(quota.period().word())
            .bind(began_at.millis())
        )?;
        // Nothing changes, but the row stays locked: others that reserve wait here.
        let (reserved,): (i64,) = with_connection!(write, connection => {
            sqlx::query_as(
                "UPDATE quota_uses SET reserved = reserved \
                 WHERE key_id = $1 AND period = $2 AND began_at = $3 RETURNING reserved",
            )
            .bind(id.as_str())
            .bind(quota.period().word())
            .bind(began_at.millis())
            .fetch_one(connection)
            .await
        })?;
        let share = wanted.min(quota.count() - reserved).max(0);
        if share == 0 {
            return Ok(0);
        }
        execute!(
            write,
            sqlx::query(
                "UPDATE quota_uses SET reserved = reserved + $4 \
                 WHERE key_id = $1 AND period = $2 AND began_at = $3",
            )
            .bind(id.as_str())
            .bind(quota.period().word())
            .bind(began_at.millis())
            .bind(share)
        )?;
        write.commit_write().await?;
        Ok(share)
    }

    /// Gives back what was reserved of a key's quota in the period that contains `at` and was not
    /// spent.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails; then it stays reserved.
    pub(crate) async fn give_back_quota(
        &self,
        id: &KeyId,
        quota: Quota,
        unspent: i64,
        at: Moment,
    ) -> Result<(), StoreError> {
        let (began_at, _) = quota.period().around(at);
        let mut write = self.begin_write().await?;
        execute!(
            write,
            sqlx::query(
                "UPDATE quota_uses SET reserved = reserved - $4 \
                 WHERE key_id = $1 AND period = $2 AND began_at = $3 AND reserved >= $4",
            )
            .bind(id.as_str())
            .bind(quota.period().word())
            .bind(began_at.millis())
            .bind(unspent)
        )?;
        write.commit_write().await
    }

    /// Returns how much of a key's quota is reserved in the period that contains `now`.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn quota_reserved(
        &self,
        id: &KeyId,
        quota: Quota,
        now: Moment,
    ) -> Result<i64, StoreError> {
        let (began_at, _) = quota.period().around(now);
        let reserved: Option<(i64,)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT reserved FROM quota_uses WHERE key_id = $1 AND period = $2 AND began_at = $3",
        )
        .bind(id.as_str())
        .bind(quota.period().word())
        .bind(began_at.millis())
        .fetch_optional(pool)
        .await)?;
        Ok(reserved.map_or(0, |(reserved,)| reserved))
    }

    /// Deletes what was used of quotas long ago.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(super) async fn forget_quota_uses(&self, now: Moment) -> Result<(), StoreError> {
        let before = now.plus(-KEPT_DAYS * DAY).millis();
        let old: Option<(i64,)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT began_at FROM quota_uses WHERE began_at < $1 LIMIT 1",
        )
        .bind(before)
        .fetch_optional(pool)
        .await)?;
        if old.is_none() {
            return Ok(());
        }
        let mut write = self.begin_write().await?;
        execute!(
            write,
            sqlx::query("DELETE FROM quota_uses WHERE began_at < $1").bind(before)
        )?;
        write.commit_write().await
    }
}
