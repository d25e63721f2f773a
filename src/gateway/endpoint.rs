//! Decides on a request. The credential comes from the lookup, the target from the current routes,
//! and the decision from the domain. Decisions are counted, logged, and recorded as uses or
//! refusals.
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::response::Response;
use tokio::sync::Semaphore;

use super::{
    answer,
    log::{Refusals, shown},
    lookup::{LookupClient, Undecided},
    metrics::Metrics,
    recorder::Recorder,
    request::{AuthorizationRequest, NoRouteReason, PresentedCredential, RouteRequest},
};
use crate::{
    config::{GatewayKind, Serve},
    domain::{
        agent::AgentName,
        decision::{self, Credential, Decision, DecisionId, DecisionIds, Reason, Target},
        forwarded::{self, Client, ClientAddress, Peer, TrustedProxy},
        moment::Moment,
        usage::{self, Refusal, RequestedAccess},
    },
    keyring::Decider,
};

/// The word for a `/verify` request whose area does not exist.
pub(super) const UNKNOWN_AREA: &str = "unknown_area";
/// The word for a request whose path and method are valid, but lead to no area and action.
const NO_ROUTE_MATCHED: &str = "no_area_or_no_action_for_the_method";
/// The maximum number of untrusted peers that are named in the log.
const MAX_NAMED_PEERS: usize = 100;

/// The state that all connections share.
pub(super) struct Endpoint {
    pub family: GatewayKind,
    pub trusted: Vec<TrustedProxy>,
    pub decider: Arc<Decider>,
    pub ids: DecisionIds,
    pub lookups: LookupClient,
    pub recorder: Arc<Recorder>,
    pub metrics: Arc<Metrics>,
    refusals: Refusals,
    faults: Refusals,
    untrusted: Mutex<HashSet<Peer>>,
    /// The permits for further connections, out of `connections` in all.
    pub free: Arc<Semaphore>,
    pub connections: usize,
}

/// The input of a decision, from an authorization request or from `/verify`.
pub(super) struct DecisionInput<'a> {
    pub presented: &'a PresentedCredential,
    pub want: Want<'a>,
    /// The original method and path, as sent.
    pub original: Option<(&'a str, &'a [u8])>,
    pub client: Client,
    pub agent: Option<&'a AgentName>,
}

/// The requested target: given directly, or to be determined from the current routes.
pub(super) enum Want<'a> {
    Target(Target),
    Route(&'a Result<RouteRequest<'a>, NoRouteReason>),
}

/// The fields that the log shows for a request besides its decision.
pub(super) struct AccessLogFields<'a> {
    /// The endpoint's own path that was requested.
    pub endpoint: &'a str,
    /// The original method and path, as sent.
    pub original: Option<(&'a str, &'a [u8])>,
    /// The area that the request named, shown if the request has no target; empty if it named none.
    pub area: &'a str,
    /// The reason why there is no route, shown if there is none.
    pub astray: &'static str,
}

/// A decision, and the data that it was made from.
pub(super) struct Decided {
    pub decision: Decision,
    pub credential: Credential,
    pub target: Target,
    pub at: Moment,
}

impl Endpoint {
    /// Creates an endpoint that decides from this store.
    pub fn new(decider: Decider, serve: Serve) -> Self {
        let decider = Arc::new(decider);
        let metrics = Arc::new(Metrics::new());
        Self {
            family: serve.gateway,
            trusted: serve.trusted,
            lookups: LookupClient::open(
                Arc::clone(&decider),
                serve.cache << 20,
                Arc::clone(&metrics),
            ),
            recorder: Arc::new(Recorder::new(Arc::clone(&decider))),
            ids: DecisionIds::draw(&mut |buffer| decider.machine().fill(buffer)),
            decider,
            metrics,
            refusals: Refusals::default(),
            faults: Refusals::default(),
            untrusted: Mutex::default(),
            free: Arc::new(Semaphore::new(serve.connections)),
            connections: serve.connections,
        }
    }

    /// Decides on a request, counts the decision, and records the use or refusal. A request that
    /// cannot be decided is logged here.
    pub async fn decide(
        &self,
        id: &DecisionId,
        question: &DecisionInput<'_>,
    ) -> Result<Decided, Undecided> {
        let machine = self.decider.machine();
        let began = machine.uptime();
        match self.reckon(question).await {
            Ok(decided) => {
                let took = machine.uptime().saturating_sub(began);
                self.metrics.count(&decided.decision, took);
                self.note(id, question, &decided);
                Ok(decided)
            }
            Err(undecided) => {
                self.metrics.undecided.inc();
                let (admitted, unsaid) = self.faults.should_log(ClientAddress::Unknown, began);
                log_summary("could not decide", unsaid);
                if admitted {
                    tracing::error!(decision = %id, error = %undecided, "could not decide");
                }
                Err(undecided)
            }
        }
    }

