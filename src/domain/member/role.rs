//! Roles, and what each may do: one table that menu, dispatch, command line, use cases and the store's
//! transactions all ask. To add something that not everybody may do: a [`Permission`], its words, and the
//! least role that has it.
use std::{fmt, str::FromStr};
use strum::{EnumCount, VariantArray};

use super::MemberError;
use crate::domain::{
    agent::{self, AgentName, AgentScope},
    text,
};

/// What somebody may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum Permission {
    /// Look at keys, refusals, members and the audit log; never at a token.
    See,
    /// Test and explain access.
    Explain,
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

impl Permission {
    /// All of them, in the order of the table.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// What it is, after "may" or "may not".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::See => "see keys, refusals, members and the audit log",
            Self::Explain => "test and explain access",
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
            Self::See | Self::Explain => Role::Viewer,
            Self::Switch => Role::Operator,
            Self::Create | Self::Edit | Self::Rotate | Self::Revoke | Self::Copy => Role::Manager,
            Self::Areas | Self::Agents | Self::Members | Self::Workspace => Role::Owner,
        }
    }
}

/// How far a member's power goes; each role has all of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount)]
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
    pub const ALL: [Self; Self::COUNT] = [Self::Owner, Self::Manager, Self::Operator, Self::Viewer];

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
    pub fn may(self, permission: Permission) -> bool {
        self >= permission.least()
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
    for permission in Permission::ALL {
        let marks = Role::ALL.map(|role| if role.may(permission) { "yes" } else { "" });
        lines.push(format!(
            "| {} | {} |",
            permission.words(),
            marks.join(" | ")
        ));
    }
    lines.join("\n") + "\n"
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
    #[error("your role is {role}, and that may not {}: nothing was done. Ask an owner for another role", .permission.words())]
    Role {
        /// What they are.
        role: Role,
        /// What they wanted.
        permission: Permission,
    },
    /// It is not one of their agents.
    #[error("you are limited to {}: nothing was done. Ask an owner to let you at other agents", limits(.0))]
    Agent(AgentScope),
}

fn limits(scope: &AgentScope) -> String {
    match scope {
        AgentScope::Everything => "nothing".to_owned(),
        AgentScope::Only(agents) if agents.is_empty() => "no agent at all".to_owned(),
        AgentScope::Only(agents) => format!("the keys of {}", agent::listed(agents)),
    }
}

/// What somebody may do, and to whose keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// What.
    pub role: Role,
    /// Whose keys.
    pub scope: AgentScope,
}

impl Authority {
    /// Of the operating system's user, who has the database itself.
    #[must_use]
    pub const fn local() -> Self {
        Self {
            role: Role::Owner,
            scope: AgentScope::Everything,
        }
    }

    /// Lets pass, or says why not.
    ///
    /// # Errors
    /// [`Denied::Role`].
    pub fn demand(&self, permission: Permission) -> Result<(), Denied> {
        let role = self.role;
        if role.may(permission) {
            Ok(())
        } else {
            Err(Denied::Role { role, permission })
        }
    }

    /// The same for a key of this agent.
    ///
    /// # Errors
    /// [`Denied::Agent`].
    pub fn demand_agent(&self, agent: &AgentName) -> Result<(), Denied> {
        if self.scope.includes(agent) {
            Ok(())
        } else {
            Err(Denied::Agent(self.scope.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_the_powers_of_the_ones_below_and_some_of_its_own() {
        let count = |role: Role| {
            Permission::ALL
                .iter()
                .filter(|permission| role.may(**permission))
                .count()
        };
        assert_eq!(Role::ALL.map(count), [12, 8, 3, 2]);
        for pair in Role::ALL.windows(2) {
            let lost =
                |permission: &&Permission| pair[1].may(**permission) && !pair[0].may(**permission);
            assert_eq!(Permission::ALL.iter().find(lost), None);
        }
        for permission in [
            Permission::Copy,
            Permission::Create,
            Permission::Revoke,
            Permission::Edit,
        ] {
            assert!(!Role::Operator.may(permission), "{permission:?}");
        }
    }
}
