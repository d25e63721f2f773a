//! Pages of the list. The database filters, sorts and counts; all keys are never loaded at once.
//!
//! A page continues from a [`Cursor`]: the value that the list is sorted by, and the sequence
//! number that distinguishes equal values. Going back reads in the other direction. Each sort order
//! is one statement, composed at compile time by `page_statement!`. To add a sort order, add a
//! variant to [`SortField`] and a line to `statement`.
use sqlx::{FromRow as _, Row as _};

use super::{
    Store, StoreError,
    rows::{KeyRow, column_of, key_columns},
    with_pool,
};
use crate::domain::{
    agent::AgentScope,
    attention::{EXPIRING_DAYS, UNUSED_DAYS},
    facet::Facet,
    listing::{
        Count, Cursor, Damaged, Direction, Filter, MOST_FACETS, PageRequest, Row, Sort, SortField,
        SortValue,
    },
    moment::{DAY, Moment},
    text,
    token::KeyId,
    usage::REFUSAL_NEWS_MILLIS,
};

const _: () = assert!(REFUSAL_NEWS_MILLIS == 172_800_000, "written out below");

/// A character that no key can contain.
const NOTHING: char = '\u{FFFF}';

/// Returns the search text, folded like the stored text; empty for no search. SQLite ends a text at
/// a NUL, and PostgreSQL refuses one, so a search text with a NUL is made to match nothing.
fn needle(filter: &Filter) -> String {
    text::folded(&filter.search).replace('\0', &NOTHING.to_string())
}

/// Returns the time at which to judge attention, or -1 if the filter does not ask for it.
fn moment(filter: &Filter, now: Moment) -> i64 {
    if filter.attention { now.millis() } else { -1 }
}

/// Returns the keys that are known to be damaged, in the form that the statements take.
fn damaged(known: &[KeyId]) -> String {
    if known.is_empty() {
        return String::new();
    }
    let ids: Vec<&str> = known.iter().map(KeyId::as_str).collect();
    format!(",{},", ids.join(","))
}

/// The conditions of [`Attention::of`] and the order of [`Attention::urgency`] in SQL. `$14` is the
/// current time, `$3` and `$4` are the two spans, and `$6` the keys that are known to be damaged;
/// the third span, [`REFUSAL_NEWS_MILLIS`], and multiples of 2^48 are written out.
///
/// [`Attention::of`]: crate::domain::attention::Attention::of
/// [`Attention::urgency`]: crate::domain::attention::Attention::urgency
macro_rules! urgency {
    () => {
        "(CASE WHEN $6 <> '' AND instr($6, ',' || keys.id || ',') > 0 THEN 0 \
          WHEN disabled_at IS NOT NULL \
          THEN 1407374883553280 + 281474976710655 - disabled_at % 281474976710656 \
          WHEN pending_at IS NOT NULL THEN pending_at % 281474976710656 \
          WHEN expires_at <= $14 AND coalesce(not_before, 0) <= $14 \
          THEN 562949953421312 + 281474976710655 - expires_at % 281474976710656 \
          WHEN not_before > $14 THEN 1970324836974592 + not_before % 281474976710656 \
          WHEN expires_at < $14 + $3 THEN 844424930131968 + expires_at % 281474976710656 \
          WHEN refused_count > 0 AND refused_at > $14 - 172800000 \
          THEN 281474976710656 + 281474976710655 - refused_at % 281474976710656 \
          WHEN former_until > $14 THEN 1125899906842624 + former_until % 281474976710656 \
          WHEN coalesce(last_used_at, created_at) <= $14 - $4 \
          THEN 1688849860263936 + coalesce(last_used_at, created_at) % 281474976710656 \
          ELSE 2251799813685248 END)"
    };
}

macro_rules! filter_condition {
    () => {
        "($1 = '' OR instr(search_text, $1) > 0) \
         AND (CAST($2 AS BIGINT) < 0 OR disabled_at IS NOT NULL OR pending_at IS NOT NULL \
              OR expires_at < $2 + $3 \
              OR not_before > $2 \
              OR (refused_count > 0 AND refused_at > $2 - 172800000) OR former_until > $2 \
              OR coalesce(last_used_at, created_at) <= $2 - $4 \
              OR ($6 <> '' AND instr($6, ',' || keys.id || ',') > 0)) \
         AND ($5 = '' OR instr($5, ',' || agent || ',') > 0) \
         AND ($7 = '' OR instr(facets, $7) > 0) AND ($8 = '' OR instr(facets, $8) > 0) \
         AND ($9 = '' OR instr(facets, $9) > 0) AND ($10 = '' OR instr(facets, $10) > 0)"
    };
}

