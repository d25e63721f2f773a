//! The arguments of `audit`. Their comments are the help that users read.
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::domain::agent::AgentName;

/// `audit`.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// What to do with the log; without a command, list it
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    /// Only events by actors whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub actor: Option<String>,
    /// Only events about this key, also if it was revoked
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Only events about keys of this agent, and events that are not about a key
    #[arg(long, value_name = "NAME")]
    pub agent: Option<AgentName>,
    /// Only events whose action contains this word, such as key.revoked, revoked, or member
    #[arg(long, value_name = "WORD")]
    pub action: Option<String>,
    /// Not before: 24h or 7d (ago), 2026-11-01, or 2026-11-01T12:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Not after
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// The newest first
    #[arg(long)]
    pub reverse: bool,
    /// Only the first N of the list: the oldest, or with --reverse the newest
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Go on with each event as it comes, until you end it
    #[arg(long, conflicts_with_all = ["reverse", "limit", "until", "csv"])]
    pub follow: bool,
    /// Only events with this number or a higher one [default: all; with --follow, those to come]
    #[arg(long, value_name = "N", conflicts_with = "reverse", value_parser = clap::value_parser!(i64).range(1..))]
    pub from: Option<i64>,
    /// Write CSV, for a spreadsheet; no cell of it is taken for a formula
    #[arg(long)]
    pub csv: bool,
}

impl AuditArguments {
    /// Returns `true` if an option selects, orders, limits or formats the listed events.
    pub(in crate::cli) fn chooses(&self) -> bool {
        let texts = [
            &self.actor,
            &self.key,
            &self.action,
            &self.since,
            &self.until,
        ];
        texts.iter().any(|text| text.is_some())
            || self.agent.is_some()
            || self.reverse
            || self.follow
            || self.from.is_some()
            || self.limit.is_some()
            || self.csv
    }
}

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Follow the chain of hashes and name the first event that does not match
    ///
    /// A chain alone does not show that its end was cut off, or that all of it was rewritten.
    /// Checkpoints do, which each change leaves in the system's log or in a file.
    Verify {
        /// A log with checkpoints, or - for standard input; may be given several times [default:
        /// the file that the configuration names]
        #[arg(long, value_name = "FILE")]
        checkpoints: Vec<PathBuf>,
    },
    /// Send the events from a number on to the system's log again, if `audit` in config.toml names
    /// one
    Resend {
        /// The number of the first event to be sent
        #[arg(value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
        from: i64,
    },
}
