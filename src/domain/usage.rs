//! Uses and refusals, as they are counted and stored.
//!
//! A [`Tally`] is the number of requests within one span of time for one area, action, source and
//! verdict. A [`Refusal`] is one refused request with everything that determined the decision, so
//! that the same request can be decided again. This module only defines the data and how much of it
//! is kept; counting and storing are done elsewhere.
mod refusal;
mod report;

use std::{fmt, net::IpAddr, str::FromStr};

pub use refusal::{Refusal, RequestedAccess, RequestedTarget};
pub use report::{UsageDimension, UsageGrouping, UsageRow};

use super::{
    access::{Action, AreaSlug},
    decision::{Reason, Target},
    forwarded::ClientAddress,
    moment::{DAY, HOUR, Moment},
    quota::Quota,
    token::KeyId,
};

/// The time for which a refusal counts as recent, in milliseconds.
pub const REFUSAL_NEWS_MILLIS: i64 = 48 * HOUR;
/// The number of refusals that are kept per key.
pub const KEPT_REFUSALS: usize = 50;
/// The number of refusals that are kept for requests that match no key.
pub const KEPT_UNMATCHED: usize = 500;
/// The number of refusals per source among those of [`KEPT_UNMATCHED`].
pub const KEPT_OF_SOURCE: usize = 10;
/// The number of sources that are counted separately per key and span, for allowed and for refused
/// requests each; further sources are counted together as [`Source::Rest`].
pub const KEPT_SOURCES: usize = 32;
/// The age at which refusals are deleted, in milliseconds.
pub const REMEMBERED: i64 = 100 * DAY;

/// The age from which counts are merged, the span of those counts, and the longer span that they
/// are merged into, in milliseconds.
pub const FOLDS: [(i64, i64, i64); 2] = [(8 * DAY, HOUR, DAY), (100 * DAY, DAY, LONGEST_SPAN)];
/// The span of the oldest counts, in milliseconds.
pub const LONGEST_SPAN: i64 = 30 * DAY;
/// The age at which counts of the longest span are deleted, in milliseconds.
pub const COUNTED: i64 = 400 * DAY;

/// The source of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A known address.
    Address(IpAddr),
    /// No address was given.
    Unknown,
    /// The given address could not be parsed.
    Unreadable,
    /// Addresses beyond the number that are counted separately.
    Rest,
}

impl From<ClientAddress> for Source {
    fn from(address: ClientAddress) -> Self {
        match address {
            ClientAddress::Known(address) => Self::Address(address),
            ClientAddress::Unknown => Self::Unknown,
            ClientAddress::Unreadable => Self::Unreadable,
        }
    }
}

impl Source {
    /// Returns the word for the source in the database.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Unknown => String::new(),
            Self::Unreadable => "?".to_owned(),
            Self::Rest => "*".to_owned(),
        }
    }

    /// Parses the word for a source in the database. Returns `None` if it is not one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "" => Some(Self::Unknown),
            "?" => Some(Self::Unreadable),
            "*" => Some(Self::Rest),
            address => address.parse().ok().map(Self::Address),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unknown => f.write_str("an unknown address"),
            Self::Unreadable => f.write_str("an unreadable address"),
            Self::Rest => f.write_str("other addresses"),
        }
    }
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The request was allowed.
    Allowed,
    /// The request was refused, for this reason.
    Refused(Reason),
}

impl Verdict {
    /// Returns the word for the source in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allow",
            Self::Refused(reason) => reason.word(),
        }
    }
}

impl FromStr for Verdict {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "allow" => Ok(Self::Allowed),
            word => Reason::from_word(word)
                .map(Self::Refused)
                .ok_or(UnknownWord),
        }
    }
}

/// The error for a stored word that has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this word means nothing")]
pub struct UnknownWord;

/// The key under which requests are counted within one span of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UsageKind {
    /// The requested area and action; `None` if the request led to neither.
    pub target: Option<(AreaSlug, Action)>,
    /// The source of the request.
    pub source: Source,
    /// The outcome of the request.
    pub verdict: Verdict,
}

impl UsageKind {
    /// Returns the kind of a decided request.
    #[must_use]
    pub fn of(target: &Target, address: ClientAddress, verdict: Verdict) -> Self {
        Self {
            target: match target {
                Target::Routed(area, action) => Some((area.clone(), *action)),
                Target::NoRoute(_) => None,
            },
            source: address.into(),
            verdict,
        }
    }
}

impl UsageKind {
    /// Returns the words for area and action in the database; both are empty if there are none.
    #[must_use]
    pub fn target_words(&self) -> (&str, &'static str) {
        match &self.target {
            Some((area, action)) => (area.as_str(), action.word()),
            None => ("", ""),
        }
    }
}

/// The number of requests of one kind within one span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The beginning of the span.
    pub began_at: Moment,
    /// The length of the span, in milliseconds.
    pub span: i64,
    /// The kind of request.
    pub kind: UsageKind,
    /// The number of requests.
    pub count: i64,
}

/// The uses and refusals of one key that are to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key's id.
    pub id: KeyId,
    /// The last allowed use.
    pub last: Option<super::key::LastUse>,
    /// The number of refused requests, and the time of the last one.
    pub refused: Option<(i64, Moment)>,
    /// The counts, each for a whole hour.
    pub tallies: Vec<Tally>,
    /// The allowed uses of previous tokens.
    pub previous_tokens: Vec<PreviousTokenUse>,
}

