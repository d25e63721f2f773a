//! The tree of commands as clap reads it. Help, completions and the manual page are made from it,
//! so every text here is read by users.
use std::net::IpAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::copy;
use crate::domain::{key::RevokeReason, listing::SortField};

const ACTIONS_HELP: &str = "create,read,update,delete in any choice, or all, or none";

/// Hands out API keys, shows what each may do, takes them back, and enforces them.
///
/// Without a command it opens the terminal user interface.
#[derive(Debug, Parser)]
#[command(name = "claviger", version, max_term_width = 100)]
pub struct Arguments {
    /// The database: sqlite:PATH or `postgres://USER@HOST:PORT/NAME` [env: `CLAVIGER_DATABASE_URL`]
    #[arg(long, global = true, value_name = "URL")]
    pub database: Option<String>,
    /// Write JSON to standard output, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do; the terminal user interface if nothing is said
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key and print its token
    Create(CreateArguments),
    /// List the keys, newest first
    List(ListArguments),
    /// Show what a key may do
    Show(KeyArgument),
    /// Put a key's token on the clipboard
    Copy(KeyArgument),
    /// Print a key's token
    Reveal(KeyArgument),
    /// Change a key's name, description, addresses, grants or end
    Edit(EditArguments),
    /// Switch a key off; `enable` switches it on again
    Disable(KeyArgument),
    /// Switch a key on again
    Enable(KeyArgument),
    /// Delete keys for good: their tokens never work again
    Revoke(RevokeArguments),
    /// Decide on a request; the token is read from standard input
    ///
    /// Exit status: 0 allowed, 1 denied, 2 could not decide.
    Check(CheckArguments),
    /// List every change, oldest first, or verify that none was tampered with
    Audit(AuditArguments),
    /// Show the workspace, or give it another label
    Workspace(WorkspaceArguments),
    /// Check database, permissions, master key, clipboard, terminal and clock
    Doctor,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Keep a token on the desktop's clipboard for a while; started by `copy`
    #[command(name = copy::KEEPER, hide = true)]
    KeepClipboard,
}

/// A key on the command line.
#[derive(Debug, Args)]
pub struct KeyArgument {
    /// A key's id, its exact name, or the first 4 or more characters of its id
    pub key: String,
}

/// `create`.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// The key's name: 1 to 100 characters
    pub name: String,
    /// What it is for: up to 500 characters
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Addresses and networks, such as 192.168.1.1,10.0.0.0/24, or any
    #[arg(long, value_name = "LIST")]
    pub allow_ip: Option<String>,
    /// What it may do in an area; may be given for several areas
    #[arg(long = "grant", value_name = "AREA=ACTIONS", long_help = ACTIONS_HELP)]
    pub grants: Vec<String>,
    /// When it ends: 90d, 2027-01-31 (the end of that day, UTC), or never
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only keys with this in their name, description or id
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// The order: created and last-used begin with the newest, the others with the smallest
    #[arg(long, value_name = "FIELD", value_enum, default_value_t = SortChoice::Created)]
    pub sort: SortChoice,
    /// Turn the order over
    #[arg(long)]
    pub reverse: bool,
    /// Only keys that deserve a look: disabled, expired, expiring within 14 days, unused for 90
    #[arg(long)]
    pub attention: bool,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

/// What `list` can sort by.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SortChoice {
    /// When it was made
    Created,
    /// Its name
    Name,
    /// The areas it reaches
    Access,
    /// What deserves a look
    Attention,
    /// Its last use
    LastUsed,
    /// Its end
    Expires,
    /// The number of its addresses
    Ips,
}

impl SortChoice {
    pub(super) fn field(self) -> SortField {
        match self {
            Self::Created => SortField::Created,
            Self::Name => SortField::Name,
            Self::Access => SortField::Access,
            Self::Attention => SortField::Attention,
            Self::LastUsed => SortField::LastUsed,
            Self::Expires => SortField::Expires,
            Self::Ips => SortField::Addresses,
        }
    }
}

/// `edit`.
#[derive(Debug, Args)]
pub struct EditArguments {
    /// A key's id, its exact name, or the first 4 or more characters of its id
    pub key: String,
    /// Its new name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Its new description; an empty one clears it
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Its new addresses and networks, or any
    #[arg(long, value_name = "LIST")]
    pub allow_ip: Option<String>,
    /// What it may do in an area from now on; other areas stay as they are
    #[arg(long = "grant", value_name = "AREA=ACTIONS", long_help = ACTIONS_HELP)]
    pub grants: Vec<String>,
    /// When it ends: 90d, 2027-01-31 (the end of that day, UTC), or never
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
}

/// `revoke`.
#[derive(Debug, Args)]
pub struct RevokeArguments {
    /// Keys: ids, exact names, or the first 4 or more characters of ids
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Why, for the audit log: compromised, superseded, unused, owner-left or other
    #[arg(long, default_value = "other", value_name = "REASON")]
    pub reason: RevokeReason,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The access area that the request is for
    #[arg(long)]
    pub area: String,
    /// The action: create, read, update or delete
    #[arg(long)]
    pub action: String,
    /// The client's address; without it a key with an allow-list is denied
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<IpAddr>,
}

/// `audit`.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// What to do with the log; list it if nothing is said
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
}

/// What can be done with the audit log.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum AuditCommand {
    /// Follow the chain of hashes and name the first event that does not hold
    Verify,
}

/// `workspace`.
#[derive(Debug, Args)]
pub struct WorkspaceArguments {
    /// The new label: up to 24 characters, such as PROD
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
}
