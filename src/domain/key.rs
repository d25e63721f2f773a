//! API keys: [`Draft`] holds what a person decides about a key, [`Key`] is the stored record.
//!
//! All parts of a draft are validated, so every draft can be stored. A key carries a revision: an
//! edit names the revision that it was made from, and is refused if that is no longer the newest.
use std::{fmt, net::IpAddr, str::FromStr};
use strum::{EnumCount, VariantArray};

use super::{
    agent::AgentName,
    conditions::{Conditions, Validity},
    label::Labels,
    moment::Moment,
    owner::Owner,
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

/// A key's name: 1 to 100 characters, at least one of them visible. Stored as given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Returns the name as it was given.
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

/// Other keys with the same name as a key, or with a similar one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namesakes {
    /// The ids of the keys with exactly the same name, the oldest first.
    pub same: Vec<KeyId>,
    /// The names of some keys that look like it.
    pub look_alikes: Vec<String>,
}

/// A key's description: up to 500 characters, may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description(String);

impl Description {
    /// Returns the description as it was given.
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

/// The number of changes to a key; an edit names the revision that it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub i64);

/// The last allowed use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastUse {
    /// The time of the use.
    pub at: Moment,
    /// The client's address, if it was known.
    pub from: Option<IpAddr>,
}

/// The number of previous tokens that are kept per key. Tokens that are no longer valid are deleted
/// first; a token beyond this number is refused as unknown.
pub const KEPT_PREVIOUS_TOKENS: usize = 10;

/// A token that was replaced by a rotation, as it is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousTokenSummary {
    /// The time at which it was replaced.
    pub rotated_at: Moment,
    /// The time until which it is valid; long past if it was ended by hand.
    pub until: Moment,
    /// The number of allowed uses since it was replaced.
    pub uses: i64,
    /// The last allowed use since it was replaced.
    pub last_use: Option<LastUse>,
}

impl PreviousTokenSummary {
    /// Returns `true` if the token was ended by hand, or at once by the rotation.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.until < self.rotated_at
    }

    /// Returns `true` if the token is accepted: it is still valid, and its key is neither expired
    /// nor disabled.
    #[must_use]
    pub fn is_good(&self, key: &Key, now: Moment) -> bool {
        self.until > now && key.validity(now) == Validity::Valid && key.disabled_at.is_none()
    }

    /// Returns `true` if the token is still worth mentioning: it is still valid, or it was used
    /// since it was replaced.
    #[must_use]
    pub fn is_news(&self, now: Moment) -> bool {
        self.until > now || self.uses > 0
    }

    /// Describes until when the token is valid and how it was used since: "good until 2026-11-24
    /// 14:02 UTC; 3 uses since …, last … UTC".
    #[must_use]
    pub fn sentence(&self, key: &Key, now: Moment) -> String {
        let latest = self
            .until
            .min(key.draft.conditions.expires_at.unwrap_or(self.until));
        let end = latest.date_and_clock();
        let state = match key.validity(now) {
            Validity::Valid if latest >= now && key.disabled_at.is_some() => {
                format!("refused while the key is disabled, else good until {end} UTC")
            }
            Validity::Valid if latest > now => format!("good until {end} UTC"),
            Validity::NotYet(start) if latest > now && !self.is_ended() => {
                format!(
                    "refused until the key begins {}, then good until {end} UTC",
                    start.as_start()
                )
            }
            Validity::Valid | Validity::NotYet(_) | Validity::Expired(_) if self.is_ended() => {
                "ended".to_owned()
            }
            Validity::Valid | Validity::NotYet(_) | Validity::Expired(_) => {
                format!("ended {end} UTC")
            }
        };
        let rotated = self.rotated_at.date_and_clock();
        match (&self.last_use, self.uses) {
            (Some(usage), uses) => {
                let uses = text::counted(uses, "use");
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

/// The refused requests with a key's token since the key's rules last changed. The count starts
/// again after two days without a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The number of refusals.
    pub count: i64,
    /// The time of the last refusal.
    pub at: Moment,
}

/// The part of a key that a person decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The key's name.
    pub name: KeyName,
    /// The key's description.
    pub description: Description,
    /// Who answers for the key, if that is said.
    pub owner: Option<Owner>,
    /// The key's labels.
    pub labels: Labels,
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
            owner: None,
            labels: Labels::default(),
            conditions: Conditions::none(),
        }
    }
}

