//! The workspace's policy for the ends of keys: how long they may live, and whether they must end.
//!
//! It is asked when an end is decided on, by whoever decides; a key that has its end already keeps
//! it.
use serde_json::{Value, json};

use super::moment::{DAY, Moment};

/// The policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// The longest life from the day on which the end is decided, in days.
    pub longest_life: Option<i64>,
    /// Whether every key must have an end.
    pub must_expire: bool,
}

/// Why an end was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is none, and there must be.
    #[error("every key must have an end here: write one such as {0}")]
    MustExpire(String),
    /// It lies too far away.
    #[error(
        "{found} is too far away: keys live at most {days} days here, so write {latest} or earlier"
    )]
    TooLong {
        /// The end.
        found: String,
        /// The longest life.
        days: i64,
        /// The latest end.
        latest: String,
    },
}

impl Policy {
    /// The latest end that may be decided on now; none for no limit.
    #[must_use]
    pub fn latest(self, now: Moment) -> Option<Moment> {
        let days = self.longest_life?;
        Some(now.plus(days.saturating_mul(DAY)).end_of_day())
    }

    /// Whether every key must end: one without an end lives longer than any.
    #[must_use]
    pub const fn demands_an_end(self) -> bool {
        self.must_expire || self.longest_life.is_some()
    }

    /// Whether a key may end so.
    ///
    /// # Errors
    /// No end where there must be one, or one too far away; with what may be written instead.
    pub fn check_end(self, end: Option<Moment>, now: Moment) -> Result<(), PolicyError> {
        let latest = self.latest(now);
        let Some(end) = end else {
            if !self.demands_an_end() {
                return Ok(());
            }
            let such_as = latest.unwrap_or_else(|| now.plus(90 * DAY).end_of_day());
            return Err(PolicyError::MustExpire(such_as.as_expiry()));
        };
        match (latest, self.longest_life) {
            (Some(latest), Some(days)) if end > latest => Err(PolicyError::TooLong {
                found: end.as_expiry(),
                days,
                latest: latest.as_expiry(),
            }),
            _ => Ok(()),
        }
    }

    /// In a sentence; empty for no policy.
    #[must_use]
    pub fn sentence(self) -> String {
        match (self.longest_life, self.must_expire) {
            (None, false) => String::new(),
            (None, true) => "Every key must have an end.".to_owned(),
            (Some(days), _) => format!("Every key must end within {days} days."),
        }
    }

    pub(super) fn json(self) -> Value {
        json!({ "longest_life_days": self.longest_life, "must_expire": self.must_expire })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_admitted_up_to_the_last_millisecond_of_the_longest_life() {
        let now = Moment::from_millis(1_795_435_200_000);
        let policy = Policy {
            longest_life: Some(90),
            must_expire: false,
        };
        let latest = now.plus(90 * DAY).end_of_day();
        assert_eq!(policy.check_end(Some(latest), now), Ok(()));
        let error = policy
            .check_end(Some(latest.plus(1)), now)
            .expect_err("too long");
        assert!(
            error.to_string().contains("2027-02-21 or earlier"),
            "{error}"
        );
        let error = policy
            .check_end(None, now)
            .expect_err("endless")
            .to_string();
        assert!(error.contains("2027-02-21"), "{error}");
        assert_eq!(Policy::default().check_end(None, now), Ok(()));
        let must = Policy {
            longest_life: None,
            must_expire: true,
        };
        assert!(must.check_end(None, now).is_err());
        assert_eq!(must.check_end(Some(now.plus(9999 * DAY)), now), Ok(()));
    }
}
