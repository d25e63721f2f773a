//! Reads the audit log; only [`super::change`] writes it.
use sqlx::FromRow as _;

use super::{
    Pool, Store, StoreError,
    change::execute,
    rows::{EventRow, event_columns},
    with_pool,
};
use crate::domain::{
    audit::{Change, Event, EventCursor, EventFilter},
    moment::Moment,
};

/// The condition of an [`EventFilter`]: `$1` is the agents, `$2` the actor, `$3` and `$4` the
/// subject, `$5` the change, `$6` and `$7` the first and the last time, and `$10` the exact actor.
/// An event that was recorded before events named an agent is about the agent `default`.
macro_rules! event_condition {
    () => {
        "($1 = '' OR (change NOT LIKE 'key.%' AND (change NOT LIKE 'approval.%' OR agent = '')) \
          OR instr($1, ',' || CASE agent WHEN '' THEN 'default' ELSE agent END || ',') > 0) \
         AND ($2 = '' OR instr(lower(actor), lower($2)) > 0 OR member = $2 OR fingerprint = $2) \
         AND ($10 = '' OR actor = $10) \
         AND ($3 = '' OR subject_id = $3) \
         AND ($4 = '' OR instr(lower(subject_name), lower($4)) > 0 OR subject_id = $4) \
         AND ($5 = '' OR instr(change, lower($5)) > 0) \
         AND at >= $6 AND at <= $7"
    };
}

impl Store {
    /// Returns the events that match the filter, at most `limit`.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if an event cannot be read, and another [`StoreError`] if
    /// the database fails.
    pub(crate) async fn events(
        &self,
        filter: &EventFilter,
        onward: EventCursor,
        limit: i64,
    ) -> Result<Vec<Event>, StoreError> {
        let (statement, sequence) = match onward {
            EventCursor::After(sequence) => (
                concat!(
                    "SELECT ",
                    event_columns!(),
                    " FROM audit_events WHERE ",
                    event_condition!(),
                    " AND sequence > $8 ORDER BY sequence LIMIT $9"
                ),
                sequence,
            ),
            EventCursor::Before(sequence) => (
                concat!(
                    "SELECT ",
                    event_columns!(),
                    " FROM audit_events WHERE ",
                    event_condition!(),
                    " AND sequence < $8 ORDER BY sequence DESC LIMIT $9"
                ),
                sequence,
            ),
        };
        let rows: Vec<EventRow> = with_pool!(self, pool => sqlx::query_as(statement)
            .bind(filter.scope.written())
            .bind(searched(&filter.actor))
            .bind(searched(&filter.subject_id))
            .bind(searched(&filter.subject))
            .bind(searched(&filter.change))
            .bind(filter.since.map_or(i64::MIN, Moment::millis))
            .bind(filter.until.map_or(i64::MAX, Moment::millis))
            .bind(sequence)
            .bind(limit)
            .bind(searched(&filter.actor_is))
            .fetch_all(pool)
            .await)?;
        rows.into_iter().map(EventRow::into_event).collect()
    }

