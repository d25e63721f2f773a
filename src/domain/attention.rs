//! The one thing worth knowing about a key in a list, if there is one.
//!
//! The store repeats these conditions in SQL to filter and sort by them; its suite holds both
//! to the same answer.
use std::fmt;

use super::{
    key::Key,
    moment::{DAY, HOUR, Moment},
    text::thousands,
    usage::NEWS,
};

/// How many days before its end a key calls for attention.
pub const EXPIRING_DAYS: i64 = 14;
/// After how many days without a use a key calls for attention.
pub const UNUSED_DAYS: i64 = 90;

/// What deserves a look, the most urgent first.
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
        if let Some(end) = key.draft.expires_at {
            let left = end.millis() - now.millis();
            if left < EXPIRING_DAYS * DAY {
                return Some(Self::Expires(left));
            }
        }
        if let Some(refused) = key.refused
            && refused.at.millis() > now.millis() - NEWS
        {
            return Some(Self::Refused(refused.count));
        }
        if let Some(until) = key.former_until
            && until >= now
        {
            return Some(Self::Rotating(until.millis() - now.millis()));
        }
        let seen = key.last_use.map_or(key.created_at, |usage| usage.at);
        let days = (now.millis() - seen.millis()) / DAY;
        (days >= UNUSED_DAYS).then_some(Self::Unused(days))
    }
}

impl Attention {
    /// Its place among the others, the most urgent first.
    #[must_use]
    pub const fn rank(self) -> i64 {
        match self {
            Self::Disabled => 1,
            Self::Expired => 2,
            Self::Expires(_) => 3,
            Self::Refused(_) => 4,
            Self::Rotating(_) => 5,
            Self::Unused(_) => 6,
        }
    }

    /// The place of a key that deserves no look.
    pub const NONE: i64 = 7;
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
