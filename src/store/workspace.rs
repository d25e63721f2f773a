//! The workspace row, the data key, and sealed tokens.
use super::{
    Store, StoreError,
    agents::prefixes_of,
    change::{Committed, execute},
    with_pool,
};
use crate::domain::{
    audit::EventDraft,
    listing::ListVersion,
    moment::Moment,
    policy::Policy,
    sealed::{SealedToken, WrappedDataKey},
    token::{Digest, KeyId, Prefixes},
};

/// The workspace row, which identifies the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The random id that the store got when it was created; sealed tokens are bound to it.
    pub uuid: String,
    /// The label that users gave it, such as `PROD`.
    pub label: String,
    /// The number of the newest change.
    pub epoch: i64,
    /// The hash of the newest event.
    pub chain_head: String,
    /// The time when the store was created.
    pub created_at: Moment,
    /// The policy.
    pub policy: Policy,
    /// The prefixes of tokens that are or were in use.
    pub prefixes: Prefixes,
}

#[derive(sqlx::FromRow)]
struct WorkspaceRow {
    uuid: String,
    label: String,
    epoch: i64,
    chain_head: String,
    created_at: i64,
    longest_life: Option<i64>,
    must_expire_since: Option<i64>,
    approve_widening_since: Option<i64>,
    prefixes: Option<String>,
}

impl Store {
    /// Returns the workspace.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn workspace(&self) -> Result<Workspace, StoreError> {
        let row: WorkspaceRow = with_pool!(self, pool => sqlx::query_as(
            "SELECT uuid, label, epoch, chain_head, created_at, longest_life, must_expire_since, \
             approve_widening_since, \
             (SELECT string_agg(prefix, ',') FROM token_prefixes) AS prefixes \
             FROM workspace WHERE id = 1",
        )
        .fetch_one(pool)
        .await)?;
        Ok(Workspace {
            uuid: row.uuid,
            label: row.label,
            epoch: row.epoch,
            chain_head: row.chain_head,
            created_at: Moment::from_millis(row.created_at),
            policy: Policy {
                longest_life: row.longest_life,
                must_expire: row.must_expire_since.is_some(),
                approve_widening: row.approve_widening_since.is_some(),
            },
            prefixes: prefixes_of(row.prefixes.iter().flat_map(|all| all.split(',')))?,
        })
    }

    /// Sets the workspace's policy.
    ///
    /// # Errors
    /// Returns [`StoreError::PolicyConflict`] if the policy is not `seen` any more, and another
    /// [`StoreError`] if the database fails.
    pub(crate) async fn set_policy(
        &self,
        seen: Policy,
        policy: Policy,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let done = execute!(
            change,
            sqlx::query(
                "UPDATE workspace SET longest_life = $1, must_expire_since = $2, \
                 approve_widening_since = $3 WHERE id = 1 AND coalesce(longest_life, 0) = $4 \
                 AND CASE WHEN must_expire_since IS NULL THEN 0 ELSE 1 END = $5 \
                 AND CASE WHEN approve_widening_since IS NULL THEN 0 ELSE 1 END = $6",
            )
            .bind(policy.longest_life)
            .bind(policy.must_expire.then(|| event.at.millis()))
            .bind(policy.approve_widening.then(|| event.at.millis()))
            .bind(seen.longest_life.unwrap_or(0))
            .bind(i64::from(seen.must_expire))
            .bind(i64::from(seen.approve_widening))
        )?;
        if done == 0 {
            return Err(StoreError::PolicyConflict);
        }
        change.record(event).await?;
        change.commit().await
    }

    /// Returns the epoch, which is the number of the newest change.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn epoch(&self) -> Result<i64, StoreError> {
        let (epoch,): (i64,) = with_pool!(self, pool => {
            sqlx::query_as("SELECT epoch FROM workspace WHERE id = 1").fetch_one(pool).await
        })?;
        Ok(epoch)
    }

    /// Returns the epoch, and the numbers of refusals and of batches recorded so far.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn list_version(&self) -> Result<ListVersion, StoreError> {
        let (epoch, refusals, batches): (i64, i64, i64) = with_pool!(self, pool => sqlx::query_as(
            "SELECT workspace.epoch, recording.refusals, recording.batches FROM workspace \
             JOIN recording ON recording.id = workspace.id WHERE workspace.id = 1",
        )
        .fetch_one(pool)
        .await)?;
        Ok(ListVersion {
            epoch,
            refusals,
            batches,
        })
    }

    /// Sets the workspace's label.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn relabel(
        &self,
        label: &str,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        execute!(
            change,
            sqlx::query("UPDATE workspace SET label = $1 WHERE id = 1",).bind(label)
        )?;
        change.record(event).await?;
        change.commit().await
    }

    /// Returns the data key that new tokens are sealed with, or `None` if there is none yet.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn data_key(&self) -> Result<Option<WrappedDataKey>, StoreError> {
        let row: Option<(String, String, String)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT id, master_key_id, wrapped FROM data_keys ORDER BY created_at, id LIMIT 1",
        )
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(|(id, master_key_id, wrapped)| WrappedDataKey {
            id,
            master_key_id,
            wrapped,
        }))
    }

    /// Stores the first data key, unless another process stored one before; returns the one that is
    /// stored.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn first_data_key(
        &self,
        key: &WrappedDataKey,
        now: Moment,
    ) -> Result<WrappedDataKey, StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly(self.place.clone()));
        }
        let mut write = self.begin_write().await?;
        // Locks the workspace row, so that only one process can store the first data key.
        execute!(
            write,
            sqlx::query("UPDATE workspace SET epoch = epoch WHERE id = 1",)
        )?;
        execute!(
            write,
            sqlx::query(
                "INSERT INTO data_keys (id, master_key_id, wrapped, created_at) \
             SELECT $1, $2, $3, $4 FROM workspace WHERE NOT EXISTS (SELECT 1 FROM data_keys)",
            )
            .bind(key.id.as_str())
            .bind(key.master_key_id.as_str())
            .bind(key.wrapped.as_str())
            .bind(now.millis())
        )?;
        write.commit_write().await?;
        self.data_key()
            .await?
            .ok_or_else(|| StoreError::corrupt("data_keys", "id", "first"))
    }

    /// Returns the sealed token of a key.
    ///
    /// # Errors
    /// Returns [`StoreError::Gone`] if there is no such key, [`StoreError::Corrupt`] if its digest
    /// is invalid, and another [`StoreError`] if the database fails.
    pub(crate) async fn sealed_token(&self, id: &KeyId) -> Result<SealedToken, StoreError> {
        let row: Option<(String, String, String)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT digest, data_key_id, sealed FROM tokens WHERE key_id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(pool)
        .await)?;
        let Some((digest, data_key_id, sealed)) = row else {
            return Err(StoreError::Gone { id: id.to_string() });
        };
        let digest = Digest::decode(&digest)
            .ok_or_else(|| StoreError::corrupt("tokens", "digest", id.as_str()))?;
        Ok(SealedToken {
            digest,
            data_key_id,
            sealed,
        })
    }

    /// Returns the problems that the database reports about itself; empty if there are none.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn complaints(&self) -> Result<Vec<String>, StoreError> {
        match &self.pool {
            super::Pool::Sqlite(pool) => {
                let lines: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check")
                    .fetch_all(pool)
                    .await
                    .map_err(|error| self.fault(&error))?;
                Ok(lines
                    .into_iter()
                    .map(|(line,)| line)
                    .filter(|line| line != "ok")
                    .collect())
            }
            // PostgreSQL checks its pages when it reads them.
            super::Pool::Postgres(_) => Ok(Vec::new()),
        }
    }
}