/// A key as it is stored, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The public id.
    pub id: KeyId,
    /// The key's position in the order of creation.
    pub sequence: i64,
    /// The agent that the key belongs to.
    pub agent: AgentName,
    /// The part that people decide.
    pub draft: Draft,
    /// The time of creation.
    pub created_at: Moment,
    /// The time since which the key is disabled, if it is.
    pub disabled_at: Option<Moment>,
    /// The time since which the key, which is new, waits for its approval, if it does.
    pub pending_at: Option<Moment>,
    /// The last allowed use, if one was recorded.
    pub last_use: Option<LastUse>,
    /// The requests refused since the key's rules last changed.
    pub refused: Option<Refused>,
    /// The time until which a previous token is or was valid, if there is such a token.
    pub previous_until: Option<Moment>,
    /// The revision of this record.
    pub revision: Revision,
}

/// Whether every request of a key is refused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// The key is neither disabled nor expired, and has begun.
    Active,
    /// The key is disabled; it may have expired, too.
    Disabled,
    /// The key has expired.
    Expired,
    /// The key will begin later, or is new and waits for its approval.
    Pending,
}

impl KeyStatus {
    /// Returns the word for the status in JSON and in sentences.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Pending => "pending",
        }
    }
}

/// What becomes of the tokens of a key that was just rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotatedTokens {
    /// The new token is accepted, and the old one until this time.
    OldGoodUntil(Moment),
    /// The new token is accepted. The old one has ended.
    OldEnded,
    /// The old token has not ended, but both are refused while the key is disabled.
    Disabled,
    /// Both tokens are refused until the key begins at this time; the old one may have ended.
    NotYet(Moment),
    /// The old token has ended, and the new one is refused until the key gets another expiry and,
    /// if it is disabled, is enabled.
    Expired {
        /// Whether the key is disabled, too.
        disabled: bool,
    },
}

impl Key {
    /// Returns what becomes of the tokens of the key, which was just rotated. `until` is the end of
    /// the old token; `None` if it ended at once, as it does if the key has expired.
    #[must_use]
    pub fn rotated_tokens(&self, until: Option<Moment>, now: Moment) -> RotatedTokens {
        match (self.validity(now), until) {
            (Validity::Expired(_), _) => RotatedTokens::Expired {
                disabled: self.disabled_at.is_some(),
            },
            (Validity::NotYet(start), _) => RotatedTokens::NotYet(start),
            (Validity::Valid, None) => RotatedTokens::OldEnded,
            (Validity::Valid, Some(_)) if self.disabled_at.is_some() => RotatedTokens::Disabled,
            (Validity::Valid, Some(until)) => RotatedTokens::OldGoodUntil(until),
        }
    }

    /// Returns the key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.draft.name.as_str()
    }

    /// Returns whether the time alone is a reason to refuse every request of the key; see
    /// [`Conditions::validity`].
    #[must_use]
    pub fn validity(&self, now: Moment) -> Validity {
        self.draft.conditions.validity(now)
    }

    /// Returns whether every request of the key is refused, and why. That it is disabled is told
    /// before that it has expired.
    #[must_use]
    pub fn status(&self, now: Moment) -> KeyStatus {
        match self.validity(now) {
            _ if self.disabled_at.is_some() => KeyStatus::Disabled,
            _ if self.pending_at.is_some() => KeyStatus::Pending,
            Validity::Expired(_) => KeyStatus::Expired,
            Validity::NotYet(_) => KeyStatus::Pending,
            Validity::Valid => KeyStatus::Active,
        }
    }

    /// Returns `true` if the key was used within the last seven days, so that revoking it may break
    /// a client at once.
    #[must_use]
    pub fn recently_used(&self, now: Moment) -> bool {
        self.last_use
            .is_some_and(|usage| now.millis() - usage.at.millis() < 7 * super::moment::DAY)
    }

    /// Returns [`Self::last_use_sentence`] without "last used", for use after a label that says so.
    #[must_use]
    pub fn last_used_words(&self) -> String {
        let sentence = self.last_use_sentence();
        let words = sentence.strip_prefix("last used ");
        words.map_or(sentence.clone(), str::to_owned)
    }

    /// Returns "last used 2026-11-23 14:02 UTC from 10.0.0.9", or "no use seen since" and the date
    /// of creation if no use was recorded.
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

/// A key that a change is meant for, at the revision that the caller saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// The key's id.
    pub id: KeyId,
    /// The revision that the caller saw.
    pub revision: Revision,
}

impl KeyVersion {
    /// Returns the id and revision of `key`.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        Self {
            id: key.id.clone(),
            revision: key.revision,
        }
    }
}

/// The reason why a key was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumCount, VariantArray)]
pub enum RevokeReason {
    /// The token was disclosed to others.
    Compromised,
    /// Another key replaced it.
    Superseded,
    /// The key is no longer needed.
    Unused,
    /// The person that the key was made for has left.
    OwnerLeft,
    /// Any other reason, or no reason given.
    #[default]
    Other,
}

impl RevokeReason {
    /// All reasons, in the order in which they are offered.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the word for the reason on the command line and in the audit log.
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

    /// Returns the words for the reason in a dialog.
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
