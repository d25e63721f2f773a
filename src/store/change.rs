//! The transaction of a change: it raises the epoch first, then appends the events to the chain,
//! and commits once.
//!
//! Raising the epoch first takes the write lock on SQLite (`BEGIN IMMEDIATE`: a transaction that
//! reads before it writes fails at once with code 517, whatever the busy timeout) and the row lock
//! on PostgreSQL, so changes have one order on both. Only then are the actor's permissions and the
//! policy checked again: every change and every reveal passes this check, and no member can be removed between it
//! and the commit. A transaction that is dropped without a commit is rolled back completely.
use sqlx::{Postgres, Sqlite, Transaction};

use super::{Pool, Store, StoreError};
use crate::domain::{
    agent::AgentName,
    audit::{self, EventDraft},
    member::Fingerprint,
};

/// A change that is committed: the number and the hash of each of its events, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a checkpoint of each event is to be kept"]
pub(crate) struct Committed {
    events: Vec<(i64, String)>,
    withdrawn: Vec<String>,
}

impl Committed {
    /// The number and the hash of each event, the oldest first.
    #[must_use]
    pub(crate) fn events(&self) -> impl ExactSizeIterator<Item = (i64, &str)> {
        let events = self.events.iter();
        events.map(|(sequence, hash)| (*sequence, hash.as_str()))
    }

    /// The requests for approval that the change withdrew, in words.
    pub(crate) fn withdrawn(&self) -> &[String] {
        &self.withdrawn
    }
}

/// A change in progress.
pub(super) struct ChangeTransaction<'a> {
    pub store: &'a Store,
    pub transaction: AnyTransaction,
    /// The number that the next event gets.
    pub next_sequence: i64,
    chain_head: String,
    /// Whether the policy holds back what widens.
    pub wants_approval: bool,
    /// Whether nobody could approve the change, so that it need not wait.
    pub is_alone: bool,
    /// Whether anything waits for approval.
    pub has_pending: bool,
    /// The number and the hash of each event that was recorded.
    recorded: Vec<(i64, String)>,
    /// The requests that the change withdraws, in words.
    pub withdrawn: Vec<String>,
}

pub(super) enum AnyTransaction {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one body on the connection that the transaction holds.
macro_rules! with_connection {
    ($change:expr, $connection:ident => $body:expr) => {{
        let store = $change.store;
        match &mut $change.transaction {
            $crate::store::change::AnyTransaction::Sqlite(transaction) => {
                let $connection = &mut **transaction;
                $body.map_err(|error| store.fault(&error))
            }
            $crate::store::change::AnyTransaction::Postgres(transaction) => {
                let $connection = &mut **transaction;
                $body.map_err(|error| store.fault(&error))
            }
        }
    }};
}
/// Runs a statement in the transaction, and returns the number of affected rows.
macro_rules! execute {
    ($change:expr, $query:expr) => {
        $crate::store::change::with_connection!($change, connection => {
            $query.execute(connection).await.map(|done| done.rows_affected())
        })
    };
}
pub(super) use {execute, with_connection};

impl Store {
    /// Begins a change that will record these events, after checking that their actor may make it.
    pub(super) async fn begin_change(
        &self,
        recorded: &[&EventDraft],
    ) -> Result<ChangeTransaction<'_>, StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly(self.place.clone()));
        }
        let mut change = self.begin_write().await?;
        let events = i64::try_from(recorded.len()).unwrap_or(i64::MAX);
        let row: (i64, String, Option<i64>) = with_connection!(change, connection => {
            sqlx::query_as(
                "UPDATE workspace SET epoch = epoch + $1 WHERE id = 1 RETURNING epoch, chain_head, \
                 approve_widening_since",
            )
            .bind(events)
            .fetch_one(connection)
            .await
        })?;
        let (epoch, head, approve_since) = row;
        change.next_sequence = epoch - events + 1;
        change.chain_head = head;
        change.wants_approval = approve_since.is_some();
        // A statement of its own: on PostgreSQL the one above sees other tables as they were before
        // it waited for its row.
        let (pending,): (i64,) = with_connection!(change, connection => {
            sqlx::query_as("SELECT count(*) FROM pending_changes").fetch_one(connection).await
        })?;
        change.has_pending = pending > 0;
        change.authorise(recorded).await?;
        change.is_alone = change.wants_approval && change.is_alone_with(recorded).await?;
        Ok(change)
    }

    /// Empties the write-ahead log, which otherwise keeps a deleted secret until it is overwritten.
    /// While another process reads the log, it stays until the next time; the change itself is
    /// committed.
    pub(super) async fn truncate_wal(&self) {
        if let Pool::Sqlite(pool) = &self.pool {
            let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(pool)
                .await;
        }
    }

    /// Begins a write that is not a change: it raises no epoch and records no event.
    pub(super) async fn begin_write(&self) -> Result<ChangeTransaction<'_>, StoreError> {
        self.still_there()?;
        let fault = |error: sqlx::Error| self.fault(&error);
        let transaction = match &self.pool {
            Pool::Sqlite(pool) => {
                AnyTransaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?)
            }
            Pool::Postgres(pool) => AnyTransaction::Postgres(pool.begin().await.map_err(fault)?),
        };
        Ok(ChangeTransaction {
            store: self,
            transaction,
            next_sequence: 0,
            chain_head: String::new(),
            wants_approval: false,
            is_alone: false,
            has_pending: false,
            recorded: Vec::new(),
            withdrawn: Vec::new(),
        })
    }
}

