//! Uses and refusals: written in batches after the decisions, and read by users.
//!
//! These writes raise no epoch and record no event, and all of this data may be lost without harm.
//! The data per key is limited, whatever clients send: a number of sources per span and a number of
//! refusals are kept, and older counts are merged.
mod counts;
mod quota;
mod refusals;
mod report;

use std::collections::HashMap;

use super::{
    Store, StoreError,
    change::{ChangeTransaction, execute},
    keys::by_id,
    rows::{moment, number},
    with_pool,
};
use crate::domain::{
    access::{AccessError, Action, AreaSlug},
    audit::Change,
    hygiene::ObservedUse,
    key::LastUse,
    moment::Moment,
    token::KeyId,
    usage::{
        COUNTED, FOLDS, KeyUse, LONGEST_SPAN, REFUSAL_NEWS_MILLIS, REMEMBERED, Refusal, Source,
        Tally, UsageKind,
    },
};

impl Store {
    /// Records uses and refusals, all in one transaction. An older use never overwrites a newer
    /// one, and a use of a deleted key is ignored.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails; the decisions remain valid.
    pub(crate) async fn record_usage(
        &self,
        uses: &[KeyUse],
        refusals: &[Refusal],
    ) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly(self.place.clone()));
        }
        let mut write = self.begin_write().await?;
        let tallies = uses.iter().flat_map(|one| &one.tallies);
        let first = tallies.map(|tally| tally.began_at).min();
        write.lock_recording(first, refusals.len()).await?;
        for one in by_id(uses, |one| &one.id) {
            write.use_of(one).await?;
        }
        write.tallies(uses).await?;
        for refusal in refusals {
            write.refusal(refusal).await?;
        }
        let mut keys: Vec<Option<&KeyId>> = refusals.iter().map(|one| one.key.as_ref()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            write.forget_older(key).await?;
        }
        write.commit_write().await
    }

    /// Does a part of the work that is due, small enough not to delay other writers: merges older
    /// counts, and deletes the oldest counts and refusals. Returns `true` if there may be more to
    /// do.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn tidy_usage(&self, now: Moment) -> Result<bool, StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly(self.place.clone()));
        }
        let folds = FOLDS.map(|(age, span, into)| {
            let before = now.millis() - age;
            // Only whole spans, so that each is merged once.
            (before - before.rem_euclid(into), span, Some(into))
        });
        let oldest = (now.millis() - COUNTED, LONGEST_SPAN, None);
        for (before, span, into) in folds.into_iter().chain([oldest]) {
            let keys = self.some_counted(before, span).await?;
            if keys.is_empty() {
                continue;
            }
            let mut write = self.begin_write().await?;
            write.lock_recording(None, 0).await?;
            for key in &keys {
                if let Some(into) = into {
                    write.fold(key, before, (span, into)).await?;
                }
                write.forget_counts(key, before, span).await?;
            }
            write.commit_write().await?;
            return Ok(true);
        }
        self.forget_quota_uses(now).await?;
        self.forget_refusals(now.millis() - REMEMBERED).await
    }

    /// Records that uses are counted from now on, unless that was recorded before.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn start_counting(&self, now: Moment) -> Result<(), StoreError> {
        if self.read_only || self.counted_since().await?.is_some() {
            return Ok(());
        }
        let mut write = self.begin_write().await?;
        write.lock_recording(Some(now), 0).await?;
        write.commit_write().await
    }

    /// Returns the time since which uses are counted, or `None` if they never were.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn counted_since(&self) -> Result<Option<Moment>, StoreError> {
        let (since,): (Option<i64>,) = with_pool!(self, pool => sqlx::query_as(
            "SELECT counted_since FROM recording WHERE id = 1",
        )
        .fetch_one(pool)
        .await)?;
        Ok(since.and_then(moment))
    }

    /// Returns the counts of a key whose spans began at `from` or later, oldest first.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a row is invalid, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn tallies(&self, id: &KeyId, from: Moment) -> Result<Vec<Tally>, StoreError> {
        let rows: Vec<TallyRow> = with_pool!(self, pool => sqlx::query_as(
            "SELECT began_at, span, area, action, source, verdict, count FROM uses \
             WHERE key_id = $1 AND began_at >= $2 ORDER BY began_at, area, action, source, verdict",
        )
        .bind(id.as_str())
        .bind(from.millis())
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(|row| row.read(id)).collect()
    }

    /// Returns the accesses that were allowed to each key between two positions in the order of
    /// creation, with their sources; and when its grants were changed or it was enabled, if that
    /// was after `lately`.
    ///
    /// # Errors
    /// Returns the errors of [`Store::tallies`].
    pub(crate) async fn observed_uses(
        &self,
        (first, last): (i64, i64),
        lately: Moment,
    ) -> Result<HashMap<KeyId, ObservedUse>, StoreError> {
        let rows: Vec<(String, String, String, String)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT DISTINCT uses.key_id, uses.area, uses.action, uses.source FROM uses \
             JOIN keys ON keys.id = uses.key_id \
             WHERE keys.sequence BETWEEN $1 AND $2 AND uses.verdict = 'allow'",
        )
        .bind(first)
        .bind(last)
        .fetch_all(pool)
        .await)?;
        let mut all: HashMap<KeyId, ObservedUse> = HashMap::new();
        for (id, area, action, source) in rows {
            let bad = |column| StoreError::corrupt("uses", column, &id);
            let one = all
                .entry(id.parse().map_err(|_| bad("key_id"))?)
                .or_default();
            one.done
                .extend(target(&area, &action).map_err(|_| bad("area"))?);
            one.sources
                .insert(Source::from_word(&source).ok_or_else(|| bad("source"))?);
        }
        // The details of an event contain only the fields that were changed.
        let changed: Vec<(String, String, i64)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT audit_events.subject_id, audit_events.change, max(audit_events.at) \
             FROM audit_events JOIN keys ON keys.id = audit_events.subject_id \
             WHERE keys.sequence BETWEEN $1 AND $2 AND audit_events.at > $3 \
             AND (audit_events.change = $4 \
             OR (audit_events.change = $5 AND audit_events.details LIKE '%\"grants\":%')) \
             GROUP BY audit_events.subject_id, audit_events.change",
        )
        .bind(first)
        .bind(last)
        .bind(lately.millis())
        .bind(Change::Enabled.word())
        .bind(Change::Edited.word())
        .fetch_all(pool)
        .await)?;
        for (id, change, at) in changed {
            let bad = |column| StoreError::corrupt("audit_events", column, &id);
            let key = id.parse().map_err(|_| bad("subject_id"))?;
            let at = Some(moment(at).ok_or_else(|| bad("at"))?);
            let one = all.entry(key).or_default();
            if change == Change::Enabled.word() {
                one.enabled_at = at;
            } else {
                one.granted_at = at;
            }
        }
        Ok(all)
    }
}

