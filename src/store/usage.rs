//! Uses and refusals: written in batches after the decisions are out, read by people.
//!
//! Nothing here raises the epoch or records an event, and all of it may be lost without harm. What
//! is kept is bounded per key, whoever sends what: so many sources a span, so many refusals, and
//! older counts are folded together.
mod counts;
mod refusals;

use std::collections::HashMap;

use super::{
    Store, StoreError,
    change::{ChangeTransaction, execute},
    keys::by_id,
    rows::moment,
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

pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Store {
    /// Writes down uses and refusals, all in one transaction. An older use never overwrites a newer
    /// one; a use of a key that is gone is nobody's.
    ///
    /// # Errors
    /// The store's faults; the decisions stand all the same.
    pub async fn record_usage(
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
        write.take_turn(first, refusals.len()).await?;
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

    /// Does a part of what is due, small enough to keep no other writer waiting: folds older counts
    /// together, forgets the oldest, and refusals that are too old. Answers whether there may be
    /// more to do.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn tidy_usage(&self, now: Moment) -> Result<bool, StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly(self.place.clone()));
        }
        let folds = FOLDS.map(|(age, span, into)| {
            let before = now.millis() - age;
            // Whole spans alone, so that each is folded once.
            (before - before.rem_euclid(into), span, Some(into))
        });
        let oldest = (now.millis() - COUNTED, LONGEST_SPAN, None);
        for (before, span, into) in folds.into_iter().chain([oldest]) {
            let keys = self.some_counted(before, span).await?;
            if keys.is_empty() {
                continue;
            }
            let mut write = self.begin_write().await?;
            write.take_turn(None, 0).await?;
            for key in &keys {
                if let Some(into) = into {
                    write.fold(key, before, (span, into)).await?;
                }
                write.forget_counts(key, before, span).await?;
            }
            write.commit_write().await?;
            return Ok(true);
        }
        self.forget_refusals(now.millis() - REMEMBERED).await
    }

    /// Notes that uses are counted from now on, unless that was noted before.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn count_from(&self, now: Moment) -> Result<(), StoreError> {
        if self.read_only || self.counted_since().await?.is_some() {
            return Ok(());
        }
        let mut write = self.begin_write().await?;
        write.take_turn(Some(now), 0).await?;
        write.commit_write().await
    }

    /// Since when uses are counted; none if nobody ever began.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn counted_since(&self) -> Result<Option<Moment>, StoreError> {
        let (since,): (Option<i64>,) = with_pool!(self, pool => sqlx::query_as(
            "SELECT counted_since FROM recording WHERE id = 1",
        )
        .fetch_one(pool)
        .await)?;
        Ok(since.and_then(moment))
    }

    /// The counts of a key that began at a moment or later, the oldest first.
    ///
    /// # Errors
    /// The store's faults, and [`StoreError::Corrupt`].
    pub async fn tallies(&self, id: &KeyId, from: Moment) -> Result<Vec<Tally>, StoreError> {
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

    /// What was allowed to the keys that were made between two places in the order of creation, and
    /// from where; and when their grants were changed or they were switched on, if that was after a
    /// moment.
    ///
    /// # Errors
    /// As for [`Store::tallies`].
    pub async fn exercised(
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
        // The details name what was changed, and nothing else.
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
    /// Waits for everybody else who records; notes since when uses are counted, if that is new, and
    /// that so many refusals come in.
    async fn take_turn(&mut self, from: Option<Moment>, refusals: usize) -> Result<(), StoreError> {
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
        // These rows before the key's, as a rotation takes them: else the two could wait for each other.
        for former in &one.former {
            execute!(
                self,
                sqlx::query(
                    "UPDATE former_tokens SET uses = uses + $1, last_used_from = CASE \
                     WHEN coalesce(last_used_at, 0) <= $2 THEN $3 ELSE last_used_from END, \
                     last_used_at = CASE WHEN coalesce(last_used_at, 0) <= $2 THEN $2 \
                     ELSE last_used_at END WHERE digest = $4",
                )
                .bind(former.count)
                .bind(former.last.at.millis())
                .bind(former.last.from.map(|address| address.to_string()))
                .bind(former.digest.encoded())
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
            // Two days of quiet, or a change of the rules, begin the count anew.
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

/// Area and action, both or neither.
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
