//! Uses and refusals, as they are counted and kept.
//!
//! A [`Tally`] counts what came in within one span of time for one area, action, source and
//! verdict. A [`Refusal`] is one refused request with all that decided it, so that the same
//! request can be decided again. Nothing here counts or keeps anything itself; how much is kept
//! stands here, for whoever does.
mod refusal;

use std::{fmt, net::IpAddr, str::FromStr};

pub use refusal::{Refusal, RequestedAccess, RequestedTarget};

use super::{
    access::{Action, AreaSlug},
    decision::{Reason, Target},
    forwarded::ClientAddress,
    moment::{DAY, HOUR, Moment},
    token::KeyId,
};

/// For how long a refusal is news, in milliseconds.
pub const REFUSAL_NEWS_MILLIS: i64 = 48 * HOUR;
/// How many refusals are kept of one key.
pub const KEPT_REFUSALS: usize = 50;
/// How many refusals are kept that match no key, and how many of those from one source.
pub const KEPT_UNMATCHED: usize = 500;
/// See [`KEPT_UNMATCHED`].
pub const KEPT_OF_SOURCE: usize = 10;
/// How many sources are told apart for one key in one span, for allowed and for refused requests
/// each; further ones are counted together as [`Source::Rest`].
pub const KEPT_SOURCES: usize = 32;
/// After how long refusals are forgotten, in milliseconds.
pub const REMEMBERED: i64 = 100 * DAY;

/// From which age on counts of a span are folded into which longer one, in milliseconds.
pub const FOLDS: [(i64, i64, i64); 2] = [(8 * DAY, HOUR, DAY), (100 * DAY, DAY, LONGEST_SPAN)];
/// The span of the oldest counts, in milliseconds.
pub const LONGEST_SPAN: i64 = 30 * DAY;
/// After how long counts of that span are forgotten, in milliseconds.
pub const COUNTED: i64 = 400 * DAY;

/// From where requests came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// From this address.
    Address(IpAddr),
    /// Nobody said.
    Unknown,
    /// What was said could not be read.
    Unreadable,
    /// From more addresses than are told apart.
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
    /// The word in the database.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Unknown => String::new(),
            Self::Unreadable => "?".to_owned(),
            Self::Rest => "*".to_owned(),
        }
    }

    /// From its word.
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

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It passed.
    Allowed,
    /// It did not, for this reason.
    Refused(Reason),
}

impl Verdict {
    /// The word in the database.
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

/// A stored word that means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this word means nothing")]
pub struct UnknownWord;

/// What is counted together within one span of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UsageKind {
    /// The area and the action that were asked for; none where the request led nowhere.
    pub target: Option<(AreaSlug, Action)>,
    /// From where.
    pub source: Source,
    /// How it ended.
    pub verdict: Verdict,
}

impl UsageKind {
    /// Of a request that was decided on.
    #[must_use]
    pub fn of(target: &Target, address: ClientAddress, verdict: Verdict) -> Self {
        Self {
            target: match target {
                Target::Routed(area, action) => Some((area.clone(), *action)),
                Target::NoRoute => None,
            },
            source: address.into(),
            verdict,
        }
    }
}

impl UsageKind {
    /// The words for area and action in the database; empty for neither.
    #[must_use]
    pub fn target_words(&self) -> (&str, &'static str) {
        match &self.target {
            Some((area, action)) => (area.as_str(), action.word()),
            None => ("", ""),
        }
    }
}

/// How often something came in within one span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// When the span began.
    pub began_at: Moment,
    /// How long it is, in milliseconds.
    pub span: i64,
    /// What.
    pub kind: UsageKind,
    /// How often.
    pub count: i64,
}

/// What is to be written down of one key's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub id: KeyId,
    /// Its last allowed use.
    pub last: Option<super::key::LastUse>,
    /// How many were refused, and when the last one was.
    pub refused: Option<(i64, Moment)>,
    /// The counts, each of a whole hour.
    pub tallies: Vec<Tally>,
    /// The allowed uses of tokens that were rotated out.
    pub former: Vec<PreviousTokenUse>,
}

impl KeyUse {
    /// Of a key that was last used so, and nothing more.
    #[must_use]
    pub fn last(id: KeyId, last: Option<super::key::LastUse>) -> Self {
        Self {
            id,
            last,
            refused: None,
            tallies: Vec::new(),
            former: Vec::new(),
        }
    }
}

/// The allowed uses of a token that was rotated out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousTokenUse {
    /// Which token.
    pub digest: super::token::Digest,
    /// How often.
    pub count: i64,
    /// The last one.
    pub last: super::key::LastUse,
}

/// The hours of the last two days, allowed and refused, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Allowed requests in each hour.
    pub allowed: [i64; 48],
    /// Refused ones.
    pub refused: [i64; 48],
}

impl Hours {
    /// Gathers them from counts; the hour of `now` is the last one.
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

    /// How many there were in all: allowed and refused.
    #[must_use]
    pub fn totals(&self) -> (i64, i64) {
        (self.allowed.iter().sum(), self.refused.iter().sum())
    }
}

/// What is known of a key's use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The last two days.
    pub hours: Hours,
    /// The last refusals, the newest first.
    pub refusals: Vec<Refusal>,
    /// Its tokens that were rotated out, the newest first.
    pub former: Vec<super::key::PreviousTokenSummary>,
    /// Who switched it off last, if anybody ever did.
    pub disabled_by: Option<String>,
}

/// The beginning of a moment's hour.
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