/// Binds a filter to the first ten placeholders.
macro_rules! bind_filter {
    ($query:expr, $filter:expr, $scope:expr, $damaged:expr, $now:expr) => {{
        let query = $query
            .bind(needle($filter))
            .bind(moment($filter, $now))
            .bind(EXPIRING_DAYS * DAY)
            .bind(UNUSED_DAYS * DAY)
            .bind($scope.written())
            .bind(damaged($damaged));
        (0..MOST_FACETS).fold(query, |query, at| {
            query.bind(
                $filter
                    .facets
                    .get(at)
                    .map_or_else(String::new, Facet::needle),
            )
        })
    }};
}

/// Whether another key of these agents has the same name, or one that looks like it.
macro_rules! has_twin {
    () => {
        "CAST(CASE WHEN EXISTS (SELECT 1 FROM keys AS twins \
         WHERE twins.name_skeleton = keys.name_skeleton AND twins.id <> keys.id \
         AND ($5 = '' OR instr($5, ',' || twins.agent || ',') > 0)) THEN 1 ELSE 0 END AS BIGINT)"
    };
}

macro_rules! page_statement {
    ($value:expr, $type:literal, $compare:literal, $order:literal) => {
        concat!(
            "SELECT ",
            key_columns!(),
            ", CAST(",
            $value,
            " AS TEXT) AS sort_value, ",
            has_twin!(),
            " AS twins FROM keys WHERE ",
            filter_condition!(),
            " AND (",
            $value,
            ", sequence) ",
            $compare,
            " (CAST($11 AS ",
            $type,
            "), $12) ORDER BY ",
            $value,
            " ",
            $order,
            ", sequence ",
            $order,
            " LIMIT $13"
        )
    };
}

/// The statement of a sort order in one of its two directions.
macro_rules! both_ways {
    ($forward:expr, $value:expr, $type:literal) => {
        if $forward {
            page_statement!($value, $type, ">", "ASC")
        } else {
            page_statement!($value, $type, "<", "DESC")
        }
    };
}

fn is_text(field: SortField) -> bool {
    matches!(field, SortField::Name | SortField::Access)
}

fn statement(field: SortField, ascending: bool) -> &'static str {
    match field {
        SortField::Created => both_ways!(ascending, "sequence", "BIGINT"),
        SortField::Name => both_ways!(ascending, "name_sort", "TEXT"),
        SortField::Access => both_ways!(ascending, "access_sort", "TEXT"),
        SortField::Attention => both_ways!(ascending, urgency!(), "BIGINT"),
        SortField::LastUsed => both_ways!(ascending, "coalesce(last_used_at, 0)", "BIGINT"),
        SortField::Expires => {
            both_ways!(
                ascending,
                "coalesce(expires_at, 9223372036854775807)",
                "BIGINT"
            )
        }
        SortField::Addresses => both_ways!(ascending, "network_count", "BIGINT"),
    }
}

fn cursor(field: SortField, value: &str, sequence: i64) -> Option<Cursor> {
    let value = if is_text(field) {
        SortValue::Text(value.to_owned())
    } else {
        SortValue::Number(value.parse().ok()?)
    };
    Some(Cursor { value, sequence })
}

/// Returns a cursor before all rows in the direction of reading.
fn edge(field: SortField, ascending: bool) -> Cursor {
    let value = match (is_text(field), ascending) {
        (true, true) => SortValue::Text(String::new()),
        // The last code point; no name can contain it.
        (true, false) => SortValue::Text('\u{10FFFF}'.to_string()),
        (false, true) => SortValue::Number(i64::MIN),
        (false, false) => SortValue::Number(i64::MAX),
    };
    Cursor {
        value,
        sequence: if ascending { -1 } else { i64::MAX },
    }
}

fn why(error: &StoreError) -> String {
    match error {
        StoreError::Corrupt { table, column, .. } => {
            format!("{table}.{column} cannot be read, so it is refused everywhere")
        }
        other => other.to_string(),
    }
}

/// A page of the list.
#[derive(Debug, Default)]
pub struct KeyPage {
    /// The keys that could be read, in the list's order.
    pub rows: Vec<Row>,
    /// `true` if the list continues in the direction that was read.
    pub more: bool,
    /// The position where the next page starts, even if no row of this page could be read.
    pub reached: Option<Cursor>,
    /// The damaged keys, each with the index of the row that follows it.
    pub damaged: Vec<(usize, Damaged, Cursor)>,
    /// The errors of all rows that could not be read, including those without a readable id. Such
    /// keys are refused everywhere, and must not hide the rest.
    pub unreadable: Vec<StoreError>,
}

#[derive(sqlx::FromRow)]
struct PageRow {
    #[sqlx(flatten)]
    key: KeyRow,
    sort_value: String,
    twins: i64,
}

/// A row with a value of a wrong type in one of its columns, which SQLite can store.
struct BadRow {
    id: String,
    sequence: i64,
    sort_value: String,
    column: &'static str,
}

