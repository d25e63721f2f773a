//! Facets: what a list of keys can be filtered by, besides its texts: an owner, a label, or that a
//! key has a rule at all.
//!
//! A key's facets are stored as one text, `,owner=alice,label=team,with=quota,`, in which a facet is
//! searched for. Values are percent-encoded, so that no value looks like a separator.
use std::str::FromStr;

use percent_encoding::utf8_percent_encode;
use strum::{EnumCount, VariantArray};

use super::{
    conditions::Condition,
    key::Draft,
    label::{LabelChange, LabelError, LabelName, RESERVED},
    owner::Owner,
    text::visible,
};

/// A rule that a key may have or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
#[expect(missing_docs, reason = "their words say what they are")]
pub enum RuleKind {
    AllowIp,
    DenyIp,
    NotBefore,
    Expires,
    RateLimit,
    Quota,
    Owner,
    Label,
}

impl RuleKind {
    /// All rules.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the word, which is the option of the command line that sets the rule.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AllowIp => "allow-ip",
            Self::DenyIp => "deny-ip",
            Self::NotBefore => "not-before",
            Self::Expires => "expires",
            Self::RateLimit => "rate-limit",
            Self::Quota => "quota",
            Self::Owner => "owner",
            Self::Label => "label",
        }
    }

    fn is_set(self, draft: &Draft) -> bool {
        let condition = match self {
            Self::Owner => return draft.owner.is_some(),
            Self::Label => return !draft.labels.is_empty(),
            Self::AllowIp => Condition::Allow,
            Self::DenyIp => Condition::Deny,
            Self::NotBefore => Condition::NotBefore,
            Self::Expires => Condition::Expires,
            Self::RateLimit => Condition::RateLimit,
            Self::Quota => Condition::Quota,
        };
        condition.is_set(&draft.conditions)
    }
}

impl FromStr for RuleKind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.word() == word);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::word).join(", ");
            format!("there is no rule {}: the rules are {known}", visible(word))
        })
    }
}

/// What a list can be filtered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facet {
    /// The key has exactly this owner.
    Owner(Owner),
    /// The key has this label, with this value if one is given.
    Label(LabelName, Option<String>),
    /// The key has a rule of this kind.
    With(RuleKind),
}

impl Facet {
    /// Reads a label as a list is filtered by it: `team=billing`, or `team` for any value.
    ///
    /// # Errors
    /// Returns [`LabelError`] if the name or the value is refused.
    pub fn of_label(text: &str) -> Result<Self, LabelError> {
        if !text.contains('=') {
            return text.parse().map(|name| Self::Label(name, None));
        }
        match text.parse()? {
            LabelChange::Set(name, value) => Ok(Self::Label(name, Some(value))),
            LabelChange::Remove(name) => Ok(Self::Label(name, None)),
        }
    }

    /// Returns the text that the facets of a matching key contain.
    #[must_use]
    pub fn needle(&self) -> String {
        format!(",{},", self.written())
    }

    fn written(&self) -> String {
        match self {
            Self::Owner(owner) => format!("owner={}", owner.encoded()),
            Self::Label(name, None) => format!("label={name}"),
            Self::Label(name, Some(value)) => {
                format!("label={name}={}", utf8_percent_encode(value, &RESERVED))
            }
            Self::With(kind) => format!("with={}", kind.word()),
        }
    }

    /// Returns all facets of a key as one text; empty if there are none.
    #[must_use]
    pub fn all_of(draft: &Draft) -> String {
        let mut facets: Vec<Self> = Vec::new();
        facets.extend(draft.owner.clone().map(Self::Owner));
        for (name, value) in draft.labels.iter() {
            facets.push(Self::Label(name.clone(), None));
            facets.push(Self::Label(name.clone(), Some(value.to_owned())));
        }
        let kinds = RuleKind::ALL.into_iter();
        facets.extend(kinds.filter(|kind| kind.is_set(draft)).map(Self::With));
        if facets.is_empty() {
            return String::new();
        }
        let written: Vec<String> = facets.iter().map(Self::written).collect();
        format!(",{},", written.join(","))
    }

    /// Returns `true` if the key has the facet.
    #[must_use]
    pub fn is_of(&self, draft: &Draft) -> bool {
        Self::all_of(draft).contains(&self.needle())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_facet_is_found_and_no_part_of_another() {
        let mut draft = Draft::named("x".parse().expect("name"));
        assert_eq!(Facet::all_of(&draft), "");
        draft.owner = Some("al,ice=b".parse().expect("owner"));
        draft.labels = super::super::label::Labels::read("team=billing, env=a;b").expect("labels");
        draft.conditions.quota = Some("5/day".parse().expect("quota"));
        assert_eq!(
            Facet::all_of(&draft),
            ",owner=al%2Cice%3Db,label=env,label=env=a%3Bb,label=team,label=team=billing,\
             with=quota,with=owner,with=label,"
        );
        for (text, found) in [
            ("team", true),
            ("team=billing", true),
            ("team=bill", false),
            ("tea", false),
        ] {
            let facet = Facet::of_label(text).expect(text);
            assert_eq!(facet.is_of(&draft), found, "{text}");
        }
        for (owner, found) in [("al,ice=b", true), ("al", false), ("ice=b", false)] {
            assert_eq!(
                Facet::Owner(owner.parse().expect("owner")).is_of(&draft),
                found
            );
        }
        let of = |kind| Facet::With(kind).is_of(&draft);
        assert!(of(RuleKind::Quota) && !of(RuleKind::RateLimit) && !of(RuleKind::Expires));
        assert!("size".parse::<RuleKind>().is_err());
    }
}
