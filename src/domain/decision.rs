//! Decisions: may this request pass?
//!
//! [`decide`] is pure and total: no connection, no clock, no logger, and `Allow` is returned in
//! one place. Checks run in the order of [`Reason`]; the first that fails is the reason. What
//! could not be found out at all (a store that does not answer) never reaches this file: it is
//! an error, and an error is no allow.
mod id;

use std::sync::Arc;
use strum::{EnumCount, VariantArray};

pub use id::{DecisionId, DecisionIds, InvalidDecisionId};

use super::{
    access::{Action, AreaSlug},
    agent::AgentName,
    conditions::Conditions,
    forwarded::ClientAddress,
    moment::Moment,
    token::{Digest, KeyId},
};

/// Why a request is refused, in the order in which the checks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount, VariantArray)]
pub enum Reason {
    /// No token was presented.
    MissingToken,
    /// Wrong shape or check digits, two credentials, or one twice.
    MalformedToken,
    /// Well-formed, not known.
    UnknownToken,
    /// Its key was deleted.
    Revoked,
    /// Its key is switched off.
    Disabled,
    /// Its key has ended.
    Expired,
    /// Another agent's endpoint than the key's.
    WrongAgent,
    /// Not on the allow-list, or not known while there is one.
    AddressNotAllowed,
    /// Method and path lead to no area and action.
    NoRoute,
    /// The grant lacks the action in that area.
    ActionNotPermitted,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// The word used in JSON and in logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::MalformedToken => "malformed_token",
            Self::UnknownToken => "unknown_token",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::WrongAgent => "wrong_agent",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::NoRoute => "no_route",
            Self::ActionNotPermitted => "action_not_permitted",
        }
    }

    /// From its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// The HTTP status that an endpoint answers with: 401 when it is about the token, 403 when
    /// it is about what the token may do.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MissingToken
            | Self::MalformedToken
            | Self::UnknownToken
            | Self::Revoked
            | Self::Disabled
            | Self::Expired => 401,
            Self::WrongAgent
            | Self::AddressNotAllowed
            | Self::NoRoute
            | Self::ActionNotPermitted => 403,
        }
    }
}

/// The rules of one key, as far as decisions need them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The key's id.
    pub id: KeyId,
    /// The key's name.
    pub name: String,
    /// The agent whose data it opens.
    pub agent: AgentName,
    /// From where, for what and until when it may be used.
    pub conditions: Conditions,
    /// Since when it is switched off.
    pub disabled_at: Option<Moment>,
    /// Its tokens that another took the place of.
    pub former: Vec<PreviousToken>,
}

/// What the presented credential turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// There was none.
    Missing,
    /// It cannot be one of ours.
    Malformed,
    /// It could be ours and is not.
    Unknown,
    /// It was a key's that is deleted.
    Revoked(KeyId),
    /// It is this key's.
    Known(Arc<Rules>),
    /// It was this key's until another took its place; for a while both are good.
    Previous(Arc<Rules>, PreviousToken),
}

impl Credential {
    /// The rules of the key that it is, or was, a token of.
    #[must_use]
    pub fn rules(&self) -> Option<&Arc<Rules>> {
        match self {
            Self::Known(rules) | Self::Previous(rules, _) => Some(rules),
            _ => None,
        }
    }

    /// The key that it is, or was, a token of.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Revoked(id) => Some(id),
            other => other.rules().map(|rules| &rules.id),
        }
    }
}

/// A token that another took the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousToken {
    /// By what it is known.
    pub digest: Digest,
    /// Until when it is good; long past if it was ended by hand.
    pub until: Moment,
}

/// What the request wants: an area and an action, or something that leads to neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An action in an area.
    Routed(AreaSlug, Action),
    /// Method and path led nowhere.
    NoRoute,
}

/// A request to decide on, beside its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it wants.
    pub target: Target,
    /// What is known of the client's address.
    pub address: ClientAddress,
    /// The agent whose endpoint was asked, if one was named.
    pub agent: Option<AgentName>,
    /// When it came in.
    pub at: Moment,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The request may pass.
    Allow {
        /// The key that let it.
        key_id: KeyId,
    },
    /// The request may not pass.
    Deny {
        /// The first check that failed.
        reason: Reason,
        /// The key, if the token was one's.
        key_id: Option<KeyId>,
    },
}

