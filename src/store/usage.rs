//! Uses and refusals: written in batches after the decisions are out, read by people.
//!
//! Nothing here raises the epoch or records an event, and all of it may be lost without harm. What
//! is kept is bounded per key, whoever sends what: so many sources a span, so many refusals, and
//! older counts are folded together.
use std::collections::HashMap;

use super::{
    Store, StoreError,
    change::{ChangeTransaction, execute, with_connection},
    keys::by_id,
    rows::{digest_of, moment},
    with_pool,
};
use crate::domain::{
    access::{AccessError, Action, AreaSlug},
    decision::{DecisionId, Reason, Target},
    forwarded::{ClientAddress, Hop},
    hygiene::Exercised,
    key::LastUse,
    moment::Moment,
    route::{Method, Scope},
    token::KeyId,
    usage::{
        COUNTED, FOLDS, KEPT_OF_SOURCE, KEPT_REFUSALS, KEPT_SOURCES, KEPT_UNMATCHED, KeyUse, Kind,
        REMEMBERED, Refusal, Source, Tally, Verdict, Wanted, Way,
    },
};

/// How a scope is kept that is a path's; an area's has its slug behind `area:`.
const BY_PATH: &str = "path";
const BY_AREA: &str = "area:";

/// A refusal, up to the condition.
macro_rules! refusal_columns {
    () => {
        "SELECT id, key_id, named, digest, at, reason, address, hop, agent, scope, method, path, area, \
         action, detail FROM refusals"
    };
}
fn number(count: usize) -> i64 {
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
        for one in by_id(uses, |one| &one.id) {
            write.use_of(one).await?;
        }
        for refusal in refusals {
            write.refusal(refusal).await?;
        }
        let tallies = uses.iter().flat_map(|one| &one.tallies);
        if let Some(first) = tallies.map(|tally| tally.began_at).min() {
            write.count_from(first).await?;
        }
        let mut keys: Vec<Option<&KeyId>> = refusals.iter().map(|one| one.key.as_ref()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            write.forget_older(key).await?;
        }
        write.commit_write().await
    }

    /// Folds older counts together and forgets the oldest; for whoever records, once in a while.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn tidy_usage(&self, now: Moment) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly(self.place.clone()));
        }
        for (age, span) in FOLDS {
            let mut write = self.begin_write().await?;
            // Whole spans alone, so that each is folded once.
            let before = now.millis() - age;
            let before = before - before.rem_euclid(span);
            write.fold(before, span).await?;
            write.commit_write().await?;
        }
        let mut write = self.begin_write().await?;
        execute!(
            write,
            sqlx::query("DELETE FROM uses WHERE began_at < $1").bind(now.millis() - COUNTED)
        )?;
        execute!(
            write,
            sqlx::query("DELETE FROM refusals WHERE at < $1").bind(now.millis() - REMEMBERED)
        )?;
        write.commit_write().await
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
        write.count_from(now).await?;
        write.commit_write().await
    }

    /// Since when uses are counted; none if nobody ever began.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn counted_since(&self) -> Result<Option<Moment>, StoreError> {
        let (since,): (Option<i64>,) = with_pool!(self, pool => sqlx::query_as(
            "SELECT counted_since FROM workspace WHERE id = 1",
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
    /// from where.
    ///
    /// # Errors
    /// As for [`Store::tallies`].
    pub async fn exercised(
        &self,
        first: i64,
        last: i64,
    ) -> Result<HashMap<KeyId, Exercised>, StoreError> {
        let rows: Vec<(String, String, String, String)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT DISTINCT uses.key_id, uses.area, uses.action, uses.source FROM uses \
             JOIN keys ON keys.id = uses.key_id \
             WHERE keys.sequence BETWEEN $1 AND $2 AND uses.verdict = 'allow'",
        )
        .bind(first)
        .bind(last)
        .fetch_all(pool)
        .await)?;
        let mut all: HashMap<KeyId, Exercised> = HashMap::new();
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
        Ok(all)
    }

    /// The newest refusals of a key, or of credentials that match none; the newest first.
    ///
    /// # Errors
    /// As for [`Store::tallies`].
    pub async fn refusals(
        &self,
        key: Option<&KeyId>,
        limit: usize,
    ) -> Result<Vec<Refusal>, StoreError> {
        let rows: Vec<RefusalRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            refusal_columns!(), " WHERE key_id = $1 ORDER BY at DESC, id DESC LIMIT $2",
        ))
        .bind(key.map_or("", KeyId::as_str))
        .bind(number(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(RefusalRow::read).collect()
    }

    /// The newest refusals of credentials that name a key without being its token.
    ///
    /// # Errors
    /// As for [`Store::tallies`].
    pub async fn misnamed(&self, key: &KeyId) -> Result<Vec<Refusal>, StoreError> {
        let rows: Vec<RefusalRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            refusal_columns!(), " WHERE key_id = '' AND named = $1 ORDER BY at DESC, id DESC",
        ))
        .bind(key.as_str())
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(RefusalRow::read).collect()
    }

    /// A refusal by its decision's id.
    ///
    /// # Errors
    /// As for [`Store::tallies`].
    pub async fn refusal(&self, id: &DecisionId) -> Result<Option<Refusal>, StoreError> {
        let row: Option<RefusalRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            refusal_columns!(), " WHERE id = $1",
        ))
        .bind(id.as_str())
        .fetch_optional(pool)
        .await)?;
        row.map(RefusalRow::read).transpose()
    }
}

