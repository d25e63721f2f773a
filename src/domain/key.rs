//! API keys: what a person says about one ([`Draft`]), and what is kept of one ([`Key`]).
//!
//! A draft is made of checked parts, so a draft that exists can be stored. A key carries a
//! revision: an edit names the one it saw, and is refused when that is no longer the newest.
use std::{fmt, net::IpAddr, str::FromStr};
use strum::{EnumCount, VariantArray};

use super::{
    agent::AgentName,
    conditions::Conditions,
    moment::Moment,
    text::{self, Limits, TextError},
    token::KeyId,
};

/// The limits of a key's name.
pub const NAME_LIMITS: Limits = Limits {
    field: "Name",
    characters: 100,
    bytes: 4 * 1024,
};
/// The limits of a key's description.
pub const DESCRIPTION_LIMITS: Limits = Limits {
    field: "Description",
    characters: 500,
    bytes: 16 * 1024,
};

/// A key's name: 1 to 100 characters, at least one of them visible. Kept as given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = TextError;

    fn from_str(name: &str) -> Result<Self, TextError> {
        text::check(name, NAME_LIMITS)?;
        if name.chars().all(char::is_whitespace) {
            return Err(TextError::Empty {
                field: NAME_LIMITS.field,
            });
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Other keys that are called like one, or nearly so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namesakes {
    /// The ids of those that have the very name, the oldest first.
    pub same: Vec<KeyId>,
    /// The names of some that look like it.
    pub look_alikes: Vec<String>,
}

/// A key's description: up to 500 characters, may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description(String);

impl Description {
    /// The description as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = TextError;

    fn from_str(description: &str) -> Result<Self, TextError> {
        text::check(description, DESCRIPTION_LIMITS)?;
        Ok(Self(description.to_owned()))
    }
}

/// How often a key was changed; an edit names the revision it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub i64);

/// The last allowed use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Moment,
    /// From which address, if it was known.
    pub from: Option<IpAddr>,
}

/// How many tokens that were rotated out are kept of a key. Those that are over go first; what is
/// beyond is unknown.
pub const KEPT_PREVIOUS_TOKENS: usize = 10;

/// A token that another took the place of, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousTokenSummary {
    /// When the other one took its place.
    pub rotated_at: Moment,
    /// Until when it is good; long past if it was ended by hand.
    pub until: Moment,
    /// How often it was used since, with success.
    pub uses: i64,
    /// Its last use since.
    pub last_use: Option<LastUse>,
}

impl PreviousTokenSummary {
    /// Whether it was ended by hand, or at once.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.until < self.rotated_at
    }

    /// Whether it is good, by itself and by its key.
    #[must_use]
    pub fn is_good(&self, key: &Key, now: Moment) -> bool {
        self.until >= now && !key.expired(now) && key.disabled_at.is_none()
    }

    /// Whether it is worth a word still: it is not over, or was used since.
    #[must_use]
    pub fn is_news(&self, now: Moment) -> bool {
        self.until >= now || self.uses > 0
    }

    /// Whether it is still good and still used: "good until 2026-11-24 14:02 UTC; 3 uses since, last
    /// used …".
    #[must_use]
    pub fn sentence(&self, key: &Key, now: Moment) -> String {
        let latest = self
            .until
            .min(key.draft.conditions.expires_at.unwrap_or(self.until));
        let state = if self.is_good(key, now) {
            format!("good until {} UTC", latest.date_and_clock())
        } else if latest >= now {
            format!(
                "refused while the key is disabled, else good until {} UTC",
                latest.date_and_clock()
            )
        } else if self.is_ended() {
            "ended".to_owned()
        } else {
            format!("ended {} UTC", latest.date_and_clock())
        };
        let rotated = self.rotated_at.date_and_clock();
        match (&self.last_use, self.uses) {
            (Some(usage), uses) => {
                let uses = if uses == 1 {
                    "1 use".to_owned()
                } else {
                    format!("{} uses", text::thousands(uses))
                };
                let from = usage
                    .from
                    .map_or_else(String::new, |from| format!(" from {from}"));
                format!(
                    "{state}; {uses} since {rotated}, last {} UTC{from}",
                    usage.at.date_and_clock()
                )
            }
            (None, _) => format!("{state}; no use seen since {rotated}"),
        }
    }
}

/// Refusals of requests with a key's token, since its rules last changed and without two days of
/// quiet in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub count: i64,
    /// When the last one was.
    pub at: Moment,
}

/// What a person decides about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: KeyName,
    /// Its description.
    pub description: Description,
    /// From where, for what and until when it may be used.
    pub conditions: Conditions,
}

