//! Counts: one row each, updated in statements for several rows, and merged when they are old.
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::store::rows::number;
use crate::{
    domain::{
        token::KeyId,
        usage::{KEPT_SOURCES, KeyUse, Source, Tally, Verdict},
    },
    store::{
        Store, StoreError,
        change::{ChangeTransaction, execute, with_connection},
        with_pool,
    },
};

/// The number of counts that one statement updates.
const ADDED: usize = 16;
/// The largest number of keys whose counts are merged in one transaction.
const TIDIED: i64 = 64;

/// One row of bound values. Both databases name the columns of `VALUES` `column1` and so on.
macro_rules! added_row {
    ($id:literal, $began:literal, $span:literal, $area:literal, $action:literal, $source:literal, $verdict:literal, $count:literal) => {
        concat!(
            "(CAST($",
            $id,
            " AS TEXT), CAST($",
            $began,
            " AS BIGINT), CAST($",
            $span,
            " AS BIGINT), CAST($",
            $area,
            " AS TEXT), CAST($",
            $action,
            " AS TEXT), CAST($",
            $source,
            " AS TEXT), CAST($",
            $verdict,
            " AS TEXT), CAST($",
            $count,
            " AS BIGINT))"
        )
    };
}

/// The counts as a table. Unused rows are bound with an empty key id, which no key has.
macro_rules! added {
    () => {
        concat!(
            "(VALUES ",
            added_row!(1, 2, 3, 4, 5, 6, 7, 8),
            ", ",
            added_row!(9, 10, 11, 12, 13, 14, 15, 16),
            ", ",
            added_row!(17, 18, 19, 20, 21, 22, 23, 24),
            ", ",
            added_row!(25, 26, 27, 28, 29, 30, 31, 32),
            ", ",
            added_row!(33, 34, 35, 36, 37, 38, 39, 40),
            ", ",
            added_row!(41, 42, 43, 44, 45, 46, 47, 48),
            ", ",
            added_row!(49, 50, 51, 52, 53, 54, 55, 56),
            ", ",
            added_row!(57, 58, 59, 60, 61, 62, 63, 64),
            ", ",
            added_row!(65, 66, 67, 68, 69, 70, 71, 72),
            ", ",
            added_row!(73, 74, 75, 76, 77, 78, 79, 80),
            ", ",
            added_row!(81, 82, 83, 84, 85, 86, 87, 88),
            ", ",
            added_row!(89, 90, 91, 92, 93, 94, 95, 96),
            ", ",
            added_row!(97, 98, 99, 100, 101, 102, 103, 104),
            ", ",
            added_row!(105, 106, 107, 108, 109, 110, 111, 112),
            ", ",
            added_row!(113, 114, 115, 116, 117, 118, 119, 120),
            ", ",
            added_row!(121, 122, 123, 124, 125, 126, 127, 128),
            ") AS added WHERE "
        )
    };
}

/// The condition for counts of the same key and span.
macro_rules! beside {
    () => {
        "uses.key_id = added.column1 AND uses.began_at = added.column2 AND uses.span = added.column3"
    };
}
/// The condition for the same count.
macro_rules! same {
    () => {
        concat!(
            beside!(),
            " AND uses.area = added.column4 AND uses.action = added.column5 \
             AND uses.source = added.column6 AND uses.verdict = added.column7"
        )
    };
}

const ADD: &str = concat!(
    "UPDATE uses SET count = uses.count + added.column8 FROM ",
    added!(),
    same!()
);
const SOURCES: &str = concat!(
    "SELECT DISTINCT uses.key_id, uses.began_at, uses.span, uses.source, \
     CASE WHEN uses.verdict = 'allow' THEN 1 ELSE 0 END FROM uses, ",
    added!(),
    beside!()
);
const BEGIN: &str = concat!(
    "INSERT INTO uses (key_id, began_at, span, area, action, source, verdict, count) \
     SELECT column1, column2, column3, column4, column5, column6, column7, column8 FROM ",
    added!(),
    "column1 <> '' ON CONFLICT (key_id, began_at, span, area, action, source, verdict) \
     DO UPDATE SET count = uses.count + excluded.count"
);
const KNOWN: &str = concat!(
    "SELECT uses.key_id, uses.began_at, uses.span, uses.area, uses.action, uses.source, uses.verdict, \
     added.column8 FROM uses, ",
    added!(),
    same!()
);

/// Binds the counts, and fills the rest of the statement's rows with [`NOBODY`].
macro_rules! bound {
    ($query:expr, $counts:expr) => {
        (0..ADDED).fold($query, |query, at| {
            let (key, count) = $counts
                .get(at)
                .map_or((&NOBODY, 0), |(key, count)| (key, *count));
            query
                .bind(key.key_id.as_str())
                .bind(key.began_at)
                .bind(key.span)
                .bind(key.area.as_str())
                .bind(key.action.as_str())
                .bind(key.source.as_str())
                .bind(key.verdict.as_str())
                .bind(count)
        })
    };
}

/// The columns that identify a count: all of `uses` but the number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
struct CountKey {
    key_id: String,
    began_at: i64,
    span: i64,
    area: String,
    action: String,
    source: String,
    verdict: String,
}

/// The key of an unused row; it belongs to no key.
static NOBODY: CountKey = CountKey {
    key_id: String::new(),
    began_at: 0,
    span: 0,
    area: String::new(),
    action: String::new(),
    source: String::new(),
    verdict: String::new(),
};

impl CountKey {
    fn of(id: &KeyId, tally: &Tally) -> Self {
        let (area, action) = tally.kind.target_words();
        Self {
            key_id: id.to_string(),
            began_at: tally.began_at.millis(),
            span: tally.span,
            area: area.to_owned(),
            action: action.to_owned(),
            source: tally.kind.source.word(),
            verdict: tally.kind.verdict.word().to_owned(),
        }
    }
}

