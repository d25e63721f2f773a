//! Creates, reads, edits, disables, enables and revokes keys.
//!
//! Every change takes its audit event and writes both in one transaction. Editing, disabling,
//! enabling and revoking pass the revision of the key that the caller saw; if the key has another
//! revision now, nothing is changed and [`StoreError::Conflict`] is returned.
mod creation;
mod draft;

pub(crate) use creation::{InsertOutcome, NewKey};

use draft::{DraftColumns, bind_draft, cut, draft_columns, draft_values, insert_sets};

use super::{
    Store, StoreError,
    change::{ChangeTransaction, Committed, execute},
    rows::{KeyRow, column_of, key_columns},
    with_pool,
};
use crate::domain::{
    agent::AgentScope,
    audit::EventDraft,
    key::{Draft, Key, Refused, Revision, RevokeReason},
    moment::Moment,
    text,
    token::KeyId,
};

/// The refusals of a key that remain recent after a change of its rules.
type RefusalsAfterChange = Option<Refused>;

impl Store {
    /// Returns a key by its id.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if the key cannot be read, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn key(&self, id: &KeyId) -> Result<Option<Key>, StoreError> {
        let row: Result<Option<KeyRow>, &'static str> = with_pool!(self, pool => {
            let read = sqlx::query_as(
                concat!("SELECT ", key_columns!(), " FROM keys WHERE id = $1"),
            )
            .bind(id.as_str())
            .fetch_optional(pool)
            .await;
            match read {
                // A value of a wrong type, which SQLite can store.
                Err(error @ sqlx::Error::ColumnDecode { .. }) => Ok(Err(column_of(&error))),
                read => read.map(Ok),
            }
        })?;
        let row = row.map_err(|column| StoreError::corrupt("keys", column, id.as_str()))?;
        row.map(KeyRow::into_key).transpose()
    }

    /// Returns the keys of these agents whose id begins with `start`, oldest first, at most
    /// `limit`. The comparison is case-sensitive.
    ///
    /// # Errors
    /// Returns the errors of [`Store::key`].
    pub(crate) async fn keys_starting(
        &self,
        start: &str,
        scope: &AgentScope,
        limit: i64,
    ) -> Result<Vec<Key>, StoreError> {
        let length = i32::try_from(start.len()).unwrap_or(i32::MAX);
        let rows: Vec<KeyRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            "SELECT ", key_columns!(), " FROM keys \
             WHERE substr(id, 1, CAST($1 AS INTEGER)) = $2 \
             AND ($3 = '' OR instr($3, ',' || agent || ',') > 0) ORDER BY sequence LIMIT $4"
        ))
        .bind(length)
        .bind(start)
        .bind(scope.written())
        .bind(limit)
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(KeyRow::into_key).collect()
    }

    /// Returns the number of keys that are not disabled and end after one time and until another.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn keys_ending(
        &self,
        after: Moment,
        until: Moment,
    ) -> Result<i64, StoreError> {
        // As in the index.
        let (count,): (i64,) = with_pool!(self, pool => sqlx::query_as(
            "SELECT count(*) FROM keys WHERE coalesce(expires_at, 9223372036854775807) > $1 \
             AND coalesce(expires_at, 9223372036854775807) <= $2 AND disabled_at IS NULL",
        )
        .bind(after.millis())
        .bind(until.millis())
        .fetch_one(pool)
        .await)?;
        Ok(count)
    }

    /// Returns the names of these agents' keys that look like this name without being equal to it,
    /// at most `limit`.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn look_alikes(
        &self,
        name: &str,
        scope: &AgentScope,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let names: Vec<(String,)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT name FROM keys WHERE name_skeleton = $1 AND name <> $2 \
             AND ($3 = '' OR instr($3, ',' || agent || ',') > 0) ORDER BY sequence LIMIT $4",
        )
        .bind(cut(&text::skeleton(name)))
        .bind(name)
        .bind(scope.written())
        .bind(limit)
        .fetch_all(pool)
        .await)?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    /// Returns the id and the name of these agents' keys, other than `except`, whose name equals
    /// this name or looks like it; oldest first, at most 100. Whether their other columns can be
    /// read does not matter.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn namesakes(
        &self,
        name: &str,
        except: &str,
        scope: &AgentScope,
    ) -> Result<Vec<(KeyId, String)>, StoreError> {
        let rows: Vec<(String, String)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT id, name FROM keys WHERE name_skeleton = $1 AND id <> $2 \
             AND ($3 = '' OR instr($3, ',' || agent || ',') > 0) ORDER BY sequence LIMIT 100",
        )
        .bind(cut(&text::skeleton(name)))
        .bind(except)
        .bind(scope.written())
        .fetch_all(pool)
        .await)?;
        let read = |(id, name): (String, String)| Some((id.parse().ok()?, name));
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Changes a key's editable settings. If the change may allow other requests than before,
    /// `left` is the refusals that remain recent.
    ///
    /// # Errors
    /// Returns [`StoreError::Conflict`] if the key has another revision now.
    pub(crate) async fn edit_key(
        &self,
        id: &KeyId,
        seen: Revision,
        (draft, left): (&Draft, Option<RefusalsAfterChange>),
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let columns = DraftColumns::of(id, draft);
        let done = execute!(
            change,
            bind_draft!(
                sqlx::query(concat!(
                    "UPDATE keys SET (",
                    draft_columns!(),
                    ") = (",
                    draft_values!(),
                    "), revision = revision + 1 WHERE id = $17 AND revision = $18",
                )),
                columns
            )
            .bind(id.as_str())
            .bind(seen.0)
        )?;
        one_row(done, id)?;
        if let Some(left) = left {
            change.reset_refusals(id, event.at, left).await?;
        }
        for table in [
            "DELETE FROM allowed_networks WHERE key_id = $1",
            "DELETE FROM grants WHERE key_id = $1",
        ] {
            execute!(change, sqlx::query(table).bind(id.as_str()))?;
        }
        insert_sets(&mut change, id, draft).await?;
        change.record(event).await?;
        change.follow_new_key(id, draft).await?;
        change.commit().await
    }

    /// Disables (`Some`) or enables (`None`) keys, all or none; each with the refusals that remain
    /// recent.
    ///
    /// # Errors
    /// Returns [`StoreError::Conflict`] if one of them has another revision now.
    pub(crate) async fn switch_keys(
        &self,
        keys: &[(KeyId, Revision, EventDraft, RefusalsAfterChange)],
        disabled_at: Option<Moment>,
    ) -> Result<Committed, StoreError> {
        let events: Vec<&EventDraft> = keys.iter().map(|(_, _, event, _)| event).collect();
        let mut change = self.begin_change(&events).await?;
        for (id, seen, event, left) in by_id(keys, |(id, ..)| id) {
            let done = execute!(
                change,
                sqlx::query(
                    "UPDATE keys SET disabled_at = $1, revision = revision + 1 \
                 WHERE id = $2 AND revision = $3",
                )
                .bind(disabled_at.map(Moment::millis))
                .bind(id.as_str())
                .bind(seen.0)
            )?;
            one_row(done, id)?;
            change.reset_refusals(id, event.at, *left).await?;
            change.record(event).await?;
        }
        change.commit().await
    }

    /// Deletes keys permanently, all or none, and leaves a tombstone for each.
    ///
    /// # Errors
    /// Returns [`StoreError::Conflict`] if one of them has another revision now.
    pub(crate) async fn revoke_keys(
        &self,
        keys: &[(KeyId, Revision, EventDraft)],
        reason: RevokeReason,
    ) -> Result<Committed, StoreError> {
        let events: Vec<&EventDraft> = keys.iter().map(|(_, _, event)| event).collect();
        let mut change = self.begin_change(&events).await?;
        for (id, seen, event) in by_id(keys, |(id, _, _)| id) {
            one_row(insert_tombstone(&mut change, id, event, reason).await?, id)?;
            let done = execute!(
                change,
                sqlx::query("DELETE FROM keys WHERE id = $1 AND revision = $2",)
                    .bind(id.as_str())
                    .bind(seen.0)
            )?;
            one_row(done, id)?;
            change.record(event).await?;
        }
        let committed = change.commit().await?;
        self.truncate_wal().await;
        Ok(committed)
    }

    /// Returns the name and the agent of a key as its row contains them, valid or not.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn raw_key(&self, id: &KeyId) -> Result<Option<(String, String)>, StoreError> {
        with_pool!(self, pool => {
            sqlx::query_as("SELECT name, agent FROM keys WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(pool)
                .await
        })
    }

    /// Permanently deletes a key that cannot be read, whatever its revision, and leaves a tombstone
    /// if it had a token.
    ///
    /// # Errors
    /// Returns [`StoreError::Conflict`] if the key does not exist any more.
    pub(crate) async fn revoke_damaged(
        &self,
        id: &KeyId,
        event: &EventDraft,
        reason: RevokeReason,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let _ = insert_tombstone(&mut change, id, event, reason).await?;
        let done = execute!(
            change,
            sqlx::query("DELETE FROM keys WHERE id = $1").bind(id.as_str())
        )?;
        one_row(done, id)?;
        change.record(event).await?;
        let committed = change.commit().await?;
        self.truncate_wal().await;
        Ok(committed)
    }

    /// Records an event that changes no key: a token is about to be copied or revealed.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails; then the token must not be opened.
    pub(crate) async fn record(&self, event: &EventDraft) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        change.record(event).await?;
        change.commit().await
    }
}

