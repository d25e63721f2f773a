//! A refused request, with everything that determined the decision except the time, so that
//! deciding it again gives the same result.
use crate::domain::{
    access::{Action, AreaSlug},
    agent::AgentName,
    decision::{DecisionId, Detail, Exhausted, Reason, Request, Target, reason_words},
    forwarded::{ClientAddress, Hop},
    moment::Moment,
    route::{AreaSelector, Method, RequestPath, Routes},
    text::visible,
    token::{Digest, KeyId},
};

/// How a request identified its area and action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedTarget {
    /// Through the routes, from this method and the path that was sent.
    Routed(AreaSelector, Method),
    /// By naming them.
    Named(AreaSlug, Action),
    /// Not at all: it leads nowhere, whatever the routes, for this reason.
    Unroutable(Detail),
}

/// The access that a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedAccess {
    /// How the request identified its area and action.
    pub requested: RequestedTarget,
    /// The method that was sent, fit to be displayed; empty if none was sent.
    pub method: String,
    /// The path that was sent, without the query, fit to be displayed; empty if none was sent.
    pub path: String,
}

impl RequestedAccess {
    /// Creates a request that names area and action.
    #[must_use]
    pub fn named(area: AreaSlug, action: Action) -> Self {
        Self {
            requested: RequestedTarget::Named(area, action),
            method: String::new(),
            path: String::new(),
        }
    }

    /// Parses a request as a person writes it: `GET /contacts/7`.
    ///
    /// # Errors
    /// Returns a sentence that says why the text is not a request, and what to write instead.
    pub fn routed(text: &str) -> Result<Self, String> {
        let refused = |why: &str| {
            let shown = visible(text);
            Err(format!(
                "{shown} is no request: {why}; write method and path, such as GET /contacts/7"
            ))
        };
        let Some((method, path)) = text.trim().split_once(' ') else {
            return refused("it has no path");
        };
        let Some(method) = Method::from_word(method) else {
            return refused("no route can name this method");
        };
        let path = path.trim();
        if RequestPath::read(path.as_bytes()).is_none() {
            return refused(if path.starts_with('/') {
                "its path could leave its own prefix for some program, so it is always refused"
            } else {
                "its path does not begin with /"
            });
        }
        Ok(Self {
            method: method.word().to_owned(),
            requested: RequestedTarget::Routed(AreaSelector::Path, method),
            path: path.split('?').next().unwrap_or_default().to_owned(),
        })
    }

    /// Returns the area that the path leads to, regardless of the method.
    #[must_use]
    pub fn area_of_path(&self, routes: &Routes) -> Option<AreaSlug> {
        let path = RequestPath::read(self.path.as_bytes())?;
        routes.area_of(&path).cloned()
    }

    /// Returns the area and action that the request leads to.
    #[must_use]
    pub fn target(&self, routes: &Routes) -> Target {
        match &self.requested {
            RequestedTarget::Routed(selector, method) => {
                match RequestPath::read(self.path.as_bytes()) {
                    Some(path) => routes.target(selector, method, &path),
                    None => Target::NoRoute(Detail::AmbiguousPath),
                }
            }
            RequestedTarget::Named(area, action) if routes.knows(area) => {
                Target::Routed(area.clone(), *action)
            }
            RequestedTarget::Named(..) => Target::NoRoute(Detail::UnknownArea),
            RequestedTarget::Unroutable(detail) => Target::NoRoute(*detail),
        }
    }
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The id of the decision.
    pub id: DecisionId,
    /// The time of the decision.
    pub at: Moment,
    /// The reason for the refusal.
    pub reason: Reason,
    /// What the reason alone does not say.
    pub detail: Option<Detail>,
    /// The time from which a request passes again, if only the time is to blame.
    pub passes_at: Option<Moment>,
    /// The key whose token was presented.
    pub key: Option<KeyId>,
    /// The key that the credential names, if the credential is not one of that key's tokens.
    pub named: Option<KeyId>,
    /// The digest of the presented token, if it belongs to `key`.
    pub token: Option<Digest>,
    /// The client's address, as far as it is known.
    pub address: ClientAddress,
    /// Where the client's address was learnt from.
    pub hop: Hop,
    /// What was forwarded in place of an address, if it was unreadable, fit to be displayed.
    pub unreadable: Option<String>,
    /// The agent whose endpoint received the request.
    pub agent: Option<AgentName>,
    /// The requested access.
    pub wanted: RequestedAccess,
    /// The area and action that the request led to.
    pub target: Target,
}

impl Refusal {
    /// Returns one line: time, address, requested access, reason with its detail, and the
    /// decision's id.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} UTC  {}  {}  {}  {}",
            self.at.date_and_clock(),
            self.address,
            self.request_line(),
            self.reason_words(),
            self.id
        )
    }

    /// Returns the reason with its detail.
    #[must_use]
    pub fn reason_words(&self) -> String {
        reason_words(self.reason, self.detail)
    }

    /// Returns the requested access: method and path if a path was sent, else action and area.
    #[must_use]
    pub fn request_line(&self) -> String {
        let RequestedAccess {
            method,
            path,
            requested,
        } = &self.wanted;
        if !path.is_empty() {
            return visible(&format!("{method} {path}"));
        }
        match (requested, &self.target) {
            (_, Target::Routed(area, action)) | (RequestedTarget::Named(area, action), _) => {
                format!("{} {area}", action.word())
            }
            _ => "no method and path".to_owned(),
        }
    }

    /// Returns the same request, at another time and with the routes of that time. A limit that was
    /// used up still is until the recorded time.
    #[must_use]
    pub fn again(&self, routes: &Routes, at: Moment) -> Request {
        let used_up = |reason| {
            let until = self.passes_at.filter(|_| self.reason == reason);
            until.filter(|until| *until > at)
        };
        Request {
            exhausted: Exhausted {
                rate_limit_until: used_up(Reason::RateLimited),
                quota_until: used_up(Reason::QuotaExceeded),
            },
            target: self.wanted.target(routes),
            address: self.address,
            agent: self.agent.clone(),
            at,
        }
    }
}
