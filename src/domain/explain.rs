//! Why a request passes or not: every check with its evidence, not only the first that fails.
//!
//! The verdict of each check is that of [`super::decision`]; nothing is judged here a second time.
//! A failing check of a key that is known may come with a [`Fix`]: the smallest change that would
//! let this very request pass, and nothing wider.
mod evidence;
mod subject;

use std::net::IpAddr;

pub use evidence::{checks, unheard};
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
    usage::RequestedAccess,
};

/// How one check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Holds,
    /// It fails.
    Fails,
    /// It cannot be told: there is no key to check.
    Untold,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The reason that it gives when it fails.
    pub reason: Reason,
    /// How it stands.
    pub state: State,
    /// Why.
    pub evidence: String,
    /// The same in a word or two, where it holds and that is worth a word.
    pub brief: String,
    /// Who changed the rule last, and when; where the address is from.
    pub history: Vec<String>,
    /// What would make it hold.
    pub mend: Option<Fix>,
}

/// The smallest change that makes a check hold for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Switch the key on.
    Enable,
    /// Give it this end.
    End(Moment),
    /// Let this one address in.
    Address(IpAddr),
    /// Grant this.
    Grant(AreaSlug, Action),
}

impl Fix {
    /// What it does, as an imperative.
    #[must_use]
    pub fn sentence(&self, areas: &[Area]) -> String {
        match self {
            Self::Enable => "enable the key".to_owned(),
            Self::End(end) => format!("let it end {}", end.as_expiry()),
            Self::Address(address) => format!("allow {address}"),
            Self::Grant(area, action) => {
                format!("grant {} in {}", action.title(), title(areas, area))
            }
        }
    }
}

/// A key that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Its id.
    pub id: KeyId,
    /// What it was called.
    pub name: String,
    /// When it was revoked.
    pub at: Moment,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: RevokeReason,
}

impl Tombstone {
    /// "revoked on 2026-11-20 10:00 UTC by alice@gw1, reason compromised".
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

/// Who changed a rule last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// When.
    pub at: Moment,
    /// Who.
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

/// Who changed the rules of a key last, as far as the audit log tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    conditions: [Option<Changed>; Condition::COUNT],
    /// Whether it is switched off.
    pub state: Option<Changed>,
    /// Its token.
    pub rotation: Option<Changed>,
    /// The area that was asked for: its name, its routes.
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

/// What is known beside the request.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The access areas.
    pub areas: &'a [Area],
    /// Who changed what.
    pub history: &'a History,
    /// The key that was deleted, if the token was its.
    pub tombstone: Option<&'a Tombstone>,
    /// Id and name of the key that a token names without being its; the name is empty where no key
    /// has that id.
    pub named: Option<(&'a KeyId, &'a str)>,
    /// Where the address is from.
    pub hop: Hop,
    /// What was wanted.
    pub wanted: &'a RequestedAccess,
    /// The area that the path leads to, whatever the method.
    pub path_area: Option<AreaSlug>,
    /// How keys must end.
    pub policy: Policy,
}

fn title(areas: &[Area], slug: &AreaSlug) -> String {
    find_area(areas, slug).map_or_else(|_| slug.to_string(), |area| visible(&area.title))
}

/// The short name of a check.
#[must_use]
pub const fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::MissingToken | Reason::MalformedToken | Reason::UnknownToken | Reason::Revoked => {
            "token"
        }
        Reason::Disabled => "state",
        Reason::Expired => "expiry",
        Reason::WrongAgent => "agent",
        Reason::AddressNotAllowed => "address",
        Reason::NoRoute => "route",
        Reason::ActionNotPermitted => "action",
    }
}
