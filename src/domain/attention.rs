//! The one thing worth knowing about a key in a list, if there is one.
//!
//! The store repeats these conditions in SQL to filter and sort by them; its suite holds both
//! to the same answer.
use std::fmt;

use super::{
    key::Key,
    moment::{DAY, HOUR, Moment},
    text::thousands,
    usage::REFUSAL_NEWS_MILLIS,
};

/// How many days before its end a key calls for attention.
pub const EXPIRING_DAYS: i64 = 14;
/// After how many days without a use a key calls for attention.
pub const UNUSED_DAYS: i64 = 90;

/// What deserves a look. Of several, the first is what a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attention {
    /// It is switched off.
    Disabled,
    /// It has ended.
    Expired,
    /// It ends within [`EXPIRING_DAYS`]; milliseconds left.
    Expires(i64),
    /// Requests with its token were refused of late; how many.
    Refused(i64),
    /// A token that was rotated out is still good; milliseconds left.
    Rotating(i64),
    /// No use was seen for [`UNUSED_DAYS`] or more; whole days.
    Unused(i64),
}

impl Attention {
    /// What deserves a look about this key now.
    #[must_use]
    pub fn of(key: &Key, now: Moment) -> Option<Self> {
        if key.disabled_at.is_some() {
            return Some(Self::Disabled);
        }
        if key.expired(now) {
            return Some(Self::Expired);
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
            && until >= now
        {
            return Some(Self::Rotating(until.millis() - now.millis()));
        }
        let seen = key.last_use.map_or(key.created_at, |usage| usage.at);
        let days = (now.millis() - seen.millis()) / DAY;
        (days >= UNUSED_DAYS).then_some(Self::Unused(days))
    }
}

/// Between two kinds of urgency there is room for every moment that can be written.
const STEP: i64 = 1 << 48;

impl Attention {
    /// The place of a key in the order of urgency, the most urgent first: what is refused now, the
    /// newest first; what has ended; what ends or whose old token ends, the soonest first; what is
    /// switched off; what is unused, the longest first; and then the rest. A damaged key comes before
    /// them all, at 0.
    #[must_use]
    pub fn urgency(key: &Key, now: Moment) -> i64 {
        let soonest = |at: Option<Moment>| at.map_or(0, Moment::millis) % STEP;
        let newest = |at: Option<Moment>| STEP - 1 - soonest(at);
        match Self::of(key, now) {
            Some(Self::Refused(_)) => STEP + newest(key.refused.map(|refused| refused.at)),
            Some(Self::Expired) => 2 * STEP + newest(key.draft.conditions.expires_at),
            Some(Self::Expires(_)) => 3 * STEP + soonest(key.draft.conditions.expires_at),
            Some(Self::Rotating(_)) => 4 * STEP + soonest(key.previous_until),
            Some(Self::Disabled) => 5 * STEP + newest(key.disabled_at),
            Some(Self::Unused(_)) => {
                let seen = key.last_use.map_or(key.created_at, |usage| usage.at);
                6 * STEP + soonest(Some(seen))
            }
            None => 7 * STEP,
        }
    }
}

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("disabled"),
            Self::Expired => f.write_str("expired"),
            Self::Expires(left) => write!(f, "expires {}", left_words(*left)),
            Self::Refused(count) => write!(f, "{} refused", thousands(*count)),
            Self::Rotating(left) => write!(f, "old token {}", left_words(*left)),
            Self::Unused(days) => write!(f, "unused {days}d"),
        }
    }
}

/// `6d`, `5h`, `12m`.
fn left_words(left: i64) -> String {
    if left >= DAY {
        format!("{}d", left / DAY)
    } else if left >= HOUR {
        format!("{}h", left / HOUR)
    } else {
        format!("{}m", left / 60_000)
    }
}
