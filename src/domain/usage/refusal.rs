//! One refused request, with all that decided it but the time: decided again, it comes to the same.
use crate::domain::{
    access::{Action, AreaSlug},
    agent::AgentName,
    decision::{DecisionId, Reason, Request, Target},
    forwarded::{ClientAddress, Hop},
    moment::Moment,
    route::{AreaSelector, CanonicalPath, Method, Routes},
    text::visible,
    token::{Digest, KeyId},
};

/// How a request was to find its area and action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedTarget {
    /// By the routes, from this method and the path as it was said.
    Routed(AreaSelector, Method),
    /// They were named.
    Named(AreaSlug, Action),
    /// It could lead nowhere, whatever the routes; the word for why.
    NoRoute(String),
}

/// What a request wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedAccess {
    /// How it was to find its area and action.
    pub way: RequestedTarget,
    /// The method as it was said, fit to be shown; empty if none was.
    pub method: String,
    /// The path as it was said, without a query, fit to be shown; empty if none was.
    pub path: String,
}

impl RequestedAccess {
    /// Of somebody who names area and action.
    #[must_use]
    pub fn named(area: AreaSlug, action: Action) -> Self {
        Self {
            way: RequestedTarget::Named(area, action),
            method: String::new(),
            path: String::new(),
        }
    }

    /// From what a person writes: `GET /contacts/7`.
    ///
    /// # Errors
    /// Why it is no request, and what to write.
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
            return refused("this method can lead nowhere");
        };
        let path = path.trim();
        if CanonicalPath::read(path.as_bytes()).is_none() {
            return refused("the path is not canonical, and always refused");
        }
        Ok(Self {
            way: RequestedTarget::Routed(AreaSelector::Path, method),
            method: method.word().to_owned(),
            path: path.split('?').next().unwrap_or_default().to_owned(),
        })
    }

    /// The area that its path leads to, whatever the method.
    #[must_use]
    pub fn area_of_path(&self, routes: &Routes) -> Option<AreaSlug> {
        let path = CanonicalPath::read(self.path.as_bytes())?;
        routes.area_of(&path).cloned()
    }

    /// Where it leads.
    #[must_use]
    pub fn target(&self, routes: &Routes) -> Target {
        match &self.way {
            RequestedTarget::Routed(scope, method) => CanonicalPath::read(self.path.as_bytes())
                .map_or(Target::NoRoute, |path| routes.target(scope, *method, &path)),
            RequestedTarget::Named(area, action) if routes.knows(area) => {
                Target::Routed(area.clone(), *action)
            }
            RequestedTarget::Named(..) | RequestedTarget::NoRoute(_) => Target::NoRoute,
        }
    }
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The name of the decision.
    pub id: DecisionId,
    /// When it was made.
    pub at: Moment,
    /// Why.
    pub reason: Reason,
    /// The key whose token was presented.
    pub key: Option<KeyId>,
    /// The key that the credential names, where its token is not that key's.
    pub named: Option<KeyId>,
    /// The digest of that token.
    pub token: Option<Digest>,
    /// What is known of the client's address.
    pub address: ClientAddress,
    /// Where that was learnt from.
    pub hop: Hop,
    /// The agent whose endpoint was asked.
    pub agent: Option<AgentName>,
    /// What was wanted.
    pub wanted: RequestedAccess,
    /// Where that led.
    pub target: Target,
}

impl Refusal {
    /// In one line: when, from where, what, why, and the decision's name.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} UTC  {}  {}  {}  {}",
            self.at.date_and_clock(),
            self.address,
            self.wish(),
            self.reason.word(),
            self.id
        )
    }

    /// What was asked for: method and path where they were said, else action and area.
    #[must_use]
    pub fn wish(&self) -> String {
        let RequestedAccess { method, path, way } = &self.wanted;
        if !path.is_empty() {
            return visible(&format!("{method} {path}"));
        }
        match (way, &self.target) {
            (_, Target::Routed(area, action)) | (RequestedTarget::Named(area, action), _) => {
                format!("{} {area}", action.word())
            }
            _ => "nothing that leads anywhere".to_owned(),
        }
    }

    /// The same request, at another time and by the routes of that time.
    #[must_use]
    pub fn again(&self, routes: &Routes, at: Moment) -> Request {
        Request {
            target: self.wanted.target(routes),
            address: self.address,
            agent: self.agent.clone(),
            at,
        }
    }
}
