//! Members: the people who come in over SSH, what each may do, and how far.
//!
//! [`Role::may`] is the one table of what a role may do: menu, dispatch, command line, use cases
//! and the store's transactions all ask it. Whoever sits at the machine itself is no member: the
//! operating system's user who can open the database has all of it already.
mod ssh_key;

use std::{fmt, str::FromStr};

pub use ssh_key::{Fingerprint, SshKey, SshKeyError, parse_keys};

use super::{
    agent::{self, AgentName, Reach},
    moment::Moment,
    text::{self, Limits, TextError},
};

/// The limits of a member's name.
const NAME_LIMITS: Limits = Limits {
    field: "Member's name",
    characters: 64,
    bytes: 1024,
};

/// How every id begins.
const ID_BEGINS: &str = "m-";

/// A member's opaque id: 1 to 32 of `a-z`, `0-9` and `-`. It goes through a login shell, so it is
/// never a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(String);

impl MemberId {
    /// From what was drawn: 12 hexadecimal digits.
    #[must_use]
    pub fn drawn(hex: &str) -> Self {
        Self(format!("{ID_BEGINS}{hex}"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MemberId {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MemberError::BadId(text::visible(text)))
        }
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A member's name: 1 to 64 characters, none of them a blank at its ends, and nothing that could be
/// taken for an id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemberName(String);

impl MemberName {
    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MemberName {
    type Err = MemberError;

    fn from_str(name: &str) -> Result<Self, MemberError> {
        let name = name.trim();
        text::check(name, NAME_LIMITS)?;
        if name.is_empty() {
            let field = NAME_LIMITS.field;
            return Err(TextError::Empty { field }.into());
        }
        if name.starts_with(ID_BEGINS) && name.parse::<MemberId>().is_ok() {
            return Err(MemberError::LikeAnId(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }
}

/// What somebody may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Look at keys, refusals, members and the audit log; never at a token.
    See,
    /// Test and explain access.
    Test,
    /// Switch keys off and on again.
    Switch,
    /// Make keys.
    Create,
    /// Change what keys may do.
    Edit,
    /// Give keys new tokens.
    Rotate,
    /// Delete keys.
    Revoke,
    /// Copy and reveal tokens.
    Copy,
    /// Add, change and remove access areas.
    Areas,
    /// Add and remove agents.
    Agents,
    /// Add, change and remove members.
    Members,
    /// Change the workspace's label and policy.
    Workspace,
}

impl Power {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 12] = [
        Self::See,
        Self::Test,
        Self::Switch,
        Self::Create,
        Self::Edit,
        Self::Rotate,
        Self::Revoke,
        Self::Copy,
        Self::Areas,
        Self::Agents,
        Self::Members,
        Self::Workspace,
    ];

    /// What it is, after "may" or "may not".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::See => "see keys, refusals, members and the audit log",
            Self::Test => "test and explain access",
            Self::Switch => "disable and enable keys",
            Self::Create => "create keys",
            Self::Edit => "edit keys",
            Self::Rotate => "rotate keys",
            Self::Revoke => "revoke keys",
            Self::Copy => "copy or reveal tokens",
            Self::Areas => "change access areas",
            Self::Agents => "add or remove agents",
            Self::Members => "add, change or remove members",
            Self::Workspace => "change the workspace's label or policy",
        }
    }

    /// The least role that has it.
    const fn least(self) -> Role {
        match self {
            Self::See | Self::Test => Role::Viewer,
            Self::Switch => Role::Operator,
            Self::Create | Self::Edit | Self::Rotate | Self::Revoke | Self::Copy => Role::Manager,
            Self::Areas | Self::Agents | Self::Members | Self::Workspace => Role::Owner,
        }
    }
}

/// How far a member's power goes; each role has all of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees and tests.
    Viewer,
    /// Disables and enables, too.
    Operator,
    /// Hands out keys and takes them back.
    Manager,
    /// Everything, members included.
    Owner,
}

impl Role {
    /// All roles, the most powerful first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Manager, Self::Operator, Self::Viewer];

    /// Its word, on the command line and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// The article before its word.
    #[must_use]
    pub const fn article(self) -> &'static str {
        match self {
            Self::Owner | Self::Operator => "an",
            Self::Manager | Self::Viewer => "a",
        }
    }

    /// What it is for, in a few words.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Owner => "members, areas, agents, the workspace, and all that a manager may",
            Self::Manager => "create, edit, rotate, revoke and copy keys, and all below",
            Self::Operator => "disable and enable keys, and all below",
            Self::Viewer => "see everything but tokens, and test access",
        }
    }

    /// Whether somebody in this role may do that.
    #[must_use]
    pub fn may(self, power: Power) -> bool {
        self >= power.least()
    }
}

