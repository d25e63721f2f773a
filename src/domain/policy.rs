//! The workspace's policy for the expiry of keys: how long they may live, and whether they must
//! expire.
//!
//! It is applied when an expiry is chosen, no matter by whom; a key that already has its expiry
//! keeps it.
use serde_json::{Value, json};

use super::moment::{DAY, Moment};

/// The policy for the expiry of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// The longest lifetime in days, counted from the day on which the expiry is chosen.
    pub longest_life: Option<i64>,
    /// Whether every key must have an expiry.
    pub must_expire: bool,
}

/// Why an expiry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The key has no expiry, and must have one.
    #[error("every key must have an end here: write one such as {0}")]
    MustExpire(String),
    /// The expiry is too far away.
    #[error(
        "{found} is too far away: keys live at most {days} days here, so write {latest} or earlier"
    )]
    TooLong {
        /// The expiry that was given.
        found: String,
        /// The longest lifetime in days.
        days: i64,
        /// The latest allowed expiry.
        latest: String,
    },
}

impl Policy {
    /// Returns the latest expiry that may be chosen now, or `None` if there is no limit.
    #[must_use]
    pub fn latest(self, now: Moment) -> Option<Moment> {
        let days = self.longest_life?;
        Some(now.plus(days.saturating_mul(DAY)).end_of_day())
    }

    /// Returns `true` if every key must expire. A limited lifetime implies this, because a key
    /// without an expiry exceeds every limit.
    #[must_use]
    pub const fn demands_an_end(self) -> bool {
        self.must_expire || self.longest_life.is_some()
    }

    /// Checks an expiry against the policy.
    ///
    /// # Errors
    /// Returns [`PolicyError`] if a required expiry is missing, or if it is too far away. The error
    /// names an expiry that would be accepted.
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

    /// Returns the policy as a sentence; empty if there are no rules.
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
