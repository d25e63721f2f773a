//! Explanations of why a request passes or not: every check with its evidence, not only the first
//! that fails.
//!
//! The result of each check comes from [`super::decision`]; this module does not decide anything
//! itself. A failing check of a known key may have a [`Fix`]: the smallest change that would make
//! the check pass for exactly this request, and nothing wider.
mod evidence;
mod subject;

use std::net::IpAddr;

pub use evidence::{checks, checks_of_untrusted_peer};
pub use subject::{ExplainSubject, Explanation};

use strum::EnumCount as _;

use super::{
    access::{Action, Area, AreaSlug, find_area},
    conditions::Condition,
    decision::Reason,
    forwarded::Hop,
    key::RevokeReason,
    moment::Moment,
    policy::Policy,
    text::visible,
    token::KeyId,
    usage::{Refusal, RequestedAccess},
};

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The check passes.
    Holds,
    /// The check fails.
    Fails,
    /// The result is unknown: there is no key to check, or the token was not checked that far.
    Unknown,
}

/// A check with its result and evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The reason for the refusal if the check fails.
    pub reason: Reason,
    /// The result of the check.
    pub state: State,
    /// The evidence for the result, as a sentence.
    pub evidence: String,
    /// The evidence in a few words, if the check passes and they are useful; else empty.
    pub brief: String,
    /// Who last changed the rule and when, and the origin of the client's address.
    pub history: Vec<String>,
    /// The change that would make the check pass, if there is one.
    pub fix: Option<Fix>,
}

/// The smallest change that makes a check pass for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Enable the key.
    Enable,
    /// Approve the key, which only another person may.
    Approve,
    /// Let the key begin at once.
    Begin,
    /// Set the key's expiry to this time.
    End(Moment),
    /// Add this one address to the allow-list.
    Address(IpAddr),
    /// Take this one address off the deny-list.
    Undeny(IpAddr),
    /// Grant this action in this area.
    Grant(AreaSlug, Action),
    /// Change nothing and wait until this time.
    Wait(Moment),
}

impl Fix {
    /// Returns the change as an imperative.
    #[must_use]
    pub fn sentence(&self, areas: &[Area]) -> String {
        match self {
            Self::Enable => "enable the key".to_owned(),
            Self::Approve => "let another manager or owner approve the key".to_owned(),
            Self::Begin => "let it begin at once".to_owned(),
            Self::End(end) => format!("let it end {}", end.as_expiry()),
            Self::Address(address) => format!("allow {address}"),
            Self::Undeny(address) => format!("no longer deny {address}"),
            Self::Wait(until) => format!("wait until {} UTC", until.date_and_seconds()),
            Self::Grant(area, action) => {
                format!("grant {} in {}", action.title(), title(areas, area))
            }
        }
    }
}

/// A record of a key that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The key's id.
    pub id: KeyId,
    /// The key's last name.
    pub name: String,
    /// The time at which the key was revoked.
    pub at: Moment,
    /// The name of the actor who revoked the key.
    pub by: String,
    /// The reason for the revocation.
    pub reason: RevokeReason,
}

impl Tombstone {
    /// Returns a sentence: "revoked on 2026-11-20 10:00 UTC by alice@gw1, reason compromised".
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "revoked on {} UTC by {}, reason {}",
            self.at.date_and_clock(),
            visible(&self.by),
            self.reason.title()
        )
    }
}

/// The last change of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The time of the change.
    pub at: Moment,
    /// The name of the actor who made the change.
    pub by: String,
}

impl Changed {
    fn sentence(&self, what: &str, verb: &str) -> String {
        format!(
            "{what} {verb} {} UTC by {}",
            self.at.date_and_clock(),
            visible(&self.by)
        )
    }
}

/// The last changes of a key's rules, as far as they are in the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    conditions: [Option<Changed>; Condition::COUNT],
    /// The last time that the key was enabled or disabled.
    pub state: Option<Changed>,
    /// The last rotation of the token, or the last time that the previous tokens were ended.
    pub rotation: Option<Changed>,
    /// The last change of the requested area.
    pub area: Option<Changed>,
}

impl History {
    /// Who changed a condition last.
    #[must_use]
    pub fn of(&self, condition: Condition) -> Option<&Changed> {
        self.conditions[condition as usize].as_ref()
    }

    /// The place for who changed a condition last.
    pub fn of_mut(&mut self, condition: Condition) -> &mut Option<Changed> {
        &mut self.conditions[condition as usize]
    }
}

/// The facts beyond the request and its credential that explanations use.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The access areas.
    pub areas: &'a [Area],
    /// The last changes of the rules.
    pub history: &'a History,
    /// The record of the deleted key, if the token belonged to one.
    pub tombstone: Option<&'a Tombstone>,
    /// The id and name of the key that a token names without belonging to it. The name is empty if
    /// no key has that id.
    pub named: Option<(&'a KeyId, &'a str)>,
    /// The origin of the client's address.
    pub hop: Hop,
    /// What was forwarded in place of an address, if it was unreadable.
    pub unreadable: Option<&'a str>,
    /// The requested access.
    pub wanted: &'a RequestedAccess,
    /// The area that the path leads to, regardless of the method.
    pub path_area: Option<AreaSlug>,
    /// The policy for the expiry of keys.
    pub policy: Policy,
    /// The recorded refusal that is explained, if it is one.
    pub refusal: Option<&'a Refusal>,
    /// The number of requests that endpoints reserved of the key's quota in its present period, if
    /// it has a quota.
    pub quota_reserved: Option<i64>,
}

fn title(areas: &[Area], slug: &AreaSlug) -> String {
    find_area(areas, slug).map_or_else(|_| slug.to_string(), |area| visible(&area.title))
}

/// Returns the short name of a check.
#[must_use]
pub const fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::MissingToken | Reason::MalformedToken | Reason::UnknownToken | Reason::Revoked => {
            "token"
        }
        Reason::Disabled => "state",
        Reason::NotYetValid => "start",
        Reason::Expired => "expiry",
        Reason::WrongAgent => "agent",
        Reason::AddressNotAllowed => "address",
        Reason::NoRoute => "route",
        Reason::ActionNotPermitted => "action",
        Reason::RateLimited => "rate",
        Reason::QuotaExceeded => "quota",
    }
}