impl Draft {
    /// A key of this name that may do nothing.
    #[must_use]
    pub fn named(name: KeyName) -> Self {
        Self {
            name,
            description: Description::default(),
            conditions: Conditions::none(),
        }
    }
}

/// A key as it is kept, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its public id.
    pub id: KeyId,
    /// Its place in the order of creation.
    pub sequence: i64,
    /// The agent whose data it opens.
    pub agent: AgentName,
    /// What people decided about it.
    pub draft: Draft,
    /// When it was made.
    pub created_at: Moment,
    /// Since when it is switched off, if it is.
    pub disabled_at: Option<Moment>,
    /// Its last allowed use, if one was seen.
    pub last_use: Option<LastUse>,
    /// What was refused to it since its rules last changed.
    pub refused: Option<Refused>,
    /// Until when a token that was rotated out is good, if one is or was.
    pub previous_until: Option<Moment>,
    /// Which state of the key this is.
    pub revision: Revision,
}

impl Key {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.draft.name.as_str()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn expired(&self, now: Moment) -> bool {
        self.draft
            .conditions
            .expires_at
            .is_some_and(|end| end < now)
    }

    /// Whether it was used within the last seven days, so that revoking it may hurt at once.
    #[must_use]
    pub fn recently_used(&self, now: Moment) -> bool {
        self.last_use
            .is_some_and(|usage| now.millis() - usage.at.millis() < 7 * super::moment::DAY)
    }

    /// The same, behind a label that says "last used" already.
    #[must_use]
    pub fn last_used_words(&self) -> String {
        let sentence = self.last_use_sentence();
        let words = sentence.strip_prefix("last used ");
        words.map_or(sentence.clone(), str::to_owned)
    }

    /// "Last used 2026-11-23 14:02 UTC from 10.0.0.9", or since when nobody was seen using it.
    #[must_use]
    pub fn last_use_sentence(&self) -> String {
        match &self.last_use {
            None => format!("no use seen since {}", self.created_at.date()),
            Some(usage) => {
                let from = usage.from.map_or_else(
                    || "an address that was not given".to_owned(),
                    |address| address.to_string(),
                );
                format!("last used {} UTC from {from}", usage.at.date_and_clock())
            }
        }
    }
}

/// A key that a change is meant for, at the revision at which it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its id.
    pub id: KeyId,
    /// The revision that was seen.
    pub revision: Revision,
}

impl KeyVersion {
    /// The key as it stands here.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        Self {
            id: key.id.clone(),
            revision: key.revision,
        }
    }
}

/// Why a key was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumCount, VariantArray)]
pub enum RevokeReason {
    /// Its token is in wrong hands.
    Compromised,
    /// Another key took its place.
    Superseded,
    /// Nobody needs it.
    Unused,
    /// The one it was made for is gone.
    OwnerLeft,
    /// Anything else, or not said.
    #[default]
    Other,
}

impl RevokeReason {
    /// All reasons, in the order in which they are offered.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The word on the command line and in the audit log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Compromised => "compromised",
            Self::Superseded => "superseded",
            Self::Unused => "unused",
            Self::OwnerLeft => "owner-left",
            Self::Other => "other",
        }
    }

    /// The words in a dialog.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Compromised => "compromised",
            Self::Superseded => "superseded",
            Self::Unused => "no longer used",
            Self::OwnerLeft => "owner left",
            Self::Other => "other",
        }
    }
}

impl FromStr for RevokeReason {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.word() == word)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::word).join(", ");
                format!(
                    "there is no reason {}: the reasons are {known}",
                    text::visible(word)
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length() {
        assert!("".parse::<KeyName>().is_err());
        assert!("  \u{a0}".parse::<KeyName>().is_err());
        assert!("x".repeat(100).parse::<KeyName>().is_ok());
        assert!("x".repeat(101).parse::<KeyName>().is_err());
        assert!("👩‍👩‍👧‍👦".repeat(100).parse::<KeyName>().is_ok());
        let error = "👩‍👩‍👧‍👦".repeat(101).parse::<KeyName>().expect_err("long");
        assert!(error.to_string().contains("101 characters"), "{error}");
        assert_eq!(
            " kept ".parse::<KeyName>().expect("kept").as_str(),
            " kept "
        );
    }

    #[test]
    fn descriptions_end_at_five_hundred() {
        assert!("".parse::<Description>().is_ok());
        assert!("é".repeat(500).parse::<Description>().is_ok());
        assert!("é".repeat(501).parse::<Description>().is_err());
    }
}
