//! Roles and their permissions: one table that the menu, dispatch, the command line, the use cases
//! and the store's transactions all consult. Which permission a change needs is said once, in
//! [`Change::permission`](crate::domain::audit::Change::permission). To add an operation that is
//! not open to every role, add a [`Permission`], its words, and the lowest role that has it.
use std::{fmt, str::FromStr};
use strum::{EnumCount, VariantArray};

use super::MemberError;
use crate::domain::{
    agent::{self, AgentName, AgentScope},
    text,
};

/// An operation, or group of operations, that a role may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount, VariantArray)]
pub enum Permission {
    /// See keys, refusals, members and the audit log, but no tokens.
    See,
    /// Test and explain access.
    Explain,
    /// Disable and enable keys.
    Switch,
    /// Create keys.
    Create,
    /// Edit keys.
    Edit,
    /// Replace the tokens of keys by new ones.
    Rotate,
    /// Revoke keys.
    Revoke,
    /// Copy and reveal tokens.
    Copy,
    /// Approve and reject what others have requested.
    Approve,
    /// Add, change and remove access areas.
    Areas,
    /// Add, edit and remove agents.
    Agents,
    /// Add, change and remove members.
    Members,
    /// Change the workspace's label and policy.
    Workspace,
}

impl Permission {
    /// All permissions, in the order of the table.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("all");

    /// Returns a description that can follow "may" or "may not".
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
            Self::Approve => "approve or reject what others requested",
            Self::Areas => "change access areas",
            Self::Agents => "add, edit or remove agents",
            Self::Members => "add, change or remove members",
            Self::Workspace => "change the workspace's label or policy",
        }
    }

    /// Returns the lowest role that has the permission.
    const fn least(self) -> Role {
        match self {
            Self::See | Self::Explain => Role::Viewer,
            Self::Switch => Role::Operator,
            Self::Create
            | Self::Edit
            | Self::Rotate
            | Self::Revoke
            | Self::Copy
            | Self::Approve => Role::Manager,
            Self::Areas | Self::Agents | Self::Members | Self::Workspace => Role::Owner,
        }
    }
}

/// A member's role; each role has all permissions of the roles listed before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount)]
pub enum Role {
    /// May see everything but tokens, and test access.
    Viewer,
    /// May also disable and enable keys.
    Operator,
    /// May also create, edit, rotate and revoke keys, and copy their tokens.
    Manager,
    /// Has all permissions, including managing members.
    Owner,
}

impl Role {
    /// All roles, the one with the most permissions first.
    pub const ALL: [Self; Self::COUNT] = [Self::Owner, Self::Manager, Self::Operator, Self::Viewer];

    /// Returns the word for the role on the command line and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// Returns the indefinite article for the role's word.
    #[must_use]
    pub const fn article(self) -> &'static str {
        match self {
            Self::Owner | Self::Operator => "an",
            Self::Manager | Self::Viewer => "a",
        }
    }

    /// Returns a description of the role in a few words.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Owner => "members, areas, agents, the workspace, and all that a manager may",
            Self::Manager => "create, edit, rotate, revoke and copy keys, and all below",
            Self::Operator => "disable and enable keys, and all below",
            Self::Viewer => "see everything but tokens, and test access",
        }
    }

    /// Returns `true` if the role has the permission.
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

/// Returns the table of roles and permissions in docs/people.md, as Markdown.
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

/// Why an operation was denied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The member, or the SSH key they logged in with, was removed.
    #[error(
        "you are not a member of this workspace any more: nothing was done. Ask one of its owners"
    )]
    NotAMember,
    /// The role lacks the permission.
    #[error("your role is {role}, which may not {}: nothing was done. Ask an owner for another role", .permission.words())]
    Role {
        /// The member's role.
        role: Role,
        /// The permission that the operation needs.
        permission: Permission,
    },
    /// The agent is not one that the member may act on.
    #[error("you are limited to {}: nothing was done. Ask an owner for access to other agents", limits(.0))]
    Agent(AgentScope),
}

fn limits(scope: &AgentScope) -> String {
    match scope {
        AgentScope::Everything => "nothing".to_owned(),
        AgentScope::Only(agents) if agents.is_empty() => "no agent at all".to_owned(),
        AgentScope::Only(agents) => format!("the keys of {}", agent::listed(agents)),
    }
}

/// A role, and the agents whose keys it applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The role, which determines the permissions.
    pub role: Role,
    /// The agents whose keys may be acted on.
    pub scope: AgentScope,
}

impl Authority {
    /// Returns the authority of a local operating system user, who has access to the database
    /// itself.
    #[must_use]
    pub const fn local() -> Self {
        Self {
            role: Role::Owner,
            scope: AgentScope::Everything,
        }
    }

    /// Checks that the role has the permission.
    ///
    /// # Errors
    /// Returns [`Denied::Role`] if the role lacks it.
    pub fn demand(&self, permission: Permission) -> Result<(), Denied> {
        let role = self.role;
        if role.may(permission) {
            Ok(())
        } else {
            Err(Denied::Role { role, permission })
        }
    }

    /// Checks that keys of this agent may be acted on.
    ///
    /// # Errors
    /// Returns [`Denied::Agent`] if the agent is not within the scope.
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
        assert_eq!(Role::ALL.map(count), [13, 9, 3, 2]);
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
