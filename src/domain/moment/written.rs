//! Moments and durations in the forms in which people write them: the ends and starts of keys,
//! overlaps, and times of the past.
use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};

use super::{DAY, LATEST, Moment};
use crate::domain::text;

/// The length of a date such as 2027-01-31, in characters.
const DATE_LENGTH: usize = 10;

/// The forms of an expiry that an error names.
pub const EXPIRY_FORMS: &str = "a time from now (36h, 90d), a date (2027-01-31), or never";

/// Parses the form that [`Moment::rfc3339`] writes. Returns `None` for any other text, and for a
/// moment that cannot be represented.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Moment> {
    let millis = text.parse::<Timestamp>().ok()?.as_millisecond();
    Some(Moment::from_millis(millis)).filter(|moment| moment.rfc3339() == text)
}

/// Why an expiry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpiryError {
    /// The text has none of the accepted forms.
    #[error("{0} is no expiry: write {EXPIRY_FORMS}")]
    Unreadable(String),
    /// The text has a time without a zone, which could mean two dozen different moments.
    #[error("{0} has a time but no zone: add Z for UTC, such as {0}Z")]
    NoZone(String),
    /// The moment is not in the future.
    #[error("{0} is already past: write a later date, or never")]
    Past(String),
    /// The moment is later than the latest accepted date.
    #[error("{0} is too far away: write a date before 9999-12-30, or never")]
    TooFar(String),
}

/// Parses an expiry as people write it: `90d`, `12w`, `36h`, `45m`, `2027-01-31`,
/// `2027-01-31T12:00:00Z`, `never`. Returns `None` if the key never expires.
///
/// A date, or a number of days or weeks, means the end of that day in UTC.
///
/// # Errors
/// Returns [`ExpiryError`] if the text cannot be parsed, has a time without a zone, or names a
/// moment that is past or too far away.
pub fn parse_expiry(text: &str, now: Moment) -> Result<Option<Moment>, ExpiryError> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("never") {
        return Ok(None);
    }
    let shown = || text::visible(text);
    let moment = ahead(text, now, Moment::end_of_day)?;
    if moment.0 > LATEST - DAY {
        return Err(ExpiryError::TooFar(shown()));
    }
    if moment <= now {
        return Err(ExpiryError::Past(shown()));
    }
    Ok(Some(moment))
}

/// Parses a time from now, or a date or moment. `edge` gives the beginning or the end of a day that
/// is meant as a whole: by a date, or by a number of days or weeks.
fn ahead(text: &str, now: Moment, edge: fn(Moment) -> Moment) -> Result<Moment, ExpiryError> {
    let (moment, is_whole_day) = match duration(text) {
        Some(length) => (now.plus(length), text.ends_with(['d', 'D', 'w', 'W'])),
        None => (written_moment(text)?, text.len() == DATE_LENGTH),
    };
    Ok(if is_whole_day { edge(moment) } else { moment })
}

/// The forms of a start that an error names.
pub const START_FORMS: &str = "a time from now (36h, 7d), a date (2027-01-31), or none";

/// Why a start was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The text has none of the accepted forms.
    #[error("{0} is no start: write {START_FORMS}")]
    Unreadable(String),
    /// The text has a time without a zone, which could mean two dozen different moments.
    #[error("{0} has a time but no zone: add Z for UTC, such as {0}Z")]
    NoZone(String),
    /// The moment has a year with more than four digits.
    #[error("{0} is too far away: write a year before 9999, or none")]
    TooFar(String),
}

/// Parses the time at which a key begins as people write it: `36h`, `7d`, `2027-01-31`,
/// `2027-01-31T12:00:00Z` or `none`. A date, and a number of days or weeks, mean the beginning of
/// that day in UTC. A moment that is past is not refused.
///
/// # Errors
/// Returns [`StartError`] if the text cannot be parsed, has a time without a zone, or names a
/// moment that is too far away.
pub fn parse_start(text: &str, now: Moment) -> Result<Option<Moment>, StartError> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let shown = || text::visible(text);
    let moment = ahead(text, now, Moment::start_of_day).map_err(|error| match error {
        ExpiryError::NoZone(text) => StartError::NoZone(text),
        ExpiryError::TooFar(text) => StartError::TooFar(text),
        ExpiryError::Unreadable(_) | ExpiryError::Past(_) => StartError::Unreadable(shown()),
    })?;
    if moment.0 > LATEST - DAY {
        return Err(StartError::TooFar(shown()));
    }
    Ok(Some(moment))
}

