//! The command tree for clap. Help, completions and the manual page are generated from it, so users
//! read every text here.
use std::net::IpAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod areas;
mod audit;
mod members;
mod serve;

use super::{copy, doctor::ProbedKind};
use crate::domain::{
    agent::AgentName, audit::Change, forwarded::parse_client_address, key::RevokeReason,
    listing::SortField, member::Permission,
};
pub(super) use areas::{
    AreaAddArguments, AreaArguments, AreaCommand, AreaEditArguments, PathArguments,
};
pub(super) use audit::{AuditArguments, AuditCommand};
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
    /// Show the workspace, or change its label or its policy for the expiry of keys
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
            Self::Member(it) => match it.command {
                MemberCommand::Add(_) => Change::MemberAdded,
                MemberCommand::Edit(_) => Change::MemberEdited,
                MemberCommand::Remove { .. } => Change::MemberRemoved,
                MemberCommand::List => return None,
            },
            Self::Agent(it) => match it.command {
                AgentCommand::Add { .. } => Change::AgentAdded,
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

/// Keys on the command line.
#[derive(Debug, Args)]
pub struct KeysArgument {
    /// Keys: ids, exact names, or the first 4 or more characters of ids; all are changed, or none
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<String>,
}

/// `create`.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// The key's name: 1 to 100 characters
    pub name: String,
    /// What it is for: up to 500 characters
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    #[command(flatten)]
    pub rules: RuleArguments,
    /// The agent that the key belongs to [default: the only agent, or the one named `default`]
    #[arg(long, value_name = "NAME")]
    pub agent: Option<AgentName>,
    /// Make nothing if the agent has a key with exactly this name, and tell how that key differs
    /// from the one asked for
    #[arg(long)]
    pub if_absent: bool,
    /// Fail if no key was made, because there is no token then
    #[arg(long, requires = "if_absent")]
    pub require_token: bool,
}

/// The rules of a key, for `create` and `edit`.
#[derive(Debug, Args)]
pub struct RuleArguments {
    /// The addresses and networks from which it may be used, such as 192.168.1.1,10.0.0.0/24, or
    /// any
    #[arg(long, value_name = "LIST")]
    pub allow_ip: Option<String>,
    /// What it may do in an area: create,read,update,delete in any choice, or all, or none; may be
    /// given for several areas
    #[arg(long = "grant", value_name = "AREA=ACTIONS")]
    pub grants: Vec<String>,
    /// When it expires: 36h or 90d from now, 2027-01-31 (until the end of that day, UTC),
    /// 2027-01-31T12:00:00Z, or never
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// When it begins: 36h from now, 7d or 2027-01-31 (from the beginning of that day, UTC),
    /// 2027-01-31T12:00:00Z, or none
    #[arg(long, value_name = "WHEN")]
    pub not_before: Option<String>,
    /// The addresses and networks from which it may not be used, though `--allow-ip` has them, or
    /// none
    #[arg(long, value_name = "LIST")]
    pub deny_ip: Option<String>,
    /// How many requests may pass at each endpoint: N/second, N/minute or N/hour, with :BURST for
    /// how many at once, as in 60/minute:20, or none
    #[arg(long, value_name = "LIMIT")]
    pub rate_limit: Option<String>,
    /// How many requests may pass in a day or month (UTC) over all endpoints: N/day or N/month, or
    /// none
    #[arg(long, value_name = "QUOTA")]
    pub quota: Option<String>,
    /// Who answers for it, or none; the upstream is told
    #[arg(long, value_name = "TEXT")]
    pub owner: Option<String>,
    /// A label, which the upstream is told; NAME- removes it; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE", allow_hyphen_values = false)]
    pub labels: Vec<String>,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only keys of this agent
    #[arg(long, value_name = "NAME")]
    pub agent: Option<AgentName>,
    /// Only keys with this in their name, description or id
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// The order: created and last-used begin with the newest, the others with the smallest
    #[arg(long, value_name = "FIELD", value_enum, default_value_t = SortChoice::Created, conflicts_with = "expiring")]
    pub sort: SortChoice,
    /// Reverse the order
    #[arg(long, conflicts_with = "expiring")]
    pub reverse: bool,
    /// Only keys that need attention: disabled, expired, expiring within 14 days, refused in the
    /// last 48 hours, with an old token that is still good, unused for 90 days
    #[arg(long)]
    pub attention: bool,
    /// Only keys that expire within this time, such as 14d; the soonest first
    #[arg(long, value_name = "TIME")]
    pub expiring: Option<String>,
    /// Only keys of exactly this owner
    #[arg(long, value_name = "TEXT")]
    pub owner: Option<String>,
    /// Only keys with this label; may be given several times
    #[arg(long = "label", value_name = "NAME[=VALUE]")]
    pub labels: Vec<String>,
    /// Only keys that have such a rule: allow-ip, deny-ip, not-before, expires, rate-limit, quota,
    /// owner or label; may be given several times
    #[arg(long, value_name = "RULE")]
    pub with: Vec<String>,
    /// Only the first N of the list
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
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

/// What `list` can sort by.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SortChoice {
    /// When it was made
    Created,
    /// Its name
    Name,
    /// The areas it reaches
    Access,
    /// Keys that need attention
    Attention,
    /// Its last use
    LastUsed,
    /// Its expiry
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
    #[command(flatten)]
    pub rules: RuleArguments,
    /// Print what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `rotate`.
#[derive(Debug, Args)]
pub struct RotateArguments {
    /// A key's id, its exact name, or the first 4 or more characters of its id
    pub key: String,
    /// For how long the old token stays good: 24h, 7d, up to 30d; 0 ends it at once, and with it
    /// every older one
    #[arg(
        long,
        value_name = "TIME",
        default_value = "24h",
        conflicts_with = "finish"
    )]
    pub overlap: String,
    /// End the old tokens now, and make no new one
    #[arg(long)]
    pub finish: bool,
}

/// `revoke`.
#[derive(Debug, Args)]
pub struct RevokeArguments {
    /// Keys: ids, exact names, or the first 4 or more characters of ids
    #[arg(required_unless_present = "owner", value_name = "KEY")]
    pub keys: Vec<String>,
    /// All keys of exactly this owner, instead of named ones
    #[arg(long, value_name = "TEXT", conflicts_with = "keys")]
    pub owner: Option<String>,
    /// Print the keys that would be revoked, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
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
}

impl WorkspaceArguments {
    /// The change that the options make, or the first of them; `None` if there is no such option.
    pub(super) fn change(&self) -> Option<Change> {
        if self.label.is_some() {
            Some(Change::Relabelled)
        } else if self.longest_life.is_some() || self.must_expire.is_some() {
            Some(Change::PolicyChanged)
        } else {
            None
        }
    }
}