    async fn reckon(&self, question: &DecisionInput<'_>) -> Result<Decided, Undecided> {
        let (credential, routes) = match question.presented {
            PresentedCredential::Nothing => (Credential::Missing, None),
            PresentedCredential::Malformed(_) => (Credential::Malformed, None),
            PresentedCredential::Token(token) => {
                let told = self.lookups.ask(token.key_id()).await?;
                (told.key_record.credential(token), Some(told.routes))
            }
        };
        let target = match (&question.want, routes) {
            (Want::Target(Target::Routed(area, action)), Some(routes)) if routes.knows(area) => {
                Target::Routed(area.clone(), *action)
            }
            (Want::Route(Ok(way)), Some(routes)) => {
                routes.target(&way.scope, way.method, &way.path)
            }
            _ => Target::NoRoute,
        };
        let request = decision::Request {
            target,
            address: question.client.address,
            agent: question.agent.cloned(),
            at: self.decider.machine().now(),
        };
        Ok(Decided {
            decision: decision::decide(&credential, &request),
            credential,
            at: request.at,
            target: request.target,
        })
    }

    /// Records a use or a refusal.
    fn note(&self, id: &DecisionId, question: &DecisionInput<'_>, decided: &Decided) {
        let address = question.client.address;
        let reason = match &decided.decision {
            Decision::Allow { key_id } => {
                let former = match &decided.credential {
                    Credential::Previous(_, former) => Some(former),
                    _ => None,
                };
                let token = (key_id, former);
                return self
                    .recorder
                    .allowed(token, &decided.target, address, decided.at);
            }
            Decision::Deny { reason, .. } => *reason,
        };
        let key = decided.credential.key_id();
        self.recorder.refused(key, address, || Refusal {
            id: id.clone(),
            at: decided.at,
            reason,
            key: key.cloned(),
            named: match question.presented {
                PresentedCredential::Token(token) if key.is_none() => Some(token.key_id().clone()),
                PresentedCredential::Malformed(named) => named.clone(),
                _ => None,
            },
            token: match question.presented {
                PresentedCredential::Token(token) if key.is_some() => Some(token.digest()),
                _ => None,
            },
            address,
            hop: question.client.hop,
            agent: question.agent.cloned(),
            wanted: question.wanted(&decided.target),
            target: decided.target.clone(),
        });
    }

    /// Returns the response for a panic in the endpoint itself: 503.
    pub fn faulty(&self) -> Response {
        let id = self.ids.next();
        self.metrics.undecided.inc();
        tracing::error!(decision = %id, "the endpoint has a fault: answered with 503");
        answer::undecided(&id)
    }

    /// Returns the response to an authorization request. No other function allows one.
    pub fn answer(
        &self,
        id: &DecisionId,
        asked: &AuthorizationRequest<'_>,
        decided: &Decided,
    ) -> Response {
        let heard = AccessLogFields {
            endpoint: asked.endpoint,
            original: asked.original,
            area: "",
            astray: match &asked.way {
                Err(astray) => astray.word(),
                Ok(_) => NO_ROUTE_MATCHED,
            },
        };
        self.log(id, asked.client.address, &heard, decided);
        match (&decided.decision, decided.credential.rules()) {
            (Decision::Allow { key_id }, Some(rules)) => answer::allow(id, key_id, &rules.name),
            (Decision::Deny { reason, .. }, _) => answer::deny(id, *reason),
            (Decision::Allow { .. }, None) => answer::undecided(id),
        }
    }

    /// Logs a decision. Allowed requests are logged at debug level only.
    pub fn log(
        &self,
        id: &DecisionId,
        address: ClientAddress,
        heard: &AccessLogFields<'_>,
        decided: &Decided,
    ) {
        let (area, action) = match &decided.target {
            Target::Routed(area, action) => (area.as_str(), action.word()),
            Target::NoRoute => (heard.area, ""),
        };
        match &decided.decision {
            Decision::Allow { key_id } if tracing::enabled!(tracing::Level::DEBUG) => {
                let (endpoint, method, path) = heard.shown();
                tracing::debug!(decision = %id, key = %key_id, %address, method, path, area, action, endpoint, "allowed");
            }
            Decision::Allow { .. } => {}
            Decision::Deny { reason, key_id } => {
                if !self.is_logged(address) {
                    return;
                }
                let key = key_id.as_ref().map_or("", |id| id.as_str());
                let detail = if *reason == Reason::NoRoute {
                    heard.astray
                } else {
                    ""
                };
                let (endpoint, method, path) = heard.shown();
                tracing::info!(decision = %id, reason = reason.word(), detail, key, %address, method, path, area, action, endpoint, "refused");
            }
        }
    }

