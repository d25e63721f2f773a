//! Writes the log lines about single requests: refused, allowed (at level debug), and not decided.
//! It counts the lines that it leaves out, and takes no part in the decisions.
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    log::{Refusals, shown},
    lookup::Undecided,
    metrics::Metrics,
    request::{AuthorizationRequest, Requested, TraceParent, without_query},
};
use crate::domain::{
    authorization::Authorization,
    decision::{Decision, DecisionId, Detail, Target},
    forwarded::{ClientAddress, Peer},
};

/// The maximum number of untrusted peers that are each named in a line.
const MAX_NAMED_PEERS: usize = 100;

/// The access log of one endpoint.
pub(super) struct AccessLog {
    refusals: Refusals,
    faults: Refusals,
    untrusted: Mutex<HashSet<Peer>>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Creates a log that counts the lines that it leaves out in these metrics.
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            refusals: Refusals::default(),
            faults: Refusals::default(),
            untrusted: Mutex::default(),
            metrics,
        }
    }

    /// Writes the line about a decided request; for an allowed request only at level debug.
    pub(super) fn decided(
        &self,
        id: &DecisionId,
        request: &AuthorizationRequest<'_>,
        decided: &Authorization,
        uptime: Duration,
    ) {
        let address = request.client.address;
        let traceparent = request.trace.as_ref().map(TraceParent::as_str);
        let (area, action) = match (&decided.request.target, &request.requested) {
            (Target::Routed(area, action), _) => (area.as_str(), action.word()),
            (Target::NoRoute(_), Requested::Named { area, .. }) => (area.as_str(), ""),
            (Target::NoRoute(_), _) => ("", ""),
        };
        match &decided.decision {
            Decision::Allow { key_id } if tracing::enabled!(tracing::Level::DEBUG) => {
                let (endpoint, method, path) = words(request);
                tracing::debug!(decision = %id, key = %key_id, %address, method, path, area, action, endpoint, traceparent, "allowed");
            }
            Decision::Allow { .. } => {}
            Decision::Deny {
                reason,
                detail,
                key_id,
            } => {
                if !self.is_logged(address, uptime) {
                    return;
                }
                let key = key_id.as_ref().map_or("", |id| id.as_str());
                let detail = detail.map_or("", Detail::word);
                let unreadable = request.client.unreadable.as_deref();
                let (endpoint, method, path) = words(request);
                tracing::info!(decision = %id, reason = reason.word(), detail, key, %address, unreadable, method, path, area, action, endpoint, traceparent, "refused");
            }
        }
    }

    /// Writes the line about a request that was refused before it was read as a whole.
    pub(super) fn refused_early(
        &self,
        id: Option<&DecisionId>,
        peer: Peer,
        (reason, detail): (&str, &str),
        uptime: Duration,
    ) {
        let address = match peer {
            Peer::Address(address) => ClientAddress::Known(address),
            Peer::Unix => ClientAddress::Unknown,
        };
        if self.is_logged(address, uptime) {
            let decision = id.map_or("", DecisionId::as_str);
            tracing::info!(decision, reason, detail, %peer, "refused");
        }
    }

    /// Writes the line about a request that could not be decided.
    pub(super) fn undecided(&self, id: &DecisionId, undecided: &Undecided, uptime: Duration) {
        let (logged, left_out) = self.faults.should_log(ClientAddress::Unknown, uptime);
        summarize("could not decide", left_out);
        if logged {
            tracing::error!(decision = %id, error = %undecided, "could not decide");
        }
    }

    /// Returns whether a refusal is logged individually; at level debug every refusal is. Counts
    /// the refusals that are over the limit.
    fn is_logged(&self, address: ClientAddress, uptime: Duration) -> bool {
        let (logged, left_out) = self.refusals.should_log(address, uptime);
        summarize("refused", left_out);
        if !logged {
            self.metrics.unlogged.inc();
        }
        logged || tracing::enabled!(tracing::Level::DEBUG)
    }

    /// Writes how many lines were left out in a minute that has ended by `uptime`.
    pub(super) fn summarize(&self, uptime: Duration) {
        summarize("refused", self.refusals.overdue(uptime));
        summarize("could not decide", self.faults.overdue(uptime));
    }

    /// Warns once for each peer that it is not trusted, and names the flag that makes it trusted.
    pub(super) fn untrusted(&self, peer: Peer) {
        let mut named = self
            .untrusted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if named.len() < MAX_NAMED_PEERS && named.insert(peer) {
            tracing::warn!(
                %peer,
                "this peer is no trusted proxy: what it says of method, path and address is ignored. If it is the gateway, start with --trusted-proxy {peer}, or let it send a line of the --proxy-secret-file, once"
            );
        }
    }
}

/// Returns the endpoint's own path, the original method and the original path, made safe for a log
/// line. Called only for requests that are logged, which are few. The query is left out, because it
/// may contain anything and does not affect the decision.
fn words(request: &AuthorizationRequest<'_>) -> (String, String, String) {
    let (method, path) = request.original.unwrap_or_default();
    (
        shown(request.endpoint.as_bytes()),
        shown(method.as_bytes()),
        shown(without_query(path)),
    )
}

fn summarize(what: &str, count: Option<u64>) {
    if let Some(count) = count {
        tracing::warn!(
            what,
            count,
            "not logged one by one in the last minute: the limit of log lines was reached"
        );
    }
}
