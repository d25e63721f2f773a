//! Audit events: each records one change and is chained to the event before it.
//!
//! An event holds typed fields from an allow-list, and never a token, a digest or a credential that
//! a client presented. Its hash covers every field and the hash of the previous event, each
//! prefixed with its length, so that two different events never hash the same text. The first event
//! is chained to the workspace's id. To record a new kind of change, add it to [`Change`] and
//! [`Change::word`].
mod checkpoint;
mod difference;
mod draft;
mod export;
mod filter;

use std::{fmt, net::IpAddr};
use strum::{EnumCount, VariantArray};

pub use checkpoint::{Checkpoint, checkpoints_in};
use data_encoding::HEXLOWER;
pub use difference::{Difference, differences, differences_between};
pub use draft::{AreaState, EventDetails, EventDraft, Gate, member_fields, snapshot};
pub use export::{csv_head, csv_line, json_line};
pub use filter::{EventCursor, EventFilter, FilterError};
use sha2::Digest as _;

use super::{
    agent::AgentName,
    member::{Fingerprint, MemberId, Permission},
    text::visible,
};

/// The actor who made a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The member's name at that time, or the operating system's user, such as `alice@gw1`.
    pub name: String,
    /// The address from which the actor is logged in, if they are logged in remotely.
    pub from: Option<IpAddr>,
    /// The member's login; `None` for a user who works on the machine itself.
    pub login: Option<Login>,
}

/// The login of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The member's id.
    pub member: MemberId,
    /// The fingerprint of the SSH key that was used, if it is known.
    pub fingerprint: Option<Fingerprint>,
    /// The operating system's user through which the member logged in, such as `keys@gw1`.
    pub account: String,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.name))
    }
}

/// The kind of a recorded change; most kinds are changes to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum Change {
    /// A key was created.
    Created,
    /// A key's name, description, allow-list, grants or expiry was changed.
    Edited,
    /// A key was disabled.
    Disabled,
    /// A key was enabled again.
    Enabled,
    /// A key was permanently deleted.
    Revoked,
    /// A key got a new token; the old one may stay valid for a while.
    Rotated,
    /// A key's previous tokens were ended before their time.
    RotationFinished,
    /// A key's token was requested in order to copy it to a clipboard.
    Copied,
    /// A key's token was requested in order to show it.
    Revealed,
    /// The workspace's label was changed.
    Relabelled,
    /// The workspace's policy for the expiry of keys was changed.
    PolicyChanged,
    /// An access area was added.
    AreaAdded,
    /// An access area's title, badge or routes were changed.
    AreaEdited,
    /// An access area was removed.
    AreaRemoved,
    /// An agent was added.
    AgentAdded,
    /// The prefix of an agent's tokens was changed.
    AgentEdited,
    /// An agent was removed.
    AgentRemoved,
    /// A member was added.
    MemberAdded,
    /// A member's name, role, agents or SSH keys were changed.
    MemberEdited,
    /// A member was removed.
    MemberRemoved,
    /// A change that widens was requested; it waits for the approval of another person.
    ApprovalRequested,
    /// A new key was approved. The approval of any other change is a part of its own event.
    Approved,
    /// A requested change was rejected, or taken back by who requested it.
    ApprovalRejected,
}

impl Change {
    /// All kinds of change.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns the word in the audit log, such as `key.created`.
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
            Self::AgentAdded => "agent.added",
            Self::AgentEdited => "agent.edited",
            Self::AgentRemoved => "agent.removed",
            Self::MemberAdded => "member.added",
            Self::MemberEdited => "member.edited",
            Self::MemberRemoved => "member.removed",
            Self::ApprovalRequested => "approval.requested",
            Self::Approved => "key.approved",
            Self::ApprovalRejected => "approval.rejected",
        }
    }

    /// Returns the title in a list, such as `revoked` or `member added`.
    #[must_use]
    pub fn title(self) -> String {
        let word = self.word();
        let (kind, what) = word.split_once('.').unwrap_or(("", word));
        let what = what.replace('_', " ");
        match kind {
            "key" | "workspace" => what,
            kind => format!("{kind} {what}"),
        }
    }

    /// Returns the permission that is required for the change.
    #[must_use]
    pub const fn permission(self) -> Permission {
        match self {
            Self::Created => Permission::Create,
            Self::Edited => Permission::Edit,
            Self::Approved | Self::ApprovalRequested | Self::ApprovalRejected => {
                Permission::Approve
            }
            Self::Disabled | Self::Enabled => Permission::Switch,
            Self::Revoked => Permission::Revoke,
            Self::Rotated | Self::RotationFinished => Permission::Rotate,
            Self::Copied | Self::Revealed => Permission::Copy,
            Self::Relabelled | Self::PolicyChanged => Permission::Workspace,
            Self::AreaAdded | Self::AreaEdited | Self::AreaRemoved => Permission::Areas,
            Self::AgentAdded | Self::AgentEdited | Self::AgentRemoved => Permission::Agents,
            Self::MemberAdded | Self::MemberEdited | Self::MemberRemoved => Permission::Members,
        }
    }

    /// Returns `true` if the change may alter the area and action that requests lead to.
    #[must_use]
    pub const fn is_about_areas(self) -> bool {
        matches!(self, Self::AreaAdded | Self::AreaEdited | Self::AreaRemoved)
    }

    /// Returns `true` if the change may add a prefix of tokens.
    #[must_use]
    pub const fn is_about_agents(self) -> bool {
        matches!(self, Self::AgentAdded | Self::AgentEdited)
    }

    /// Returns `true` if the change can let more requests pass, or more people do more.
    #[must_use]
    pub const fn can_widen(self) -> bool {
        matches!(
            self,
            Self::Created
                | Self::Edited
                | Self::Enabled
                | Self::AreaAdded
                | Self::AreaEdited
                | Self::AreaRemoved
                | Self::MemberAdded
                | Self::MemberEdited
                | Self::PolicyChanged
        )
    }

    /// Returns `true` if a change of its subject's settings was made, so that what was requested
    /// before is out of date.
    #[must_use]
    pub const fn is_of_settings(self) -> bool {
        !matches!(
            self,
            Self::Copied
                | Self::Revealed
                | Self::Relabelled
                | Self::ApprovalRequested
                | Self::Approved
                | Self::ApprovalRejected
        )
    }

    /// Returns the change with this word, or `None` if there is none.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.word() == word)
    }
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's number: the epoch to which its change raised the store.
    pub sequence: i64,
    /// The recorded change.
    pub draft: EventDraft,
    /// The hash of the previous event, in hexadecimal.
    pub previous_hash: String,
    /// The hash of this event, in hexadecimal.
    pub hash: String,
}

