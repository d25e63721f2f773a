//! Reports of usage: the database groups and sums the counts.
use crate::{
    domain::{
        agent::AgentScope,
        moment::{DAY, Moment},
        token::KeyId,
        usage::{UsageDimension, UsageGrouping, UsageRow},
    },
    store::{Store, StoreError, with_pool},
};

/// A column that is empty unless the report is grouped by it: parameter and column.
macro_rules! grouped {
    ($parameter:literal, $column:literal) => {
        concat!(
            "CASE WHEN ",
            $parameter,
            " = 1 THEN ",
            $column,
            " ELSE '' END"
        )
    };
}

const REPORT: &str = concat!(
    "SELECT CASE WHEN $4 = 1 THEN began_at - began_at % $10 ELSE 0 END, ",
    grouped!("$5", "key_id"),
    ", ",
    grouped!("$6", "area"),
    ", ",
    grouped!("$7", "action"),
    ", ",
    grouped!("$8", "source"),
    ", ",
    grouped!("$9", "verdict"),
    ", CAST(sum(CASE WHEN verdict = 'allow' THEN count ELSE 0 END) AS BIGINT), \
     CAST(sum(CASE WHEN verdict = 'allow' THEN 0 ELSE count END) AS BIGINT) \
     FROM uses WHERE began_at + span > $1 AND ($2 = '' OR key_id = $2) \
     AND ($3 = '' OR key_id IN (SELECT id FROM keys WHERE instr($3, ',' || agent || ',') > 0)) \
     GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"
);

#[derive(sqlx::FromRow)]
struct ReportRow(i64, String, String, String, String, String, i64, i64);

impl Store {
    /// Returns the counts of a key, or of all keys of these agents, since a time, grouped and
    /// sorted. A span in which that time lies is counted as a whole. With all agents, those of revoked keys are among them.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn usage_report(
        &self,
        key: Option<&KeyId>,
        scope: &AgentScope,
        since: Moment,
        grouping: UsageGrouping,
    ) -> Result<Vec<UsageRow>, StoreError> {
        let flag = |dimension| i64::from(grouping.has(dimension));
        let rows: Vec<ReportRow> = with_pool!(self, pool => sqlx::query_as(REPORT)
            .bind(since.millis())
            .bind(key.map_or("", KeyId::as_str))
            .bind(scope.written())
            .bind(flag(UsageDimension::Day))
            .bind(flag(UsageDimension::Key))
            .bind(flag(UsageDimension::Area))
            .bind(flag(UsageDimension::Action))
            .bind(flag(UsageDimension::Address))
            .bind(flag(UsageDimension::Verdict))
            .bind(DAY)
            .fetch_all(pool)
            .await)?;
        let read = |row: ReportRow| UsageRow {
            day: Moment::from_millis(row.0),
            key: row.1,
            area: row.2,
            action: row.3,
            address: row.4,
            verdict: row.5,
            allowed: row.6,
            refused: row.7,
        };
        Ok(rows.into_iter().map(read).collect())
    }
}
