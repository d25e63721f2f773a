//! What `/metrics` tells: how many decisions of each kind, how long they took, and how the desk,
//! the recorder and the connections are doing. No key's name or id is in it.
use std::{fmt::Write as _, time::Duration};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::domain::decision::{Decision, Reason};

/// The upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 11] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0,
];
/// The type that the text has (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = [(&'static str, &'static str); 2];

/// The counts of one endpoint.
pub struct Metrics {
    registry: Registry,
    allowed: Counter,
    denied: [Counter; Reason::ALL.len()],
    /// Requests that could not be decided.
    pub undecided: Counter,
    /// Requests that were answered with 400.
    pub bad: Counter,
    /// Writes of uses that failed.
    pub failed_writes: Counter,
    /// Refusals that the log does not have one by one.
    pub unlogged: Counter,
    seconds: Histogram,
    connections: Gauge,
    waiting: Gauge,
    epoch: Gauge,
    cached: Gauge,
    pulses: Counter,
    lookups: Counter,
}

/// What is read off the endpoint at the moment of asking.
#[derive(Debug, Clone, Copy)]
pub struct Readings {
    /// Open connections.
    pub connections: u64,
    /// Keys whose use waits to be written.
    pub waiting: u64,
    /// Where the store stood when it was read last.
    pub epoch: u64,
    /// Keys that the cache knows.
    pub cached: u64,
    /// How often the store was asked where it stands.
    pub pulses: u64,
    /// How many keys were looked up in it.
    pub lookups: u64,
}

impl Metrics {
    /// All at nought.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("claviger");
        let decisions = Family::<Labels, Counter>::default();
        let allowed = decisions
            .get_or_create(&[("decision", "allow"), ("reason", "")])
            .clone();
        let denied = Reason::ALL.map(|reason| {
            let labels = [("decision", "deny"), ("reason", reason.word())];
            decisions.get_or_create(&labels).clone()
        });
        let seconds = Histogram::new(BUCKETS);
        let metrics = Self {
            allowed,
            denied,
            undecided: Counter::default(),
            bad: Counter::default(),
            failed_writes: Counter::default(),
            unlogged: Counter::default(),
            seconds: seconds.clone(),
            connections: Gauge::default(),
            waiting: Gauge::default(),
            epoch: Gauge::default(),
            cached: Gauge::default(),
            pulses: Counter::default(),
            lookups: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("decisions", "Decisions by their reason", decisions);
        registry.register("decision_seconds", "How long decisions took", seconds);
        for (name, help, counter) in [
            (
                "undecided",
                "Requests that were answered with 503",
                &metrics.undecided,
            ),
            (
                "bad_requests",
                "Requests that were answered with 400",
                &metrics.bad,
            ),
            (
                "use_writes_failed",
                "Writes of uses that failed",
                &metrics.failed_writes,
            ),
            (
                "refusals_unlogged",
                "Refusals that the log sums up",
                &metrics.unlogged,
            ),
            (
                "epoch_reads",
                "Looks at where the database stands",
                &metrics.pulses,
            ),
            (
                "key_lookups",
                "Keys that were looked up in the database",
                &metrics.lookups,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        for (name, help, gauge) in [
            ("connections", "Open connections", &metrics.connections),
            (
                "uses_waiting",
                "Keys whose use is not written yet",
                &metrics.waiting,
            ),
            ("epoch", "The newest change that was seen", &metrics.epoch),
            ("keys_cached", "Keys that the cache knows", &metrics.cached),
        ] {
            registry.register(name, help, gauge.clone());
        }
        Self {
            registry,
            ..metrics
        }
    }

    /// Counts a decision and the time that it took.
    pub fn count(&self, decision: &Decision, took: Duration) {
        match decision {
            Decision::Allow { .. } => self.allowed.inc(),
            Decision::Deny { reason, .. } => self.denied[*reason as usize].inc(),
        };
        self.seconds.observe(took.as_secs_f64());
    }

    /// All of it as text.
    pub fn text(&self, readings: Readings) -> String {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.connections.set(signed(readings.connections));
        self.waiting.set(signed(readings.waiting));
        self.epoch.set(signed(readings.epoch));
        self.cached.set(signed(readings.cached));
        for (counter, now) in [
            (&self.pulses, readings.pulses),
            (&self.lookups, readings.lookups),
        ] {
            counter.inc_by(now.saturating_sub(counter.get()));
        }
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# could not be written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_count() {
        let metrics = Metrics::new();
        for reason in Reason::ALL {
            let decision = Decision::Deny {
                reason,
                key_id: None,
            };
            metrics.count(&decision, Duration::from_micros(200));
        }
        let key_id = "0123456789AB".parse().expect("an id");
        metrics.count(&Decision::Allow { key_id }, Duration::from_millis(2));
        let text = metrics.text(Readings {
            connections: 3,
            waiting: 0,
            epoch: 7,
            cached: 2,
            pulses: 5,
            lookups: 4,
        });
        for line in [
            "claviger_decisions_total{decision=\"allow\",reason=\"\"} 1",
            "claviger_decisions_total{decision=\"deny\",reason=\"revoked\"} 1",
            "claviger_decisions_total{decision=\"deny\",reason=\"action_not_permitted\"} 1",
            "claviger_decision_seconds_bucket{le=\"0.00025\"} 10",
            "claviger_decision_seconds_count 11",
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