    /// Refuses a `/verify` request from a peer that is not a trusted proxy.
    pub fn refuse_untrusted(&self, id: &DecisionId, peer: Peer) -> Response {
        self.name_untrusted(peer);
        let (reason, key_id) = (Reason::NoRoute, None);
        let denied = Decision::Deny { reason, key_id };
        self.metrics.count(&denied, Duration::ZERO);
        let detail = NoRouteReason::Untrusted.word();
        self.log_unheard(id, peer, reason.word(), detail);
        let client = forwarded::client(peer, std::iter::empty(), &[]);
        self.recorder.refused(None, client.address, || Refusal {
            id: id.clone(),
            at: self.decider.machine().now(),
            reason,
            key: None,
            named: None,
            token: None,
            address: client.address,
            hop: client.hop,
            agent: None,
            wanted: RequestedAccess {
                way: usage::RequestedTarget::NoRoute(detail.to_owned()),
                method: String::new(),
                path: String::new(),
            },
            target: Target::NoRoute,
        });
        answer::deny(id, reason)
    }

    /// Answers a malformed request with 400; the sentence says why it is malformed.
    pub fn refuse_bad(&self, id: &DecisionId, peer: Peer, sentence: &str) -> Response {
        self.metrics.bad.inc();
        self.log_unheard(id, peer, "bad_request", sentence);
        answer::bad(id, sentence)
    }

    fn log_unheard(&self, id: &DecisionId, peer: Peer, reason: &str, detail: &str) {
        let address = match peer {
            Peer::Address(address) => ClientAddress::Known(address),
            Peer::Unix => ClientAddress::Unknown,
        };
        if self.is_logged(address) {
            tracing::info!(decision = %id, reason, detail, %peer, "refused");
        }
    }

    /// Returns `true` if a refusal is logged individually. At debug level every refusal is.
    fn is_logged(&self, address: ClientAddress) -> bool {
        let (admitted, summed) = self
            .refusals
            .should_log(address, self.decider.machine().uptime());
        log_summary("refused", summed);
        if !admitted {
            self.metrics.unlogged.inc();
        }
        admitted || tracing::enabled!(tracing::Level::DEBUG)
    }

    /// Logs the number of requests that were not logged individually in a window that is over at
    /// this time.
    pub fn log_summary(&self, now: Duration) {
        log_summary("refused", self.refusals.overdue(now));
        log_summary("could not decide", self.faults.overdue(now));
    }

    /// Logs once per peer that it is not trusted, and which flag would change that.
    pub fn name_untrusted(&self, peer: Peer) {
        let mut named = self
            .untrusted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if named.len() < MAX_NAMED_PEERS && named.insert(peer) {
            tracing::warn!(
                %peer,
                "this peer is no trusted proxy: what it says of method, path and address is ignored. If it is the gateway, start with --trusted-proxy {peer}"
            );
        }
    }
}

fn log_summary(what: &str, count: Option<u64>) {
    if let Some(count) = count {
        tracing::warn!(
            what,
            count,
            "requests of the minute before without a line of their own"
        );
    }
}

impl DecisionInput<'_> {
    /// Returns the requested access as it is stored with a refusal. A path that cannot be stored
    /// unchanged, because it may contain a token, is replaced by the area and action that it led
    /// to.
    fn wanted(&self, target: &Target) -> RequestedAccess {
        let (method, path) = self.original.unwrap_or_default();
        let path = without_query(path);
        let kept = (shown(method.as_bytes()), shown(path));
        let whole = kept.1.as_bytes() == path;
        let way = match (&self.want, target) {
            (Want::Route(Ok(way)), _) if whole => {
                usage::RequestedTarget::Routed(way.scope.clone(), way.method)
            }
            (Want::Target(Target::Routed(area, action)), _)
            | (Want::Route(Ok(_)), Target::Routed(area, action)) => {
                usage::RequestedTarget::Named(area.clone(), *action)
            }
            (Want::Target(Target::NoRoute), _) => {
                usage::RequestedTarget::NoRoute(UNKNOWN_AREA.to_owned())
            }
            (Want::Route(Ok(_)), Target::NoRoute) => {
                usage::RequestedTarget::NoRoute(NO_ROUTE_MATCHED.to_owned())
            }
            (Want::Route(Err(astray)), _) => {
                usage::RequestedTarget::NoRoute(astray.word().to_owned())
            }
        };
        RequestedAccess {
            way,
            method: kept.0,
            path: kept.1,
        }
    }
}

fn without_query(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or_default()
}

impl AccessLogFields<'_> {
    /// Returns the endpoint's own path, the method and the path, safe for a log line. They are
    /// computed only for the few requests that are logged. The query is left out: it may contain
    /// anything, and does not affect the decision.
    fn shown(&self) -> (String, String, String) {
        let (method, path) = self.original.unwrap_or_default();
        (
            shown(self.endpoint.as_bytes()),
            shown(method.as_bytes()),
            shown(without_query(path)),
        )
    }
}
