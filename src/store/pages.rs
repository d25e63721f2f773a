//! Pages of the list: filter, order and count in the database, nothing ever loads all keys.
//!
//! A page continues from a [`Cursor`]: the value that the list is sorted by, and the sequence
//! that tells equal ones apart. Going back is the same walk in the other direction. Each order
//! is one statement, written out at compile time by [`page_statement!`]; to add an order, add a
//! field to [`SortField`] and a line to `statement`.
use super::{
    Store, StoreError,
    rows::{KeyRow, key_columns},
    with_pool,
};
use crate::domain::{
    attention::{EXPIRING_DAYS, UNUSED_DAYS},
    key::Key,
    moment::{DAY, Moment},
    text,
};

/// What the list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortField {
    /// The order of creation.
    Created,
    /// The name, folded.
    Name,
    /// The areas that the key reaches.
    Access,
    /// What deserves a look, the most urgent first.
    Attention,
    /// The last use.
    LastUsed,
    /// The end; keys without one come last.
    Expires,
    /// The number of addresses and networks; anywhere first.
    Addresses,
}

/// An order: by what, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub field: SortField,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl Sort {
    /// How the list begins: newest first.
    pub const NEWEST: Self = Self {
        field: SortField::Created,
        descending: true,
    };
}

/// Which keys are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// A part of the name, the description or the id; upper and lower case are one.
    pub search: String,
    /// Only keys that deserve a look.
    pub attention: bool,
}

impl Filter {
    /// The pattern for LIKE: empty for no search; `%`, `_` and `\` in the text stand for
    /// themselves.
    fn pattern(&self) -> String {
        if self.search.is_empty() {
            return String::new();
        }
        let mut pattern = String::from("%");
        for c in text::folded(&self.search).chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
        pattern
    }

    /// The moment to judge attention by, or -1 for no such filter.
    fn moment(&self, now: Moment) -> i64 {
        if self.attention { now.millis() } else { -1 }
    }
}

/// Where in an order a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    value: SortValue,
    sequence: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SortValue {
    Text(String),
    Number(i64),
}

/// From where, and which way, a page is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// From the beginning of the list.
    First,
    /// The last page.
    Last,
    /// What comes after this row.
    After(Cursor),
    /// What comes before this row, still in the list's order.
    Before(Cursor),
    /// This row, if it is still there, and what comes after.
    From(Cursor),
}

/// A page that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Which keys.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// From where.
    pub direction: Direction,
    /// At most how many rows.
    pub limit: u32,
    /// The time by which attention is judged.
    pub now: Moment,
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Key,
    /// Where it stands.
    pub cursor: Cursor,
}

/// How many keys there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Those that the filter lets through.
    pub matching: i64,
    /// All of them.
    pub total: i64,
}

/// Disabled, expired, expiring, unused: the order and the conditions of
/// [`crate::domain::attention::Attention`], said in SQL. `$8` is the moment, `$3` and `$4` the
/// two spans.
macro_rules! attention_rank {
    () => {
        "(CASE WHEN disabled_at IS NOT NULL THEN 1 \
          WHEN expires_at < $8 THEN 2 \
          WHEN expires_at < $8 + $3 THEN 3 \
          WHEN coalesce(last_used_at, created_at) <= $8 - $4 THEN 4 ELSE 5 END)"
    };
}

macro_rules! filter_condition {
    () => {
        "($1 = '' OR search_text LIKE $1 ESCAPE '\\') \
         AND (CAST($2 AS BIGINT) < 0 OR disabled_at IS NOT NULL OR expires_at < $2 + $3 \
              OR coalesce(last_used_at, created_at) <= $2 - $4)"
    };
}

macro_rules! page_statement {
    ($value:expr, $type:literal, $compare:literal, $order:literal) => {
        concat!(
            "SELECT ",
            key_columns!(),
            ", CAST(",
            $value,
            " AS TEXT) AS sort_value FROM keys WHERE ",
            filter_condition!(),
            " AND (",
            $value,
            ", sequence) ",
            $compare,
            " (CAST($5 AS ",
            $type,
            "), $6) ORDER BY ",
            $value,
            " ",
            $order,
            ", sequence ",
            $order,
            " LIMIT $7"
        )
    };
}

/// Both directions of one order.
macro_rules! both_ways {
    ($forward:expr, $value:expr, $type:literal) => {
        if $forward {
            page_statement!($value, $type, ">", "ASC")
        } else {
            page_statement!($value, $type, "<", "DESC")
        }
    };
}

