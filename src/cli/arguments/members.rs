//! The arguments of `agent` and `member`. Their comments are the help that users read.
use std::{path::PathBuf, str::FromStr};

use clap::{ArgGroup, Args, Subcommand};

use crate::domain::{
    agent::AgentName,
    member::Role,
    token::{InvalidPrefix, TokenPrefix},
};

const SSH_KEY_HELP: &str = "A file with SSH public keys to add, one a line, such as \
~/.ssh/id_ed25519.pub, or - for standard input; may be given several times";
/// `agent`.
#[derive(Debug, Args)]
pub struct AgentArguments {
    /// What to do with the agents
    #[command(subcommand)]
    pub command: AgentCommand,
}

/// What can be done with agents.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Add an agent
    Add {
        /// Its name: 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit
        name: AgentName,
        /// What its tokens begin with instead of clv, such as `acme_live`: 2 to 20 of a-z and 0-9 in
        /// words joined by _
        #[arg(long, value_name = "PREFIX")]
        prefix: Option<PrefixArgument>,
    },
    /// Change what the new tokens of an agent begin with
    Edit {
        /// The agent
        name: AgentName,
        /// The prefix of its new tokens, such as `acme_live`, or none for clv; existing tokens stay
        /// valid
        #[arg(long, value_name = "PREFIX")]
        prefix: PrefixArgument,
    },
    /// List the agents with the number of their keys
    List,
    /// Remove an agent that has no keys
    Remove {
        /// Its name
        name: AgentName,
    },
}

/// `member`.
#[derive(Debug, Args)]
pub struct MemberArguments {
    /// What to do with the members
    #[command(subcommand)]
    pub command: MemberCommand,
}

/// What can be done with members.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// Add a member, who logs in with an SSH key
    Add(MemberAddArguments),
    /// List the members with their roles and SSH keys
    List,
    /// Change a member's name, role, agents or SSH keys
    Edit(MemberEditArguments),
    /// Remove a member; their open sessions can do nothing more
    Remove {
        /// The member's name or id
        member: String,
    },
}

/// `member add`.
#[derive(Debug, Args)]
pub struct MemberAddArguments {
    /// The member's name: 1 to 64 characters
    pub name: String,
    /// What they may do: owner, manager, operator or viewer
    #[arg(long, value_name = "ROLE")]
    pub role: Role,
    #[arg(long = "ssh-key", value_name = "FILE", required = true, help = SSH_KEY_HELP)]
    pub ssh_keys: Vec<PathBuf>,
    /// Limit the member to keys of this agent; may be given several times [default: all agents]
    #[arg(long = "agent", value_name = "NAME")]
    pub agents: Vec<AgentName>,
}

/// `member edit`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["name", "role", "ssh_keys", "remove_keys", "agents", "all_agents"]))]
pub struct MemberEditArguments {
    /// The member's name or id
    pub member: String,
    /// The new name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The new role: owner, manager, operator or viewer
    #[arg(long, value_name = "ROLE")]
    pub role: Option<Role>,
    #[arg(long = "ssh-key", value_name = "FILE", help = SSH_KEY_HELP)]
    pub ssh_keys: Vec<PathBuf>,
    /// The fingerprint of an SSH key to remove; may be given several times
    #[arg(long = "remove-key", value_name = "FINGERPRINT")]
    pub remove_keys: Vec<String>,
    /// Limit the member to keys of this agent, and no longer to others; may be given several times
    #[arg(long = "agent", value_name = "NAME")]
    pub agents: Vec<AgentName>,
    /// Let the member see and change the keys of all agents
    #[arg(long, conflicts_with = "agents")]
    pub all_agents: bool,
}

/// The prefix of an agent's tokens; `none` means `clv`.
#[derive(Debug, Clone, Default)]
pub struct PrefixArgument(pub TokenPrefix);

impl FromStr for PrefixArgument {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        if text == "none" {
            return Ok(Self::default());
        }
        text.parse().map(Self)
    }
}
