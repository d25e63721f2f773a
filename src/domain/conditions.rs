//! The conditions under which a key may be used: networks, actions, times, and how often.
//!
//! [`Conditions`] contains their values. [`Condition`] has a variant for each, with its name in
//! JSON and in the audit log, its title, and its sentences in the review. [`Validity`] says whether
//! the time alone is a reason to refuse; the check, attention, hygiene and the sentences
//! about a key match on it. To add a condition, follow `docs/architecture.md`: most of its steps are
//! compiler errors.
mod changes;

pub use changes::Changes;
use changes::{describe_denied, describe_grants, describe_networks, describe_optional};
use serde_json::{Map, Value, json};
use strum::{EnumCount, VariantArray};

use super::{
    access::{Action, Actions, Area, Grants},
    allowlist::{AllowList, DenyList},
    moment::Moment,
    quota::Quota,
    rate_limit::RateLimit,
    text::join,
};

/// The number of addresses that a sentence names before it only counts the rest.
pub(super) const MAX_NAMED_ADDRESSES: usize = 3;

/// The conditions under which a key may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// The networks from which the key may be used.
    pub allow: AllowList,
    /// The networks from which the key may not be used, even if `allow` admits them.
    pub deny: DenyList,
    /// The actions that the key may perform, by access area.
    pub grants: Grants,
    /// The time at which the key begins to be valid; `None` if it always was.
    pub not_before: Option<Moment>,
    /// The time at which the key expires; `None` if it never does.
    pub expires_at: Option<Moment>,
    /// How many requests may pass in a time, at each endpoint; `None` if any number may.
    pub rate_limit: Option<RateLimit>,
    /// How many requests may pass in a day or month, over all endpoints; `None` if any number may.
    pub quota: Option<Quota>,
}

impl Conditions {
    /// Returns conditions that grant nothing, from any address and without an expiry.
    #[must_use]
    pub fn none() -> Self {
        Self {
            allow: AllowList::Anywhere,
            deny: DenyList::default(),
            grants: Grants::none(),
            not_before: None,
            expires_at: None,
            rate_limit: None,
            quota: None,
        }
    }

    /// Checks that some request could pass, apart from the grants.
    ///
    /// # Errors
    /// Returns [`Contradiction`] if the key would end before it begins, or if every address that is
    /// allowed is denied.
    pub fn check(&self) -> Result<(), Contradiction> {
        if let (Some(start), Some(end)) = (self.not_before, self.expires_at)
            && start >= end
        {
            return Err(Contradiction::EndsBeforeItBegins { start, end });
        }
        if self.deny.denies_all_of(&self.allow) {
            return Err(Contradiction::NoAddressLeft);
        }
        Ok(())
    }

    /// Returns whether the time alone is a reason to refuse every request of the key.
    #[must_use]
    pub fn validity(&self, now: Moment) -> Validity {
        let Self {
            allow: _,
            deny: _,
            grants: _,
            not_before,
            expires_at,
            rate_limit: _,
            quota: _,
        } = self;
        match (not_before, expires_at) {
            (Some(start), _) if *start > now => Validity::NotYet(*start),
            (_, Some(end)) if *end <= now => Validity::Expired(*end),
            _ => Validity::Valid,
        }
    }

    /// Returns the value of each condition as JSON, in the order of [`Condition`].
    fn values(&self) -> [(Condition, Value); Condition::COUNT] {
        let Self {
            allow,
            deny,
            grants,
            not_before,
            expires_at,
            rate_limit,
            quota,
        } = self;
        let allow = match allow {
            AllowList::Anywhere => Value::Null,
            list @ AllowList::Only(_) => json!(list.entries()),
        };
        let grants: Map<String, Value> = grants
            .iter()
            .map(|(area, actions)| {
                let words: Vec<&str> = actions.iter().map(Action::word).collect();
                (area.to_string(), json!(words))
            })
            .collect();
        [
            (Condition::Allow, allow),
            (Condition::Deny, json!(deny.entries())),
            (Condition::Grants, Value::Object(grants)),
            (Condition::NotBefore, json!(not_before.map(Moment::rfc3339))),
            (Condition::Expires, json!(expires_at.map(Moment::rfc3339))),
            (
                Condition::RateLimit,
                json!(rate_limit.map(|limit| limit.to_string())),
            ),
            (
                Condition::Quota,
                json!(quota.map(|quota| quota.to_string())),
            ),
        ]
    }

    /// Returns the conditions as fields of a JSON object, in the order of [`Condition`].
    pub fn fields(&self) -> impl Iterator<Item = (String, Value)> {
        let values = self.values().into_iter();
        values.map(|(condition, value)| (condition.field().to_owned(), value))
    }

    /// Describes what becomes wider and what narrower in `after`, as sentences without a full stop:
    /// "Widens: adds 99.0.0.0/8", "Narrows: drops 10.1.59.0/24". Added networks are never
    /// abbreviated.
    #[must_use]
    pub fn changes(&self, after: &Self, areas: &[Area]) -> Changes {
        let mut changes = Changes::default();
        for condition in Condition::ALL {
            (condition.row().compare)(self, after, areas, &mut changes);
        }
        changes
    }
}

