//! Changes that wait for the approval of another person, because the workspace's policy holds back
//! whatever widens.
//!
//! A new key waits in itself: it is refused until it is approved. Of any other change nothing is
//! made until then. The values before and after are kept as the JSON fields of [`fields`]; before
//! the change is made, the present values are compared with the values before.
pub mod fields;

pub(in crate::domain) use fields::SSH_KEY_LINES;

use serde_json::{Map, Value};

use super::{
    access::Area,
    agent::AgentName,
    audit::{Actor, Change, Difference, differences_between},
    key::Draft,
    member::Role,
    moment::Moment,
    review,
};

/// The word for everybody who works on the machine itself. Together they are one approver.
const LOCAL: &str = "local";

impl Actor {
    /// Returns the word for the actor as an approver: a member's id, or `local`. Nobody approves
    /// what the same word has requested.
    #[must_use]
    pub fn approver(&self) -> &str {
        self.login
            .as_ref()
            .map_or(LOCAL, |login| login.member.as_str())
    }
}

/// A change that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingChange {
    /// The subject, as in the audit log: a key's id, `area:` and a slug, `member:` and an id, or
    /// `workspace`.
    pub subject: String,
    /// The subject's name.
    pub name: String,
    /// The key's agent; `None` if the subject is not a key.
    pub agent: Option<AgentName>,
    /// The change that is made once it is approved.
    pub change: Change,
    /// The revision that an approval names: of a key, the key's own; of another subject, the number
    /// of the event of the request.
    pub revision: i64,
    /// The time of the request.
    pub at: Moment,
    /// The name of the actor who requested it.
    pub by: String,
    /// Who may not approve it, as [`Actor::approver`].
    pub proposers: Vec<String>,
    /// The values before; empty for something new.
    pub before: Map<String, Value>,
    /// The values after; empty for something that is removed or only enabled.
    pub after: Map<String, Value>,
}

impl PendingChange {
    /// Returns `true` if the actor has requested the change, or a part of it, and so may not approve
    /// it.
    #[must_use]
    pub fn is_of(&self, actor: &Actor) -> bool {
        self.proposers.iter().any(|one| one == actor.approver())
    }

    /// Returns what would change, in lines: of an edit of a key the sentences of the review, what
    /// widens first; of a new key also all its fields; else the fields that differ.
    #[must_use]
    pub fn lines(&self, areas: &[Area]) -> Vec<String> {
        let all = || {
            let differences = differences_between(&self.before, &self.after);
            let lines: Vec<String> = differences.iter().map(Difference::line).collect();
            lines
        };
        let before = fields::read_key(&self.before);
        match (self.change, before, fields::read_key(&self.after)) {
            (Change::Created, _, Some(after)) => {
                let mut lines = vec![review::sentence(&after.conditions, areas)];
                lines.extend(all());
                lines
            }
            // The sentences leave out areas that the caller does not know.
            (Change::Edited, Some(before), Some(after)) if knows_all(&after, areas) => {
                let mut lines = review::changes(&before, &after, areas);
                // The sentences call areas by their titles, which can change meanwhile.
                if before.conditions.grants != after.conditions.grants {
                    let granted = &after.conditions.grants;
                    let granted = granted
                        .iter()
                        .map(|(slug, actions)| format!("{slug}={}", actions.words()));
                    lines.push(format!(
                        "Grants then: {}",
                        granted.collect::<Vec<_>>().join(" ")
                    ));
                }
                lines
            }
            _ => all(),
        }
    }

    /// Returns the name of the person who requested it, and what names them for certain: the member's
    /// id, or `local` for all who work on the machine itself.
    #[must_use]
    pub fn requester(&self) -> String {
        match self.proposers.first() {
            Some(first) => format!("{} ({first})", self.by),
            None => self.by.clone(),
        }
    }

    /// Returns who can approve it: "another owner" or "another manager or owner".
    #[must_use]
    pub fn approvers(&self) -> &'static str {
        approvers(self.change)
    }

    /// Returns the requested change in a few words, without the subject's name: `key edited`.
    #[must_use]
    pub fn title(&self) -> String {
        let is_key = !self.subject.contains(':') && self.change != Change::PolicyChanged;
        let kind = if is_key { "key " } else { "" };
        format!("{kind}{}", self.change.title())
    }
}

/// Returns who can approve such a change: "another owner" or "another manager or owner".
#[must_use]
pub fn approvers(change: Change) -> &'static str {
    if Role::Manager.may(change.permission()) {
        "another manager or owner"
    } else {
        "another owner"
    }
}

/// Returns `true` if all areas of a key's grants are among these.
fn knows_all(draft: &Draft, areas: &[Area]) -> bool {
    let mut granted = draft.conditions.grants.iter();
    granted.all(|(slug, _)| areas.iter().any(|area| area.slug == *slug))
}
