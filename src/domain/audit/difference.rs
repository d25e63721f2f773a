//! The changes that an event records, as text for people: one line per field.
//!
//! The details come from the store, so their form is not relied on: an unknown field is shown with
//! its own name and value, and details that cannot be parsed are shown as they are.
use serde_json::{Map, Value};

use super::Event;
use crate::domain::{approval::SSH_KEY_LINES, conditions::Condition, text::visible};

/// The fields that are told before a key's conditions, and those after them, in this order; fields
/// that are not known come last.
const FIELDS_BEFORE_CONDITIONS: [(&str, &str); 2] =
    [("name", "Name"), ("description", "Description")];
const FIELDS_AFTER_CONDITIONS: [(&str, &str); 25] = [
    ("owner", "Owner"),
    ("labels", "Labels"),
    ("role", "Role"),
    ("agents", "Agents"),
    ("prefix", "Prefix of tokens"),
    ("ssh_keys", "SSH keys"),
    ("label", "Label"),
    ("title", "Title"),
    ("badge", "Badge"),
    ("routes", "Routes"),
    ("paths", "Paths"),
    ("case_sensitive", "Case-sensitive"),
    ("longest_life_days", "Longest life in days"),
    ("must_expire", "Must expire"),
    ("approve_widening", "Approve widening"),
    ("reason", "Reason"),
    ("unreadable", "Could not be read"),
    ("members_who_lose_it", "Members who lose it"),
    ("former_valid_until", "Old token good until"),
    ("change", "Change"),
    ("requested_by", "Requested by"),
    ("requesters", "Requesters"),
    ("withdrawn", "Withdrawn requests"),
    ("needs_approval", "Needs approval"),
    ("rejected", "Rejected"),
];

/// The fields that are told of a new or revoked key only if they are set.
const OPTIONAL: [&str; 6] = [
    "deny_ip",
    "not_before",
    "rate_limit",
    "quota",
    "owner",
    "labels",
];

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(each) => each.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The name and the title of each known field, in the order in which they are told.
fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    let conditions = Condition::ALL
        .into_iter()
        .map(|condition| (condition.field(), condition.title()));
    FIELDS_BEFORE_CONDITIONS
        .into_iter()
        .chain(conditions)
        .chain(FIELDS_AFTER_CONDITIONS)
}

/// Returns one line for each field in the details of an event: its title, its old value and its new
/// value.
#[must_use]
pub fn differences(event: &Event) -> Vec<Difference> {
    let Ok(Value::Object(mut details)) = serde_json::from_str(&event.draft.details) else {
        return vec![Difference {
            title: "Details".to_owned(),
            was: None,
            is: Some(visible(&event.draft.details)),
        }];
    };
    let mut side = |name: &str| match details.shift_remove(name) {
        Some(Value::Object(fields)) => Some(fields),
        _ => None,
    };
    let (was, is) = (side("before"), side("after"));
    let mut lines = differences_of(was.as_ref(), is.as_ref());
    lines.extend(details.iter().map(|(name, value)| Difference {
        title: title(name),
        was: None,
        is: Some(value_text(name, value)),
    }));
    lines
}

/// Returns one line for each field that differs between old and new values. An empty map means that
/// there are no values on that side.
#[must_use]
pub fn differences_between(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<Difference> {
    let some = |side: &Map<String, Value>, other: &Map<String, Value>| {
        let differing = side
            .iter()
            .filter(|(name, value)| other.get(*name) != Some(value));
        let differing = differing.map(|(name, value)| (name.clone(), value.clone()));
        (!side.is_empty()).then(|| differing.collect())
    };
    differences_of(some(before, after).as_ref(), some(after, before).as_ref())
}

fn differences_of(
    was: Option<&Map<String, Value>>,
    is: Option<&Map<String, Value>>,
) -> Vec<Difference> {
    let mut names: Vec<&String> = [was, is]
        .into_iter()
        .flatten()
        .flat_map(Map::keys)
        .filter(|name| *name != SSH_KEY_LINES)
        .collect();
    let position = |name: &str| fields().position(|(known, _)| known == name);
    names.sort_by_key(|name| (position(name).unwrap_or(usize::MAX), name.as_str()));
    names.dedup();
    // What a new key does not have, and what a revoked one did not, is not worth a line.
    if was.is_none() || is.is_none() {
        let is_set = |name: &String| {
            let sides = [was, is].into_iter().flatten();
            let mut values = sides.filter_map(|side| side.get(name));
            values.any(|value| !is_empty(value))
        };
        names.retain(|name| !OPTIONAL.contains(&name.as_str()) || is_set(name));
    }
    let of =
        |side: Option<&Map<String, Value>>, name: &str| Some(value_text(name, side?.get(name)?));
    names
        .into_iter()
        .map(|name| Difference {
            title: title(name),
            was: of(was, name),
            is: of(is, name),
        })
        .collect()
}

/// A field in the details of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field's title.
    pub title: String,
    /// The old value, if one is recorded.
    pub was: Option<String>,
    /// The new value, if one is recorded.
    pub is: Option<String>,
}