impl Decision {
    /// The key that the token is, or was, one of.
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
    let deny = |reason, key_id| Decision::Deny { reason, key_id };
    let (rules, until) = match credential {
        Credential::Missing => return deny(Reason::MissingToken, None),
        Credential::Malformed => return deny(Reason::MalformedToken, None),
        Credential::Unknown => return deny(Reason::UnknownToken, None),
        Credential::Revoked(id) => return deny(Reason::Revoked, Some(id.clone())),
        Credential::Known(rules) => (rules, None),
        Credential::Previous(rules, former) => (rules, Some(former.until)),
    };
    match first_failure(rules, until, request) {
        Some(reason) => deny(reason, Some(rules.id.clone())),
        None => Decision::Allow {
            key_id: rules.id.clone(),
        },
    }
}

/// The checks of a key that is known, in order; `until` is the end of the presented token, where it
/// has one of its own.
fn first_failure(rules: &Rules, until: Option<Moment>, request: &Request) -> Option<Reason> {
    CHECKS
        .into_iter()
        .find(|check| fails(*check, rules, until, request))
}

/// What is checked of a key that is known.
pub(super) const CHECKS: [Reason; 6] = [
    Reason::Disabled,
    Reason::Expired,
    Reason::WrongAgent,
    Reason::AddressNotAllowed,
    Reason::NoRoute,
    Reason::ActionNotPermitted,
];

/// Whether one check fails, whatever the others do. Those about the token itself never fail here:
/// the key is known.
pub(super) fn fails(
    check: Reason,
    rules: &Rules,
    until: Option<Moment>,
    request: &Request,
) -> bool {
    let Conditions {
        allow,
        grants,
        expires_at,
    } = &rules.conditions;
    match check {
        Reason::Disabled => rules.disabled_at.is_some(),
        Reason::Expired => [*expires_at, until]
            .into_iter()
            .flatten()
            .any(|end| end < request.at),
        Reason::WrongAgent => request
            .agent
            .as_ref()
            .is_some_and(|agent| *agent != rules.agent),
        Reason::AddressNotAllowed => !match request.address {
            ClientAddress::Known(address) => allow.contains(Some(address)),
            ClientAddress::Unknown => allow.contains(None),
            ClientAddress::Unreadable => false,
        },
        Reason::NoRoute => request.target == Target::NoRoute,
        Reason::ActionNotPermitted => match &request.target {
            Target::NoRoute => true,
            Target::Routed(area, action) => !grants.of(area).contains(*action),
        },
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
        allowlist::AllowList,
    };

    fn rules() -> Rules {
        let mut grants = Grants::none();
        grants.set("contacts".parse().expect("slug"), Actions::READ);
        Rules {
            id: "0123456789AB".parse().expect("id"),
            name: "Partner".into(),
            agent: AgentName::default_agent(),
            conditions: Conditions {
                allow: AllowList::parse("10.0.0.0/24").expect("list").list,
                grants,
                expires_at: Some(Moment::from_millis(1_000)),
            },
            disabled_at: None,
            former: Vec::new(),
        }
    }

    fn request() -> Request {
        Request {
            target: Target::Routed("contacts".parse().expect("slug"), Action::Read),
            address: ClientAddress::Known("10.0.0.9".parse().expect("address")),
            agent: None,
            at: Moment::from_millis(1_000),
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

    /// Each row breaks one check and every check after it: the first in order must be named.
    #[test]
    fn the_first_failing_check_is_the_reason() {
        let mut broken = request();
        broken.at = Moment::from_millis(1_001);
        broken.agent = Some("other".parse().expect("agent"));
        broken.address = ClientAddress::Unknown;
        broken.target = Target::NoRoute;
        let id: KeyId = "0123456789AB".parse().expect("id");
        let off = known(|rules| rules.disabled_at = Some(Moment::from_millis(0)));
        let mut steps = vec![
            (
                Credential::Missing,
                broken.clone(),
                Some(Reason::MissingToken),
            ),
            (
                Credential::Malformed,
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
            (off, broken.clone(), Some(Reason::Disabled)),
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
        steps.push((known(|_| ()), broken, None));
        for (credential, request, expected) in steps {
            assert_eq!(reason(&credential, &request), expected);
        }
    }

    #[test]
    fn reasons_stand_in_the_order_of_the_checks() {
        assert!(Reason::ALL.is_sorted());
        assert_eq!(
            Reason::ALL
                .iter()
                .filter(|reason| reason.status() == 401)
                .count(),
            6
        );
    }

    #[test]
    fn no_grant_in_the_area_is_not_permitted() {
        let none = known(|rules| rules.conditions.grants = Grants::none());
        assert_eq!(reason(&none, &request()), Some(Reason::ActionNotPermitted));
        let anywhere = known(|rules| rules.conditions.allow = AllowList::Anywhere);
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
}
