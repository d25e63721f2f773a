//! Moments in time, and the ways in which people write an expiry.
//!
//! A [`Moment`] is a number of milliseconds since 1970 in UTC; the clock itself is not here. What
//! people see is ISO, in UTC.
use std::fmt;

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};

/// Milliseconds in an hour.
pub const HOUR: i64 = 60 * 60 * 1000;
/// Milliseconds in a day.
pub const DAY: i64 = 24 * 60 * 60 * 1000;

/// The last moment that can be written with four digits of year: 9999-12-30T22:00:00Z, the end
/// of jiff's range.
const LATEST: i64 = 253_402_207_200_000;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// From unix milliseconds, held within the years that can be written.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST))
    }

    /// Unix milliseconds.
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

    /// RFC 3339 in UTC, always to the millisecond, so that it sorts as text:
    /// `2027-01-31T23:59:59.999Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        format!("{:.3}", self.timestamp())
    }

    /// The date in UTC: `2027-01-31`.
    #[must_use]
    pub fn date(self) -> String {
        self.civil().date().to_string()
    }

    /// The time of the day in UTC, to the minute: `14:02`.
    #[must_use]
    pub fn clock(self) -> String {
        let civil = self.civil();
        format!("{:02}:{:02}", civil.hour(), civil.minute())
    }

    /// Date and minute in UTC: `2027-01-31 14:02`.
    #[must_use]
    pub fn date_and_clock(self) -> String {
        format!("{} {}", self.date(), self.clock())
    }

    /// Date and second in UTC: `2027-01-31 14:02:05`.
    #[must_use]
    pub fn date_and_seconds(self) -> String {
        format!("{}:{:02}", self.date_and_clock(), self.civil().second())
    }

    /// This moment plus a number of milliseconds, within the years that can be written.
    #[must_use]
    pub fn plus(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// The last millisecond of this moment's day in UTC.
    #[must_use]
    pub fn end_of_day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(DAY) + DAY - 1)
    }

    /// How an expiry is written for people: a date alone when it is the end of that day, else
    /// with the minute and the zone.
    #[must_use]
    pub fn as_expiry(self) -> String {
        if self == self.end_of_day() {
            self.date()
        } else {
            format!("{} UTC", self.date_and_clock())
        }
    }

    /// The same, in the form that [`parse_expiry`] reads back.
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

/// Why an expiry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpiryError {
    /// Not one of the accepted forms.
    #[error("{0} is no expiry: write a number of days (90d), a date (2027-01-31), or never")]
    Unreadable(String),
    /// A time without a zone could mean two dozen moments.
    #[error("{0} has a time but no zone: add Z for UTC, such as {0}Z")]
    NoZone(String),
    /// The moment lies behind us.
    #[error("{0} is already past: write a later date, or never")]
    Past(String),
    /// Further away than dates are written.
    #[error("{0} is too far away: write a date before 9999-12-30, or never")]
    TooFar(String),
}

/// Reads an expiry as people write it: `90d`, `12w`, `36h`, `45m`, `2027-01-31`,
/// `2027-01-31T12:00:00Z`, `never`. `None` means that the key never ends.
///
/// A date, and a number of days or weeks, mean the end of that day in UTC.
///
/// # Errors
/// What cannot be read, has no zone, is past, or too far away.
pub fn parse_expiry(text: &str, now: Moment) -> Result<Option<Moment>, ExpiryError> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("never") {
        return Ok(None);
    }
    let shown = || super::text::visible(text);
    let moment = match duration(text) {
        Some(length) => {
            let whole_days = text.ends_with(['d', 'D', 'w', 'W']);
            let end = now.plus(length);
            if whole_days { end.end_of_day() } else { end }
        }
        None => written_moment(text)?,
    };
    if moment.0 > LATEST - DAY {
        return Err(ExpiryError::TooFar(shown()));
    }
    if moment <= now {
        return Err(ExpiryError::Past(shown()));
    }
    Ok(Some(moment))
}

/// The longest time for which a token that is rotated out stays good, in days.
pub const LONGEST_OVERLAP: i64 = 30;

/// Reads an overlap as people write it: `24h`, `45m`, `7d`, `0`; in milliseconds.
///
/// # Errors
/// What is no duration, or longer than [`LONGEST_OVERLAP`].
pub fn parse_overlap(text: &str) -> Result<i64, OverlapError> {
    let text = text.trim();
    let shown = || super::text::visible(text);
    let overlap = match text {
        "0" => Some(0),
        text => duration(text),
    };
    match overlap {
        None => Err(OverlapError::Unreadable(shown())),
        Some(overlap) if overlap > LONGEST_OVERLAP * DAY => Err(OverlapError::TooLong(shown())),
        Some(overlap) => Ok(overlap),
    }
}

/// Why an overlap was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverlapError {
    /// Not one of the accepted forms.
    #[error(
        "{0} is no overlap: write minutes (30m), hours (24h), days (7d), or 0 to end the old token at once"
    )]
    Unreadable(String),
    /// A token that is replaced should not live on for long.
    #[error("{0} is too long: an overlap has at most {LONGEST_OVERLAP} days (30d)")]
    TooLong(String),
}

/// Reads a number of days, weeks or hours, such as `90d`, as whole days; `None` if it is none, or
/// less than a day.
#[must_use]
pub fn parse_days(text: &str) -> Option<i64> {
    let days = duration(text.trim())? / DAY;
    (1..=36_500).contains(&days).then_some(days)
}