impl ChangeTransaction<'_> {
    async fn count_from(&mut self, from: Moment) -> Result<(), StoreError> {
        execute!(
            self,
            sqlx::query(
                "UPDATE workspace SET counted_since = $1 WHERE id = 1 AND counted_since IS NULL"
            )
            .bind(from.millis())
        )?;
        Ok(())
    }

    async fn use_of(&mut self, one: &KeyUse) -> Result<(), StoreError> {
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
                    "UPDATE keys SET refused_count = CASE WHEN coalesce(refused_at, 0) > $1 - 172800000 \
                     THEN refused_count + $2 ELSE $2 END, \
                     refused_at = CASE WHEN coalesce(refused_at, 0) > $1 THEN refused_at ELSE $1 END \
                     WHERE id = $3 AND rules_changed_at <= $1",
                )
                .bind(at.millis())
                .bind(count)
                .bind(one.id.as_str())
            )?;
        }
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
        for tally in &one.tallies {
            self.tally(&one.id, tally).await?;
        }
        Ok(())
    }

    /// A source that is not told apart yet is counted with the rest once there are many.
    async fn tally(&mut self, id: &KeyId, tally: &Tally) -> Result<(), StoreError> {
        let (area, action) = match &tally.kind.target {
            Some((area, action)) => (area.as_str(), action.word()),
            None => ("", ""),
        };
        let allowed = tally.kind.verdict == Verdict::Allowed;
        let mut source = tally.kind.source.word();
        let (known, others): (i64, i64) = with_connection!(self, connection => sqlx::query_as(
            "SELECT coalesce(sum(CASE WHEN source = $1 THEN 1 ELSE 0 END), 0), \
             count(DISTINCT source) FROM uses WHERE key_id = $2 AND began_at = $3 AND span = $4 \
             AND CASE WHEN verdict = 'allow' THEN 1 ELSE 0 END = $5",
        )
        .bind(source.as_str())
        .bind(id.as_str())
        .bind(tally.began_at.millis())
        .bind(tally.span)
        .bind(i32::from(allowed))
        .fetch_one(connection)
        .await)?;
        if known == 0 && others >= number(KEPT_SOURCES) {
            source = Source::Rest.word();
        }
        execute!(
            self,
            sqlx::query(
                "INSERT INTO uses (key_id, began_at, span, area, action, source, verdict, count) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                 ON CONFLICT (key_id, began_at, span, area, action, source, verdict) \
                 DO UPDATE SET count = uses.count + excluded.count",
            )
            .bind(id.as_str())
            .bind(tally.began_at.millis())
            .bind(tally.span)
            .bind(area)
            .bind(action)
            .bind(source)
            .bind(tally.kind.verdict.word())
            .bind(tally.count)
        )?;
        Ok(())
    }

    async fn refusal(&mut self, refusal: &Refusal) -> Result<(), StoreError> {
        let (area, action) = match (&refusal.target, &refusal.wanted.way) {
            (Target::Routed(area, action), _) | (_, Way::Named(area, action)) => {
                (area.as_str(), action.word())
            }
            _ => ("", ""),
        };
        let (scope, detail) = match &refusal.wanted.way {
            Way::Routed(Scope::Path, _) => (BY_PATH.to_owned(), ""),
            Way::Routed(Scope::Area(area), _) => (format!("{BY_AREA}{area}"), ""),
            Way::Named(..) => (String::new(), ""),
            Way::Astray(detail) => (String::new(), detail.as_str()),
        };
        execute!(
            self,
            sqlx::query(
                "INSERT INTO refusals (id, key_id, named, digest, at, reason, address, hop, agent, scope, \
                 method, path, area, action, detail) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(refusal.id.as_str())
            .bind(refusal.key.as_ref().map_or("", KeyId::as_str))
            .bind(refusal.named.as_ref().map_or("", KeyId::as_str))
            .bind(refusal.token.map(|token| token.encoded()).unwrap_or_default())
            .bind(refusal.at.millis())
            .bind(refusal.reason.word())
            .bind(Source::from(refusal.address).word())
            .bind(refusal.hop.word())
            .bind(refusal.agent.as_ref().map_or("", |agent| agent.as_str()))
            .bind(scope)
            .bind(refusal.wanted.method.as_str())
            .bind(refusal.wanted.path.as_str())
            .bind(area)
            .bind(action)
            .bind(detail)
        )?;
        Ok(())
    }

    async fn forget_older(&mut self, key: Option<&KeyId>) -> Result<(), StoreError> {
        let Some(key) = key else {
            execute!(
                self,
                sqlx::query(
                    "DELETE FROM refusals WHERE key_id = '' AND id NOT IN (SELECT id FROM \
                     (SELECT id, at, row_number() OVER (PARTITION BY address ORDER BY at DESC, id DESC) \
                     AS place FROM refusals WHERE key_id = '') AS placed \
                     WHERE place <= $1 ORDER BY at DESC, id DESC LIMIT $2)",
                )
                .bind(number(KEPT_OF_SOURCE))
                .bind(number(KEPT_UNMATCHED))
            )?;
            return Ok(());
        };
        execute!(
            self,
            sqlx::query(
                "DELETE FROM refusals WHERE key_id = $1 AND id NOT IN \
                 (SELECT id FROM refusals WHERE key_id = $1 ORDER BY at DESC, id DESC LIMIT $2)",
            )
            .bind(key.as_str())
            .bind(number(KEPT_REFUSALS))
        )?;
        Ok(())
    }

    /// Folds all shorter counts from before a moment into spans of this length; of their sources
    /// those that came most often stay apart.
    async fn fold(&mut self, before: i64, span: i64) -> Result<(), StoreError> {
        execute!(
            self,
            sqlx::query(
                "WITH folded AS (SELECT key_id, began_at - began_at % $1 AS folded_at, area, action, \
                 source, verdict, CASE WHEN verdict = 'allow' THEN 1 ELSE 0 END AS allowed, count \
                 FROM uses WHERE began_at < $2 AND span < $1), \
                 totals AS (SELECT key_id, folded_at, allowed, source, sum(count) AS total \
                 FROM folded GROUP BY key_id, folded_at, allowed, source), \
                 placed AS (SELECT key_id, folded_at, allowed, source, row_number() OVER \
                 (PARTITION BY key_id, folded_at, allowed ORDER BY total DESC, source) AS place \
                 FROM totals) \
                 INSERT INTO uses (key_id, began_at, span, area, action, source, verdict, count) \
                 SELECT folded.key_id, folded.folded_at, $1, area, action, \
                 CASE WHEN place <= $3 THEN folded.source ELSE '*' END, verdict, \
                 CAST(sum(count) AS BIGINT) \
                 FROM folded JOIN placed ON placed.key_id = folded.key_id \
                 AND placed.folded_at = folded.folded_at AND placed.allowed = folded.allowed \
                 AND placed.source = folded.source \
                 GROUP BY folded.key_id, folded.folded_at, area, action, \
                 CASE WHEN place <= $3 THEN folded.source ELSE '*' END, verdict \
                 ON CONFLICT (key_id, began_at, span, area, action, source, verdict) \
                 DO UPDATE SET count = uses.count + excluded.count",
            )
            .bind(span)
            .bind(before)
            .bind(number(KEPT_SOURCES))
        )?;
        execute!(
            self,
            sqlx::query("DELETE FROM uses WHERE began_at < $1 AND span < $2")
                .bind(before)
                .bind(span)
        )?;
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
            kind: Kind {
                target: target(&self.area, &self.action).map_err(|_| bad("area"))?,
                source: Source::from_word(&self.source).ok_or_else(|| bad("source"))?,
                verdict: self.verdict.parse().map_err(|_| bad("verdict"))?,
            },
            count: self.count,
        })
    }
}

