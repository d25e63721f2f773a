//! What is asked to be explained, and the answer.
use super::{Check, State};
use crate::domain::{
    access::{Area, AreaSlug},
    decision::{Decision, Reason, Request, Target},
    forwarded::Client,
    key::Key,
    text::visible,
    token::KeyId,
    usage::{Refusal, RequestedAccess, RequestedTarget},
};

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExplainSubject {
    /// A request that was refused.
    Refusal(Box<Refusal>),
    /// A request with a key's token, which nobody needs to know for that.
    Request {
        /// The key.
        key: KeyId,
        /// From where.
        client: Client,
        /// What is wanted.
        wanted: RequestedAccess,
    },
}

impl ExplainSubject {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> Option<&KeyId> {
        match self {
            Self::Refusal(refusal) => refusal.key.as_ref(),
            Self::Request { key, .. } => Some(key),
        }
    }

    /// Whether its token was not even looked at: who asked was not to be believed.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        matches!(self, Self::Refusal(refusal)
            if refusal.key.is_none() && refusal.reason == Reason::NoRoute)
    }

    /// What is wanted.
    #[must_use]
    pub fn wanted(&self) -> &RequestedAccess {
        match self {
            Self::Refusal(refusal) => &refusal.wanted,
            Self::Request { wanted, .. } => wanted,
        }
    }

    /// From where.
    #[must_use]
    pub fn client(&self) -> Client {
        match self {
            Self::Refusal(refusal) => Client {
                address: refusal.address,
                hop: refusal.hop,
            },
            Self::Request { client, .. } => *client,
        }
    }
}

/// An explained request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was explained.
    pub question: ExplainSubject,
    /// The key as it is now, if the token is one's that is there.
    pub key: Option<Key>,
    /// What the key is or was called.
    pub name: Option<String>,
    /// The request as it is decided now.
    pub request: Request,
    /// The decision now.
    pub decision: Decision,
    /// Every check, in order.
    pub checks: Vec<Check>,
    /// The access areas.
    pub areas: Vec<Area>,
    /// The last refusals of the key, and of tokens that name it without being its; of a request that
    /// matches no key, those that match none. The newest first.
    pub refusals: Vec<Refusal>,
}

impl Explanation {
    /// What is asked for, where it leads, as people say it: "GET /contacts/7 (Contact Access, Read)".
    #[must_use]
    pub fn wish(&self) -> String {
        let RequestedAccess { method, path, way } = self.question.wanted();
        let titled = |area: &AreaSlug| {
            let found = self.areas.iter().find(|known| known.slug == *area);
            found.map_or_else(|| area.to_string(), |area| visible(&area.title))
        };
        let leads = match (&self.request.target, way) {
            (Target::Routed(area, action), _)
            | (Target::NoRoute, RequestedTarget::Named(area, action)) => {
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

    /// The check that decides: the first that fails.
    #[must_use]
    pub fn failing(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.state == State::Fails)
    }
}
