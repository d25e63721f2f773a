//! The content of an event: its subject, and old and new values as typed fields from an allow-list.
use serde_json::{Map, Value, json};

use super::{Actor, Change};
use crate::domain::{
    access::Area,
    agent::{AgentName, AgentScope},
    approval::PendingChange,
    key::{Draft, Key, RevokeReason},
    member::{MemberDraft, MemberId, Permission, SshKey},
    moment::Moment,
    owner::Owner,
    policy::Policy,
    route::PathRules,
    token::TokenPrefix,
};

/// An event that is about to be recorded together with its change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// The time of the change.
    pub at: Moment,
    /// The actor who made the change.
    pub actor: Actor,
    /// The kind of change.
    pub change: Change,
    /// The subject of the change: a key's id, `area:` and a slug, `agent:` and a name, `member:`
    /// and an id, or `workspace`.
    pub subject_id: String,
    /// The subject's name at that time.
    pub subject_name: String,
    /// The key's agent; `None` if the subject is not a key.
    pub agent: Option<AgentName>,
    /// The old and new values, as JSON.
    pub details: String,
    /// The version of the program that recorded the event; empty for events from before it was
    /// recorded.
    pub program: String,
    /// Whether the change needs approval, or is about one. It is not recorded.
    pub gate: Gate,
}

/// Whether the policy of approval applies to the change of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gate {
    /// Nobody has said whether the change widens.
    #[default]
    Unjudged,
    /// The change does not widen.
    Open,
    /// The change widens: it needs approval if the policy says so.
    Widens,
    /// The change widens a new key that waits for approval itself: it becomes a part of its request.
    WidensNewKey,
    /// The change approves the request with this revision.
    Approves(i64),
    /// The event requests this change.
    Requests(Change),
    /// The event rejects the request of this change; `own` if the actor made the request.
    Rejects {
        /// The requested change.
        change: Change,
        /// Whether the actor takes back a request of their own.
        own: bool,
    },
}

/// The program version that is recorded in events.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

impl EventDraft {
    /// Creates an event about a key, with its old and new values.
    #[must_use]
    pub fn about_key(
        at: Moment,
        actor: &Actor,
        change: Change,
        key: &Key,
        details: EventDetails<'_>,
    ) -> Self {
        let subject = (key.id.to_string(), key.name().to_owned());
        Self {
            agent: Some(key.agent.clone()),
            ..Self::about(at, actor, change, subject, &details.json(key))
        }
    }

    /// Creates the event for revoking a damaged key. It holds no rules, because they cannot be
    /// read.
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

    /// Returns the permission that is required for the change.
    #[must_use]
    pub fn permission(&self) -> Permission {
        match self.gate {
            Gate::Requests(change) | Gate::Rejects { change, .. } => change.permission(),
            Gate::Unjudged | Gate::Open | Gate::Widens | Gate::WidensNewKey | Gate::Approves(_) => {
                self.change.permission()
            }
        }
    }

    /// Says whether the change widens, and so may need approval.
    #[must_use]
    pub fn widening(mut self, widens: bool) -> Self {
        self.gate = if widens { Gate::Widens } else { Gate::Open };
        self
    }

    /// Makes the change of a new key that waits for approval a part of its request, if it widens.
    #[must_use]
    pub fn of_new_key(mut self, widens: bool) -> Self {
        self.gate = if widens {
            Gate::WidensNewKey
        } else {
            Gate::Open
        };
        self
    }

    /// Adds the requests that the change withdraws, in words.
    #[must_use]
    pub fn withdrawing(self, withdrawn: &[String]) -> Self {
        if withdrawn.is_empty() {
            return self;
        }
        self.with("withdrawn", json!(withdrawn))
    }

    /// Makes the change one that a request asked for, which is approved by making it. The event
    /// tells who requested it.
    #[must_use]
    pub fn approving(mut self, request: &PendingChange) -> Self {
        self.gate = Gate::Approves(request.revision);
        self.with("requested_by", json!(request.by))
            .with("requesters", json!(request.proposers))
    }

    /// Makes the event say that the new key waits for approval.
    #[must_use]
    pub fn waiting(mut self) -> Self {
        self.gate = Gate::Open;
        self.with("needs_approval", json!(true))
    }

    /// Makes the event say that it rejects the request for a new key.
    #[must_use]
    pub fn rejecting(self, request: &PendingChange) -> Self {
        self.with("requested_by", json!(request.by))
            .with("rejected", json!(true))
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        if let Ok(Value::Object(mut details)) = serde_json::from_str(&self.details) {
            details.insert(name.into(), value);
            self.details = Value::Object(details).to_string();
        }
        self
    }

    /// Creates the event for requesting, approving (a new key) or rejecting a change.
    #[must_use]
    pub fn about_request(
        at: Moment,
        actor: &Actor,
        change: Change,
        request: &PendingChange,
        gate: Gate,
    ) -> Self {
        let mut details = Map::new();
        if change == Change::ApprovalRequested {
            let (before, after) = (&request.before, &request.after);
            let sides = both_sides(Some(before), Some(after));
            if let Value::Object(sides) = sides {
                details.extend(sides);
            }
        } else {
            details.insert("requested_by".into(), json!(request.by));
            details.insert("requesters".into(), json!(request.proposers));
        }
        details.insert("change".into(), json!(request.change.word()));
        let subject = (request.subject.clone(), request.name.clone());
        Self {
            agent: request.agent.clone(),
            gate,
            ..Self::about(at, actor, change, subject, &Value::Object(details))
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
            gate: Gate::Unjudged,
        }
    }