/// Returns the hash that the first event of a workspace is chained to.
#[must_use]
pub fn genesis(workspace: &str) -> String {
    hash_of(&["claviger audit 1", workspace])
}

/// Returns the hash of an event, over all its fields and the hash of the previous event. Events
/// without a program version, from before members were introduced, are hashed without the fields
/// for login, agent and program.
#[must_use]
pub fn chain(previous: &str, sequence: i64, event: &EventDraft) -> String {
    let from = event.actor.from.map(|address| address.to_string());
    let login = event.actor.login.as_ref();
    let fingerprint = login.and_then(|login| login.fingerprint.as_ref());
    let (sequence, at) = (sequence.to_string(), event.at.millis().to_string());
    let mut fields = vec![
        previous,
        &sequence,
        &at,
        &event.actor.name,
        from.as_deref().unwrap_or_default(),
        event.change.word(),
        &event.subject_id,
        &event.subject_name,
        &event.details,
    ];
    if !event.program.is_empty() {
        fields.extend([
            login.map_or("", |login| login.member.as_str()),
            fingerprint.map_or("", Fingerprint::as_str),
            login.map_or("", |login| login.account.as_str()),
            event.agent.as_ref().map_or("", AgentName::as_str),
            &event.program,
        ]);
    }
    hash_of(&fields)
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
    use crate::domain::moment::Moment;

    fn event() -> EventDraft {
        EventDraft {
            at: Moment::from_millis(5),
            actor: Actor {
                name: "alice@gw1".into(),
                from: None,
                login: None,
            },
            change: Change::Created,
            subject_id: "0123456789AB".into(),
            subject_name: "ab".into(),
            agent: None,
            details: "c".into(),
            program: "1".into(),
            gate: Gate::Open,
        }
    }

    #[test]
    fn every_field_changes_the_hash_and_fields_cannot_run_into_each_other() {
        let first = genesis("w");
        let hash = chain(&first, 1, &event());
        let mut others = vec![chain(&first, 2, &event()), chain("x", 1, &event())];
        let others = &mut others;
        let change = |others: &mut Vec<String>, edit: fn(&mut EventDraft)| {
            let mut other = event();
            edit(&mut other);
            others.push(chain(&first, 1, &other));
        };
        change(others, |e| e.at = Moment::from_millis(6));
        change(others, |e| e.actor.name = "bob@gw1".into());
        change(others, |e| e.actor.from = Some([10, 0, 0, 1].into()));
        change(others, |e| e.change = Change::Edited);
        change(others, |e| e.subject_id = "0123456789AC".into());
        change(others, |e| e.agent = Some(AgentName::default_agent()));
        change(others, |e| e.program = "2".into());
        change(others, |e| e.program = String::new());
        let login = |fingerprint: Option<&str>, account: &str| Login {
            member: MemberId::drawn("0"),
            fingerprint: fingerprint.map(|it| it.parse().expect("a fingerprint")),
            account: account.to_owned(),
        };
        for login in [
            login(None, ""),
            login(None, "keys@gw1"),
            login(
                Some("SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ"),
                "",
            ),
        ] {
            let mut other = event();
            other.actor.login = Some(login);
            others.push(chain(&first, 1, &other));
        }
        change(others, |e| {
            e.subject_name = "a".into();
            e.details = "bc".into();
        });
        others.push(hash.clone());
        let different: std::collections::BTreeSet<&String> = others.iter().collect();
        assert_eq!(different.len(), others.len());
        assert_eq!(chain(&first, 1, &event()), hash);
    }
}