impl ChangeTransaction<'_> {
    /// Sets the recent refusals of a key whose rules changed, and the time of that change.
    async fn reset_refusals(
        &mut self,
        id: &KeyId,
        at: Moment,
        left: RefusalsAfterChange,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            sqlx::query(
                "UPDATE keys SET refused_count = $1, refused_at = $2, rules_changed_at = $3 \
                 WHERE id = $4",
            )
            .bind(left.map_or(0, |refused| refused.count))
            .bind(left.map(|refused| refused.at.millis()))
            .bind(at.millis())
            .bind(id.as_str())
        )?;
        Ok(())
    }
}

/// Returns the changes in the order of their keys' ids. Every transaction that writes to several
/// keys uses this order, so that no two of them wait for each other.
pub(super) fn by_id<C>(changes: &[C], id: impl Fn(&C) -> &KeyId) -> Vec<&C> {
    let mut ordered: Vec<&C> = changes.iter().collect();
    ordered.sort_by(|one, other| id(one).cmp(id(other)));
    ordered
}

/// Inserts the tombstone of a key that is about to be deleted: the digest is kept, the secret is
/// not. Returns the number of inserted rows, 0 or 1.
async fn insert_tombstone(
    change: &mut ChangeTransaction<'_>,
    id: &KeyId,
    event: &EventDraft,
    reason: RevokeReason,
) -> Result<u64, StoreError> {
    execute!(
        change,
        sqlx::query(
            "INSERT INTO tombstones (key_id, digest, name, revoked_at, actor, reason) \
         SELECT key_id, digest, $1, $2, $3, $4 FROM tokens WHERE key_id = $5",
        )
        .bind(event.subject_name.as_str())
        .bind(event.at.millis())
        .bind(event.actor.name.as_str())
        .bind(reason.word())
        .bind(id.as_str())
    )
}

pub(super) fn one_row(affected: u64, id: &KeyId) -> Result<(), StoreError> {
    if affected == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict { id: id.to_string() })
    }
}
