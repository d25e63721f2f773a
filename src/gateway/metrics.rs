//! The metrics at `/metrics`: the number and duration of decisions, and the state of the lookup,
//! the recorder and the connections. They contain no key's name or id.
mod by_label;

use std::{fmt::Write as _, time::Duration};

use by_label::LabelCounts;

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{
    domain::{
        decision::{Decision, Detail, Reason, Rules},
        label::LabelName,
    },
    keyring::EndingKeys,
};

/// The upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 11] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0,
];
/// The content type of [`Metrics::text`]
/// (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = [(&'static str, &'static str); 2];

/// The metrics of one endpoint.
pub(super) struct Metrics {
    registry: Registry,
    allowed: Counter,
    denied: [Counter; Reason::ALL.len()],
    /// The refusals without a detail, by reason, and those with one, by detail.
    plain_refusals: [Counter; Reason::ALL.len()],
    detailed_refusals: [Counter; Detail::ALL.len()],
    /// Requests that could not be decided.
    pub undecided: Counter,
    /// Malformed requests.
    pub bad: Counter,
    /// Failed writes of uses, and failed merges of old counts.
    pub failed_writes: Counter,
    /// Refusals over the limit of those that are logged individually.
    pub unlogged: Counter,
    /// The number of reads of the store's log head.
    pub log_head_reads: Counter,
    /// The number of keys that were looked up in the store.
    pub lookups: Counter,
    seconds: Histogram,
    connections: Gauge,
    waiting: Gauge,
    epoch: Gauge,
    cached: Gauge,
    ending: [Gauge; EndingKeys::SPANS.len()],
    by_label: Option<LabelCounts>,
}

impl Metrics {
    /// Creates the metrics, all at zero. With a label, decisions are counted by its value, too.
    pub(super) fn new(label: Option<LabelName>) -> Self {
        let mut registry = Registry::with_prefix("claviger");
        let decisions = Family::<Labels, Counter>::default();
        let allowed = decisions
            .get_or_create(&[("decision", "allow"), ("reason", "")])
            .clone();
        let denied = Reason::ALL.map(|reason| {
            let labels = [("decision", "deny"), ("reason", reason.word())];
            decisions.get_or_create(&labels).clone()
        });
        registry.register(
            "decisions",
            "Decisions, by result and reason; the reason of an allow is empty",
            decisions,
        );
        let (plain_refusals, detailed_refusals) = register_refusals(&mut registry);
        let by_label = label.map(|label| LabelCounts::register(label, &mut registry));
        let keys_ending = Family::<[(&str, &str); 1], Gauge>::default();
        let ending = EndingKeys::SPANS
            .map(|(word, _)| keys_ending.get_or_create(&[("within", word)]).clone());
        registry.register(
            "keys_ending",
            "Keys that are not disabled and end within this time, as of the last minute",
            keys_ending,
        );
        let seconds = Histogram::new(BUCKETS);
        registry.register(
            "decision_seconds",
            "Time from a request to its decision, in seconds",
            seconds.clone(),
        );
        let mut counter = |name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let undecided = counter(
            "undecided",
            "Authorization requests that could not be decided, and were answered with 503",
        );
        let bad = counter(
            "bad_requests",
            "Malformed requests: those that were answered with 400 or 431 before they were understood, and those with a body that is not accepted",
        );
        let failed_writes = counter(
            "use_writes_failed",
            "Failed attempts to write uses and refusals, or to merge old counts; failed writes are repeated",
        );
        let unlogged = counter(
            "refusals_unlogged",
            "Refusals over the limit of log lines; the log gives only their number",
        );
        let log_head_reads = counter(
            "epoch_reads",
            "Reads of the number of the newest change from the database; requests that wait share one",
        );
        let lookups = counter(
            "key_lookups",
            "Keys that were read from the database, because the cache did not have them",
        );
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        Self {
            allowed,
            denied,
            plain_refusals,
            detailed_refusals,
            undecided,
            bad,
            failed_writes,
            unlogged,
            log_head_reads,
            lookups,
            seconds,
            connections: gauge(
                "connections",
                "Open connections, and one that is being waited for",
            ),
            waiting: gauge(
                "uses_waiting",
                "Keys with uses or refusals that are not written to the database yet",
            ),
            epoch: gauge(
                "epoch",
                "Number of the newest change that was read from the database",
            ),
            cached: gauge("keys_cached", "Keys in the cache, including revoked ones"),
            ending,
            by_label,
            registry,
        }
    }

