//! Decides on one request: looks up the key record and the current routes, finds the target, and
//! lets the domain decide. The decision is then counted, logged, and recorded as a use or a
//! refusal.
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    access_log::AccessLog,
    answer::{self, Response},
    lookup::{LookupClient, Undecided},
    meter::Meter,
    metrics::Metrics,
    recorder::Recorder,
    request::{AuthorizationRequest, CredentialValues, RequestSettings},
};
use crate::{
    config::{GatewayKind, Serve},
    domain::{
        authorization::{Authorization, Presented},
        decision::{Credential, DecisionId, DecisionIds, Detail},
        forwarded::{self, Peer},
        route::Routes,
        usage::{RequestedAccess, RequestedTarget},
    },
    keyring::Decider,
};

/// The state that all connections share.
pub(super) struct Endpoint {
    pub gateway: GatewayKind,
    settings: RwLock<Arc<RequestSettings>>,
    pub decider: Arc<Decider>,
    pub ids: DecisionIds,
    pub lookups: LookupClient,
    pub recorder: Arc<Recorder>,
    pub meter: Meter,
    pub metrics: Arc<Metrics>,
    pub log: AccessLog,
    /// The permits for connections that may still be accepted, and the maximum number of
    /// connections.
    pub free: Arc<Semaphore>,
    pub connections: usize,
}

impl Endpoint {
    /// Creates an endpoint that decides from this store.
    pub(super) fn new(decider: Decider, serve: &Serve) -> Self {
        let decider = Arc::new(decider);
        let metrics = Arc::new(Metrics::new(serve.metrics_label.clone()));
        Self {
            gateway: serve.gateway,
            settings: RwLock::new(Arc::new(RequestSettings::of(serve))),
            lookups: LookupClient::open(
                Arc::clone(&decider),
                serve.cache << 20,
                Arc::clone(&metrics),
            ),
            recorder: Arc::new(Recorder::new(Arc::clone(&decider))),
            meter: Meter::new(Arc::clone(&decider)),
            ids: DecisionIds::draw(&mut |buffer| decider.machine().fill(buffer)),
            decider,
            log: AccessLog::new(Arc::clone(&metrics)),
            metrics,
            free: Arc::new(Semaphore::new(serve.connections)),
            connections: serve.connections,
        }
    }

