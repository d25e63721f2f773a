//! Members: the people who come in over SSH, what each may do, and how far.
//!
//! What a role may do is one table, in [`role`]. Whoever sits at the machine itself is no member: the
//! operating system's user who can open the database has all of it already.
mod role;
mod ssh_key;

use std::{fmt, str::FromStr};

pub use role::{Authority, Denied, Permission, Role, markdown};
pub use ssh_key::{Fingerprint, SshKey, SshKeyError, add_key, parse_keys};

use super::{
    agent::AgentScope,
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

/// What an owner says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDraft {
    /// The name.
    pub name: MemberName,
    /// The role.
    pub role: Role,
    /// Whose keys.
    pub scope: AgentScope,
    /// The SSH keys, in the order in which they were given; no two alike.
    pub keys: Vec<SshKey>,
}

impl MemberDraft {
    /// Whether it may be so.
    ///
    /// # Errors
    /// [`MemberError::LimitedOwner`], [`MemberError::NoKey`].
    pub fn check(&self) -> Result<(), MemberError> {
        if self.role == Role::Owner && self.scope != AgentScope::Everything {
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
