//! Moments in time, and the forms in which people write an expiry.
//!
//! A [`Moment`] is a number of milliseconds since 1970 in UTC; reading the clock is not done here.
//! People are shown ISO 8601 dates in UTC.
mod written;

use std::fmt;

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};
pub use written::{
    EXPIRY_FORMS, ExpiryError, LONGEST_OVERLAP, OverlapError, PastError, START_FORMS, StartError,
    duration, parse_days, parse_expiry, parse_overlap, parse_past, parse_rfc3339, parse_start,
};

/// The number of milliseconds in an hour.
pub const HOUR: i64 = 60 * 60 * 1000;
/// The number of milliseconds in a day.
pub const DAY: i64 = 24 * 60 * 60 * 1000;

/// The latest moment that can be written with a four-digit year: 9999-12-30T22:00:00Z, the end of
/// jiff's range.
const LATEST: i64 = 253_402_207_200_000;

/// A moment in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// Creates a moment from Unix milliseconds, clamped to the range from 1970 to 9999-12-30.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST))
    }

    /// Returns the Unix time in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn civil(self) -> civil::DateTime {
        self.timestamp().to_zoned(TimeZone::UTC).datetime()
    }

    /// Returns the moment in RFC 3339 form in UTC, always with milliseconds so that it sorts as
    /// text: `2027-01-31T23:59:59.999Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        format!("{:.3}", self.timestamp())
    }

    /// Returns the date in UTC: `2027-01-31`.
    #[must_use]
    pub fn date(self) -> String {
        self.civil().date().to_string()
    }

    /// Returns the time of day in UTC, to the minute: `14:02`.
    #[must_use]
    pub fn clock(self) -> String {
        let civil = self.civil();
        format!("{:02}:{:02}", civil.hour(), civil.minute())
    }

    /// Returns the date and the minute in UTC: `2027-01-31 14:02`.
    #[must_use]
    pub fn date_and_clock(self) -> String {
        format!("{} {}", self.date(), self.clock())
    }

    /// Returns the date and the second in UTC: `2027-01-31 14:02:05`.
    #[must_use]
    pub fn date_and_seconds(self) -> String {
        format!("{}:{:02}", self.date_and_clock(), self.civil().second())
    }

    /// Returns this moment plus a number of milliseconds, clamped like [`Moment::from_millis`].
    #[must_use]
    pub fn plus(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Returns the last millisecond of this moment's day in UTC.
    #[must_use]
    pub fn end_of_day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(DAY) + DAY - 1)
    }

    /// Returns the first millisecond of this moment's day in UTC.
    #[must_use]
    pub fn start_of_day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(DAY))
    }

    /// Returns the first millisecond of this moment's day in UTC, and that of the next day.
    #[must_use]
    pub fn day(self) -> (Self, Self) {
        (self.start_of_day(), self.start_of_day().plus(DAY))
    }

    /// Returns the first millisecond of this moment's calendar month in UTC, and that of the next
    /// month.
    #[must_use]
    pub fn month(self) -> (Self, Self) {
        let start = |date: civil::Date| {
            let first = date.first_of_month().to_zoned(TimeZone::UTC).ok()?;
            Some(Self::from_millis(first.timestamp().as_millisecond()))
        };
        let today = self.civil().date();
        let next = today.first_of_month().checked_add(1.month()).ok();
        (
            start(today).unwrap_or(self),
            next.and_then(start).unwrap_or(Self(LATEST)),
        )
    }

    /// Returns the moment as the time at which something begins, for people: only the date if it is
    /// the first moment of that day, else date and minute with the zone.
    #[must_use]
    pub fn as_start(self) -> String {
        if self == self.start_of_day() {
            self.date()
        } else {
            format!("{} UTC", self.date_and_clock())
        }
    }

    /// Returns the moment as a time at which something begins, in a form that [`parse_start`]
    /// accepts.
    #[must_use]
    pub fn as_start_input(self) -> String {
        if self == self.start_of_day() {
            self.date()
        } else {
            self.timestamp().to_string()
        }
    }

    /// Returns the moment as an expiry for people: only the date if it is the end of that day, else
    /// date and minute with the zone.
    #[must_use]
    pub fn as_expiry(self) -> String {
        if self == self.end_of_day() {
            self.date()
        } else {
            format!("{} UTC", self.date_and_clock())
        }
    }

    /// Returns the moment as an expiry in a form that [`parse_expiry`] accepts.
    #[must_use]
    pub fn as_expiry_input(self) -> String {
        if self == self.end_of_day() {
            self.date()
        } else {
            self.timestamp().to_string()
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}