    /// Returns the settings by which requests are read now.
    pub(super) fn settings(&self) -> Arc<RequestSettings> {
        let held = self.settings.read();
        Arc::clone(&held.unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the settings for all requests that are read from now on.
    pub(super) fn replace_settings(&self, settings: RequestSettings) {
        let held = self.settings.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Decides on a request; counts, logs and records the decision.
    ///
    /// # Errors
    /// Returns [`Undecided`] if the key cannot be looked up; this is counted and logged as well.
    pub(super) async fn decide(
        &self,
        id: &DecisionId,
        request: &AuthorizationRequest<'_>,
    ) -> Result<Authorization, Undecided> {
        let machine = self.decider.machine();
        let began = machine.uptime();
        match self.look_up_and_decide(request, began).await {
            Ok((presented, decided)) => {
                let uptime = machine.uptime();
                let rules = decided.rules().map(Arc::as_ref);
                let took = uptime.saturating_sub(began);
                self.metrics.count(&decided.decision, rules, took);
                self.record(id, request, (&presented, &decided));
                self.log.decided(id, request, &decided, uptime);
                Ok(decided)
            }
            Err(undecided) => {
                self.metrics.undecided.inc();
                self.log.undecided(id, &undecided, began);
                Err(undecided)
            }
        }
    }

    async fn look_up_and_decide(
        &self,
        request: &AuthorizationRequest<'_>,
        began: Duration,
    ) -> Result<(Presented, Authorization), Undecided> {
        let (presented, credential, routes) = self.look_up(&request.credentials).await?;
        let decided = Authorization::decide(
            credential,
            request.requested.target(routes.as_deref()),
            request.client.clone(),
            request.agent.clone(),
            self.decider.machine().now(),
        );
        let allowed = decided.rules().filter(|_| decided.decision.is_allow());
        let Some(rules) = allowed else {
            return Ok((presented, decided));
        };
        let at = decided.request.at;
        let exhausted = match self.meter.charge(rules, at) {
            Some(exhausted) => exhausted,
            // Rare, so its state is not a part of every request's.
            None => Box::pin(self.meter.reserve_and_charge(rules, began)).await?,
        };
        Ok((presented, decided.limited(exhausted)))
    }

    /// Chooses the value that decides and looks its key up, with the prefixes of tokens and the
    /// routes of the same time. A token of a prefix that was not in use at the last lookup costs
    /// another lookup. Without a token there are no routes.
    async fn look_up(
        &self,
        values: &CredentialValues<'_>,
    ) -> Result<(Presented, Credential, Option<Arc<Routes>>), Undecided> {
        let mut prefixes = self.lookups.last_prefixes();
        loop {
            let presented = values.choose(&prefixes);
            let (credential, routes, now) = match presented.token() {
                Ok(token) => {
                    let found = self.lookups.ask(token.key_id()).await?;
                    let credential = found.key_record.credential(token);
                    (credential, Some(found.routes), found.prefixes)
                }
                Err(credential) if values.may_miss(&prefixes) => {
                    (credential, None, self.lookups.ready().await?)
                }
                Err(credential) => return Ok((presented, credential, None)),
            };
            if now == prefixes || !values.may_miss(&prefixes) {
                return Ok((presented, credential, routes));
            }
            // Prefixes are only ever added, so this ends.
            prefixes = now;
        }
    }

    /// Records a use or a refusal.
    fn record(
        &self,
        id: &DecisionId,
        request: &AuthorizationRequest<'_>,
        (presented, decided): (&Presented, &Authorization),
    ) {
        if let Some(used) = decided.allowed_use() {
            return self.recorder.allowed(used);
        }
        let (key, address) = (decided.decision.key_id(), decided.request.address);
        self.recorder.refused(key, address, || {
            let wanted = request.requested_access(&decided.request.target);
            decided.refusal(id, presented, wanted)
        });
    }

    /// Returns the response for a panic in the endpoint itself: 503.
    pub(super) fn faulty(&self) -> Response {
        let id = self.ids.next();
        self.metrics.undecided.inc();
        tracing::error!(decision = %id, "internal error in the endpoint: answered with 503");
        answer::undecided(&id)
    }

    /// Refuses a peer that is not a trusted proxy, without reading its request.
    pub(super) fn refuse_untrusted(&self, id: &DecisionId, peer: Peer) -> Response {
        self.log.untrusted(peer);
        let client = forwarded::client(peer, false, std::iter::empty(), &[]);
        let machine = self.decider.machine();
        let address = client.address;
        let decided = Authorization::refuse_untrusted_peer(client, machine.now());
        self.metrics.count(&decided.decision, None, Duration::ZERO);
        let Some(reason) = decided.reason() else {
            return answer::undecided(id);
        };
        let line = (reason.word(), Detail::UntrustedPeer.word());
        self.log
            .refused_early(Some(id), peer, line, machine.uptime());
        self.recorder.refused(None, address, || {
            let wanted = RequestedAccess {
                requested: RequestedTarget::Unroutable(Detail::UntrustedPeer),
                method: String::new(),
                path: String::new(),
            };
            decided.refusal(id, &Presented::Nothing(None), wanted)
        });
        answer::deny(id, reason, &self.settings().credentials)
    }

    /// Refuses a malformed request; `sentence` says why it is malformed.
    pub(super) fn refuse_bad(&self, id: &DecisionId, peer: Peer, sentence: &str) -> Response {
        self.count_bad(Some(id), peer, sentence);
        answer::bad(id, sentence)
    }

    /// Counts and logs a request that was refused because it is malformed.
    pub(super) fn count_bad(&self, id: Option<&DecisionId>, peer: Peer, why: &str) {
        self.metrics.bad.inc();
        let uptime = self.decider.machine().uptime();
        self.log
            .refused_early(id, peer, ("bad_request", why), uptime);
    }
}