    /// Counts a decision, with the rules of its key, and the time that it took.
    pub(super) fn count(&self, decision: &Decision, rules: Option<&Rules>, took: Duration) {
        if let (Some(by_label), Some(rules)) = (&self.by_label, rules) {
            by_label.count(rules, decision.is_allow());
        }
        match decision {
            Decision::Allow { .. } => self.allowed.inc(),
            Decision::Deny { reason, detail, .. } => {
                match detail {
                    Some(detail) => self.detailed_refusals[*detail as usize].inc(),
                    None => self.plain_refusals[*reason as usize].inc(),
                };
                self.denied[*reason as usize].inc()
            }
        };
        self.seconds.observe(took.as_secs_f64());
    }

    /// Sets the numbers of keys that end soon.
    pub(super) fn set_ending(&self, ending: &EndingKeys) {
        for (gauge, count) in self.ending.iter().zip(ending.0) {
            gauge.set(count);
        }
    }

    /// Sets the newest change that was seen, and the number of cached keys.
    pub(super) fn stands_at(&self, epoch: i64, cached: usize) {
        self.epoch.set(epoch);
        self.cached.set(signed(cached));
    }

    /// Returns all metrics in the `OpenMetrics` format, with the numbers of open connections and of keys whose use
    /// waits to be written.
    pub(super) fn text(&self, connections: usize, waiting: usize) -> String {
        self.connections.set(signed(connections));
        self.waiting.set(signed(waiting));
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# could not be written");
        }
        text
    }
}

/// Registers the refusals: those without a detail by reason, and those with one by detail.
fn register_refusals(
    registry: &mut Registry,
) -> ([Counter; Reason::ALL.len()], [Counter; Detail::ALL.len()]) {
    let refusals = Family::<Labels, Counter>::default();
    let refused = |reason: Reason, detail: &'static str| {
        let labels = [("reason", reason.word()), ("detail", detail)];
        refusals.get_or_create(&labels).clone()
    };
    let plain = Reason::ALL.map(|reason| refused(reason, ""));
    let detailed = Detail::ALL.map(|detail| refused(detail.reason(), detail.word()));
    registry.register(
        "refusals",
        "Refusals, by reason and by what the reason alone does not say",
        refusals,
    );
    (plain, detailed)
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::EnumCount as _;

    #[test]
    fn every_reason_has_its_count() {
        let metrics = Metrics::new(None);
        for reason in Reason::ALL {
            let decision = Decision::Deny {
                reason,
                detail: None,
                key_id: None,
            };
            metrics.count(&decision, None, Duration::from_micros(200));
        }
        for detail in Detail::ALL {
            let decision = Decision::Deny {
                reason: detail.reason(),
                detail: Some(detail),
                key_id: None,
            };
            metrics.count(&decision, None, Duration::from_micros(200));
        }
        let key_id = "0123456789AB".parse().expect("an id");
        metrics.count(&Decision::Allow { key_id }, None, Duration::from_millis(2));
        metrics.log_head_reads.inc_by(5);
        metrics.stands_at(7, 2);
        let text = metrics.text(3, 0);
        let refused = Reason::COUNT + Detail::COUNT;
        for line in [
            "claviger_decisions_total{decision=\"allow\",reason=\"\"} 1",
            "claviger_decisions_total{decision=\"deny\",reason=\"revoked\"} 1",
            "claviger_decisions_total{decision=\"deny\",reason=\"action_not_permitted\"} 1",
            "claviger_refusals_total{reason=\"revoked\",detail=\"\"} 1",
            "claviger_refusals_total{reason=\"no_route\",detail=\"untrusted_peer\"} 1",
            "claviger_decisions_total{decision=\"deny\",reason=\"rate_limited\"} 1",
            &format!("claviger_decision_seconds_bucket{{le=\"0.00025\"}} {refused}"),
            &format!("claviger_decision_seconds_count {}", refused + 1),
            "claviger_connections 3",
            "claviger_epoch 7",
            "claviger_epoch_reads_total 5",
        ] {
            assert!(
                text.lines().any(|one| one == line),
                "{line} is not in:\n{text}"
            );
        }
    }
}
