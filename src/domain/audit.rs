//! Audit events: one recorded change each, chained to the one before it.
//!
//! An event holds typed fields from an allow-list, never a token, a digest or what was presented
//! by a client. Its hash covers every field and the hash before it, each with its length in
//! front, so that no two different events share a text. The first one is chained to the
//! workspace's own id. To record a new kind of change, add it to [`Change`] and [`Change::word`].
use std::{fmt, net::IpAddr};

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use sha2::Digest as _;

use super::{
    access::Area,
    key::{Draft, Key, RevokeReason},
    moment::Moment,
    policy::Policy,
    route::Route,
    text::visible,
};

/// Who made a change: the operating system's user, and from which address they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `alice@gw1`.
    pub name: String,
    /// The address they are logged in from, when they are.
    pub from: Option<IpAddr>,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.name))
    }
}

/// What was done, mostly to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was made.
    Created,
    /// Its name, description, addresses, grants or end were changed.
    Edited,
    /// It was switched off.
    Disabled,
    /// It was switched on again.
    Enabled,
    /// It was deleted for good.
    Revoked,
    /// It got a new token; the old one may stay good for a while.
    Rotated,
    /// Its tokens that were rotated out were ended before their time.
    RotationFinished,
    /// Its token was asked for, to be put on a clipboard.
    Copied,
    /// Its token was asked for, to be shown.
    Revealed,
    /// The workspace got another label.
    Relabelled,
    /// The workspace got another policy for the ends of keys.
    PolicyChanged,
    /// An access area was made.
    AreaAdded,
    /// Its title, badge or routes were changed.
    AreaEdited,
    /// It was removed.
    AreaRemoved,
}

impl Change {
    /// All kinds of change.
    pub const ALL: [Self; 14] = [
        Self::Created,
        Self::Edited,
        Self::Disabled,
        Self::Enabled,
        Self::Revoked,
        Self::Rotated,
        Self::RotationFinished,
        Self::Copied,
        Self::Revealed,
        Self::Relabelled,
        Self::PolicyChanged,
        Self::AreaAdded,
        Self::AreaEdited,
        Self::AreaRemoved,
    ];

    /// The word in the audit log: `key.created`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "key.created",
            Self::Edited => "key.edited",
            Self::Disabled => "key.disabled",
            Self::Enabled => "key.enabled",
            Self::Revoked => "key.revoked",
            Self::Rotated => "key.rotated",
            Self::RotationFinished => "key.rotation_finished",
            Self::Copied => "key.copied",
            Self::Revealed => "key.revealed",
            Self::Relabelled => "workspace.relabelled",
            Self::PolicyChanged => "workspace.policy_changed",
            Self::AreaAdded => "area.added",
            Self::AreaEdited => "area.edited",
            Self::AreaRemoved => "area.removed",
        }
    }

    /// Whether it may change where a request leads.
    #[must_use]
    pub const fn is_about_areas(self) -> bool {
        matches!(self, Self::AreaAdded | Self::AreaEdited | Self::AreaRemoved)
    }

    /// From its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.word() == word)
    }
}

/// An event that is about to be recorded with its change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// When.
    pub at: Moment,
    /// Who.
    pub actor: Actor,
    /// What was done.
    pub change: Change,
    /// To what: a key's id, `area:` and a slug, or `workspace`.
    pub subject_id: String,
    /// What it was called at that time.
    pub subject_name: String,
    /// What was and what is, as JSON.
    pub details: String,
}

impl EventDraft {
    /// An event about a key, with what it was before and what it is after.
    #[must_use]
    pub fn new(at: Moment, actor: &Actor, change: Change, key: &Key, details: Details<'_>) -> Self {
        Self {
            at,
            actor: actor.clone(),
            change,
            subject_id: key.id.to_string(),
            subject_name: key.name().to_owned(),
            details: details.json(key).to_string(),
        }
    }

    /// The event of an area that is made (`before` is none), edited, or removed (`after` is none).
    #[must_use]
    pub fn about_area(
        at: Moment,
        actor: &Actor,
        before: Option<AreaState<'_>>,
        after: Option<AreaState<'_>>,
    ) -> Self {
        let change = match (before, after) {
            (None, _) => Change::AreaAdded,
            (_, None) => Change::AreaRemoved,
            _ => Change::AreaEdited,
        };
        let area = before.or(after).map(|state| state.area);
        let mut details = Map::new();
        for (side, state) in [("before", before), ("after", after)] {
            if let Some(state) = state {
                details.insert(side.into(), state.json());
            }
        }
        Self {
            at,
            actor: actor.clone(),
            change,
            subject_id: format!("area:{}", area.map_or("", |area| area.slug.as_str())),
            subject_name: area.map_or_else(String::new, |area| area.title.clone()),
            details: Value::Object(details).to_string(),
        }
    }

    /// The event of a workspace that gets another policy.
    #[must_use]
    pub fn policy(at: Moment, actor: &Actor, label: &str, before: Policy, after: Policy) -> Self {
        Self {
            at,
            actor: actor.clone(),
            change: Change::PolicyChanged,
            subject_id: "workspace".to_owned(),
            subject_name: label.to_owned(),
            details: json!({ "before": before.json(), "after": after.json() }).to_string(),
        }
    }