impl ChangeTransaction<'_> {
    /// Adds to the counts. Nearly all of them exist already, and one statement updates many.
    pub(super) async fn tallies(&mut self, uses: &[KeyUse]) -> Result<(), StoreError> {
        // Each count is added once, because one statement updates a row only once.
        let mut counts: BTreeMap<CountKey, i64> = BTreeMap::new();
        for one in uses {
            for tally in &one.tallies {
                *counts.entry(CountKey::of(&one.id, tally)).or_default() += tally.count;
            }
        }
        let all: Vec<(CountKey, i64)> = counts.into_iter().collect();
        for some in all.chunks(ADDED) {
            let added = execute!(self, bound!(sqlx::query(ADD), some))?;
            if added == some.len() as u64 {
                continue;
            }
            // No other process writes in between: the counts that are found now existed before the
            // update.
            let known: Vec<CountKey> = if added == 0 {
                Vec::new()
            } else {
                with_connection!(self, connection => {
                    bound!(sqlx::query_as(KNOWN), some).fetch_all(connection).await
                })?
            };
            let new = some.iter().filter(|(key, _)| !known.contains(key));
            self.begin(&new.cloned().collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Inserts new counts. Once many sources are counted separately, a further source is counted
    /// together with the rest.
    async fn begin(&mut self, new: &[(CountKey, i64)]) -> Result<(), StoreError> {
        let found: Vec<(String, i64, i64, String, i32)> = with_connection!(self, connection => {
            bound!(sqlx::query_as(SOURCES), new).fetch_all(connection).await
        })?;
        let mut apart: HashMap<_, HashSet<String>> = HashMap::new();
        for (id, began_at, span, source, allowed) in found {
            let place = (id, began_at, span, allowed == 1);
            apart.entry(place).or_default().insert(source);
        }
        let mut counts: BTreeMap<CountKey, i64> = BTreeMap::new();
        for (key, count) in new {
            let mut key = key.clone();
            let allowed = key.verdict == Verdict::Allowed.word();
            let place = (key.key_id.clone(), key.began_at, key.span, allowed);
            let sources = apart.entry(place).or_default();
            if sources.len() >= KEPT_SOURCES && !sources.contains(&key.source) {
                key.source = Source::Rest.word();
            }
            sources.insert(key.source.clone());
            *counts.entry(key).or_default() += count;
        }
        let counts: Vec<(CountKey, i64)> = counts.into_iter().collect();
        execute!(self, bound!(sqlx::query(BEGIN), counts))?;
        Ok(())
    }

    /// Merges a key's counts of one span, from before a time, into counts of a longer span. The
    /// most frequent sources stay separate. The caller must delete the merged counts afterwards.
    pub(super) async fn fold(
        &mut self,
        key: &str,
        before: i64,
        (span, into): (i64, i64),
    ) -> Result<(), StoreError> {
        // `+span`, here and below, keeps SQLite from reading all rows of that span instead of the
        // key's.
        execute!(
            self,
            sqlx::query(
                "WITH folded AS (SELECT began_at - began_at % $1 AS folded_at, area, action, source, \
                 verdict, CASE WHEN verdict = 'allow' THEN 1 ELSE 0 END AS allowed, count \
                 FROM uses WHERE key_id = $2 AND began_at < $3 AND +span = $4), \
                 totals AS (SELECT folded_at, allowed, source, sum(count) AS total \
                 FROM folded GROUP BY folded_at, allowed, source), \
                 placed AS (SELECT folded_at, allowed, source, row_number() OVER \
                 (PARTITION BY folded_at, allowed ORDER BY total DESC, source) AS place FROM totals) \
                 INSERT INTO uses (key_id, began_at, span, area, action, source, verdict, count) \
                 SELECT $2, folded.folded_at, $1, area, action, \
                 CASE WHEN place <= $5 THEN folded.source ELSE '*' END, verdict, \
                 CAST(sum(count) AS BIGINT) \
                 FROM folded JOIN placed ON placed.folded_at = folded.folded_at \
                 AND placed.allowed = folded.allowed AND placed.source = folded.source \
                 GROUP BY folded.folded_at, area, action, \
                 CASE WHEN place <= $5 THEN folded.source ELSE '*' END, verdict \
                 ON CONFLICT (key_id, began_at, span, area, action, source, verdict) \
                 DO UPDATE SET count = uses.count + excluded.count",
            )
            .bind(into)
            .bind(key)
            .bind(before)
            .bind(span)
            .bind(number(KEPT_SOURCES))
        )?;
        Ok(())
    }

    /// Deletes a key's counts of one span from before a time.
    pub(super) async fn forget_counts(
        &mut self,
        key: &str,
        before: i64,
        span: i64,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            sqlx::query("DELETE FROM uses WHERE key_id = $1 AND began_at < $2 AND +span = $3")
                .bind(key)
                .bind(before)
                .bind(span)
        )?;
        Ok(())
    }
}

impl Store {
    /// Returns some keys that have counts of one span from before a time.
    pub(super) async fn some_counted(
        &self,
        before: i64,
        span: i64,
    ) -> Result<Vec<String>, StoreError> {
        with_pool!(self, pool => sqlx::query_scalar(
            "SELECT DISTINCT key_id FROM (SELECT key_id FROM uses \
             WHERE span = $1 AND began_at < $2 ORDER BY began_at LIMIT $3) AS oldest",
        )
        .bind(span)
        .bind(before)
        .bind(TIDIED)
        .fetch_all(pool)
        .await)
    }
}
