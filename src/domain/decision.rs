//! Decisions: whether a request may pass.
//!
//! [`decide`] is a pure and total function: it has no connection, no clock and no logger, and it
//! returns `Allow` in one place only. Checks run in the order of [`Reason`]; the first that fails
//! is the reason. Failures to find something out, such as a store that does not respond, never get
//! here: they are errors, and an error never allows a request.
mod detail;
mod id;
mod reason;

use std::sync::Arc;

pub use detail::Detail;
pub use id::{DecisionId, DecisionIds, InvalidDecisionId};
pub use reason::Reason;

use super::{
    access::{Action, AreaSlug},
    agent::AgentName,
    conditions::{Conditions, Validity},
    forwarded::ClientAddress,
    label::Labels,
    moment::Moment,
    owner::Owner,
    token::{Digest, KeyId},
};

/// The rules of one key, as far as decisions need them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The key's id.
    pub id: KeyId,
    /// The key's name.
    pub name: String,
    /// The agent that the key belongs to.
    pub agent: AgentName,
    /// Who answers for the key, if that is said.
    pub owner: Option<Owner>,
    /// The key's labels.
    pub labels: Labels,
    /// From where, for what and until when it may be used.
    pub conditions: Conditions,
    /// The time since which the key is disabled, if it is.
    pub disabled_at: Option<Moment>,
    /// The time since which the key waits for its approval, if it does.
    pub pending_at: Option<Moment>,
    /// The key's previous tokens.
    pub previous_tokens: Vec<PreviousToken>,
}

/// The result of looking up the presented credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// No credential was presented; the detail says what was there instead, if anything.
    Missing(Option<Detail>),
    /// The credential cannot be a token of this program.
    Malformed(Detail),
    /// The credential could be a token of this program, but is not known.
    Unknown,
    /// The credential was a token of a key that is deleted.
    Revoked(KeyId),
    /// The credential is the current token of this key.
    Known(Arc<Rules>),
    /// The credential is a previous token of this key. For a while it is valid beside the current
    /// one.
    Previous(Arc<Rules>, PreviousToken),
}

impl Credential {
    /// Returns the rules of the key that the credential belongs to.
    #[must_use]
    pub fn rules(&self) -> Option<&Arc<Rules>> {
        match self {
            Self::Known(rules) | Self::Previous(rules, _) => Some(rules),
            _ => None,
        }
    }

    /// Returns the id of the key that the credential belongs to, or belonged to before it was
    /// deleted.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Revoked(id) => Some(id),
            other => other.rules().map(|rules| &rules.id),
        }
    }
}

/// A token that was replaced by a newer token of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousToken {
    /// The token's digest.
    pub digest: Digest,
    /// The time until which the token is valid; long past if it was ended by hand.
    pub until: Moment,
}

/// What a request leads to: an area and an action, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An action in an area.
    Routed(AreaSlug, Action),
    /// Method and path lead to no area and action, for this reason.
    NoRoute(Detail),
}

/// A request to decide on, without its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The area and action that the request leads to, if any.
    pub target: Target,
    /// The client's address, as far as it is known.
    pub address: ClientAddress,
    /// The agent that the request names, through the endpoint or otherwise, if it names one.
    pub agent: Option<AgentName>,
    /// The time of the request.
    pub at: Moment,
    /// The limits of the key that are used up, as far as that is known.
    pub exhausted: Exhausted,
}

/// The limits of a key that are used up at the time of a request; nothing where there is no such
/// limit, or where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exhausted {
    /// The time from which the rate limit lets a request pass again.
    pub rate_limit_until: Option<Moment>,
    /// The time at which the next period of the quota begins.
    pub quota_until: Option<Moment>,
}

/// The result of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The request may pass.
    Allow {
        /// The key that allows the request.
        key_id: KeyId,
    },
    /// The request may not pass.
    Deny {
        /// The first check that failed.
        reason: Reason,
        /// What the reason alone does not say.
        detail: Option<Detail>,
        /// The key, if the token belongs or belonged to one.
        key_id: Option<KeyId>,
    },
}