    /// The event of a workspace that gets another label.
    #[must_use]
    pub fn relabelled(at: Moment, actor: &Actor, before: &str, after: &str) -> Self {
        Self {
            at,
            actor: actor.clone(),
            change: Change::Relabelled,
            subject_id: "workspace".to_owned(),
            subject_name: before.to_owned(),
            details: json!({ "before": { "label": before }, "after": { "label": after } })
                .to_string(),
        }
    }
}

/// An access area as events tell of it.
#[derive(Debug, Clone, Copy)]
pub struct AreaState<'a> {
    /// The area.
    pub area: &'a Area,
    /// Its routes.
    pub routes: &'a [Route],
}

impl AreaState<'_> {
    fn json(self) -> Value {
        let routes: Vec<String> = self.routes.iter().map(ToString::to_string).collect();
        json!({ "title": self.area.title, "badge": self.area.badge, "routes": routes })
    }
}

/// What an event says beside its key.
#[derive(Debug, Clone, Copy)]
pub enum Details<'a> {
    /// Nothing more.
    None,
    /// The key as it was made.
    Made,
    /// The edited key's new values; the key itself holds the old ones.
    Edited(&'a Draft),
    /// The key as it last was, and why it went.
    Gone(RevokeReason),
    /// Until when the token that was rotated out stays good, if it does.
    Overlap(Option<Moment>),
}

impl Details<'_> {
    fn json(self, key: &Key) -> Value {
        match self {
            Self::None => json!({}),
            Self::Made => json!({ "after": snapshot(&key.draft) }),
            Self::Edited(draft) => {
                let (before, after) = (snapshot(&key.draft), snapshot(draft));
                let differing = |side: &Map<String, Value>, other: &Map<String, Value>| {
                    let kept = side
                        .iter()
                        .filter(|(field, value)| other.get(*field) != Some(value));
                    Value::Object(kept.map(|(k, v)| (k.clone(), v.clone())).collect())
                };
                json!({ "before": differing(&before, &after), "after": differing(&after, &before) })
            }
            Self::Overlap(until) => {
                json!({ "former_valid_until": until.map(Moment::rfc3339) })
            }
            Self::Gone(reason) => {
                json!({ "before": snapshot(&key.draft), "reason": reason.word() })
            }
        }
    }
}

/// The fields of a key that people decide on, as they stand in JSON everywhere.
#[must_use]
pub fn snapshot(draft: &Draft) -> Map<String, Value> {
    let allow = match &draft.allow {
        super::allowlist::AllowList::Anywhere => Value::Null,
        list @ super::allowlist::AllowList::Only(_) => json!(list.entries()),
    };
    let grants: Map<String, Value> = draft
        .grants
        .iter()
        .map(|(area, actions)| {
            let words: Vec<&str> = actions.iter().map(super::access::Action::word).collect();
            (area.to_string(), json!(words))
        })
        .collect();
    let mut fields = Map::new();
    fields.insert("name".into(), json!(draft.name.as_str()));
    fields.insert("description".into(), json!(draft.description.as_str()));
    fields.insert("allow_ip".into(), allow);
    fields.insert("grants".into(), Value::Object(grants));
    fields.insert(
        "expires_at".into(),
        json!(draft.expires_at.map(Moment::rfc3339)),
    );
    fields
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number: the epoch that its change raised the store to.
    pub sequence: i64,
    /// What it records.
    pub draft: EventDraft,
    /// The hash of the event before it, in hexadecimal.
    pub previous_hash: String,
    /// Its own hash, in hexadecimal.
    pub hash: String,
}

/// The hash that the first event of a workspace is chained to.
#[must_use]
pub fn genesis(workspace: &str) -> String {
    hash_of(&["claviger audit 1", workspace])
}

/// The hash of an event, over all its fields and the hash before it.
#[must_use]
pub fn chain(previous: &str, sequence: i64, event: &EventDraft) -> String {
    let from = event
        .actor
        .from
        .map(|address| address.to_string())
        .unwrap_or_default();
    hash_of(&[
        previous,
        &sequence.to_string(),
        &event.at.millis().to_string(),
        &event.actor.name,
        &from,
        event.change.word(),
        &event.subject_id,
        &event.subject_name,
        &event.details,
    ])
}

fn hash_of(fields: &[&str]) -> String {
    let mut hasher = sha2::Sha256::new();
    for field in fields {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    HEXLOWER.encode(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> EventDraft {
        EventDraft {
            at: Moment::from_millis(5),
            actor: Actor {
                name: "alice@gw1".into(),
                from: None,
            },
            change: Change::Created,
            subject_id: "0123456789AB".into(),
            subject_name: "ab".into(),
            details: "c".into(),
        }
    }

    #[test]
    fn every_field_changes_the_hash_and_fields_cannot_run_into_each_other() {
        let first = genesis("w");
        let hash = chain(&first, 1, &event());
        let mut others = vec![chain(&first, 2, &event()), chain("x", 1, &event())];
        let mut change = |edit: fn(&mut EventDraft)| {
            let mut other = event();
            edit(&mut other);
            others.push(chain(&first, 1, &other));
        };
        change(|e| e.at = Moment::from_millis(6));
        change(|e| e.actor.name = "bob@gw1".into());
        change(|e| e.actor.from = Some([10, 0, 0, 1].into()));
        change(|e| e.change = Change::Edited);
        change(|e| e.subject_id = "0123456789AC".into());
        change(|e| {
            e.subject_name = "a".into();
            e.details = "bc".into();
        });
        for other in others {
            assert_ne!(other, hash);
        }
        assert_eq!(chain(&first, 1, &event()), hash);
    }
}
