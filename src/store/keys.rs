//! Keys: making, reading, editing, switching and revoking them.
//!
//! Every change takes its audit event and writes both in one transaction. An edit, a switch and
//! a revoke name the revision that they were decided on; if the key is no longer at it, nothing
//! is changed and the answer is [`StoreError::Conflict`].
mod draft;

use draft::{DraftColumns, bind_draft, cut, draft_columns, draft_values, insert_sets};

use super::{
    Store, StoreError,
    change::{ChangeTransaction, Committed, execute},
    rows::{KeyRow, column_of, key_columns},
    with_pool,
};
use crate::domain::{
    agent::{AgentName, AgentScope},
    audit::EventDraft,
    key::{Draft, Key, Refused, Revision, RevokeReason},
    moment::Moment,
    sealed::SealedToken,
    text,
    token::KeyId,
};

/// What is news of a key's refusals.
type RefusalsAfterChange = Option<Refused>;

/// A key that is about to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its id.
    pub id: KeyId,
    /// The agent whose data it opens.
    pub agent: AgentName,
    /// What people decided about it.
    pub draft: Draft,
    /// When it is made.
    pub created_at: Moment,
}

impl Store {
    /// Makes a key; answers its place in the order of creation, which is the number of this
    /// change: unlike a count of the keys, it never comes a second time.
    ///
    /// # Errors
    /// The store's faults; an id that is taken is one of them.
    pub async fn create_key(
        &self,
        key: &NewKey,
        token: &SealedToken,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        change.demand_agent(&key.agent).await?;
        let sequence = change.next_sequence;
        let columns = DraftColumns::of(&key.id, &key.draft);
        execute!(
            change,
            bind_draft!(
                sqlx::query(concat!(
                    "INSERT INTO keys (",
                    draft_columns!(),
                    ", id, sequence, agent, created_at, revision) VALUES (",
                    draft_values!(),
                    ", $10, $11, $12, $13, 1)",
                )),
                columns
            )
            .bind(key.id.as_str())
            .bind(sequence)
            .bind(key.agent.as_str())
            .bind(key.created_at.millis())
        )?;
        execute!(
            change,
            sqlx::query(
                "INSERT INTO tokens (key_id, digest, data_key_id, sealed) VALUES ($1, $2, $3, $4)",
            )
            .bind(key.id.as_str())
            .bind(token.digest.encoded())
            .bind(token.data_key_id.as_str())
            .bind(token.sealed.as_str())
        )?;
        insert_sets(&mut change, &key.id, &key.draft).await?;
        change.record(event).await?;
        change.commit().await
    }

    /// A key by its id.
    ///
    /// # Errors
    /// The store's faults, and [`StoreError::Corrupt`].
    pub async fn key(&self, id: &KeyId) -> Result<Option<Key>, StoreError> {
        let row: Result<Option<KeyRow>, &'static str> = with_pool!(self, pool => {
            let read = sqlx::query_as(
                concat!("SELECT ", key_columns!(), " FROM keys WHERE id = $1"),
            )
            .bind(id.as_str())
            .fetch_optional(pool)
            .await;
            match read {
                // A value of a wrong type: SQLite keeps such.
                Err(error @ sqlx::Error::ColumnDecode { .. }) => Ok(Err(column_of(&error))),
                read => read.map(Ok),
            }
        })?;
        let row = row.map_err(|column| StoreError::corrupt("keys", column, id.as_str()))?;
        row.map(KeyRow::into_key).transpose()
    }

    /// The keys of these agents with exactly this name, oldest first, at most `limit`.
    ///
    /// # Errors
    /// As for [`Store::key`].
    pub async fn keys_named(
        &self,
        name: &str,
        scope: &AgentScope,
        limit: i64,
    ) -> Result<Vec<Key>, StoreError> {
        let rows: Vec<KeyRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            "SELECT ", key_columns!(), " FROM keys WHERE name_sort = $1 AND name = $2 \
             AND ($3 = '' OR instr($3, ',' || agent || ',') > 0) ORDER BY sequence LIMIT $4"
        ))
        .bind(cut(&text::folded(name)))
        .bind(name)
        .bind(scope.written())
        .bind(limit)
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(KeyRow::into_key).collect()
    }

    /// The keys of these agents whose id begins so, oldest first, at most `limit`. Upper and lower case differ.
    ///
    /// # Errors
    /// As for [`Store::key`].
    pub async fn keys_starting(
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

    /// The names of these agents' keys, other than this one itself, that look like this one to a
    /// hasty reader.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn look_alikes(
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

    /// The keys of these agents, other than one, whose name is this one or looks like it: id and name,
    /// the oldest first, at most a hundred. Whether the rest of them can be read does not matter.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn namesakes(
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

    /// Changes what people decided about a key; where that may let other requests pass than before,
    /// `left` is what is news still of its refusals.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the key is no longer at this revision.
    pub async fn edit_key(
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
                    "), revision = revision + 1 WHERE id = $10 AND revision = $11",
                )),
                columns
            )
            .bind(id.as_str())
            .bind(seen.0)
        )?;
        one_row(done, id)?;
        if let Some(left) = left {
            change.begin_anew(id, event.at, left).await?;
        }
        for table in [
            "DELETE FROM allowed_networks WHERE key_id = $1",
            "DELETE FROM grants WHERE key_id = $1",
        ] {
            execute!(change, sqlx::query(table).bind(id.as_str()))?;
        }
        insert_sets(&mut change, id, draft).await?;
        change.record(event).await?;
        change.commit().await
    }

    /// Switches keys off (`Some`) or on (`None`), all or none; each with what is news still of its
    /// refusals.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if one of them is no longer at its revision.
    pub async fn switch_keys(
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
            change.begin_anew(id, event.at, *left).await?;
            change.record(event).await?;
        }
        change.commit().await
    }

    /// Deletes keys for good, all or none, and leaves a tombstone of each.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if one of them is no longer at its revision.
    pub async fn revoke_keys(
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

    /// Name and agent of a key as they stand in its row, whatever that is.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn raw_key(&self, id: &KeyId) -> Result<Option<(String, String)>, StoreError> {
        with_pool!(self, pool => {
            sqlx::query_as("SELECT name, agent FROM keys WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(pool)
                .await
        })
    }

    /// Deletes a key for good at whatever revision it is, for it cannot be read, and leaves a
    /// tombstone if it had a token.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is gone meanwhile.
    pub async fn revoke_damaged(
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

    /// Records an event that changes no key: a token that is about to be copied or revealed.
    ///
    /// # Errors
    /// The store's faults; then the token must not be opened.
    pub async fn record(&self, event: &EventDraft) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        change.record(event).await?;
        change.commit().await
    }
}

impl ChangeTransaction<'_> {
    /// The rules of a key are others: of what was refused by the old ones this is news still.
    async fn begin_anew(
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

/// Whoever writes to several keys does so in the order of their ids, so that no two wait for
/// each other.
pub(super) fn by_id<C>(changes: &[C], id: impl Fn(&C) -> &KeyId) -> Vec<&C> {
    let mut ordered: Vec<&C> = changes.iter().collect();
    ordered.sort_by(|one, other| id(one).cmp(id(other)));
    ordered
}

/// The tombstone of a key that is about to go: the digest stays, the secret does not. Answers how
/// many there are, one or none.
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
