//! The command tree for clap. Help, completions and the manual page are generated from it, so users
//! read every text here.
use std::net::IpAddr;

use clap::{Args, Parser, Subcommand};

mod areas;
mod audit;
mod keys;
mod members;
mod serve;

use super::{copy, doctor::ProbedKind};
use crate::domain::{
    agent::AgentName, audit::Change, forwarded::parse_client_address, member::Permission,
};
pub(super) use areas::{
    AreaAddArguments, AreaArguments, AreaCommand, AreaEditArguments, PathArguments,
};
pub(super) use audit::{AuditArguments, AuditCommand};
pub(super) use keys::{
    CreateArguments, EditArguments, ListArguments, RevokeArguments, RotateArguments, RuleArguments,
};
pub(super) use members::{
    AgentArguments, AgentCommand, MemberAddArguments, MemberArguments, MemberCommand,
    MemberEditArguments,
};
pub use serve::ServeArguments;

/// After `refusals`, where people look for it; the help is sorted by this number, then by name.
const SERVE_ORDER: usize = 12;

/// Creates API keys, shows what each may do, revokes them, and enforces them.
///
/// Without a command it opens the terminal user interface.
#[derive(Debug, Parser)]
#[command(name = "claviger", version, max_term_width = 100)]
pub struct Arguments {
    /// The database: sqlite:PATH or `postgres://USER@HOST:PORT/NAME` [env: `CLAVIGER_DATABASE_URL`;
    /// then `database` in config.toml; else a SQLite file in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    pub database: Option<String>,
    /// Write JSON to standard output, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    /// Act as a member who logged in over SSH; sshd says this, see `authorized-keys`
    #[arg(long, value_name = "ID", hide = true)]
    pub member: Option<String>,
    /// What to do; without a command, the terminal user interface
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "clap would print them")]
pub enum Command {
    #[command(flatten)]
    Keyring(KeyringCommand),
    /// Run the authorization endpoint that a gateway asks about every request
    #[command(display_order = SERVE_ORDER)]
    Serve(ServeArguments),
    #[command(flatten)]
    Local(LocalCommand),
}

/// What is done on this machine alone, never for a member over SSH but for what prints a text that
/// is always the same.
#[derive(Debug, Subcommand)]
pub enum LocalCommand {
    /// Check database, permissions, master key, clipboard, terminal and clock; or a gateway
    Doctor(DoctorArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Print the members' SSH keys, for sshd's `AuthorizedKeysCommand`
    ///
    /// Each line lets its member run claviger and nothing else. Nothing is written, and on any error
    /// nothing is printed.
    AuthorizedKeys {
        /// Only the key with this fingerprint (`%f`)
        #[arg(allow_hyphen_values = true)]
        fingerprint: Vec<String>,
    },
    /// Keep a token on the desktop's clipboard for a while; started by `copy`
    #[command(name = copy::KEEPER, hide = true)]
    KeepClipboard,
}

/// What is done on the keyring.
#[derive(Debug, Subcommand)]
pub enum KeyringCommand {
    /// Make a key and print its token
    ///
    /// Without `--grant` it may do nothing, without `--allow-ip` it may be used from any address,
    /// and without `--expires` it never expires.
    Create(CreateArguments),
    /// List the keys, newest first
    List(ListArguments),
    /// Show what a key may do
    Show(KeyArgument),
    /// Put a key's token on the clipboard
    Copy(KeyArgument),
    /// Print a key's token
    Reveal(KeyArgument),
    /// Change a key's name, description, owner, labels or rules
    ///
    /// `--allow-ip` replaces the whole list. `--grant` replaces what the key may do in its area;
    /// other areas stay as they are.
    Edit(EditArguments),
    /// Switch keys off; `enable` switches them on again
    Disable(KeysArgument),
    /// Switch keys on again
    Enable(KeysArgument),
    /// Give a key a new token; the old one stays good for a while
    Rotate(RotateArguments),
    /// Delete keys for good: their tokens never work again
    Revoke(RevokeArguments),
    /// Approve a new key, or a change that waits for approval
    ///
    /// Nobody approves their own. All who work on the machine itself count as one person.
    Approve(ApprovalArguments),
    /// Reject a new key, which revokes it, or a change that waits for approval; or take back your own
    Reject(ApprovalArguments),
    /// Decide on a request; the token is read from standard input
    ///
    /// Exit status: 0 allowed, 1 denied, 2 could not decide.
    Check(CheckArguments),
    /// Tell why a request was refused, with every check and what would let it pass
    Explain(ExplainArguments),
    /// List the last refusals of all keys, and of requests that match no key; the newest first
    Refusals(RefusalsArguments),
    /// Tell which keys end soon, ended, are refused, used up a limit or are unused
    ///
    /// Exit status: 0, also if there is something to tell; with --exit-code 1 then.
    Notices(NoticesArguments),
    /// Count the requests of a key, or of all keys
    Usage(UsageArguments),
    /// List the changes, oldest first, or verify that none was tampered with
    Audit(AuditArguments),
    /// List, add, change and remove the members who may log in over SSH
    Member(MemberArguments),
    /// List, add and remove agents: the applications or environments that keys belong to
    Agent(AgentArguments),
    /// List, add, change and remove access areas and their routes
    Area(AreaArguments),
    /// Show the workspace, or change its label or its policy
    Workspace(WorkspaceArguments),
    /// Find keys that nobody uses, that never expire, or that may do more than they do, and propose
    /// what to change
    Hygiene {
        /// Only keys of this agent
        #[arg(long, value_name = "NAME")]
        agent: Option<AgentName>,
    },
}

impl KeyringCommand {
    /// The permission that the command needs.
    #[must_use]
    pub fn permission(&self) -> Permission {
        match self {
            Self::Check(_) | Self::Explain(_) => Permission::Explain,
            _ => self.change().map_or(Permission::See, Change::permission),
        }
    }

