//! The one thing worth knowing about a key in a list, if there is one.
//!
//! The store repeats these conditions in SQL to filter and sort by them; its suite holds both
//! to the same answer.
use std::fmt;

use super::{
    key::Key,
    moment::{DAY, Moment},
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
        let seen = key.last_use.map_or(key.created_at, |usage| usage.at);
        let days = (now.millis() - seen.millis()) / DAY;
        (days >= UNUSED_DAYS).then_some(Self::Unused(days))
    }
}

impl fmt::Display for Attention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HOUR: i64 = 60 * 60 * 1000;
        match self {
            Self::Disabled => f.write_str("disabled"),
            Self::Expired => f.write_str("expired"),
            Self::Expires(left) if *left >= DAY => write!(f, "expires {}d", left / DAY),
            Self::Expires(left) if *left >= HOUR => write!(f, "expires {}h", left / HOUR),
            Self::Expires(left) => write!(f, "expires {}m", left / 60_000),
            Self::Unused(days) => write!(f, "unused {days}d"),
        }
    }
}