impl ChangeTransaction<'_> {
    /// Waits for all other transactions that record uses. Sets the time since which uses are
    /// counted if it is not set, and counts the refusals and the batch.
    async fn lock_recording(
        &mut self,
        from: Option<Moment>,
        refusals: usize,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            sqlx::query(
                "UPDATE recording SET counted_since = coalesce(counted_since, CAST($1 AS BIGINT)), \
                 refusals = refusals + $2, batches = batches + 1 WHERE id = 1"
            )
            .bind(from.map(Moment::millis))
            .bind(number(refusals))
        )?;
        Ok(())
    }

    async fn use_of(&mut self, one: &KeyUse) -> Result<(), StoreError> {
        // These rows are updated before the key's, as in a rotation; otherwise the two could
        // deadlock.
        for previous in &one.previous_tokens {
            execute!(
                self,
                sqlx::query(
                    "UPDATE former_tokens SET uses = uses + $1, last_used_from = CASE \
                     WHEN coalesce(last_used_at, 0) <= $2 THEN $3 ELSE last_used_from END, \
                     last_used_at = CASE WHEN coalesce(last_used_at, 0) <= $2 THEN $2 \
                     ELSE last_used_at END WHERE digest = $4",
                )
                .bind(previous.count)
                .bind(previous.last.at.millis())
                .bind(previous.last.from.map(|address| address.to_string()))
                .bind(previous.digest.encoded())
            )?;
        }
        if let Some(LastUse { at, from }) = one.last {
            execute!(
                self,
                sqlx::query(
                    "UPDATE keys SET last_used_at = $1, last_used_from = $2 \
                     WHERE id = $3 AND coalesce(last_used_at, 0) <= $1",
                )
                .bind(at.millis())
                .bind(from.map(|address| address.to_string()))
                .bind(one.id.as_str())
            )?;
        }
        if let Some((count, at)) = one.refused {
            // The count restarts after two days without a refusal, or when the rules change.
            execute!(
                self,
                sqlx::query(
                    "UPDATE keys SET refused_count = CASE WHEN coalesce(refused_at, 0) > $1 - $4 \
                     THEN refused_count + $2 ELSE $2 END, \
                     refused_at = CASE WHEN coalesce(refused_at, 0) > $1 THEN refused_at ELSE $1 END \
                     WHERE id = $3 AND rules_changed_at <= $1",
                )
                .bind(at.millis())
                .bind(count)
                .bind(one.id.as_str())
                .bind(REFUSAL_NEWS_MILLIS)
            )?;
        }
        Ok(())
    }
}

#[derive(sqlx::FromRow)]
struct TallyRow {
    began_at: i64,
    span: i64,
    area: String,
    action: String,
    source: String,
    verdict: String,
    count: i64,
}

/// Parses area and action; both are given or neither.
fn target(area: &str, action: &str) -> Result<Option<(AreaSlug, Action)>, AccessError> {
    if area.is_empty() && action.is_empty() {
        return Ok(None);
    }
    Ok(Some((area.parse()?, action.parse()?)))
}

impl TallyRow {
    fn read(self, id: &KeyId) -> Result<Tally, StoreError> {
        let bad = |column| StoreError::corrupt("uses", column, id.as_str());
        Ok(Tally {
            began_at: moment(self.began_at).ok_or_else(|| bad("began_at"))?,
            span: self.span,
            kind: UsageKind {
                target: target(&self.area, &self.action).map_err(|_| bad("area"))?,
                source: Source::from_word(&self.source).ok_or_else(|| bad("source"))?,
                verdict: self.verdict.parse().map_err(|_| bad("verdict"))?,
            },
            count: self.count,
        })
    }
}
