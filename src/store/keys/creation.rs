//! Creates keys: a key, its token and its event, in one transaction.
use super::draft::{DraftColumns, bind_draft, cut, draft_columns, draft_values, insert_sets};
use crate::{
    domain::{
        agent::{AgentName, AgentScope},
        approval::PendingChange,
        audit::EventDraft,
        key::{Draft, Key},
        moment::Moment,
        sealed::SealedToken,
        text,
        token::KeyId,
    },
    store::{
        Store, StoreError,
        change::{ChangeTransaction, Committed, execute, with_connection},
        rows::{KeyRow, key_columns},
        with_pool,
    },
};

/// A key that is about to be created.
#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    /// The key's id.
    pub id: KeyId,
    /// The agent that it belongs to.
    pub agent: AgentName,
    /// The settings that users can edit.
    pub draft: Draft,
    /// The time of its creation.
    pub created_at: Moment,
    /// The request for its approval, if it needs one.
    pub request: Option<PendingChange>,
}

/// The result of creating a key unless its agent has one of that name.
#[derive(Debug)]
pub(crate) enum InsertOutcome {
    /// The key was created.
    Created(Committed),
    /// The agent has these keys of that name, the oldest first; nothing was changed.
    Existing(Vec<Key>),
}

/// Selects the keys with the name `$2`, which is `$1` when folded and cut, of the agents in `$3`;
/// the oldest first, at most `$4`.
const KEYS_NAMED: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM keys WHERE name_sort = $1 AND name = $2 \
     AND ($3 = '' OR instr($3, ',' || agent || ',') > 0) ORDER BY sequence LIMIT $4"
);

/// Binds a name, a scope and a limit to the placeholders of [`KEYS_NAMED`].
macro_rules! bind_named {
    ($name:expr, $scope:expr, $limit:expr) => {
        sqlx::query_as(KEYS_NAMED)
            .bind(cut(&text::folded($name)))
            .bind($name)
            .bind($scope.written())
            .bind($limit)
    };
}

impl Store {
    /// Returns the keys of these agents with exactly this name, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Returns the errors of [`Store::key`].
    pub(crate) async fn keys_named(
        &self,
        name: &str,
        scope: &AgentScope,
        limit: i64,
    ) -> Result<Vec<Key>, StoreError> {
        let rows: Vec<KeyRow> = with_pool!(self, pool => {
            bind_named!(name, scope, limit).fetch_all(pool).await
        })?;
        rows.into_iter().map(KeyRow::into_key).collect()
    }

    /// Creates a key, and returns its position in the order of creation, which is the number of
    /// this change. Unlike a count of the keys, that number is never used again.
    ///
    /// # Errors
    /// Returns [`StoreError::Agent`] if there is no such agent, and another [`StoreError`] if the
    /// database fails or the id is taken.
    pub(crate) async fn create_key(
        &self,
        key: &NewKey,
        token: &SealedToken,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        change.demand_agent(&key.agent).await?;
        change.insert_key(key, token, event).await?;
        change.commit().await
    }

    /// Creates a key unless its agent has a key with exactly its name. The change has raised the
    /// epoch by then, so of two that run at once the later one sees the key of the earlier one. If
    /// there is one, the transaction is rolled back, and the epoch with it.
    ///
    /// # Errors
    /// Returns the errors of [`Store::create_key`], and [`StoreError::Corrupt`] if a key with that
    /// name cannot be read.
    pub(crate) async fn create_key_if_absent(
        &self,
        key: &NewKey,
        token: &SealedToken,
        event: &EventDraft,
        limit: i64,
    ) -> Result<InsertOutcome, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        change.demand_agent(&key.agent).await?;
        let scope = AgentScope::of(Some(&key.agent));
        let rows: Vec<KeyRow> = with_connection!(change, connection => {
            bind_named!(key.draft.name.as_str(), scope, limit)
                .fetch_all(connection)
                .await
        })?;
        if !rows.is_empty() {
            let keys: Result<Vec<Key>, _> = rows.into_iter().map(KeyRow::into_key).collect();
            return Ok(InsertOutcome::Existing(keys?));
        }
        change.insert_key(key, token, event).await?;
        Ok(InsertOutcome::Created(change.commit().await?))
    }
}

impl ChangeTransaction<'_> {
    /// Inserts a key with its token, and records the event.
    async fn insert_key(
        &mut self,
        key: &NewKey,
        token: &SealedToken,
        event: &EventDraft,
    ) -> Result<(), StoreError> {
        let sequence = self.next_sequence;
        let columns = DraftColumns::of(&key.id, &key.draft);
        execute!(
            self,
            bind_draft!(
                sqlx::query(concat!(
                    "INSERT INTO keys (",
                    draft_columns!(),
                    ", id, sequence, agent, created_at, pending_at, revision) VALUES (",
                    draft_values!(),
                    ", $17, $18, $19, $20, $21, 1)",
                )),
                columns
            )
            .bind(key.id.as_str())
            .bind(sequence)
            .bind(key.agent.as_str())
            .bind(key.created_at.millis())
            .bind(key.request.as_ref().map(|request| request.at.millis()))
        )?;
        execute!(
            self,
            sqlx::query(
                "INSERT INTO tokens (key_id, digest, data_key_id, sealed) VALUES ($1, $2, $3, $4)",
            )
            .bind(key.id.as_str())
            .bind(token.digest.encoded())
            .bind(token.data_key_id.as_str())
            .bind(token.sealed.as_str())
        )?;
        insert_sets(self, &key.id, &key.draft).await?;
        self.record(event).await?;
        match &key.request {
            Some(request) => self.insert_request(request, request.revision).await,
            None => Ok(()),
        }
    }
}