impl KeyUse {
    /// Creates a record of a key's last use, and nothing else.
    #[must_use]
    pub fn last(id: KeyId, last: Option<super::key::LastUse>) -> Self {
        Self {
            id,
            last,
            refused: None,
            tallies: Vec::new(),
            previous_tokens: Vec::new(),
        }
    }
}

/// The allowed uses of one previous token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousTokenUse {
    /// The token's digest.
    pub digest: super::token::Digest,
    /// The number of requests.
    pub count: i64,
    /// The last use.
    pub last: super::key::LastUse,
}

/// The requests of the last 48 hours, per hour, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The number of allowed requests in each hour.
    pub allowed: [i64; 48],
    /// The number of refused requests in each hour.
    pub refused: [i64; 48],
}

impl Hours {
    /// Sums up the counts that span one hour; the last hour is that of `now`.
    #[must_use]
    pub fn of<'a>(tallies: impl Iterator<Item = &'a Tally>, now: Moment) -> Self {
        let mut hours = Self {
            allowed: [0; 48],
            refused: [0; 48],
        };
        for tally in tallies {
            let ago = (hour(now).millis() - tally.began_at.millis()) / HOUR;
            let place = usize::try_from(ago)
                .ok()
                .and_then(|ago| 47_usize.checked_sub(ago));
            if let Some(place) = place
                && tally.span == HOUR
            {
                match tally.kind.verdict {
                    Verdict::Allowed => hours.allowed[place] += tally.count,
                    Verdict::Refused(_) => hours.refused[place] += tally.count,
                }
            }
        }
        hours
    }

    /// Returns the total numbers of allowed and of refused requests.
    #[must_use]
    pub fn totals(&self) -> (i64, i64) {
        (self.allowed.iter().sum(), self.refused.iter().sum())
    }
}

/// The recorded activity of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The requests of the last 48 hours.
    pub hours: Hours,
    /// The number of allowed requests on each of the last 30 days in UTC, the oldest first.
    pub month: [i64; 30],
    /// The last refusals, the newest first.
    pub refusals: Vec<Refusal>,
    /// The key's previous tokens, the most recently replaced first.
    pub previous_tokens: Vec<super::key::PreviousTokenSummary>,
    /// The actor who last disabled the key, if it was ever disabled.
    pub disabled_by: Option<String>,
    /// How much of the key's quota is used, or reserved by endpoints, in the present period.
    pub quota_reserved: Option<i64>,
    /// The change of the key that waits for approval, and who requested it, in words.
    pub waits: Option<String>,
}

impl Activity {
    /// Sorts a report by days into the last 30 days, of which today is the last.
    #[must_use]
    pub fn month_of(rows: &[UsageRow], now: Moment) -> [i64; 30] {
        let mut month = [0; 30];
        for row in rows {
            let ago = (now.start_of_day().millis() - row.day.millis()) / DAY;
            let place = usize::try_from(ago)
                .ok()
                .and_then(|ago| 29_usize.checked_sub(ago));
            if let Some(place) = place {
                month[place] += row.allowed;
            }
        }
        month
    }

    /// Returns the quota in words, with what is used of it: "50,000 requests a month, at most 1,200
    /// used; starts again 2026-12-01".
    #[must_use]
    pub fn quota_words(&self, quota: Quota, now: Moment) -> String {
        let Some(reserved) = self.quota_reserved else {
            return quota.words();
        };
        let (_, next) = quota.period().around(now);
        let used = match reserved.min(quota.count()) {
            all if all == quota.count() => "all used or reserved".to_owned(),
            part => format!("at most {} used", super::text::thousands(part)),
        };
        format!(
            "{}, {used}; starts again {}",
            quota.words(),
            next.as_start()
        )
    }
}

/// Returns the beginning of the hour that contains a moment.
#[must_use]
pub fn hour(at: Moment) -> Moment {
    at.plus(-at.millis().rem_euclid(HOUR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_database_are_read_back() {
        for source in [
            Source::Address("10.0.0.1".parse().expect("an address")),
            Source::Address("2001:db8::1".parse().expect("an address")),
            Source::Unknown,
            Source::Unreadable,
            Source::Rest,
        ] {
            assert_eq!(Source::from_word(&source.word()), Some(source));
        }
        assert_eq!(Source::from_word("10.0.0.0/8"), None);
        for verdict in Reason::ALL
            .map(Verdict::Refused)
            .into_iter()
            .chain([Verdict::Allowed])
        {
            assert_eq!(verdict.word().parse(), Ok(verdict));
        }
        assert_eq!("deny".parse::<Verdict>(), Err(UnknownWord));
    }

    #[test]
    fn the_last_two_days_are_48_hours_and_nothing_else() {
        let now = Moment::from_millis(1_000 * HOUR + 5);
        let tally = |ago: i64, span, verdict| Tally {
            began_at: Moment::from_millis((1_000 - ago) * HOUR),
            span,
            kind: UsageKind {
                target: None,
                source: Source::Unknown,
                verdict,
            },
            count: 3,
        };
        let refused = Verdict::Refused(Reason::NoRoute);
        let all = [
            tally(0, HOUR, Verdict::Allowed),
            tally(0, HOUR, Verdict::Allowed),
            tally(47, HOUR, refused),
            tally(48, HOUR, refused),
            tally(-1, HOUR, refused),
            tally(3, DAY, refused),
        ];
        let hours = Hours::of(all.iter(), now);
        assert_eq!((hours.allowed[47], hours.refused[0]), (6, 3));
        assert_eq!(hours.totals(), (6, 3));
    }
}