impl Difference {
    /// Returns the field as one line: `Role: viewer → owner`.
    #[must_use]
    pub fn line(&self) -> String {
        let title = &self.title;
        match (&self.was, &self.is) {
            (Some(was), Some(is)) => format!("{title}: {was} → {is}"),
            (Some(only), None) | (None, Some(only)) => format!("{title}: {only}"),
            (None, None) => title.clone(),
        }
    }
}

fn title(name: &str) -> String {
    let known = fields().find(|(known, _)| *known == name);
    known.map_or_else(|| visible(name), |(_, title)| title.to_owned())
}

fn value_text(name: &str, value: &Value) -> String {
    match (name, value) {
        ("agents", Value::Null) => "all".to_owned(),
        (name, Value::Null) => {
            let condition = Condition::from_field(name);
            condition.map_or("none", Condition::absent).to_owned()
        }
        (_, Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        (_, Value::String(text)) if text.is_empty() => "empty".to_owned(),
        (_, Value::String(text)) => visible(text),
        (_, Value::Array(each)) if each.is_empty() => "none".to_owned(),
        (_, Value::Array(each)) => {
            let each: Vec<String> = each.iter().map(|one| value_text("", one)).collect();
            each.join(", ")
        }
        (_, Value::Object(fields)) if fields.is_empty() => "none".to_owned(),
        (_, Value::Object(fields)) => {
            let each = fields.iter();
            let each: Vec<String> = each
                .map(|(name, value)| format!("{} {}", visible(name), value_text("", value)))
                .collect();
            each.join("; ")
        }
        (_, other) => visible(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        audit::{Actor, Change, EventDraft, Gate},
        moment::Moment,
        policy::Policy,
    };

    fn lines(details: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let event = Event {
            sequence: 1,
            draft: EventDraft {
                at: Moment::from_millis(0),
                actor: Actor {
                    name: "a".into(),
                    from: None,
                    login: None,
                },
                change: Change::Edited,
                subject_id: String::new(),
                subject_name: String::new(),
                agent: None,
                details: details.into(),
                program: String::new(),
                gate: Gate::Open,
            },
            previous_hash: String::new(),
            hash: String::new(),
        };
        let lines = differences(&event).into_iter();
        lines.map(|it| (it.title, it.was, it.is)).collect()
    }

    fn line(title: &str, was: &str, is: &str) -> (String, Option<String>, Option<String>) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (title.to_owned(), some(was), some(is))
    }

    #[test]
    fn what_was_and_what_is_are_told_field_by_field() {
        let details = r#"{"before":{"expires_at":null,"allow_ip":["10.0.0.0/24","::1"]},
            "after":{"allow_ip":null,"expires_at":"2027-01-31T23:59:59.999Z"}}"#;
        assert_eq!(
            lines(details),
            [
                line("From", "10.0.0.0/24, ::1", "Any IP"),
                line("Expires", "never", "2027-01-31T23:59:59.999Z"),
            ]
        );
        let gone =
            r#"{"before":{"name":"a","grants":{"contacts":["read","create"]}},"reason":"other"}"#;
        assert_eq!(
            lines(gone),
            [
                line("Name", "a", ""),
                line("Grants", "contacts read, create", ""),
                line("Reason", "", "other"),
            ]
        );
        assert_eq!(lines("{}"), []);
    }

    #[test]
    fn a_new_key_is_told_without_the_rules_that_it_does_not_have() {
        let made = r#"{"after":{"name":"a","allow_ip":null,"deny_ip":[],"rate_limit":"5/hour",
            "quota":null,"owner":null,"labels":{}}}"#;
        assert_eq!(
            lines(made),
            [
                line("Name", "", "a"),
                line("From", "", "Any IP"),
                line("Rate limit", "", "5/hour"),
            ]
        );
        let edited = r#"{"before":{"quota":"5/day","labels":{"team":"a"}},
            "after":{"quota":null,"labels":{}}}"#;
        assert_eq!(
            lines(edited),
            [
                line("Quota", "5/day", "none"),
                line("Labels", "team a", "none")
            ]
        );
    }

    #[test]
    fn a_change_of_the_policy_is_told_by_titles() {
        let actor = Actor {
            name: "a".into(),
            from: None,
            login: None,
        };
        let [before, after] = [None, Some(90)].map(|longest_life| Policy {
            longest_life,
            must_expire: longest_life.is_some(),
            approve_widening: false,
        });
        let event = EventDraft::policy(Moment::from_millis(0), &actor, "", before, after);
        assert_eq!(
            lines(&event.details),
            [
                line("Longest life in days", "none", "90"),
                line("Must expire", "no", "yes"),
            ]
        );
    }

    #[test]
    fn unknown_fields_come_last_and_once() {
        let details = r#"{"before":{"y":1,"x":1,"name":"a"},"after":{"y":2,"x":2,"name":"b"}}"#;
        assert_eq!(
            lines(details),
            [
                line("Name", "a", "b"),
                line("x", "1", "2"),
                line("y", "1", "2")
            ]
        );
    }

    #[test]
    fn what_is_not_known_or_cannot_be_read_is_shown_and_acts_on_no_terminal() {
        assert_eq!(lines("no\u{1b}"), [line("Details", "", "no<U+001B>")]);
        assert_eq!(
            lines("{\"after\":{\"x\u{202e}\":{\"y\":[1,true]}}}"),
            [line("x<U+202E>", "", "y 1, yes")]
        );
    }
}
