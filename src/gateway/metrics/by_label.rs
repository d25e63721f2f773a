//! Decisions counted by the value of one label of the key, if the endpoint was asked to.
//!
//! The number of values is bounded: a monitoring system keeps a series for each for a long time.
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::domain::{decision::Rules, label::LabelName};

/// The largest number of values that are counted one by one.
const MOST_VALUES: usize = 100;
/// The value under which further ones are counted, and that of keys without the label.
const OTHERS: &str = "(others)";
const WITHOUT: &str = "";

type ValueLabels = [(&'static str, String); 2];

/// The decisions by the value of a label.
pub(super) struct LabelCounts {
    label: LabelName,
    decisions: Family<ValueLabels, Counter>,
    values: Mutex<HashSet<String>>,
}

impl LabelCounts {
    /// Registers the counts of this label.
    pub(super) fn register(label: LabelName, registry: &mut Registry) -> Self {
        let decisions = Family::<ValueLabels, Counter>::default();
        let help = format!(
            "Decisions about known keys, by the value of the key's label {label}; it is empty for keys without the label, and {OTHERS} for values beyond the first {MOST_VALUES}"
        );
        registry.register("label_decisions", help, decisions.clone());
        Self {
            label,
            decisions,
            values: Mutex::default(),
        }
    }

    /// Counts a decision about a key.
    pub(super) fn count(&self, rules: &Rules, is_allow: bool) {
        let value = rules.labels.get(&self.label).unwrap_or(WITHOUT);
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let value = if value.is_empty() || values.contains(value) {
            value
        } else if values.len() < MOST_VALUES {
            values.insert(value.to_owned());
            value
        } else {
            OTHERS
        };
        drop(values);
        let decision = if is_allow { "allow" } else { "deny" };
        let labels = [
            ("value", value.to_owned()),
            ("decision", decision.to_owned()),
        ];
        self.decisions.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{agent::AgentName, conditions::Conditions, label::Labels};

    #[test]
    fn a_hundred_values_are_counted_one_by_one_and_the_rest_together() {
        let mut registry = Registry::default();
        let label: LabelName = "team".parse().expect("a name");
        let counts = LabelCounts::register(label, &mut registry);
        let mut rules = Rules {
            id: "0123456789AB".parse().expect("an id"),
            name: String::new(),
            agent: AgentName::default_agent(),
            owner: None,
            labels: Labels::default(),
            conditions: Conditions::none(),
            disabled_at: None,
            pending_at: None,
            previous_tokens: Vec::new(),
        };
        counts.count(&rules, true);
        for number in (0..150).chain(0..150) {
            rules.labels = Labels::read(&format!("team=t\"{number}")).expect("labels");
            counts.count(&rules, false);
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encoded");
        for line in [
            "label_decisions_total{value=\"\",decision=\"allow\"} 1",
            "label_decisions_total{value=\"t\\\"7\",decision=\"deny\"} 2",
            "label_decisions_total{value=\"(others)\",decision=\"deny\"} 100",
        ] {
            assert!(
                text.lines().any(|one| one == line),
                "{line} is not in {text}"
            );
        }
    }
}