/// Whether the time alone is a reason to refuse every request of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It is none.
    Valid,
    /// The key begins at this time.
    NotYet(Moment),
    /// The key expired at this time.
    Expired(Moment),
}

/// Why conditions were refused: no request could ever pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The key ends before it begins, or when it begins.
    #[error("the key would end ({}) before it begins ({}): choose a later expiry or an earlier start", .end.as_expiry(), .start.as_start())]
    EndsBeforeItBegins {
        /// When it begins.
        start: Moment,
        /// When it ends.
        end: Moment,
    },
    /// Every address that is allowed is denied.
    #[error(
        "the deny-list covers every address that the key may be used from: take something out of it, or disable the key instead"
    )]
    NoAddressLeft,
}

/// A condition. The variants are in the order used by reviews and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum Condition {
    /// The networks: [`Conditions::allow`].
    Allow,
    /// The denied networks: [`Conditions::deny`].
    Deny,
    /// The granted actions: [`Conditions::grants`].
    Grants,
    /// The start: [`Conditions::not_before`].
    NotBefore,
    /// The expiry: [`Conditions::expires_at`].
    Expires,
    /// The rate limit: [`Conditions::rate_limit`].
    RateLimit,
    /// The quota: [`Conditions::quota`].
    Quota,
}

impl Condition {
    /// All conditions, in order.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the name of its field in JSON and in the details of an event.
    #[must_use]
    pub fn field(self) -> &'static str {
        self.row().field
    }

    /// Returns its title in the display of an event.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// Returns the words shown for an absent value, such as `null` in JSON.
    #[must_use]
    pub fn absent(self) -> &'static str {
        self.row().absent
    }

    /// Returns `true` if the conditions restrict something in this way.
    #[must_use]
    pub fn is_set(self, conditions: &Conditions) -> bool {
        let Conditions {
            allow,
            deny,
            grants: _, // what is not granted is never allowed
            not_before,
            expires_at,
            rate_limit,
            quota,
        } = conditions;
        match self {
            Self::Allow => *allow != AllowList::Anywhere,
            Self::Deny => !deny.is_empty(),
            Self::Grants => true,
            Self::NotBefore => not_before.is_some(),
            Self::Expires => expires_at.is_some(),
            Self::RateLimit => rate_limit.is_some(),
            Self::Quota => quota.is_some(),
        }
    }

    fn row(self) -> ConditionRow {
        match self {
            Self::Allow => ConditionRow {
                field: "allow_ip",
                title: "From",
                absent: "Any IP",
                compare: |before, after, _, changes| {
                    describe_networks(&before.allow, &after.allow, changes);
                },
            },
            Self::Deny => ConditionRow {
                field: "deny_ip",
                title: "Not from",
                absent: "none",
                compare: |before, after, _, changes| {
                    describe_denied(&before.deny, &after.deny, changes);
                },
            },
            Self::Grants => ConditionRow {
                field: "grants",
                title: "Grants",
                absent: "none",
                compare: |before, after, areas, changes| {
                    describe_grants(&before.grants, &after.grants, areas, changes);
                },
            },
            Self::NotBefore => ConditionRow {
                field: "not_before",
                title: "Begins",
                absent: "at once",
                compare: |before, after, _, changes| {
                    let words = |start: Moment| format!("begins {}", start.as_start());
                    let starts = (before.not_before, after.not_before);
                    let words = ("begins at once", words);
                    describe_optional(starts, words, |old, new| new < old, changes);
                },
            },
            Self::Expires => ConditionRow {
                field: "expires_at",
                title: "Expires",
                absent: "never",
                compare: |before, after, _, changes| {
                    let words = ("no end date", Moment::as_expiry);
                    let ends = (before.expires_at, after.expires_at);
                    describe_optional(ends, words, |old, new| old < new, changes);
                },
            },
            Self::RateLimit => ConditionRow {
                field: "rate_limit",
                title: "Rate limit",
                absent: "none",
                compare: |before, after, _, changes| {
                    let words = ("no rate limit", |limit: RateLimit| limit.to_string());
                    let limits = (before.rate_limit, after.rate_limit);
                    describe_optional(limits, words, |old, new| new.widens(old), changes);
                },
            },
            Self::Quota => ConditionRow {
                field: "quota",
                title: "Quota",
                absent: "none",
                compare: |before, after, _, changes| {
                    let words = ("no quota", |quota: Quota| quota.to_string());
                    let quotas = (before.quota, after.quota);
                    describe_optional(quotas, words, |old, new| new.widens(old), changes);
                },
            },
        }
    }

    /// Returns the condition whose field in JSON has this name, or `None` if there is none.
    #[must_use]
    pub fn from_field(field: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.field() == field)
    }
}

/// The properties of a condition.
struct ConditionRow {
    field: &'static str,
    title: &'static str,
    absent: &'static str,
    /// Adds the sentences about a change from the first conditions to the second.
    compare: fn(&Conditions, &Conditions, &[Area], &mut Changes),
}

/// Joins the words of the actions: "read", "create and read".
pub(super) fn verbs(actions: Actions) -> String {
    join(
        &actions
            .iter()
            .map(|action: Action| action.word().to_owned())
            .collect::<Vec<_>>(),
    )
}