    /// Returns the events after a sequence number, oldest first. Each has its own result, so that
    /// an event that cannot be read does not hide the ones before it.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn events_one_by_one(
        &self,
        sequence: i64,
        limit: i64,
    ) -> Result<Vec<Result<Event, StoreError>>, StoreError> {
        let rows: Vec<Result<EventRow, sqlx::Error>> = with_pool!(self, pool => sqlx::query(
            concat!(
                "SELECT ", event_columns!(),
                " FROM audit_events WHERE sequence > $1 ORDER BY sequence LIMIT $2"
            ),
        )
        .bind(sequence)
        .bind(limit)
        .fetch_all(pool)
        .await
        .map(|rows| rows.iter().map(EventRow::from_row).collect()))?;
        let read = |row: Result<EventRow, sqlx::Error>| match row {
            Ok(row) => row.into_event(),
            Err(error) => Err(self.fault(&error)),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Returns the number of the last event that was handed over to the system's log.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn events_sent(&self) -> Result<i64, StoreError> {
        let (sent,): (i64,) = with_pool!(self, pool => {
            sqlx::query_as("SELECT sent FROM audit_stream WHERE id = 1").fetch_one(pool).await
        })?;
        Ok(sent)
    }

    /// Keeps the number of the last event that was handed over, unless another process has moved
    /// it since `before` was read; a number that the log has not reached counts as not moved.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn note_events_sent(&self, before: i64, sent: i64) -> Result<(), StoreError> {
        let mut write = self.begin_write().await?;
        execute!(
            write,
            sqlx::query(
                "UPDATE audit_stream SET sent = $1 WHERE id = 1 \
                 AND (sent = $2 OR sent > (SELECT epoch FROM workspace WHERE id = 1))",
            )
            .bind(sent)
            .bind(before)
        )?;
        write.commit_write().await
    }

    /// Takes the number of the last event that was handed over back to `sent`, if it is higher.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn rewind_events_sent(&self, sent: i64) -> Result<(), StoreError> {
        let mut write = self.begin_write().await?;
        execute!(
            write,
            sqlx::query("UPDATE audit_stream SET sent = $1 WHERE id = 1 AND sent > $1").bind(sent)
        )?;
        write.commit_write().await
    }

    /// Returns `true` if the database itself still refuses to change or delete an event.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn is_guarded(&self) -> Result<bool, StoreError> {
        let (count,): (i64,) = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_as(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name IN \
                 ('audit_events_keep', 'audit_events_stay', 'audit_events_follow')",
            )
            .fetch_one(pool)
            .await
            .map_err(|error| self.fault(&error))?,
            Pool::Postgres(pool) => sqlx::query_as(
                "SELECT 3 * count(*) FROM pg_trigger WHERE tgname = 'audit_events_keep' \
                 AND tgrelid = 'audit_events'::regclass AND tgenabled <> 'D'",
            )
            .fetch_one(pool)
            .await
            .map_err(|error| self.fault(&error))?,
        };
        Ok(count == 3)
    }

    /// Returns the events about a subject before a sequence number, without copies and reveals of
    /// its token; newest first, at most `limit`.
    ///
    /// # Errors
    /// Returns the errors of [`Store::events`].
    pub(crate) async fn events_about(
        &self,
        subject: &str,
        before: i64,
        limit: i64,
    ) -> Result<Vec<Event>, StoreError> {
        let rows: Vec<EventRow> = with_pool!(self, pool => sqlx::query_as(
            concat!(
                "SELECT ", event_columns!(),
                " FROM audit_events WHERE subject_id = $1 AND sequence < $2 \
                 AND change NOT IN ('key.copied', 'key.revealed') ORDER BY sequence DESC LIMIT $3"
            ),
        )
        .bind(subject)
        .bind(before)
        .bind(limit)
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(EventRow::into_event).collect()
    }

    /// Returns the newest event about a subject that is not a copy or a reveal of its token.
    ///
    /// # Errors
    /// Returns the errors of [`Store::events`].
    pub(crate) async fn newest_event_about(
        &self,
        subject: &str,
    ) -> Result<Option<Event>, StoreError> {
        let row: Option<EventRow> = with_pool!(self, pool => sqlx::query_as(
            concat!(
                "SELECT ", event_columns!(),
                " FROM audit_events WHERE subject_id = $1 \
                 AND change NOT IN ('key.copied', 'key.revealed') ORDER BY sequence DESC LIMIT 1"
            ),
        )
        .bind(subject)
        .fetch_optional(pool)
        .await)?;
        row.map(EventRow::into_event).transpose()
    }

    /// Returns the newest event of one kind about a subject.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if the event cannot be read, and another [`StoreError`] if
    /// the database fails.
    pub(crate) async fn newest_change(
        &self,
        subject: &str,
        change: Change,
    ) -> Result<Option<Event>, StoreError> {
        let row: Option<EventRow> = with_pool!(self, pool => sqlx::query_as(
            concat!(
                "SELECT ", event_columns!(),
                " FROM audit_events WHERE subject_id = $1 AND change = $2 \
                 ORDER BY sequence DESC LIMIT 1"
            ),
        )
        .bind(subject)
        .bind(change.word())
        .fetch_optional(pool)
        .await)?;
        row.map(EventRow::into_event).transpose()
    }

    /// Returns the time of the newest event, or `None` if there is no event.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn newest_moment(&self) -> Result<Option<Moment>, StoreError> {
        let row: Option<(i64,)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT at FROM audit_events ORDER BY sequence DESC LIMIT 1",
        )
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(|(at,)| Moment::from_millis(at)))
    }
}

/// Returns the text as it is bound: SQLite ends a text at a NUL, and PostgreSQL refuses one, so it
/// is replaced by a character that matches nothing.
fn searched(text: &str) -> String {
    text.replace('\0', "\u{FFFF}")
}