/// The longest time for which a replaced token stays valid, in days.
pub const LONGEST_OVERLAP: i64 = 30;

/// Parses an overlap as people write it: `24h`, `45m`, `7d`, `0`. Returns milliseconds.
///
/// # Errors
/// Returns [`OverlapError`] if the text is not a duration, or is longer than [`LONGEST_OVERLAP`].
pub fn parse_overlap(text: &str) -> Result<i64, OverlapError> {
    let text = text.trim();
    let shown = || text::visible(text);
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
    /// The text has none of the accepted forms.
    #[error(
        "{0} is no overlap: write minutes (30m), hours (24h), days (7d), or 0 to end the old token at once"
    )]
    Unreadable(String),
    /// The overlap is longer than [`LONGEST_OVERLAP`]: a replaced token should not stay valid for
    /// long.
    #[error("{0} is too long: an overlap has at most {LONGEST_OVERLAP} days (30d)")]
    TooLong(String),
}

/// Parses a duration such as `90d` and returns its whole days. Returns `None` if the text is not a
/// duration, or not between one day and 36,500 days.
#[must_use]
pub fn parse_days(text: &str) -> Option<i64> {
    let days = duration(text.trim())? / DAY;
    (1..=36_500).contains(&days).then_some(days)
}

/// Returns the milliseconds of a duration such as `90d`, or `i64::MAX` if there are more than fit.
/// Returns `None` if the text is not a duration.
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
    if !text::is_number(number) {
        return None;
    }
    Some(
        number
            .parse::<i64>()
            .map_or(i64::MAX, |n| n.saturating_mul(unit)),
    )
}

/// The error for a text that is not understood as a moment of the past.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no time of the past: write 24h or 7d (ago), 2026-11-01 (a day, UTC), or 2026-11-01T12:00:00Z"
)]
pub struct PastError(String);

/// Parses a moment of the past: a duration before now, a day, or a time with its zone. A day means
/// its beginning, or its end if `until` is set. A moment in the future is not refused.
///
/// # Errors
/// Returns [`PastError`] if the text has none of these forms.
pub fn parse_past(text: &str, now: Moment, until: bool) -> Result<Moment, PastError> {
    let unreadable = || PastError(text::visible(text));
    if let Some(ago) = duration(text) {
        return Ok(now.plus(ago.saturating_neg()));
    }
    let written = written_moment(text).map_err(|_| unreadable())?;
    let is_day = text.len() == DATE_LENGTH;
    Ok(if is_day && !until {
        written.plus(1 - DAY)
    } else {
        written
    })
}

fn written_moment(text: &str) -> Result<Moment, ExpiryError> {
    let unreadable = || ExpiryError::Unreadable(text::visible(text));
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(Moment::from_millis(timestamp.as_millisecond()));
    }
    if text.len() == DATE_LENGTH {
        let date: civil::Date = text.parse().map_err(|_| unreadable())?;
        let next = date
            .checked_add(1.day())
            .map_err(|_| ExpiryError::TooFar(text.to_owned()))?;
        let end = next.to_zoned(TimeZone::UTC).map_err(|_| unreadable())?;
        return Ok(Moment::from_millis(end.timestamp().as_millisecond() - 1));
    }
    match text.parse::<civil::DateTime>() {
        Ok(_) => Err(ExpiryError::NoZone(text::visible(text))),
        Err(_) => Err(unreadable()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::HOUR, *};

    fn now() -> Moment {
        written_moment("2026-11-23T07:00:00Z").expect("a moment")
    }

    #[test]
    fn a_start_is_the_beginning_of_its_day() {
        for (text, expected) in [
            ("7d", "2026-11-30T00:00:00.000Z"),
            ("36h", "2026-11-24T19:00:00.000Z"),
            ("2027-01-31", "2027-01-31T00:00:00.000Z"),
            ("2020-01-01", "2020-01-01T00:00:00.000Z"),
            ("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00.000Z"),
        ] {
            let moment = parse_start(text, now()).expect(text).expect("a start");
            assert_eq!(moment.rfc3339(), expected);
            assert_eq!(
                parse_start(&moment.as_start_input(), now()),
                Ok(Some(moment))
            );
        }
        assert_eq!(parse_start("none", now()), Ok(None));
        for (text, why) in [
            ("", "is no start"),
            ("never", "is no start"),
            ("2027-02-30", "is no start"),
            ("2027-01-31T12:00:00", "no zone"),
            ("9999999d", "too far"),
            ("9999-12-31", "too far"),
        ] {
            let error = parse_start(text, now()).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
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
