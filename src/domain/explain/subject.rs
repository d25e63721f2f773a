//! The request to be explained, and its explanation.
use super::{Check, State};
use crate::domain::{
    access::{Area, AreaSlug},
    conditions::Condition,
    decision::{Decision, Reason, Request, Target},
    forwarded::Client,
    key::Key,
    text::visible,
    token::KeyId,
    usage::{Refusal, RequestedAccess, RequestedTarget},
};

/// A request to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExplainSubject {
    /// A request that was refused.
    Refusal(Box<Refusal>),
    /// A request with a key's current token. The token itself does not have to be known.
    Request {
        /// The key's id.
        key: KeyId,
        /// The client's address and its origin.
        client: Client,
        /// The requested access.
        wanted: RequestedAccess,
    },
}

impl ExplainSubject {
    /// Returns the id of the key that the request is about.
    #[must_use]
    pub fn key(&self) -> Option<&KeyId> {
        match self {
            Self::Refusal(refusal) => refusal.key.as_ref(),
            Self::Request { key, .. } => Some(key),
        }
    }

    /// Returns `true` if the token was not checked, because the peer was not trusted.
    #[must_use]
    pub fn is_from_untrusted_peer(&self) -> bool {
        matches!(self, Self::Refusal(refusal)
            if refusal.key.is_none() && refusal.reason == Reason::NoRoute)
    }

    /// Returns the requested access.
    #[must_use]
    pub fn wanted(&self) -> &RequestedAccess {
        match self {
            Self::Refusal(refusal) => &refusal.wanted,
            Self::Request { wanted, .. } => wanted,
        }
    }

    /// Returns the client's address and its origin.
    #[must_use]
    pub fn client(&self) -> Client {
        match self {
            Self::Refusal(refusal) => Client {
                address: refusal.address,
                hop: refusal.hop,
                unreadable: refusal.unreadable.clone(),
            },
            Self::Request { client, .. } => client.clone(),
        }
    }
}

/// An explained request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The request that was explained.
    pub question: ExplainSubject,
    /// The key as it is now, if the token belongs to an existing key.
    pub key: Option<Key>,
    /// The key's current name, or its last name if it is deleted.
    pub name: Option<String>,
    /// The request as it is decided now.
    pub request: Request,
    /// The decision as of now.
    pub decision: Decision,
    /// All checks, in order.
    pub checks: Vec<Check>,
    /// The access areas.
    pub areas: Vec<Area>,
    /// The last refusals, the newest first: those of the key and of tokens that name it without
    /// belonging to it, or, if the request matches no key, those that match no key.
    pub refusals: Vec<Refusal>,
}

impl Explanation {
    /// Returns `true` if the key has such a condition.
    #[must_use]
    pub fn has_condition(&self, condition: Condition) -> bool {
        let key = self.key.as_ref();
        key.is_some_and(|key| condition.is_set(&key.draft.conditions))
    }

    /// Returns the request and what it leads to: "GET /contacts/7 (Contact Access, Read)".
    #[must_use]
    pub fn request_line(&self) -> String {
        let RequestedAccess {
            method,
            path,
            requested,
        } = self.question.wanted();
        let titled = |area: &AreaSlug| {
            let found = self.areas.iter().find(|known| known.slug == *area);
            found.map_or_else(|| area.to_string(), |area| visible(&area.title))
        };
        let leads = match (&self.request.target, requested) {
            (Target::Routed(area, action), _)
            | (Target::NoRoute(_), RequestedTarget::Named(area, action)) => {
                format!("{}, {}", titled(area), action.title())
            }
            _ => "no area and action".to_owned(),
        };
        if path.is_empty() {
            leads
        } else {
            format!("{} ({leads})", visible(format!("{method} {path}").trim()))
        }
    }

    /// Returns the check that decides: the first that fails.
    #[must_use]
    pub fn failing(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.state == State::Fails)
    }
}