/// Returns the word of a reason, with that of its detail in parentheses if there is one.
#[must_use]
pub fn reason_words(reason: Reason, detail: Option<Detail>) -> String {
    match detail {
        Some(detail) => format!("{} ({})", reason.word(), detail.word()),
        None => reason.word().to_owned(),
    }
}

impl Decision {
    /// Returns `true` if the request may pass.
    #[must_use]
    pub const fn is_allow(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// Returns the id of the key that the token belongs or belonged to.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Allow { key_id } => Some(key_id),
            Self::Deny { key_id, .. } => key_id.as_ref(),
        }
    }
}

/// Decides on a request.
#[must_use]
pub fn decide(credential: &Credential, request: &Request) -> Decision {
    let deny = |reason, detail, key_id| Decision::Deny {
        reason,
        detail,
        key_id,
    };
    let (rules, until) = match credential {
        Credential::Missing(detail) => return deny(Reason::MissingToken, *detail, None),
        Credential::Malformed(detail) => return deny(Reason::MalformedToken, Some(*detail), None),
        Credential::Unknown => return deny(Reason::UnknownToken, None, None),
        Credential::Revoked(id) => return deny(Reason::Revoked, None, Some(id.clone())),
        Credential::Known(rules) => (rules, None),
        Credential::Previous(rules, previous) => (rules, Some(previous.until)),
    };
    match first_failure(rules, until, request) {
        Some(reason) => {
            let detail = detail_of(reason, rules, request);
            deny(reason, detail, Some(rules.id.clone()))
        }
        None => Decision::Allow {
            key_id: rules.id.clone(),
        },
    }
}

/// Returns the detail of a check of a known key that failed.
fn detail_of(reason: Reason, rules: &Rules, request: &Request) -> Option<Detail> {
    match (reason, &request.target) {
        (Reason::NoRoute, Target::NoRoute(detail)) => Some(*detail),
        (Reason::Disabled, _) => {
            let waits = rules.disabled_at.is_none() && rules.pending_at.is_some();
            waits.then_some(Detail::PendingApproval)
        }
        (Reason::Expired, _) => match rules.conditions.validity(request.at) {
            Validity::Expired(_) => None,
            Validity::Valid | Validity::NotYet(_) => Some(Detail::OverlapEnded),
        },
        (Reason::AddressNotAllowed, _) => match request.address {
            ClientAddress::Known(address) => {
                let denied = rules.conditions.deny.denies(Some(address));
                denied.then_some(Detail::DeniedAddress)
            }
            ClientAddress::Unknown => Some(Detail::UnknownAddress),
            ClientAddress::Unreadable => Some(Detail::UnreadableAddress),
        },
        _ => None,
    }
}

/// Runs the checks of a known key in order and returns the first that fails. `until` is the end of
/// the presented token, if it has its own.
fn first_failure(rules: &Rules, until: Option<Moment>, request: &Request) -> Option<Reason> {
    key_checks().find(|check| fails(*check, rules, until, request))
}

/// Returns the checks that find the key of the token, in order.
pub(super) fn token_checks() -> impl Iterator<Item = Reason> {
    let all = Reason::ALL.into_iter();
    all.filter(|reason| reason.finds_the_key())
}

/// Returns the checks of a known key, in order: all others.
pub(super) fn key_checks() -> impl Iterator<Item = Reason> {
    let all = Reason::ALL.into_iter();
    all.filter(|reason| !reason.finds_the_key())
}