/// The milliseconds of `90d` and its like, `i64::MAX` for more than can be counted; `None` if it
/// is no duration at all.
#[must_use]
pub fn duration(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        'm' | 'M' => 60 * 1000,
        'h' | 'H' => 60 * 60 * 1000,
        'd' | 'D' => DAY,
        'w' | 'W' => 7 * DAY,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(
        number
            .parse::<i64>()
            .map_or(i64::MAX, |n| n.saturating_mul(unit)),
    )
}

/// Why a moment of the past is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no time of the past: write 24h or 7d (ago), 2026-11-01 (a day, UTC), or 2026-11-01T12:00:00Z"
)]
pub struct PastError(String);

/// A moment of the past: so long ago, a day, or a time with its zone. A day is its beginning, or its
/// end where something is meant until then.
///
/// # Errors
/// [`PastError`].
pub fn parse_past(text: &str, now: Moment, until: bool) -> Result<Moment, PastError> {
    let unreadable = || PastError(super::text::visible(text));
    if let Some(ago) = duration(text) {
        return Ok(now.plus(ago.saturating_neg()));
    }
    let written = written_moment(text).map_err(|_| unreadable())?;
    let is_day = text.len() == 10;
    Ok(if is_day && !until {
        written.plus(1 - DAY)
    } else {
        written
    })
}

fn written_moment(text: &str) -> Result<Moment, ExpiryError> {
    let unreadable = || ExpiryError::Unreadable(super::text::visible(text));
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(Moment::from_millis(timestamp.as_millisecond()));
    }
    if text.len() == 10 {
        let date: civil::Date = text.parse().map_err(|_| unreadable())?;
        let next = date
            .checked_add(1.day())
            .map_err(|_| ExpiryError::TooFar(text.to_owned()))?;
        let end = next.to_zoned(TimeZone::UTC).map_err(|_| unreadable())?;
        return Ok(Moment::from_millis(end.timestamp().as_millisecond() - 1));
    }
    match text.parse::<civil::DateTime>() {
        Ok(_) => Err(ExpiryError::NoZone(super::text::visible(text))),
        Err(_) => Err(unreadable()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Moment {
        written_moment("2026-11-23T07:00:00Z").expect("a moment")
    }

    #[test]
    fn the_accepted_forms() {
        for (text, expected) in [
            ("90d", "2027-02-21T23:59:59.999Z"),
            ("0d", "2026-11-23T23:59:59.999Z"),
            ("2w", "2026-12-07T23:59:59.999Z"),
            ("36h", "2026-11-24T19:00:00.000Z"),
            ("2027-01-31", "2027-01-31T23:59:59.999Z"),
            ("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00.000Z"),
        ] {
            let moment = parse_expiry(text, now()).expect(text).expect("an end");
            assert_eq!(moment.rfc3339(), expected);
            assert_eq!(
                parse_expiry(&moment.as_expiry_input(), now()),
                Ok(Some(moment))
            );
        }
        assert_eq!(parse_expiry("never", now()), Ok(None));
    }

    #[test]
    fn overlaps_are_durations_of_up_to_thirty_days() {
        for (text, hours) in [
            ("24h", 24),
            ("0", 0),
            ("0h", 0),
            ("7d", 168),
            ("30d", 720),
            ("4w", 672),
        ] {
            assert_eq!(parse_overlap(text), Ok(hours * HOUR), "{text}");
        }
        for (text, why) in [
            ("", "no overlap"),
            ("never", "no overlap"),
            ("24", "no overlap"),
            ("-1h", "no overlap"),
            ("2027-01-31", "no overlap"),
            ("31d", "too long"),
            ("721h", "too long"),
            ("99999999999999999999d", "too long"),
            ("\u{202e}", "<U+202E>"),
        ] {
            let error = parse_overlap(text).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn the_past_is_so_long_ago_a_day_or_a_time() {
        for (text, until, expected) in [
            ("24h", false, "2026-11-22T07:00:00.000Z"),
            ("7d", true, "2026-11-16T07:00:00.000Z"),
            ("2026-11-01", false, "2026-11-01T00:00:00.000Z"),
            ("2026-11-01", true, "2026-11-01T23:59:59.999Z"),
            (
                "2026-11-01T12:00:00+02:00",
                false,
                "2026-11-01T10:00:00.000Z",
            ),
        ] {
            let moment = parse_past(text, now(), until).expect(text);
            assert_eq!(moment.rfc3339(), expected, "{text}");
        }
        for text in ["", "yesterday", "2026-11-31", "7", "\u{202e}"] {
            assert!(parse_past(text, now(), false).is_err(), "{text}");
        }
    }

    #[test]
    fn the_refused_forms_say_why() {
        for (text, why) in [
            ("2026-11-22", "already past"),
            ("0h", "already past"),
            ("soon", "is no expiry"),
            ("", "is no expiry"),
            ("2027-02-30", "is no expiry"),
            ("-3d", "is no expiry"),
            ("9999999999999d", "too far"),
            ("99999999999999999999999d", "too far"),
            ("9999-12-31", "too far"),
            ("2027-01-31T12:00:00", "no zone"),
            ("\u{202e}", "<U+202E>"),
        ] {
            let error = parse_expiry(text, now()).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
