//! The workspace's policy: how long keys may live, whether they must expire, and whether what widens
//! waits for approval.
//!
//! The first two are applied when an expiry is chosen, no matter by whom; a key that already has its
//! expiry keeps it.
use serde_json::{Map, Value, json};

use super::moment::{DAY, Moment};

/// The policy of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// The longest lifetime in days, counted from the day on which the expiry is chosen.
    pub longest_life: Option<i64>,
    /// Whether every key must have an expiry.
    pub must_expire: bool,
    /// Whether new keys, and all changes that widen, wait for the approval of another person.
    pub approve_widening: bool,
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
        let ends = match (self.longest_life, self.must_expire) {
            (None, false) => String::new(),
            (None, true) => "Every key must have an end.".to_owned(),
            (Some(days), _) => format!("Every key must end within {days} days."),
        };
        let approval = if self.approve_widening {
            "New keys and changes that widen wait for the approval of another person."
        } else {
            ""
        };
        format!("{ends} {approval}").trim().to_owned()
    }

    /// Returns `true` if this policy allows something that the one before did not.
    #[must_use]
    pub fn widens(self, before: Self) -> bool {
        let lives_longer = match (before.longest_life, self.longest_life) {
            (Some(before), Some(after)) => after > before,
            (before, after) => before.is_some() && after.is_none(),
        };
        lives_longer
            || (before.demands_an_end() && !self.demands_an_end())
            || (before.approve_widening && !self.approve_widening)
    }

    /// Returns the policy as fields of a JSON object.
    #[must_use]
    pub fn fields(self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("longest_life_days".into(), json!(self.longest_life));
        fields.insert("must_expire".into(), json!(self.must_expire));
        fields.insert("approve_widening".into(), json!(self.approve_widening));
        fields
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
            ..Policy::default()
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
            must_expire: true,
            ..Policy::default()
        };
        assert!(must.check_end(None, now).is_err());
        assert_eq!(must.check_end(Some(now.plus(9999 * DAY)), now), Ok(()));
    }

    #[test]
    fn a_policy_widens_by_a_longer_life_no_end_or_no_approval() {
        let policy = |longest_life, must_expire, approve_widening| Policy {
            longest_life,
            must_expire,
            approve_widening,
        };
        let strict = policy(Some(30), true, true);
        for (after, widens) in [
            (strict, false),
            (policy(Some(29), true, true), false),
            (policy(Some(31), true, true), true),
            (policy(None, true, true), true),
            (policy(Some(30), false, true), false),
            (policy(Some(30), true, false), true),
        ] {
            assert_eq!(after.widens(strict), widens, "{after:?}");
        }
        let none = Policy::default();
        assert!(none.widens(policy(None, true, false)));
        assert!(!strict.widens(none));
    }
}
