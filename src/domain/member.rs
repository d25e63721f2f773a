//! Members: the people who log in over SSH, their permissions, and the agents they may act on.
//!
//! One table, in [`role`], lists what each role may do. A person who works on the machine itself is
//! not a member: an operating system user who can open the database has all permissions already.
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

/// The prefix of every generated id.
const ID_BEGINS: &str = "m-";
/// The number of hexadecimal digits after the prefix.
const ID_DIGITS: usize = 12;

/// A member's opaque id: 1 to 32 of `a-z`, `0-9` and `-`. It is passed through a login shell, so it
/// is never a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(String);

impl MemberId {
    /// Returns the id for 12 randomly drawn hexadecimal digits.
    #[must_use]
    pub fn drawn(hex: &str) -> Self {
        Self(format!("{ID_BEGINS}{hex}"))
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if the text has exactly the form of a generated id. Ids are compared with
    /// their case, so capital letters are not of that form.
    fn is_form_of(text: &str) -> bool {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        text.strip_prefix(ID_BEGINS)
            .is_some_and(|hex| hex.len() == ID_DIGITS && hex.bytes().all(is_digit))
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

/// A member's name: 1 to 64 characters after surrounding whitespace is removed, and nothing that
/// could be taken for an id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemberName(String);

impl MemberName {
    /// Returns the name without surrounding whitespace.
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
        if MemberId::is_form_of(name) {
            return Err(MemberError::LikeAnId(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }
}

/// Why a request about a member was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// The text is not a member id.
    #[error("{0} is no member's id")]
    BadId(String),
    /// The text is refused.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The name could be taken for an id.
    #[error("{0} looks like a member's id: choose another name")]
    LikeAnId(String),
    /// There is no such role.
    #[error("{0} is no role: give owner, manager, operator or viewer")]
    BadRole(String),
    /// An owner cannot be limited to some agents.
    #[error(
        "an owner is not limited to agents: name none (in `member edit` --all-agents), or choose another role"
    )]
    LimitedOwner,
    /// No SSH key was given.
    #[error("no SSH key was given: give a public key, such as ~/.ssh/id_ed25519.pub")]
    NoKey,
    /// There is no member with this name.
    #[error("there is no member {0}: `claviger member list` shows them all")]
    Unknown(String),
    /// Another member has the name.
    #[error("there is a member {0} already: choose another name")]
    NameTaken(String),
    /// Another member has the SSH key.
    #[error(
        "the SSH key {fingerprint} belongs to {member} already: every member needs SSH keys of their own"
    )]
    KeyTaken {
        /// The SSH key's fingerprint.
        fingerprint: Fingerprint,
        /// The member who has the key.
        member: String,
    },
    /// The member does not have this SSH key.
    #[error("{member} has no SSH key {fingerprint}: `claviger member list` shows their SSH keys")]
    NoSuchKey {
        /// The fingerprint that was given.
        fingerprint: String,
        /// The member who was expected to have the key.
        member: String,
    },
    /// The change would leave the member without an SSH key, and thus unable to log in.
    #[error("that would leave {0} without an SSH key: give another one, or remove the member")]
    LastKey(String),
    /// The change would leave no owner who can manage members.
    #[error(
        "{0} is the last owner: nothing was changed. Make somebody else an owner first, so that members can still be managed over SSH"
    )]
    LastOwner(String),
    /// Another process changed the member first.
    #[error(
        "{0} was changed meanwhile: nothing was changed now. Look again and repeat what you want"
    )]
    Conflict(String),
}

/// The part of a member that an owner decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDraft {
    /// The member's name.
    pub name: MemberName,
    /// The member's role.
    pub role: Role,
    /// The agents whose keys the member may act on.
    pub scope: AgentScope,
    /// The SSH keys, in the order in which they were given, without duplicates.
    pub keys: Vec<SshKey>,
}

impl MemberDraft {
    /// Checks that the draft may be stored.
    ///
    /// # Errors
    /// Returns [`MemberError::LimitedOwner`] if an owner is limited to some agents, and
    /// [`MemberError::NoKey`] if there is no SSH key.
    pub fn check(&self) -> Result<(), MemberError> {
        if self.role == Role::Owner && self.scope != AgentScope::Everything {
            return Err(MemberError::LimitedOwner);
        }
        if self.keys.is_empty() {
            return Err(MemberError::NoKey);
        }
        Ok(())
    }

    /// Returns `true` if the member may do more than before, on more agents, or log in with another
    /// SSH key.
    #[must_use]
    pub fn widens(&self, before: &Self) -> bool {
        let is_known = |key: &SshKey| {
            let mut known = before.keys.iter().map(SshKey::fingerprint);
            known.any(|known| known == key.fingerprint())
        };
        self.role > before.role
            || self.scope.within(&before.scope) != self.scope
            || !self.keys.iter().all(is_known)
    }
}

/// A member as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member's id.
    pub id: MemberId,
    /// The part that an owner decides.
    pub draft: MemberDraft,
    /// The time at which the member was added.
    pub added_at: Moment,
    /// The time of the last login, and the fingerprint of the SSH key used, if it was reported.
    pub last_seen: Option<(Moment, Option<Fingerprint>)>,
}

impl Member {
    /// Returns the member's name.
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
        for name in [
            "alice",
            "o'brien \"x\" $(id) `id`",
            "李",
            "m-smith",
            "m-0123456789a",
            "m-0123456789abc",
            "m-0123456789ag",
            "m-0123456789AB",
            "M-0123456789ab",
        ] {
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
        let drawn = MemberId::drawn(&"f0".repeat(ID_DIGITS / 2));
        let name = format!(" {drawn} ").parse::<MemberName>();
        assert_eq!(name, Err(MemberError::LikeAnId(drawn.to_string())));
    }
}
