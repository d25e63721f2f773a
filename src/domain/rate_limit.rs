//! Rate limits: how many requests of a key may pass in a time, by the generic cell rate algorithm.
//!
//! The algorithm spaces the requests evenly: `60/minute:20` lets one request pass each second, and
//! up to 20 at once after a pause. What is used up of a limit is not stored: each endpoint counts it
//! in its own memory.
use std::{fmt, str::FromStr, time::Duration};

use strum::{EnumCount, VariantArray};

use super::text::{counted, is_number, thousands, visible};

/// The largest number of requests in a limit, and the largest burst.
const MOST: u32 = 1_000_000;

/// The forms in which a rate limit is written.
pub const RATE_LIMIT_FORMS: &str =
    "N/second, N/minute or N/hour, with :BURST for how many at once, as in 60/minute:20, or none";

/// The time that a rate limit counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum RatePeriod {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl RatePeriod {
    const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    const fn word(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }

    const fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }
}

/// How many requests of a key may pass in a time: `60/minute:20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    count: u32,
    period: RatePeriod,
    burst: u32,
}

impl RateLimit {
    /// Returns the number of requests that may pass at once after a pause.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// Returns the number of whole seconds, at least 1, in which as many requests may pass as at
    /// once after a pause.
    #[must_use]
    pub fn window_seconds(self) -> u64 {
        whole_seconds(self.interval() * self.burst)
    }

    /// Returns the time after which one more request may pass.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_secs(u64::from(self.period.seconds())) / self.count
    }

    /// Returns `true` if more requests may pass by this limit than by `before`: in the long run, or
    /// at once.
    #[must_use]
    pub fn widens(self, before: Self) -> bool {
        self.interval() < before.interval() || self.burst > before.burst
    }

    /// Describes the limit: "60 requests a minute, 20 at once".
    #[must_use]
    pub fn words(self) -> String {
        let requests = counted(self.count.into(), "request");
        let base = match self.period {
            RatePeriod::Hour => format!("{requests} an hour"),
            period => format!("{requests} a {}", period.word()),
        };
        if self.burst == self.count {
            base
        } else {
            format!("{base}, {} at once", thousands(self.burst.into()))
        }
    }
}

/// Returns a time in whole seconds, rounded up, at least 1.
fn whole_seconds(time: Duration) -> u64 {
    let more = u64::from(time.subsec_nanos() > 0);
    (time.as_secs() + more).max(1)
}

impl fmt::Display for RateLimit {
    /// Writes the form that is read back: `60/minute:20`, without the burst if it is the number
    /// itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.period.word())?;
        if self.burst != self.count {
            write!(f, ":{}", self.burst)?;
        }
        Ok(())
    }
}

/// Why a rate limit was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateLimitError {
    /// The text has none of the accepted forms.
    #[error("{0} is no rate limit: write {RATE_LIMIT_FORMS}")]
    Unreadable(String),
    /// A number is 0 or larger than a million.
    #[error(
        "{0} has a number that is not between 1 and {MOST}: write one in that range, or none for no limit"
    )]
    OutOfRange(String),
}

impl FromStr for RateLimit {
    type Err = RateLimitError;

    fn from_str(text: &str) -> Result<Self, RateLimitError> {
        let unreadable = || RateLimitError::Unreadable(visible(text));
        let (rate, burst) = match text.split_once(':') {
            Some((rate, burst)) => (rate, Some(burst)),
            None => (text, None),
        };
        let (count, word) = rate.split_once('/').ok_or_else(unreadable)?;
        let period = RatePeriod::ALL.into_iter().find(|it| it.word() == word);
        let period = period.ok_or_else(unreadable)?;
        let number = |digits: &str| {
            if !is_number(digits) {
                return Err(unreadable());
            }
            match digits.parse() {
                Ok(number @ 1..=MOST) => Ok(number),
                _ => Err(RateLimitError::OutOfRange(visible(text))),
            }
        };
        let count = number(count)?;
        let burst = burst.map_or(Ok(count), number)?;
        Ok(Self {
            count,
            period,
            burst,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> RateLimit {
        text.parse().expect(text)
    }

    #[test]
    fn forms_are_read_and_written() {
        for (text, written, words) in [
            (
                "60/minute:20",
                "60/minute:20",
                "60 requests a minute, 20 at once",
            ),
            ("60/minute:60", "60/minute", "60 requests a minute"),
            ("1/hour", "1/hour", "1 request an hour"),
            (
                "1000000/second",
                "1000000/second",
                "1,000,000 requests a second",
            ),
        ] {
            assert_eq!(limit(text).to_string(), written);
            assert_eq!(limit(text).words(), words);
            assert_eq!(limit(written), limit(text));
        }
    }

    #[test]
    fn bad_forms_say_what_to_write() {
        for text in [
            "",
            "60",
            "60/",
            "/minute",
            "60/day",
            "60/min",
            "60/Minute",
            " 60/minute",
            "+6/minute",
            "6_0/minute",
            "60/minute:",
            "60/minute:+1",
            "60/minute:2:3",
            "-1/minute",
            "1.5/hour",
            "60 / minute",
            "\u{202e}1/hour",
        ] {
            let error = text.parse::<RateLimit>().expect_err(text).to_string();
            assert!(error.contains("write N/second"), "{text}: {error}");
            assert!(!error.contains('\u{202e}'));
        }
        for text in [
            "0/minute",
            "1000001/hour",
            "60/minute:0",
            "99999999999/hour",
        ] {
            let error = text.parse::<RateLimit>().expect_err(text).to_string();
            assert!(error.contains("between 1 and 1000000"), "{text}: {error}");
        }
    }

    #[test]
    fn windows_are_whole_seconds() {
        assert_eq!(limit("60/minute:20").window_seconds(), 20);
        assert_eq!(limit("60/minute").window_seconds(), 60);
        assert_eq!(limit("1000/second:1").window_seconds(), 1);
        assert_eq!(limit("7/minute:1").window_seconds(), 9);
    }

    #[test]
    fn what_is_faster_or_has_more_at_once_widens() {
        for (before, after, widens) in [
            ("60/minute", "61/minute:60", true),
            ("60/minute", "60/minute:61", true),
            ("60/minute", "1/second:60", false),
            ("60/minute:20", "3600/hour:20", false),
            ("60/minute:20", "30/minute:20", false),
            ("60/minute:20", "30/minute", true),
        ] {
            assert_eq!(
                limit(after).widens(limit(before)),
                widens,
                "{before} {after}"
            );
        }
    }
}
