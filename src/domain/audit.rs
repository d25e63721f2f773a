//! Audit events: one recorded change each, chained to the one before it.
//!
//! An event holds typed fields from an allow-list, never a token, a digest or what was presented
//! by a client. Its hash covers every field and the hash before it, each with its length in
//! front, so that no two different events share a text. The first one is chained to the
//! workspace's own id. To record a new kind of change, add it to [`Change`] and [`Change::word`].
mod checkpoint;
mod difference;
mod draft;
mod export;
mod filter;

use std::{fmt, net::IpAddr};
use strum::{EnumCount, VariantArray};

pub use checkpoint::{Checkpoint, checkpoints_in};
use data_encoding::HEXLOWER;
pub use difference::{Difference, differences};
pub use draft::{AreaState, Details, EventDraft, member_fields, snapshot};
pub use export::{csv_head, csv_line, json_line};
pub use filter::{EventCursor, EventFilter, FilterError};
use sha2::Digest as _;

use super::{
    agent::AgentName,
    member::{Fingerprint, MemberId, Permission},
    text::visible,
};

/// Who made a change, and from which address they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A member's name at that time, or the operating system's user: `alice@gw1`.
    pub name: String,
    /// The address they are logged in from, when they are.
    pub from: Option<IpAddr>,
    /// How a member came in; none for who works on the machine itself.
    pub login: Option<Login>,
}

/// How a member came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub member: MemberId,
    /// With which SSH key, where that was told.
    pub fingerprint: Option<Fingerprint>,
    /// Through which user of the operating system: `keys@gw1`.
    pub account: String,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.name))
    }
}

/// What was done, mostly to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
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
    /// An agent was made.
    AgentAdded,
    /// It was removed.
    AgentRemoved,
    /// A member was added.
    MemberAdded,
    /// Their name, role, agents or SSH keys were changed.
    MemberEdited,
    /// They were removed.
    MemberRemoved,
}

impl Change {
    /// All kinds of change.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

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
            Self::AgentAdded => "agent.added",
            Self::AgentRemoved => "agent.removed",
            Self::MemberAdded => "member.added",
            Self::MemberEdited => "member.edited",
            Self::MemberRemoved => "member.removed",
        }
    }

    /// What it is in a list: `revoked`, `member added`.
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

    /// What somebody must be allowed to do for it.
    #[must_use]
    pub const fn permission(self) -> Permission {
        match self {
            Self::Created => Permission::Create,
            Self::Edited => Permission::Edit,
            Self::Disabled | Self::Enabled => Permission::Switch,
            Self::Revoked => Permission::Revoke,
            Self::Rotated | Self::RotationFinished => Permission::Rotate,
            Self::Copied | Self::Revealed => Permission::Copy,
            Self::Relabelled | Self::PolicyChanged => Permission::Workspace,
            Self::AreaAdded | Self::AreaEdited | Self::AreaRemoved => Permission::Areas,
            Self::AgentAdded | Self::AgentRemoved => Permission::Agents,
            Self::MemberAdded | Self::MemberEdited | Self::MemberRemoved => Permission::Members,
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

/// The hash of an event, over all its fields and the hash before it. Events from before members
/// came are hashed without what they do not have.
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
