//! Reading the audit log; it is written by [`super::change`] alone.
use super::{Store, StoreError, rows::EventRow, with_pool};
use crate::domain::{audit::Event, moment::Moment};

impl Store {
    /// Events after a sequence, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store's faults, and [`StoreError::Corrupt`] for an event that cannot be read.
    pub async fn events_after(&self, sequence: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
        let rows: Vec<EventRow> = with_pool!(self, pool => sqlx::query_as(
            "SELECT sequence, at, actor, actor_from, change, subject_id, subject_name, details, \
             previous_hash, hash FROM audit_events WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        )
        .bind(sequence)
        .bind(limit)
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(EventRow::into_event).collect()
    }

    /// Events about a subject before a sequence, newest first, at most `limit`.
    ///
    /// # Errors
    /// As for [`Store::events_after`].
    pub async fn events_about(
        &self,
        subject: &str,
        before: i64,
        limit: i64,
    ) -> Result<Vec<Event>, StoreError> {
        let rows: Vec<EventRow> = with_pool!(self, pool => sqlx::query_as(
            "SELECT sequence, at, actor, actor_from, change, subject_id, subject_name, details, \
             previous_hash, hash FROM audit_events WHERE subject_id = $1 AND sequence < $2 \
             AND change NOT IN ('key.copied', 'key.revealed') ORDER BY sequence DESC LIMIT $3",
        )
        .bind(subject)
        .bind(before)
        .bind(limit)
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(EventRow::into_event).collect()
    }

    /// The newest event about a key that lies after a sequence: who changed it meanwhile.
    ///
    /// # Errors
    /// As for [`Store::events_after`].
    pub async fn newest_event_about(&self, subject: &str) -> Result<Option<Event>, StoreError> {
        let row: Option<EventRow> = with_pool!(self, pool => sqlx::query_as(
            "SELECT sequence, at, actor, actor_from, change, subject_id, subject_name, details, \
             previous_hash, hash FROM audit_events WHERE subject_id = $1 \
             AND change NOT IN ('key.copied', 'key.revealed') ORDER BY sequence DESC LIMIT 1",
        )
        .bind(subject)
        .fetch_optional(pool)
        .await)?;
        row.map(EventRow::into_event).transpose()
    }

    /// When the newest event was recorded.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn newest_moment(&self) -> Result<Option<Moment>, StoreError> {
        let row: Option<(i64,)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT at FROM audit_events ORDER BY sequence DESC LIMIT 1",
        )
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(|(at,)| Moment::from_millis(at)))
    }
}