impl Store {
    /// Returns a page, with its rows in the list's order.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails. A row that cannot be read is reported in the
    /// page and hides no other.
    pub(crate) async fn page(&self, request: &PageRequest) -> Result<KeyPage, StoreError> {
        let Sort { field, descending } = request.sort;
        let backwards = matches!(request.direction, Direction::Last | Direction::Before(_));
        let ascending = descending == backwards;
        let Cursor { value, sequence } = match &request.direction {
            Direction::First | Direction::Last => edge(field, ascending),
            Direction::After(cursor) | Direction::Before(cursor) => cursor.clone(),
            // One step back from the row itself: no other row can be between the two.
            Direction::From(cursor) => Cursor {
                value: cursor.value.clone(),
                sequence: cursor.sequence + if ascending { -1 } else { 1 },
            },
        };
        let mut value = value;
        if field == SortField::Created && matches!(request.direction, Direction::From(_)) {
            value = SortValue::Number(sequence);
        }
        let rows: Vec<Result<PageRow, BadRow>> = with_pool!(self, pool => {
            let query = sqlx::query(statement(field, ascending));
            let (filter, scope) = (&request.filter, &request.scope);
            let query = bind_filter!(query, filter, scope, &request.damaged, request.now);
            let query = match value {
                SortValue::Text(text) => query.bind(text),
                SortValue::Number(number) => query.bind(number),
            };
            let query = query
                .bind(sequence)
                .bind(i64::from(request.limit));
            let query = match field {
                SortField::Attention => query.bind(request.now.millis()),
                _ => query,
            };
            let rows = query.fetch_all(pool).await;
            // Row by row, so that a value of a wrong type does not hide the other rows.
            rows.map(|rows| {
                let read = rows.iter().map(|row| {
                    PageRow::from_row(row).map_err(|error| BadRow {
                        id: row.try_get("id").unwrap_or_default(),
                        sequence: row.try_get("sequence").unwrap_or_default(),
                        sort_value: row.try_get("sort_value").unwrap_or_default(),
                        column: column_of(&error),
                    })
                });
                read.collect()
            })
        })?;
        let mut page = KeyPage {
            more: rows.len() == request.limit as usize,
            ..KeyPage::default()
        };
        for row in rows {
            let (cursor, id, read) = match row {
                Ok(PageRow {
                    key,
                    sort_value,
                    twins,
                }) => {
                    let cursor = cursor(field, &sort_value, key.sequence())
                        .ok_or_else(|| key.bad("sequence"))?;
                    (cursor, key.id(), key.into_key().map(|key| (key, twins > 0)))
                }
                Err(bad) => {
                    let error = StoreError::corrupt("keys", bad.column, &bad.id);
                    // Rows that cannot be sorted come last.
                    let place = cursor(field, &bad.sort_value, bad.sequence);
                    let last = edge(field, !ascending);
                    (place.unwrap_or(last), bad.id.parse().ok(), Err(error))
                }
            };
            page.reached = Some(cursor.clone());
            match read {
                Ok((key, has_twin)) => page.rows.push(Row {
                    key,
                    cursor,
                    has_twin,
                }),
                Err(error) => {
                    if let Some(id) = id {
                        let why = why(&error);
                        let damaged = Damaged { id, why };
                        page.damaged.push((page.rows.len(), damaged, cursor));
                    }
                    page.unreadable.push(error);
                }
            }
        }
        if backwards {
            page.rows.reverse();
            page.damaged.reverse();
            for (at, ..) in &mut page.damaged {
                *at = page.rows.len() - *at;
            }
        }
        Ok(page)
    }

    /// Counts the keys of these agents that match the filter, and all keys of these agents.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn count(
        &self,
        filter: &Filter,
        scope: &AgentScope,
        now: Moment,
        known: &[KeyId],
    ) -> Result<Count, StoreError> {
        let (total,): (i64,) = match scope {
            AgentScope::Everything => with_pool!(self, pool => {
                sqlx::query_as("SELECT count(*) FROM keys").fetch_one(pool).await
            })?,
            AgentScope::Only(_) => with_pool!(self, pool => sqlx::query_as(
                "SELECT count(*) FROM keys WHERE instr($1, ',' || agent || ',') > 0",
            )
            .bind(scope.written())
            .fetch_one(pool)
            .await)?,
        };
        if *filter == Filter::default() {
            return Ok(Count {
                matching: total,
                total,
            });
        }
        let (matching,): (i64,) = with_pool!(self, pool => {
            let query = sqlx::query_as(concat!("SELECT count(*) FROM keys WHERE ", filter_condition!()));
            bind_filter!(query, filter, scope, known, now).fetch_one(pool).await
        })?;
        Ok(Count { matching, total })
    }
}