    /// Creates the event for adding an agent (`before` is `None`) whose tokens begin with a prefix,
    /// or for changing the prefix.
    #[must_use]
    pub fn agent_prefix(
        at: Moment,
        actor: &Actor,
        agent: &AgentName,
        before: Option<&TokenPrefix>,
        after: &TokenPrefix,
    ) -> Self {
        let subject = (format!("agent:{agent}"), agent.to_string());
        let prefix = |prefix: &TokenPrefix| json!({ "prefix": prefix.as_str() });
        let (change, details) = match before {
            Some(before) => (
                Change::AgentEdited,
                json!({ "before": prefix(before), "after": prefix(after) }),
            ),
            None if *after == TokenPrefix::default() => (Change::AgentAdded, json!({})),
            None => (Change::AgentAdded, json!({ "after": prefix(after) })),
        };
        Self::about(at, actor, change, subject, &details)
    }

    /// Creates the event for removing an agent, which also removes it from the scope of
    /// these members.
    #[must_use]
    pub fn agent_removed(
        at: Moment,
        actor: &Actor,
        agent: &AgentName,
        members_who_lose_it: &[&str],
    ) -> Self {
        let subject = (format!("agent:{agent}"), agent.to_string());
        let details = match members_who_lose_it {
            [] => json!({}),
            members => json!({ "members_who_lose_it": members }),
        };
        Self::about(at, actor, Change::AgentRemoved, subject, &details)
    }

    /// Creates the event for adding a member (`before` is `None`), changing one, or removing one
    /// (`after` is `None`).
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
        let (old, new) = (before.map(member_fields), after.map(member_fields));
        let details = both_sides(old.as_ref(), new.as_ref());
        Self::about(at, actor, change, (format!("member:{id}"), name), &details)
    }

    /// Creates the event for adding an area (`before` is `None`), editing one, or removing one
    /// (`after` is `None`).
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
                details.insert(side.into(), Value::Object(state.fields()));
            }
        }
        let subject = (
            format!("area:{}", area.map_or("", |area| area.slug.as_str())),
            area.map_or_else(String::new, |area| area.title.clone()),
        );
        Self::about(at, actor, change, subject, &Value::Object(details))
    }

    /// Creates the event for changing the workspace's policy.
    #[must_use]
    pub fn policy(at: Moment, actor: &Actor, label: &str, before: Policy, after: Policy) -> Self {
        let details = both_sides(Some(&before.fields()), Some(&after.fields()));
        let subject = ("workspace".to_owned(), label.to_owned());
        Self::about(at, actor, Change::PolicyChanged, subject, &details)
    }

    /// Creates the event for changing the workspace's label.
    #[must_use]
    pub fn relabelled(at: Moment, actor: &Actor, before: &str, after: &str) -> Self {
        let details = json!({ "before": { "label": before }, "after": { "label": after } });
        let subject = ("workspace".to_owned(), before.to_owned());
        Self::about(at, actor, Change::Relabelled, subject, &details)
    }
}

/// An access area as it is recorded in events.
#[derive(Debug, Clone, Copy)]
pub struct AreaState<'a> {
    /// The area.
    pub area: &'a Area,
    /// The area's rules about paths.
    pub rules: &'a PathRules,
}

impl AreaState<'_> {
    /// Returns the area as fields of a JSON object.
    #[must_use]
    pub fn fields(self) -> Map<String, Value> {
        let routes = self.rules.routes().iter().map(ToString::to_string);
        let mut fields = Map::new();
        fields.insert("title".into(), json!(self.area.title));
        fields.insert("badge".into(), json!(self.area.badge));
        fields.insert("routes".into(), json!(routes.collect::<Vec<_>>()));
        fields.insert("paths".into(), json!(self.rules.form.word()));
        fields.insert("case_sensitive".into(), json!(self.rules.case_sensitive));
        fields
    }
}

/// The details of an event about a key.
#[derive(Debug, Clone, Copy)]
pub enum EventDetails<'a> {
    /// No details.
    None,
    /// The key as it was created.
    Created,
    /// The new values of an edited key; the key itself holds the old ones.
    Edited(&'a Draft),
    /// The key as it last was, and the reason for its revocation.
    Revoked(RevokeReason),
    /// The time until which the previous token stays valid, or `None` if it does not.
    Overlap(Option<Moment>),
}

impl EventDetails<'_> {
    fn json(self, key: &Key) -> Value {
        match self {
            Self::None => json!({}),
            Self::Created => json!({ "after": snapshot(&key.draft) }),
            Self::Edited(draft) => both_sides(Some(&snapshot(&key.draft)), Some(&snapshot(draft))),
            Self::Overlap(until) => {
                json!({ "former_valid_until": until.map(Moment::rfc3339) })
            }
            Self::Revoked(reason) => {
                json!({ "before": snapshot(&key.draft), "reason": reason.word() })
            }
        }
    }
}

/// Returns the old and the new values; if both are given, only the fields that differ.
pub(super) fn both_sides(
    before: Option<&Map<String, Value>>,
    after: Option<&Map<String, Value>>,
) -> Value {
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

/// Returns the fields of a member that owners set, in the form that all JSON output uses.
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

/// Returns the fields of a key that people set, in the form that all JSON output uses.
#[must_use]
pub fn snapshot(draft: &Draft) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("name".into(), json!(draft.name.as_str()));
    fields.insert("description".into(), json!(draft.description.as_str()));
    fields.extend(draft.conditions.fields());
    let owner = draft.owner.as_ref().map(Owner::as_str);
    fields.insert("owner".into(), json!(owner));
    fields.insert("labels".into(), draft.labels.json());
    fields
}