impl FromStr for Role {
    type Err = MemberError;

    fn from_str(word: &str) -> Result<Self, MemberError> {
        Self::ALL
            .into_iter()
            .find(|role| role.word() == word)
            .ok_or_else(|| MemberError::BadRole(text::visible(word)))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The table of the README: what each role may do.
#[must_use]
pub fn markdown() -> String {
    let mut lines = vec![
        "| may | owner | manager | operator | viewer |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    for power in Power::ALL {
        let marks = Role::ALL.map(|role| if role.may(power) { "yes" } else { "" });
        lines.push(format!("| {} | {} |", power.words(), marks.join(" | ")));
    }
    lines.join("\n") + "\n"
}

/// What is wrong with what was said of a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// It cannot be a member's id.
    #[error("{0} is no member's id")]
    BadId(String),
    /// A text that is refused.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A name that could be taken for an id.
    #[error("{0} looks like a member's id: choose another name")]
    LikeAnId(String),
    /// There is no such role.
    #[error("{0} is no role: say owner, manager, operator or viewer")]
    BadRole(String),
    /// An owner is never limited.
    #[error(
        "an owner is not limited to agents: let them at all (--all-agents), or choose another role"
    )]
    LimitedOwner,
    /// No key was given.
    #[error("no SSH key was given: give a public key, such as ~/.ssh/id_ed25519.pub")]
    NoKey,
    /// There is none of that name.
    #[error("there is no member {0}: `claviger member list` shows them all")]
    Unknown(String),
    /// The name is another one's.
    #[error("there is a member {0} already: choose another name")]
    NameTaken(String),
    /// The key is another one's.
    #[error("the key {fingerprint} belongs to {member} already: everybody has keys of their own")]
    KeyTaken {
        /// The key.
        fingerprint: Fingerprint,
        /// Whose it is.
        member: String,
    },
    /// It is no key of theirs.
    #[error("{member} has no key {fingerprint}: `claviger member list` shows their keys")]
    NoSuchKey {
        /// What was named.
        fingerprint: String,
        /// Whose it should be.
        member: String,
    },
    /// A member without a key could never come in.
    #[error("that would leave {0} without a key: give another one, or remove the member")]
    LastKey(String),
    /// Somebody must stay who can add members.
    #[error(
        "{0} is the last owner: nothing was changed. Make somebody else an owner first, so that members can still be managed over SSH"
    )]
    LastOwner(String),
    /// Somebody else was faster.
    #[error(
        "{0} was changed meanwhile: nothing was changed now. Look again and repeat what you want"
    )]
    Conflict(String),
}

/// Why somebody may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// They were removed, or their key was.
    #[error(
        "you are not a member of this workspace any more: nothing was done. Ask one of its owners"
    )]
    NotAMember,
    /// Their role does not go that far.
    #[error("your role is {role}, and that may not {}: nothing was done. Ask an owner for another role", .power.words())]
    Role {
        /// What they are.
        role: Role,
        /// What they wanted.
        power: Power,
    },
    /// It is not one of their agents.
    #[error("you are limited to {}: nothing was done. Ask an owner to let you at other agents", limits(.0))]
    Agent(Reach),
}

