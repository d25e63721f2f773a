//! Quotas: how many requests of a key may pass in a day or a calendar month, in UTC.
//!
//! A quota holds over all endpoints. The store counts what they reserved of it; a
//! [`share`](Quota::share) is what an endpoint reserves at a time.
use std::{fmt, str::FromStr};

use strum::{EnumCount, VariantArray};

use super::{
    moment::Moment,
    text::{counted, is_number, visible},
};

/// The largest number of requests in a quota.
const MOST: i64 = 1_000_000_000_000;

/// The forms in which a quota is written.
pub const QUOTA_FORMS: &str = "N/day or N/month, as in 50000/month, or none";

/// The time that a quota counts in, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum QuotaPeriod {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
}

impl QuotaPeriod {
    const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the word, such as `month`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Returns the first moment of the period that contains the time, and the first moment of the
    /// period after it.
    #[must_use]
    pub fn around(self, now: Moment) -> (Moment, Moment) {
        match self {
            Self::Day => now.day(),
            Self::Month => now.month(),
        }
    }
}

/// How many requests of a key may pass in a day or a month: `50000/month`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    count: i64,
    period: QuotaPeriod,
}

impl Quota {
    /// Returns the number of requests; at least 1.
    #[must_use]
    pub const fn count(self) -> i64 {
        self.count
    }

    /// Returns the period.
    #[must_use]
    pub const fn period(self) -> QuotaPeriod {
        self.period
    }

    /// Returns the number of requests that an endpoint reserves at a time: a hundredth, at least 1.
    #[must_use]
    pub const fn share(self) -> i64 {
        let hundredth = self.count / 100;
        if hundredth > 1 { hundredth } else { 1 }
    }

    /// Returns `true` if more requests may pass by this quota than by `before` in some stretch of
    /// time. Another period has a count of its own, which begins at 0.
    #[must_use]
    pub fn widens(self, before: Self) -> bool {
        self.period != before.period || self.count > before.count
    }

    /// Describes the quota: "50,000 requests a month".
    #[must_use]
    pub fn words(self) -> String {
        let requests = counted(self.count, "request");
        format!("{requests} a {}", self.period.word())
    }
}

impl fmt::Display for Quota {
    /// Writes the form that is read back: `50000/month`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.period.word())
    }
}

/// Why a quota was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// The text has none of the accepted forms.
    #[error("{0} is no quota: write {QUOTA_FORMS}")]
    Unreadable(String),
    /// The number is 0 or too large.
    #[error(
        "{0} has a number that is not between 1 and {MOST}: write one in that range, or none for no quota"
    )]
    OutOfRange(String),
}

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let unreadable = || QuotaError::Unreadable(visible(text));
        let (digits, word) = text.split_once('/').ok_or_else(unreadable)?;
        let period = QuotaPeriod::ALL.into_iter().find(|it| it.word() == word);
        let period = period.ok_or_else(unreadable)?;
        if !is_number(digits) {
            return Err(unreadable());
        }
        match digits.parse() {
            Ok(count @ 1..=MOST) => Ok(Self { count, period }),
            _ => Err(QuotaError::OutOfRange(visible(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(text: &str) -> Quota {
        text.parse().expect(text)
    }

    #[test]
    fn forms_are_read_and_written() {
        assert_eq!(quota("50000/month").to_string(), "50000/month");
        assert_eq!(quota("50000/month").words(), "50,000 requests a month");
        assert_eq!(quota("1/day").words(), "1 request a day");
        for text in [
            "", "5", "5/", "/day", "5/hour", "5/Day", "+5/day", "5.5/day", "-1/day", "5/day:2",
        ] {
            let error = text.parse::<Quota>().expect_err(text).to_string();
            assert!(error.contains("write N/day or N/month"), "{text}: {error}");
        }
        for text in ["0/day", "1000000000001/month", "99999999999999999999/day"] {
            let error = text.parse::<Quota>().expect_err(text).to_string();
            assert!(error.contains("between 1 and"), "{text}: {error}");
        }
    }

    #[test]
    fn a_share_is_a_hundredth_and_at_least_one() {
        for (text, share) in [
            ("1/day", 1),
            ("199/day", 1),
            ("200/day", 2),
            ("50000/month", 500),
        ] {
            assert_eq!(quota(text).share(), share, "{text}");
        }
    }

    #[test]
    fn more_in_any_stretch_widens() {
        for (before, after, widens) in [
            ("10/day", "11/day", true),
            ("10/day", "9/day", false),
            ("10/month", "10/month", false),
            ("10/month", "11/month", true),
            // What was used of the one counts nothing of the other.
            ("10/day", "1/month", true),
            ("310/month", "1/day", true),
        ] {
            assert_eq!(
                quota(after).widens(quota(before)),
                widens,
                "{before} {after}"
            );
        }
    }

    #[test]
    fn periods_are_those_of_the_calendar_in_utc() {
        let at = |text: &str| {
            let moment = text.parse::<jiff::Timestamp>().expect(text);
            Moment::from_millis(moment.as_millisecond())
        };
        for (period, now, from, until) in [
            (
                QuotaPeriod::Day,
                "2026-02-28T23:59:59.999Z",
                "2026-02-28T00:00:00Z",
                "2026-03-01T00:00:00Z",
            ),
            (
                QuotaPeriod::Day,
                "2026-03-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
                "2026-03-02T00:00:00Z",
            ),
            (
                QuotaPeriod::Month,
                "2028-02-29T12:00:00Z",
                "2028-02-01T00:00:00Z",
                "2028-03-01T00:00:00Z",
            ),
            (
                QuotaPeriod::Month,
                "2026-12-31T23:59:59.999Z",
                "2026-12-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
            ),
        ] {
            assert_eq!(period.around(at(now)), (at(from), at(until)), "{now}");
        }
    }
}
