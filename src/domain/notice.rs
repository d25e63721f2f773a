//! Notices: what the people who are responsible for keys should know in time, each about one key.
use super::{
    attention::UNUSED_DAYS,
    conditions::Validity,
    key::{Key, KeyStatus},
    moment::{DAY, Moment},
    text::thousands,
    usage::REFUSAL_NEWS_MILLIS,
};

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// The key ends soon, at this time.
    Ending(Moment),
    /// The key ended at this time.
    Ended(Moment),
    /// The key, if it is new, or a change of it waits for approval since this time.
    Waits(Moment),
    /// The key begins later, at this time: nothing passes until then.
    Pending(Moment),
    /// This number of requests was refused of late.
    Refused(i64),
    /// The key used up its rate limit or its quota of late; the number of refusals that are kept.
    LimitHit(usize),
    /// The key was not used for this number of days.
    Unused(i64),
}

impl NoticeKind {
    /// Returns the word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ending(_) => "ending",
            Self::Ended(_) => "ended",
            Self::Waits(_) | Self::Pending(_) => "pending",
            Self::Refused(_) => "refused",
            Self::LimitHit(_) => "limit_hit",
            Self::Unused(_) => "unused",
        }
    }

    /// Returns the notice in a few words, with exact dates.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Ending(end) => format!("ends {}", end.as_expiry()),
            Self::Ended(end) => format!("ended {}", end.as_expiry()),
            Self::Waits(since) => {
                format!("waits for approval since {} UTC", since.date_and_clock())
            }
            Self::Pending(start) => format!("begins {}", start.as_start()),
            Self::Refused(count) => format!("{} refused of late", thousands(count)),
            Self::LimitHit(count) => format!("used up a limit, {count} refused of late"),
            Self::Unused(days) => format!("unused for {days} days"),
        }
    }

    /// Returns the time that the notice is about, if it is about one.
    #[must_use]
    pub const fn at(self) -> Option<Moment> {
        match self {
            Self::Ending(at) | Self::Ended(at) | Self::Waits(at) | Self::Pending(at) => Some(at),
            Self::Refused(_) | Self::LimitHit(_) | Self::Unused(_) => None,
        }
    }
}

/// Returns the notices about a key, the most urgent first. `within` is the number of milliseconds
/// before its end from which a key is told, and `limited` the number of its kept refusals of the
/// last 48 hours that were for a limit. A disabled key is not told: somebody switched it off.
#[must_use]
pub fn notices(key: &Key, limited: usize, within: i64, now: Moment) -> Vec<NoticeKind> {
    if key.disabled_at.is_some() {
        return Vec::new();
    }
    let mut notices = Vec::new();
    if let Some(since) = key.pending_at {
        notices.push(NoticeKind::Waits(since));
    }
    match (key.validity(now), key.draft.conditions.expires_at) {
        (Validity::Expired(end), _) => return vec![NoticeKind::Ended(end)],
        (Validity::NotYet(start), _) => notices.push(NoticeKind::Pending(start)),
        (Validity::Valid, Some(end)) if end.millis() - now.millis() <= within => {
            notices.push(NoticeKind::Ending(end));
        }
        (Validity::Valid, _) => {}
    }
    if limited > 0 {
        notices.push(NoticeKind::LimitHit(limited));
    }
    if let Some(refused) = key.refused
        && refused.at.millis() > now.millis() - REFUSAL_NEWS_MILLIS
    {
        notices.push(NoticeKind::Refused(refused.count));
    }
    let seen = key.last_use.map_or(key.created_at, |usage| usage.at);
    let days = (now.millis() - seen.millis()) / DAY;
    if days >= UNUSED_DAYS && key.status(now) == KeyStatus::Active {
        notices.push(NoticeKind::Unused(days));
    }
    notices
}