fn limits(reach: &Reach) -> String {
    match reach {
        Reach::Everything => "nothing".to_owned(),
        Reach::Only(agents) if agents.is_empty() => "no agent at all".to_owned(),
        Reach::Only(agents) => format!("the keys of {}", agent::listed(agents)),
    }
}

/// What somebody may do, and to whose keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// What.
    pub role: Role,
    /// Whose keys.
    pub reach: Reach,
}

impl Authority {
    /// Of the operating system's user, who has the database itself.
    #[must_use]
    pub const fn local() -> Self {
        Self {
            role: Role::Owner,
            reach: Reach::Everything,
        }
    }

    /// Lets pass, or says why not.
    ///
    /// # Errors
    /// [`Denied::Role`].
    pub fn demand(&self, power: Power) -> Result<(), Denied> {
        let role = self.role;
        if role.may(power) {
            Ok(())
        } else {
            Err(Denied::Role { role, power })
        }
    }

    /// The same for a key of this agent.
    ///
    /// # Errors
    /// [`Denied::Agent`].
    pub fn demand_agent(&self, agent: &AgentName) -> Result<(), Denied> {
        if self.reach.admits(agent) {
            Ok(())
        } else {
            Err(Denied::Agent(self.reach.clone()))
        }
    }
}

/// What an owner says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDraft {
    /// The name.
    pub name: MemberName,
    /// The role.
    pub role: Role,
    /// Whose keys.
    pub reach: Reach,
    /// The SSH keys, in the order in which they were given; no two alike.
    pub keys: Vec<SshKey>,
}

impl MemberDraft {
    /// Whether it may be so.
    ///
    /// # Errors
    /// [`MemberError::LimitedOwner`], [`MemberError::NoKey`].
    pub fn check(&self) -> Result<(), MemberError> {
        if self.role == Role::Owner && self.reach != Reach::Everything {
            return Err(MemberError::LimitedOwner);
        }
        if self.keys.is_empty() {
            return Err(MemberError::NoKey);
        }
        Ok(())
    }
}

/// A member as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id.
    pub id: MemberId,
    /// What an owner decided.
    pub draft: MemberDraft,
    /// When they were added.
    pub added_at: Moment,
    /// When they last came in, and with which key, if that was told.
    pub last_seen: Option<(Moment, Option<Fingerprint>)>,
}

impl Member {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.draft.name.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_the_powers_of_the_ones_below_and_some_of_its_own() {
        let count = |role: Role| Power::ALL.iter().filter(|power| role.may(**power)).count();
        assert_eq!(Role::ALL.map(count), [12, 8, 3, 2]);
        for pair in Role::ALL.windows(2) {
            let lost = |power: &&Power| pair[1].may(**power) && !pair[0].may(**power);
            assert_eq!(Power::ALL.iter().find(lost), None);
        }
        for power in [Power::Copy, Power::Create, Power::Revoke, Power::Edit] {
            assert!(!Role::Operator.may(power), "{power:?}");
        }
    }

    #[test]
    fn an_id_is_nothing_that_a_shell_could_take_for_more() {
        assert!(
            MemberId::drawn("0123456789ab")
                .as_str()
                .parse::<MemberId>()
                .is_ok()
        );
        for text in ["", "A", "a b", "a;b", "$(id)", "a\n", "é", &"a".repeat(33)] {
            assert!(text.parse::<MemberId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_texts_that_act_on_no_terminal() {
        for name in ["alice", "o'brien \"x\" $(id) `id`", "李"] {
            assert!(name.parse::<MemberName>().is_ok(), "{name}");
        }
        assert_eq!(
            " alice ".parse::<MemberName>().map(|it| it.0),
            Ok("alice".to_owned())
        );
        for name in [
            "",
            "  ",
            "m-0123456789ab",
            "a\nb",
            "a\u{202e}b",
            "a\u{1b}[2J",
        ] {
            assert!(name.parse::<MemberName>().is_err(), "{name:?}");
        }
    }
}
