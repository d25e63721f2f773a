//! What an event tells: its subject, and what was and what is, as typed fields from an allow-list.
use serde_json::{Map, Value, json};

use super::{Actor, Change};
use crate::domain::{
    access::Area,
    agent::{AgentName, AgentScope},
    key::{Draft, Key, RevokeReason},
    member::{MemberDraft, MemberId, SshKey},
    moment::Moment,
    policy::Policy,
    route::Route,
};

/// An event that is about to be recorded with its change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// When.
    pub at: Moment,
    /// Who.
    pub actor: Actor,
    /// What was done.
    pub change: Change,
    /// To what: a key's id, `area:` and a slug, `agent:` and a name, `member:` and an id, or
    /// `workspace`.
    pub subject_id: String,
    /// What it was called at that time.
    pub subject_name: String,
    /// The agent of the key; none for what is no key's.
    pub agent: Option<AgentName>,
    /// What was and what is, as JSON.
    pub details: String,
    /// The version of the program that recorded it; empty for events from before that was noted.
    pub program: String,
}

/// The version that events are recorded with.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

impl EventDraft {
    /// An event about a key, with what it was before and what it is after.
    #[must_use]
    pub fn new(at: Moment, actor: &Actor, change: Change, key: &Key, details: Details<'_>) -> Self {
        let subject = (key.id.to_string(), key.name().to_owned());
        Self {
            agent: Some(key.agent.clone()),
            ..Self::about(at, actor, change, subject, &details.json(key))
        }
    }

    /// The event of a damaged key that is revoked. Its rules cannot be read, so it tells none.
    #[must_use]
    pub fn damaged_key_revoked(
        at: Moment,
        actor: &Actor,
        subject: (String, String),
        agent: Option<AgentName>,
        reason: RevokeReason,
    ) -> Self {
        let details = json!({ "reason": reason.word(), "unreadable": true });
        Self {
            agent,
            ..Self::about(at, actor, Change::Revoked, subject, &details)
        }
    }

    fn about(
        at: Moment,
        actor: &Actor,
        change: Change,
        (subject_id, subject_name): (String, String),
        details: &Value,
    ) -> Self {
        Self {
            at,
            actor: actor.clone(),
            change,
            subject_id,
            subject_name,
            agent: None,
            details: details.to_string(),
            program: PROGRAM.to_owned(),
        }
    }

    /// The event of an agent that is made.
    #[must_use]
    pub fn agent_added(at: Moment, actor: &Actor, agent: &AgentName) -> Self {
        let subject = (format!("agent:{agent}"), agent.to_string());
        Self::about(at, actor, Change::AgentAdded, subject, &json!({}))
    }

    /// The event of an agent that is removed, and with it from what these members are limited to.
    #[must_use]
    pub fn agent_removed(at: Moment, actor: &Actor, agent: &AgentName, limited: &[&str]) -> Self {
        let subject = (format!("agent:{agent}"), agent.to_string());
        let details = match limited {
            [] => json!({}),
            members => json!({ "members_who_lose_it": members }),
        };
        Self::about(at, actor, Change::AgentRemoved, subject, &details)
    }

    /// The event of a member who is added (`before` is none), changed, or removed (`after` is none).
    #[must_use]
    pub fn about_member(
        at: Moment,
        actor: &Actor,
        id: &MemberId,
        before: Option<&MemberDraft>,
        after: Option<&MemberDraft>,
    ) -> Self {
        let change = match (before, after) {
            (None, _) => Change::MemberAdded,
            (_, None) => Change::MemberRemoved,
            _ => Change::MemberEdited,
        };
        let name = before
            .or(after)
            .map_or_else(String::new, |draft| draft.name.as_str().to_owned());
        let (was, is) = (before.map(member_fields), after.map(member_fields));
        let details = both_sides(was.as_ref(), is.as_ref());
        Self::about(at, actor, change, (format!("member:{id}"), name), &details)
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
        let subject = (
            format!("area:{}", area.map_or("", |area| area.slug.as_str())),
            area.map_or_else(String::new, |area| area.title.clone()),
        );
        Self::about(at, actor, change, subject, &Value::Object(details))
    }

    /// The event of a workspace that gets another policy.
    #[must_use]
    pub fn policy(at: Moment, actor: &Actor, label: &str, before: Policy, after: Policy) -> Self {
        let details = json!({ "before": before.json(), "after": after.json() });
        let subject = ("workspace".to_owned(), label.to_owned());
        Self::about(at, actor, Change::PolicyChanged, subject, &details)
    }

    /// The event of a workspace that gets another label.
    #[must_use]
    pub fn relabelled(at: Moment, actor: &Actor, before: &str, after: &str) -> Self {
        let details = json!({ "before": { "label": before }, "after": { "label": after } });
        let subject = ("workspace".to_owned(), before.to_owned());
        Self::about(at, actor, Change::Relabelled, subject, &details)
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
            Self::Edited(draft) => both_sides(Some(&snapshot(&key.draft)), Some(&snapshot(draft))),
            Self::Overlap(until) => {
                json!({ "former_valid_until": until.map(Moment::rfc3339) })
            }
            Self::Gone(reason) => {
                json!({ "before": snapshot(&key.draft), "reason": reason.word() })
            }
        }
    }
}

/// What was and what is; of a change, only the fields that differ.
fn both_sides(before: Option<&Map<String, Value>>, after: Option<&Map<String, Value>>) -> Value {
    let mut details = Map::new();
    for (side, fields, other) in [("before", before, after), ("after", after, before)] {
        let Some(fields) = fields else { continue };
        let told = fields
            .iter()
            .filter(|(field, value)| other.is_none_or(|other| other.get(*field) != Some(value)));
        let told: Map<String, Value> = told.map(|(k, v)| (k.clone(), v.clone())).collect();
        details.insert(side.into(), Value::Object(told));
    }
    Value::Object(details)
}

/// The fields of a member that owners decide on, as they stand in JSON everywhere.
#[must_use]
pub fn member_fields(draft: &MemberDraft) -> Map<String, Value> {
    let keys: Vec<String> = draft.keys.iter().map(SshKey::summary).collect();
    let agents = match &draft.scope {
        AgentScope::Everything => Value::Null,
        AgentScope::Only(agents) => json!(agents.iter().map(AgentName::as_str).collect::<Vec<_>>()),
    };
    let mut fields = Map::new();
    fields.insert("name".into(), json!(draft.name.as_str()));
    fields.insert("role".into(), json!(draft.role.word()));
    fields.insert("agents".into(), agents);
    fields.insert("ssh_keys".into(), json!(keys));
    fields
}

/// The fields of a key that people decide on, as they stand in JSON everywhere.
#[must_use]
pub fn snapshot(draft: &Draft) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("name".into(), json!(draft.name.as_str()));
    fields.insert("description".into(), json!(draft.description.as_str()));
    fields.extend(draft.conditions.fields());
    fields
}
