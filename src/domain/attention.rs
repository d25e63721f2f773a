//! Why a key needs attention, if it does: a word in the list.
//!
//! The store repeats these conditions in SQL in order to filter and sort by them; the store's tests
//! check that both give the same result.
use std::fmt;
use strum::EnumCount;

use super::{
    conditions::Validity,
    key::Key,
    moment::{DAY, HOUR, Moment},
    text::thousands,
    usage::REFUSAL_NEWS_MILLIS,
};

/// The number of days before its expiry from which a key needs attention.
pub const EXPIRING_DAYS: i64 = 14;
/// The number of days without a use after which a key needs attention.
pub const UNUSED_DAYS: i64 = 90;

/// Why a key needs attention. The variants are in order of precedence: a list shows the first that
/// applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumCount)]
pub enum Attention {
    /// The key is disabled.
    Disabled,
    /// The key is new and waits for the approval of another person.
    Waits,
    /// The key has expired.
    Expired,
    /// The key expires within [`EXPIRING_DAYS`]; holds the milliseconds left.
    Expires(i64),
    /// The key begins later; holds the milliseconds left.
    Begins(i64),
    /// Requests with the key's token were refused recently, the last within
    /// [`REFUSAL_NEWS_MILLIS`]; holds their number.
    Refused(i64),
    /// A previous token of the key is still valid; holds the milliseconds left.
    Rotating(i64),
    /// The key was not used for [`UNUSED_DAYS`] or longer; holds the whole days.
    Unused(i64),
}

impl Attention {
    /// Returns the first of these that applies to the key now.
    #[must_use]
    pub fn of(key: &Key, now: Moment) -> Option<Self> {
        if key.disabled_at.is_some() {
            return Some(Self::Disabled);
        }
        if key.pending_at.is_some() {
            return Some(Self::Waits);
        }
        match key.validity(now) {
            Validity::Expired(_) => return Some(Self::Expired),
            Validity::NotYet(start) => {
                return Some(Self::Begins(start.millis() - now.millis()));
            }
            Validity::Valid => {}
        }
        if let Some(end) = key.draft.conditions.expires_at {
            let left = end.millis() - now.millis();
            if left < EXPIRING_DAYS * DAY {
                return Some(Self::Expires(left));
            }
        }
        if let Some(refused) = key.refused
            && refused.at.millis() > now.millis() - REFUSAL_NEWS_MILLIS
        {
            return Some(Self::Refused(refused.count));
        }
        if let Some(until) = key.previous_until
            && until > now
        {
            return Some(Self::Rotating(until.millis() - now.millis()));
        }
        let seen = key.last_use.map_or(key.created_at, |usage| usage.at);
        let days = (now.millis() - seen.millis()) / DAY;
        (days >= UNUSED_DAYS).then_some(Self::Unused(days))
    }
}

/// The distance between two kinds of urgency: larger than any time in milliseconds that can be
/// written.
const STEP: i64 = 1 << 48;

impl Attention {
    /// Returns the key's rank in the order of urgency; the lowest is the most urgent. The order is:
    /// waiting for approval, the oldest first; refused, the newest first; expired, the newest first; expiring, the soonest first; with a
    /// valid previous token, the soonest end first; disabled, the newest first; unused, the longest
    /// first; beginning later, the soonest first; all other keys. Damaged keys rank before all of these, with 0.
    #[must_use]
    pub fn urgency(key: &Key, now: Moment) -> i64 {
        let soonest = |at: Option<Moment>| at.map_or(0, Moment::millis) % STEP;
        let newest = |at: Option<Moment>| STEP - 1 - soonest(at);
        match Self::of(key, now) {
            Some(Self::Waits) => soonest(key.pending_at),
            Some(Self::Refused(_)) => STEP + newest(key.refused.map(|refused| refused.at)),
            Some(Self::Expired) => 2 * STEP + newest(key.draft.conditions.expires_at),
            Some(Self::Expires(_)) => 3 * STEP + soonest(key.draft.conditions.expires_at),
            Some(Self::Rotating(_)) => 4 * STEP + soonest(key.previous_until),
            Some(Self::Disabled) => 5 * STEP + newest(key.disabled_at),
            Some(Self::Unused(_)) => {
                let seen = key.last_use.map_or(key.created_at, |usage| usage.at);
                6 * STEP + soonest(Some(seen))
            }
            Some(Self::Begins(_)) => 7 * STEP + soonest(key.draft.conditions.not_before),
            None => 8 * STEP,
        }
    }
}

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("disabled"),
            Self::Waits => f.write_str("unapproved"),
            Self::Expired => f.write_str("expired"),
            Self::Expires(left) => write!(f, "expires {}", left_words(*left)),
            Self::Begins(left) => write!(f, "begins {}", left_words(*left)),
            Self::Refused(count) => write!(f, "{} refused", thousands(*count)),
            Self::Rotating(left) => write!(f, "old token {}", left_words(*left)),
            Self::Unused(days) => write!(f, "unused {days}d"),
        }
    }
}

/// Formats milliseconds as days, hours or minutes: `6d`, `5h`, `12m`.
fn left_words(left: i64) -> String {
    if left >= DAY {
        format!("{}d", left / DAY)
    } else if left >= HOUR {
        format!("{}h", left / HOUR)
    } else {
        format!("{}m", left / 60_000)
    }
}