    /// The change that the command makes, or the first of them; `None` if it only reads.
    fn change(&self) -> Option<Change> {
        Some(match self {
            Self::Create(_) => Change::Created,
            Self::Copy(_) => Change::Copied,
            Self::Reveal(_) => Change::Revealed,
            Self::Edit(_) => Change::Edited,
            Self::Disable(_) => Change::Disabled,
            Self::Enable(_) => Change::Enabled,
            Self::Rotate(_) => Change::Rotated,
            Self::Revoke(_) => Change::Revoked,
            Self::Approve(_) => Change::Approved,
            Self::Member(it) => match it.command {
                MemberCommand::Add(_) => Change::MemberAdded,
                MemberCommand::Edit(_) => Change::MemberEdited,
                MemberCommand::Remove { .. } => Change::MemberRemoved,
                MemberCommand::List => return None,
            },
            Self::Agent(it) => match it.command {
                AgentCommand::Add { .. } => Change::AgentAdded,
                AgentCommand::Edit { .. } => Change::AgentEdited,
                AgentCommand::Remove { .. } => Change::AgentRemoved,
                AgentCommand::List => return None,
            },
            Self::Area(it) => match it.command {
                AreaCommand::Add(_) => Change::AreaAdded,
                AreaCommand::Edit(_) => Change::AreaEdited,
                AreaCommand::Remove { .. } => Change::AreaRemoved,
                AreaCommand::List => return None,
            },
            Self::Workspace(it) => return it.change(),
            Self::List(_)
            | Self::Reject(_)
            | Self::Show(_)
            | Self::Check(_)
            | Self::Explain(_)
            | Self::Refusals(_)
            | Self::Usage(_)
            | Self::Notices(_)
            | Self::Hygiene { .. }
            | Self::Audit(_) => return None,
        })
    }
}

/// A key on the command line.
#[derive(Debug, Args)]
pub struct KeyArgument {
    /// A key's id, its exact name, or the first 4 or more characters of its id
    pub key: String,
}

/// `approve` and `reject`.
#[derive(Debug, Args)]
pub struct ApprovalArguments {
    /// A key, as for `show`; or `area:SLUG`, `member:NAME` or `workspace`, as `list --pending` says
    #[arg(value_name = "KEY")]
    pub subject: String,
    /// Only if it still waits with this revision, which `list --pending` says
    #[arg(long, value_name = "N")]
    pub revision: Option<i64>,
}

/// Keys on the command line.
#[derive(Debug, Args)]
pub struct KeysArgument {
    /// Keys: ids, exact names, or the first 4 or more characters of ids; all are changed, or none
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<String>,
}

/// `refusals`.
#[derive(Debug, Args)]
pub struct RefusalsArguments {
    /// Only those that match no key: unknown and mistyped tokens, and none at all
    #[arg(long, conflicts_with = "agent")]
    pub unmatched: bool,
    /// Only those of this agent's keys
    #[arg(long, value_name = "NAME")]
    pub agent: Option<AgentName>,
    /// Only the newest N
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

/// `notices`.
#[derive(Debug, Args)]
pub struct NoticesArguments {
    /// How long before its end a key is told, such as 14d
    #[arg(long, value_name = "TIME", default_value = "14d")]
    pub within: String,
    /// Only keys of this agent
    #[arg(long, value_name = "NAME")]
    pub agent: Option<AgentName>,
    /// End with status 1 if there is something to tell
    #[arg(long)]
    pub exit_code: bool,
}

/// `usage`.
#[derive(Debug, Args)]
pub struct UsageArguments {
    /// Only this key, also if it was revoked [default: all keys]
    pub key: Option<String>,
    /// From when on: 24h or 30d (ago), or a day such as 2026-11-01
    #[arg(long, value_name = "WHEN", default_value = "30d")]
    pub since: String,
    /// What to count by: some of day,key,area,action,address,verdict
    #[arg(long, value_name = "LIST", default_value = "day")]
    pub by: String,
    /// Only keys of this agent
    #[arg(long, value_name = "NAME", conflicts_with = "key")]
    pub agent: Option<AgentName>,
    /// Write CSV, for a spreadsheet
    #[arg(long)]
    pub csv: bool,
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
    #[arg(long, value_name = "ADDRESS", value_parser = parse_client_address)]
    pub ip: Option<IpAddr>,
    /// The agent that is asked for; a key of another one is denied
    #[arg(long, value_name = "NAME")]
    pub agent: Option<AgentName>,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// A URL behind a gateway that asks this workspace's endpoint, with a path that it guards
    ///
    /// It is probed with harmless requests and tokens that were never issued: whether method, path
    /// and address reach the endpoint, whether a client can forge them, whether a browser's preflight
    /// is answered, and which directive is missing. With a token on standard input, or with
    /// --make-key, it also sees an allowed request.
    #[arg(long, value_name = "URL", requires = "kind")]
    pub gateway: Option<String>,
    /// Which gateway that is: nginx, ingress-nginx, traefik, caddy, envoy, haproxy or apache; or verify, if an
    /// application asks /verify itself
    #[arg(long = "as", value_name = "NAME", requires = "gateway")]
    pub(super) kind: Option<ProbedKind>,
    /// Make a key for the minute that may do what is probed, and revoke it afterwards
    #[arg(long, requires = "gateway")]
    pub make_key: bool,
    /// Listen here in place of the API, to see which headers reach it: ADDRESS:PORT
    ///
    /// For the minute of the probes, when the API itself is not running. Without this the headers are
    /// seen only if the API's answer shows them.
    #[arg(long, value_name = "WHERE", requires = "gateway")]
    pub upstream: Option<std::net::SocketAddr>,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The id of a decision (d_…), or a key: its id, its exact name, or the beginning of its id
    ///
    /// For a key its newest refusal is explained, or the request that the options describe.
    #[arg(value_name = "KEY|DECISION-ID")]
    pub subject: String,
    /// The area of a request to explain
    #[arg(long, requires = "action", conflicts_with = "request")]
    pub area: Option<String>,
    /// Its action: create, read, update or delete
    #[arg(long, requires = "area")]
    pub action: Option<String>,
    /// Method and path of a request to explain, such as 'GET /contacts/7'
    #[arg(long, value_name = "METHOD PATH")]
    pub request: Option<String>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS", value_parser = parse_client_address)]
    pub ip: Option<IpAddr>,
}

/// `workspace`.
#[derive(Debug, Args)]
pub struct WorkspaceArguments {
    /// The new label: up to 24 characters, such as PROD
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// How long keys that are created or get a new expiry may live, such as 90d, or none
    #[arg(long, value_name = "DAYS")]
    pub longest_life: Option<String>,
    /// Whether keys that are created or get a new expiry must have one
    #[arg(long, value_name = "yes|no", value_parser = ["yes", "no"])]
    pub must_expire: Option<String>,
    /// Whether new keys, and all changes that widen, wait until another manager or owner approves
    /// them
    #[arg(long, value_name = "yes|no", value_parser = ["yes", "no"])]
    pub approve_widening: Option<String>,
}

impl WorkspaceArguments {
    /// The change that the options make, or the first of them; `None` if there is no such option.
    pub(super) fn change(&self) -> Option<Change> {
        if self.label.is_some() {
            Some(Change::Relabelled)
        } else {
            self.sets_policy().then_some(Change::PolicyChanged)
        }
    }

    /// Returns `true` if an option sets a part of the policy.
    pub(super) fn sets_policy(&self) -> bool {
        self.longest_life.is_some() || self.must_expire.is_some() || self.approve_widening.is_some()
    }
}