impl SortField {
    fn is_text(self) -> bool {
        matches!(self, Self::Name | Self::Access)
    }

    fn statement(self, ascending: bool) -> &'static str {
        match self {
            Self::Created => both_ways!(ascending, "sequence", "BIGINT"),
            Self::Name => both_ways!(ascending, "name_sort", "TEXT"),
            Self::Access => both_ways!(ascending, "access_sort", "TEXT"),
            Self::Attention => both_ways!(ascending, attention_rank!(), "BIGINT"),
            Self::LastUsed => both_ways!(ascending, "coalesce(last_used_at, 0)", "BIGINT"),
            Self::Expires => {
                both_ways!(
                    ascending,
                    "coalesce(expires_at, 9223372036854775807)",
                    "BIGINT"
                )
            }
            Self::Addresses => both_ways!(ascending, "network_count", "BIGINT"),
        }
    }

    fn cursor(self, value: &str, key: &Key) -> Result<Cursor, StoreError> {
        let value = if self.is_text() {
            SortValue::Text(value.to_owned())
        } else {
            let corrupt = |_| StoreError::corrupt("keys", "sequence", key.id.as_str());
            SortValue::Number(value.parse().map_err(corrupt)?)
        };
        Ok(Cursor {
            value,
            sequence: key.sequence,
        })
    }

    /// A cursor that stands before everything in the direction of the walk.
    fn edge(self, ascending: bool) -> Cursor {
        let value = match (self.is_text(), ascending) {
            (true, true) => SortValue::Text(String::new()),
            // The last code point there is; no name can hold it.
            (true, false) => SortValue::Text('\u{10FFFF}'.to_string()),
            (false, true) => SortValue::Number(i64::MIN),
            (false, false) => SortValue::Number(i64::MAX),
        };
        Cursor {
            value,
            sequence: if ascending { -1 } else { i64::MAX },
        }
    }
}

#[derive(sqlx::FromRow)]
struct PageRow {
    #[sqlx(flatten)]
    key: KeyRow,
    sort_value: String,
}

impl Store {
    /// Reads a page; its rows stand in the list's order.
    ///
    /// # Errors
    /// The store's faults, and [`StoreError::Corrupt`] for a row that cannot be read.
    pub async fn page(&self, request: &PageRequest) -> Result<Vec<Row>, StoreError> {
        let Sort { field, descending } = request.sort;
        let backwards = matches!(request.direction, Direction::Last | Direction::Before(_));
        let ascending = descending == backwards;
        let Cursor { value, sequence } = match &request.direction {
            Direction::First | Direction::Last => field.edge(ascending),
            Direction::After(cursor) | Direction::Before(cursor) => cursor.clone(),
            // A step back from the row itself: no other row can stand between.
            Direction::From(cursor) => Cursor {
                value: cursor.value.clone(),
                sequence: cursor.sequence + if ascending { -1 } else { 1 },
            },
        };
        let mut value = value;
        if field == SortField::Created && matches!(request.direction, Direction::From(_)) {
            value = SortValue::Number(sequence);
        }
        let rows: Vec<PageRow> = with_pool!(self, pool => {
            let query = sqlx::query_as(field.statement(ascending))
                .bind(request.filter.pattern())
                .bind(request.filter.moment(request.now))
                .bind(EXPIRING_DAYS * DAY)
                .bind(UNUSED_DAYS * DAY);
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
            query.fetch_all(pool).await
        })?;
        let mut rows = rows
            .into_iter()
            .map(|row| {
                let key = row.key.into_key()?;
                let cursor = field.cursor(&row.sort_value, &key)?;
                Ok(Row { key, cursor })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        if backwards {
            rows.reverse();
        }
        Ok(rows)
    }

    /// Counts the keys that the filter lets through, and all of them.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn count(&self, filter: &Filter, now: Moment) -> Result<Count, StoreError> {
        let (total,): (i64,) = with_pool!(self, pool => {
            sqlx::query_as("SELECT count(*) FROM keys").fetch_one(pool).await
        })?;
        if *filter == Filter::default() {
            return Ok(Count {
                matching: total,
                total,
            });
        }
        let (matching,): (i64,) = with_pool!(self, pool => sqlx::query_as(concat!(
            "SELECT count(*) FROM keys WHERE ", filter_condition!()
        ))
        .bind(filter.pattern())
        .bind(filter.moment(now))
        .bind(EXPIRING_DAYS * DAY)
        .bind(UNUSED_DAYS * DAY)
        .fetch_one(pool)
        .await)?;
        Ok(Count { matching, total })
    }
}