impl ChangeTransaction<'_> {
    /// Appends an event to the chain. The change itself is made by then, so it is known to be
    /// possible; if the policy holds it back, all of it is rolled back.
    pub(super) async fn record(&mut self, event: &EventDraft) -> Result<(), StoreError> {
        self.pass_gate(event).await?;
        let mut withdrawing = None;
        if self.has_pending && event.change.is_of_settings() {
            let withdrawn = self.outdate_request(event).await?;
            withdrawing = Some(event.clone().withdrawing(&withdrawn));
            self.withdrawn.extend(withdrawn);
        }
        let event = withdrawing.as_ref().unwrap_or(event);
        let sequence = self.next_sequence;
        let hash = audit::chain(&self.chain_head, sequence, event);
        let login = event.actor.login.as_ref();
        let fingerprint = login.and_then(|login| login.fingerprint.as_ref());
        execute!(
            self,
            sqlx::query(
                "INSERT INTO audit_events (sequence, at, actor, actor_from, change, subject_id, \
             subject_name, details, previous_hash, hash, member, fingerprint, account, agent, \
             program) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
            )
            .bind(sequence)
            .bind(event.at.millis())
            .bind(event.actor.name.as_str())
            .bind(event.actor.from.map(|address| address.to_string()))
            .bind(event.change.word())
            .bind(event.subject_id.as_str())
            .bind(event.subject_name.as_str())
            .bind(event.details.as_str())
            .bind(self.chain_head.as_str())
            .bind(hash.as_str())
            .bind(login.map_or("", |login| login.member.as_str()))
            .bind(fingerprint.map_or("", Fingerprint::as_str))
            .bind(login.map_or("", |login| login.account.as_str()))
            .bind(event.agent.as_ref().map_or("", AgentName::as_str))
            .bind(event.program.as_str())
        )?;
        self.recorded.push((sequence, hash.clone()));
        self.next_sequence += 1;
        self.chain_head = hash;
        Ok(())
    }

    /// Stores the chain's new head and commits. When this returns, the change is made.
    pub(super) async fn commit(mut self) -> Result<Committed, StoreError> {
        execute!(
            self,
            sqlx::query("UPDATE workspace SET chain_head = $1 WHERE id = 1",)
                .bind(self.chain_head.as_str())
        )?;
        let committed = Committed {
            events: std::mem::take(&mut self.recorded),
            withdrawn: std::mem::take(&mut self.withdrawn),
        };
        self.commit_write().await?;
        Ok(committed)
    }

    /// Commits a write that is not a change.
    pub(super) async fn commit_write(self) -> Result<(), StoreError> {
        let committed = match self.transaction {
            AnyTransaction::Sqlite(transaction) => transaction.commit().await,
            AnyTransaction::Postgres(transaction) => transaction.commit().await,
        };
        committed.map_err(|error| match error {
            sqlx::Error::Io(_) => StoreError::Uncertain(self.store.place.clone()),
            other => self.store.fault(&other),
        })
    }
}
