//! Reports of usage: counts of requests, grouped by what the reader asks for.
use std::str::FromStr;

use strum::{EnumCount, VariantArray};

use crate::domain::{moment::Moment, text::visible};

/// What counts are grouped by. The variants are in the order of the columns of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumCount, VariantArray)]
#[expect(missing_docs, reason = "their words say what they are")]
pub enum UsageDimension {
    Day,
    Key,
    Area,
    Action,
    Address,
    Verdict,
}

impl UsageDimension {
    /// All dimensions, in order.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the word on the command line, in JSON and at the head of a column.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Key => "key",
            Self::Area => "area",
            Self::Action => "action",
            Self::Address => "address",
            Self::Verdict => "verdict",
        }
    }
}

impl FromStr for UsageDimension {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.word() == word);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::word).join(", ");
            format!(
                "usage is not counted by {}: write some of {known}, joined by commas",
                visible(word)
            )
        })
    }
}

/// The dimensions of a report, each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageGrouping([bool; UsageDimension::COUNT]);

impl UsageGrouping {
    /// Groups by this dimension alone.
    #[must_use]
    pub fn by(dimension: UsageDimension) -> Self {
        let mut grouping = Self::default();
        grouping.0[dimension as usize] = true;
        grouping
    }

    /// Returns `true` if counts are grouped by this dimension.
    #[must_use]
    pub const fn has(self, dimension: UsageDimension) -> bool {
        self.0[dimension as usize]
    }

    /// Returns the dimensions in the order of the columns.
    pub fn dimensions(self) -> impl Iterator<Item = UsageDimension> {
        let all = UsageDimension::ALL.into_iter();
        all.filter(move |dimension| self.has(*dimension))
    }
}

impl FromStr for UsageGrouping {
    type Err = String;

    /// Parses words joined by commas, such as `day,area`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut grouping = Self::default();
        for word in text.split(',') {
            let dimension: UsageDimension = word.trim().parse()?;
            grouping.0[dimension as usize] = true;
        }
        Ok(grouping)
    }
}

/// A row of a report. What it is not grouped by is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The first moment of the day, or 1970 if it is not grouped by days. Counts that are older than
    /// the hours and days of the store are those of 30 days together, on the first of them.
    pub day: Moment,
    /// The key's id.
    pub key: String,
    /// The area; empty if the requests led to none.
    pub area: String,
    /// The action; empty if the requests led to none.
    pub action: String,
    /// The client's address; empty if it was unknown, `?` if it could not be read, `*` for the
    /// addresses beyond those that are counted one by one.
    pub address: String,
    /// `allow`, or the reason of a refusal.
    pub verdict: String,
    /// The number of allowed requests.
    pub allowed: i64,
    /// The number of refused requests.
    pub refused: i64,
}

impl UsageRow {
    /// Returns the text of a dimension.
    #[must_use]
    pub fn text(&self, dimension: UsageDimension) -> String {
        match dimension {
            UsageDimension::Day => self.day.date(),
            UsageDimension::Key => self.key.clone(),
            UsageDimension::Area => self.area.clone(),
            UsageDimension::Action => self.action.clone(),
            UsageDimension::Address => self.address.clone(),
            UsageDimension::Verdict => self.verdict.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groupings_are_read_in_any_order_and_told_in_one() {
        let grouping: UsageGrouping = "verdict, day,area,day".parse().expect("dimensions");
        let words: Vec<&str> = grouping.dimensions().map(UsageDimension::word).collect();
        assert_eq!(words, ["day", "area", "verdict"]);
        for bad in ["", "day,", "hour", "day;area"] {
            let error = bad.parse::<UsageGrouping>().expect_err(bad);
            assert!(
                error.contains("day, key, area, action, address, verdict"),
                "{error}"
            );
        }
    }
}