/// Returns `true` if the check fails, regardless of the other checks. The checks of the token
/// itself never fail here, because the key is known.
pub(super) fn fails(
    check: Reason,
    rules: &Rules,
    until: Option<Moment>,
    request: &Request,
) -> bool {
    let Conditions {
        allow,
        deny,
        grants,
        not_before: _, // `validity` reads it
        expires_at: _, // the same
        rate_limit,
        quota,
    } = &rules.conditions;
    let admits = |address| allow.contains(address) && !deny.denies(address);
    let Exhausted {
        rate_limit_until,
        quota_until,
    } = request.exhausted;
    match check {
        Reason::Disabled => rules.disabled_at.is_some() || rules.pending_at.is_some(),
        Reason::NotYetValid => match rules.conditions.validity(request.at) {
            Validity::NotYet(_) => true,
            Validity::Valid | Validity::Expired(_) => false,
        },
        Reason::Expired => match rules.conditions.validity(request.at) {
            Validity::Expired(_) => true,
            Validity::Valid | Validity::NotYet(_) => until.is_some_and(|end| end <= request.at),
        },
        Reason::WrongAgent => request
            .agent
            .as_ref()
            .is_some_and(|agent| *agent != rules.agent),
        Reason::AddressNotAllowed => !match request.address {
            ClientAddress::Known(address) => admits(Some(address)),
            ClientAddress::Unknown => admits(None),
            ClientAddress::Unreadable => false,
        },
        Reason::NoRoute => matches!(request.target, Target::NoRoute(_)),
        Reason::ActionNotPermitted => match &request.target {
            Target::NoRoute(_) => true,
            Target::Routed(area, action) => !grants.of(area).contains(*action),
        },
        Reason::RateLimited => rate_limit.is_some() && rate_limit_until.is_some(),
        Reason::QuotaExceeded => quota.is_some() && quota_until.is_some(),
        Reason::MissingToken | Reason::MalformedToken | Reason::UnknownToken | Reason::Revoked => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        access::{Actions, Grants},
        allowlist::{AllowList, DenyList},
    };

    fn rules() -> Rules {
        let mut conditions = Conditions::none();
        conditions.allow = AllowList::parse("10.0.0.0/24").expect("list").list;
        conditions
            .grants
            .set("contacts".parse().expect("slug"), Actions::READ);
        conditions.deny = DenyList::parse("10.0.0.66").expect("list").0;
        conditions.not_before = Some(Moment::from_millis(900));
        conditions.expires_at = Some(Moment::from_millis(1_001));
        conditions.rate_limit = Some("1/second".parse().expect("limit"));
        conditions.quota = Some("1/day".parse().expect("quota"));
        Rules {
            id: "0123456789AB".parse().expect("id"),
            name: "Partner".into(),
            agent: AgentName::default_agent(),
            owner: None,
            labels: Labels::default(),
            conditions,
            disabled_at: None,
            pending_at: None,
            previous_tokens: Vec::new(),
        }
    }

    fn request() -> Request {
        Request {
            target: Target::Routed("contacts".parse().expect("slug"), Action::Read),
            address: ClientAddress::Known("10.0.0.9".parse().expect("address")),
            agent: None,
            at: Moment::from_millis(1_000),
            exhausted: Exhausted::default(),
        }
    }

    fn known(change: impl FnOnce(&mut Rules)) -> Credential {
        let mut rules = rules();
        change(&mut rules);
        Credential::Known(Arc::new(rules))
    }

    fn reason(credential: &Credential, request: &Request) -> Option<Reason> {
        match decide(credential, request) {
            Decision::Allow { .. } => None,
            Decision::Deny { reason, .. } => Some(reason),
        }
    }

    /// Each row fails one check and every check after it; the first in order must be the reason.
    #[test]
    fn the_first_failing_check_is_the_reason() {
        let mut broken = request();
        broken.at = Moment::from_millis(1_001);
        broken.agent = Some("other".parse().expect("agent"));
        broken.address = ClientAddress::Unknown;
        broken.target = Target::NoRoute(Detail::AmbiguousPath);
        let later = Some(Moment::from_millis(2_000));
        broken.exhausted = Exhausted {
            rate_limit_until: later,
            quota_until: later,
        };
        let mut early = broken.clone();
        early.at = Moment::from_millis(899);
        let id: KeyId = "0123456789AB".parse().expect("id");
        let off = known(|rules| rules.disabled_at = Some(Moment::from_millis(0)));
        let mut steps = vec![
            (
                Credential::Missing(None),
                broken.clone(),
                Some(Reason::MissingToken),
            ),
            (
                Credential::Malformed(Detail::BadShape),
                broken.clone(),
                Some(Reason::MalformedToken),
            ),
            (
                Credential::Unknown,
                broken.clone(),
                Some(Reason::UnknownToken),
            ),
            (
                Credential::Revoked(id),
                broken.clone(),
                Some(Reason::Revoked),
            ),
            (off, early.clone(), Some(Reason::Disabled)),
            (known(|_| ()), early, Some(Reason::NotYetValid)),
            (known(|_| ()), broken.clone(), Some(Reason::Expired)),
        ];
        broken.at = request().at;
        steps.push((known(|_| ()), broken.clone(), Some(Reason::WrongAgent)));
        broken.agent = Some(AgentName::default_agent());
        steps.push((
            known(|_| ()),
            broken.clone(),
            Some(Reason::AddressNotAllowed),
        ));
        broken.address = request().address;
        steps.push((known(|_| ()), broken.clone(), Some(Reason::NoRoute)));
        broken.target = Target::Routed("contacts".parse().expect("slug"), Action::Delete);
        steps.push((
            known(|_| ()),
            broken.clone(),
            Some(Reason::ActionNotPermitted),
        ));
        broken.target = request().target;
        steps.push((known(|_| ()), broken.clone(), Some(Reason::RateLimited)));
        broken.exhausted.rate_limit_until = None;
        steps.push((known(|_| ()), broken.clone(), Some(Reason::QuotaExceeded)));
        broken.exhausted = Exhausted::default();
        steps.push((known(|_| ()), broken, None));
        let expected = steps.iter().map(|(_, _, expected)| *expected);
        let every_reason = Reason::ALL.into_iter().map(Some).chain([None]);
        assert!(
            expected.eq(every_reason),
            "a step for every reason, in order"
        );
        for (credential, request, expected) in steps {
            assert_eq!(reason(&credential, &request), expected);
        }
    }

    #[test]
    fn reasons_stand_in_the_order_of_the_checks() {
        assert!(Reason::ALL.is_sorted());
        assert!(token_checks().chain(key_checks()).eq(Reason::ALL));
        assert_eq!(
            Reason::ALL
                .iter()
                .filter(|reason| reason.status() == 401)
                .count(),
            7
        );
    }

    #[test]
    fn no_grant_in_the_area_is_not_permitted() {
        let none = known(|rules| rules.conditions.grants = Grants::none());
        assert_eq!(reason(&none, &request()), Some(Reason::ActionNotPermitted));
        let anywhere = known(|rules| {
            rules.conditions.allow = AllowList::Anywhere;
            rules.conditions.deny = DenyList::default();
        });
        let unknown = Request {
            address: ClientAddress::Unknown,
            ..request()
        };
        assert_eq!(reason(&anywhere, &unknown), None);
        let unreadable = Request {
            address: ClientAddress::Unreadable,
            ..request()
        };
        let refused = Some(Reason::AddressNotAllowed);
        assert_eq!(reason(&anywhere, &unreadable), refused);
    }

    #[test]
    fn an_address_on_both_lists_is_denied_and_an_unknown_one_too() {
        let refused = Some(Reason::AddressNotAllowed);
        let with = |address| Request {
            address,
            ..request()
        };
        let denied = with(ClientAddress::Known("10.0.0.66".parse().expect("address")));
        assert_eq!(reason(&known(|_| ()), &denied), refused);
        let Decision::Deny { detail, .. } = decide(&known(|_| ()), &denied) else {
            panic!("allowed");
        };
        assert_eq!(detail, Some(Detail::DeniedAddress));
        let only_denied = known(|rules| rules.conditions.allow = AllowList::Anywhere);
        assert_eq!(reason(&only_denied, &denied), refused);
        assert_eq!(reason(&only_denied, &with(ClientAddress::Unknown)), refused);
    }

    #[test]
    fn a_limit_that_the_key_does_not_have_is_never_used_up() {
        let mut used_up = request();
        let later = Some(Moment::from_millis(2_000));
        used_up.exhausted = Exhausted {
            rate_limit_until: later,
            quota_until: later,
        };
        let endless = known(|rules| {
            rules.conditions.rate_limit = None;
            rules.conditions.quota = None;
        });
        assert_eq!(reason(&endless, &used_up), None);
    }
}