#[derive(sqlx::FromRow)]
struct RefusalRow {
    id: String,
    key_id: String,
    named: String,
    digest: String,
    at: i64,
    reason: String,
    address: String,
    hop: String,
    agent: String,
    scope: String,
    method: String,
    path: String,
    area: String,
    action: String,
    detail: String,
}

/// What an empty text stands for is none.
fn maybe<T: std::str::FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some)
}

impl RefusalRow {
    fn read(self) -> Result<Refusal, StoreError> {
        let bad = |column| StoreError::corrupt("refusals", column, &self.id);
        let named = target(&self.area, &self.action).map_err(|_| bad("area"))?;
        let address = Source::from_word(&self.address).and_then(known_address);
        let way = self.way(named.as_ref()).ok_or_else(|| bad("scope"))?;
        let target = match (&way, named) {
            (Way::Named(..), _) if self.reason == Reason::NoRoute.word() => Target::NoRoute,
            (_, Some((area, action))) => Target::Routed(area, action),
            (_, None) => Target::NoRoute,
        };
        Ok(Refusal {
            id: self.id.parse().map_err(|_| bad("id"))?,
            at: moment(self.at).ok_or_else(|| bad("at"))?,
            reason: Reason::from_word(&self.reason).ok_or_else(|| bad("reason"))?,
            key: maybe(&self.key_id).map_err(|_| bad("key_id"))?,
            named: maybe(&self.named).map_err(|_| bad("named"))?,
            token: match self.digest.as_str() {
                "" => None,
                digest => Some(digest_of(digest, "refusals", &self.id)?),
            },
            address: address.ok_or_else(|| bad("address"))?,
            hop: Hop::from_word(&self.hop).ok_or_else(|| bad("hop"))?,
            agent: maybe(&self.agent).map_err(|_| bad("agent"))?,
            wanted: Wanted {
                way,
                method: self.method,
                path: self.path,
            },
            target,
        })
    }

    fn way(&self, named: Option<&(AreaSlug, Action)>) -> Option<Way> {
        let scope = match self.scope.strip_prefix(BY_AREA) {
            Some(area) => Some(Scope::Area(area.parse().ok()?)),
            None if self.scope == BY_PATH => Some(Scope::Path),
            None if self.scope.is_empty() => None,
            None => return None,
        };
        Some(match (scope, named) {
            (Some(scope), _) => Way::Routed(scope, Method::from_word(&self.method)?),
            (None, Some((area, action))) if self.detail.is_empty() => {
                Way::Named(area.clone(), *action)
            }
            (None, _) => Way::Astray(self.detail.clone()),
        })
    }
}

fn known_address(source: Source) -> Option<ClientAddress> {
    match source {
        Source::Address(address) => Some(ClientAddress::Known(address)),
        Source::Unknown => Some(ClientAddress::Unknown),
        Source::Unreadable => Some(ClientAddress::Unreadable),
        Source::Rest => None,
    }
}
