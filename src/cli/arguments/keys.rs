//! The arguments of the commands that list and change keys. Their comments are the help that users
//! read.
use clap::{Args, ValueEnum};

use crate::domain::{agent::AgentName, key::RevokeReason, listing::SortField};

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
    /// Only what waits for approval: new keys, and changes of keys, areas, members and the policy
    #[arg(long, conflicts_with_all = ["search", "sort", "reverse", "attention", "expiring", "owner", "labels", "with", "limit"])]
    pub pending: bool,
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
    pub(in crate::cli) fn field(self) -> SortField {
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
