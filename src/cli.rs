//! The command line: the tree of commands, and the way each one ends.
//!
//! A subcommand is one call on the keyring and one print. Results go to standard output,
//! everything else to standard error. Exit status: 0 done, 1 failed, 2 wrong usage or a value
//! that is refused; `check` has its own reading of these. To add a verb: a variant of
//! [`Command`], a function in the file of its subject, a line in [`run`].
mod audit;
mod check;
mod copy;
mod doctor;
mod keys;
mod list;
mod manual;
mod output;
mod revoke;

use std::{io, net::IpAddr, path::Path, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use output::Output;

use crate::{
    config::{self, Config, ConfigError, MasterKeyPath},
    domain::{key::RevokeReason, listing::SortField, text::visible},
    keyring::{Keyring, KeyringError, Location, MasterKeyPlace},
    machine::Machine,
};

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
    fn field(self) -> SortField {
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

/// How a command ends when it does not end well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The use case.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A value that is refused, or wrong usage; exit status 2.
    #[error("{0}")]
    Refused(String),
    /// Anything else that failed; exit status 1.
    #[error("{0}")]
    Failed(String),
    /// Standard output is gone.
    #[error("standard output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The answer is out already, and it is no.
    #[error("")]
    Silent,
}

impl Failure {
    /// The exit status that it ends with.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Config(_) => 2,
            Self::Keyring(error) if error.is_refusal() => 2,
            Self::Keyring(_) | Self::Failed(_) | Self::Output(_) | Self::Silent => 1,
        }
    }

    /// Whether the reader of our output went away, which is its right.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Says it on standard error and gives the exit status.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        if self.is_broken_pipe() {
            return ExitCode::SUCCESS;
        }
        if !matches!(self, Self::Silent) {
            output::complain(&self.to_string());
        }
        ExitCode::from(self.status())
    }
}

/// Reads the command line.
///
/// # Errors
/// The exit status, after what there is to say: help and version on standard output, what is
/// wrong with the usage on standard error. That is made from what was typed, so it goes the way
/// of all sentences: nothing in it acts on a terminal, and no token is repeated.
pub fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        if !error.use_stderr() {
            // Nobody may be there to read it.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        let said = error.render().to_string();
        let said = said.strip_prefix("error: ").unwrap_or(&said);
        let lines: Vec<String> = said.trim_end().split('\n').map(visible).collect();
        output::complain(&lines.join("\n"));
        ExitCode::from(2)
    })
}

/// A value that a domain type refused.
fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::Refused(error.to_string())
}

/// What a command whose answer is no ends with, whether anybody read that answer or not.
fn answered_no(printed: Result<(), Failure>) -> Failure {
    match printed {
        Err(failure) if !failure.is_broken_pipe() => failure,
        _ => Failure::Silent,
    }
}

/// The database's file, if there is none yet: what only looks does not make one.
fn missing_file(config: &Config) -> Option<&Path> {
    match &config.location {
        config::Location::File(path) if matches!(path.try_exists(), Ok(false)) => Some(path),
        _ => None,
    }
}

fn location(config: &Config) -> Location {
    match &config.location {
        config::Location::File(path) => Location::File(path.clone()),
        config::Location::Server(url) => Location::Server(url.clone()),
    }
}

/// Opens the keyring that the configuration names.
///
/// # Errors
/// The configuration's and the store's.
pub async fn open_keyring(config: &Config) -> Result<Keyring, Failure> {
    let master_key = match &config.master_key {
        MasterKeyPath::Credential(path) => MasterKeyPlace::Credential(path.clone()),
        MasterKeyPath::File(path) => MasterKeyPlace::File(path.clone()),
        MasterKeyPath::Nowhere => MasterKeyPlace::Nowhere,
    };
    Ok(Keyring::open(&location(config), master_key, Machine::real()).await?)
}

/// Carries out a command.
///
/// # Errors
/// [`Failure`]; what it says has not been said yet.
pub async fn run(command: Command, database: Option<&str>, json: bool) -> Result<(), Failure> {
    let mut output = Output::new(json);
    match command {
        Command::Completions { shell } => {
            return output.bytes(&manual::completions(shell));
        }
        Command::Man => return output.bytes(&manual::page()?),
        Command::Check(arguments) => {
            return check::run(&arguments, database, &mut output).await;
        }
        Command::Doctor => return doctor::run(database, &mut output).await,
        Command::KeepClipboard => return copy::keep().await,
        _ => {}
    }
    let config = Config::gather(database, &config::process_variable)?;
    let keyring = open_keyring(&config).await?;
    for warning in keyring.warnings() {
        output::complain(warning);
    }
    let done = on_keyring(command, &keyring, &config, &mut output).await;
    keyring.close().await;
    done
}

async fn on_keyring(
    command: Command,
    keyring: &Keyring,
    config: &Config,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => keys::create(keyring, &arguments, output).await,
        Command::List(arguments) => list::run(keyring, &arguments, output).await,
        Command::Show(KeyArgument { key }) => keys::show(keyring, &key, output).await,
        Command::Copy(KeyArgument { key }) => copy::run(keyring, &key, config, output).await,
        Command::Reveal(KeyArgument { key }) => keys::reveal(keyring, &key, output).await,
        Command::Edit(arguments) => keys::edit(keyring, &arguments, output).await,
        Command::Disable(KeyArgument { key }) => keys::switch(keyring, &key, true, output).await,
        Command::Enable(KeyArgument { key }) => keys::switch(keyring, &key, false, output).await,
        Command::Revoke(arguments) => revoke::run(keyring, &arguments, output).await,
        Command::Audit(AuditArguments { command: None }) => audit::list(keyring, output).await,
        Command::Audit(AuditArguments {
            command: Some(AuditCommand::Verify),
        }) => audit::verify(keyring, output).await,
        Command::Workspace(arguments) => workspace(keyring, &arguments, output).await,
        Command::Check(_)
        | Command::Doctor
        | Command::Completions { .. }
        | Command::Man
        | Command::KeepClipboard => Ok(()),
    }
}

async fn workspace(
    keyring: &Keyring,
    arguments: &WorkspaceArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut label = keyring.workspace().label.clone();
    if let Some(new) = &arguments.label {
        keyring.relabel(new).await?;
        label.clone_from(new);
    }
    let workspace = keyring.workspace();
    if output.json {
        return output.json(&serde_json::json!({
            "label": label,
            "database": keyring.place().to_string(),
            "created_at": workspace.created_at.rfc3339(),
            "actor": keyring.actor().to_string(),
        }));
    }
    output.line(&format!(
        "{} in {}, as {}",
        visible(&label),
        keyring.place(),
        keyring.actor()
    ))
}
