//! The command line: which command does what, and the way each one ends.
//!
//! A subcommand is one call on the keyring and one print. Results go to standard output, everything
//! else to standard error. Exit status: 0 done, 1 failed, 2 wrong usage or a value that is refused;
//! `check` has its own reading of these. To add a verb: a variant of [`KeyringCommand`] (or
//! [`LocalCommand`]) in the tree, [`arguments`]; a function in the file of its subject; a line in
//! [`run`] (or [`run_local`]). A command without its line does not compile.
mod agent;
mod approval;
mod area;
mod arguments;
mod audit;
mod authorized_keys;
mod check;
mod copy;
mod doctor;
mod explain;
mod hygiene;
mod keys;
mod list;
mod manual;
mod member;
mod notices;
mod output;
mod refusals;
mod revoke;
mod rotate;
mod rules;
mod session;
mod show;
mod usage;
mod workspace;

use std::{io, path::Path, process::ExitCode};

use arguments::{
    AgentArguments, AgentCommand, AreaArguments, AreaCommand, AuditArguments, AuditCommand,
    CheckArguments, CreateArguments, DoctorArguments, EditArguments, ExplainArguments, KeyArgument,
    KeysArgument, ListArguments, MemberAddArguments, MemberArguments, MemberCommand,
    MemberEditArguments, NoticesArguments, RefusalsArguments, RevokeArguments, RotateArguments,
    UsageArguments, WorkspaceArguments,
};
pub use arguments::{Arguments, Command, KeyringCommand, LocalCommand, ServeArguments};
use clap::Parser as _;
use output::Output;
pub use session::open_session;

use crate::{
    config::{self, Config, ConfigError},
    domain::{location::DatabaseLocation, text::visible},
    keyring::{Keyring, KeyringError},
    startup::{Session, open_keyring},
};

/// The error with which a command ends.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A keyring operation failed (exit status 1) or refused a value (2).
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The configuration is wrong; exit status 2.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A value was refused, or the usage is wrong; exit status 2.
    #[error("{0}")]
    Refused(String),
    /// Anything else that failed; exit status 1.
    #[error("{0}")]
    Failed(String),
    /// The command line cannot be parsed (exit status 2), or asks for help or the version (0).
    #[error("{0}")]
    Usage(Box<clap::Error>),
    /// Standard output cannot be written; exit status 1.
    #[error("standard output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The answer "no", or the errors, are already printed; exit status 1.
    #[error("")]
    Silent,
}

impl Failure {
    /// Returns the exit status for this failure.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(error) if !error.use_stderr() => 0,
            Self::Usage(_) | Self::Refused(_) | Self::Config(_) => 2,
            Self::Keyring(error) if error.is_refusal() => 2,
            Self::Keyring(_) | Self::Failed(_) | Self::Output(_) | Self::Silent => 1,
        }
    }

    /// Returns `true` if the reader of standard output closed it, which is not an error.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Prints the failure on standard error and returns the exit status.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        if self.is_broken_pipe() {
            return ExitCode::SUCCESS;
        }
        match self {
            Self::Silent => {}
            Self::Usage(error) => print_usage_error(error),
            other => output::complain(&other.to_string()),
        }
        ExitCode::from(self.status())
    }
}

/// Parses the command line.
///
/// # Errors
/// Returns [`Failure::Usage`] if it cannot be parsed, and also for `--help` and `--version`.
pub fn parse() -> Result<Arguments, Failure> {
    Arguments::try_parse().map_err(|error| Failure::Usage(Box::new(error)))
}

/// Prints help and version on standard output, and usage errors on standard error. A usage error
/// quotes the command line, so it is printed like every other message: control characters are made
/// visible, and tokens are cut.
fn print_usage_error(error: &clap::Error) {
    if !error.use_stderr() {
        // A write error is ignored: standard output may be closed.
        let _ = error.print();
        return;
    }
    let said = error.render().to_string();
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    let lines: Vec<String> = said.trim_end().split('\n').map(visible).collect();
    output::complain(&lines.join("\n"));
}

/// Turns a domain type's error about a value into [`Failure::Refused`].
fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::Refused(error.to_string())
}

/// Returns the failure of a command whose answer is no: the output error if the answer could not be
/// printed, else [`Failure::Silent`]. A closed pipe counts as printed.
fn answered_no(printed: Result<(), Failure>) -> Failure {
    match printed {
        Err(failure) if !failure.is_broken_pipe() => failure,
        _ => Failure::Silent,
    }
}

/// Returns the path of the database file if that file does not exist yet. Commands that only read
/// must not create it.
fn missing_file(config: &Config) -> Option<&Path> {
    match &config.location {
        DatabaseLocation::File(path) if matches!(path.try_exists(), Ok(false)) => Some(path),
        _ => None,
    }
}

/// Checks that the database file exists, for callers that must not create it. A PostgreSQL database
/// is not checked.
///
/// # Errors
/// Returns [`Failure::Failed`] if the file does not exist.
pub fn demand_database(config: &Config) -> Result<(), Failure> {
    match missing_file(config) {
        Some(path) => Err(no_database(path)),
        None => Ok(()),
    }
}

fn no_database(path: &Path) -> Failure {
    Failure::Failed(format!(
        "there is no database {}: `claviger create` makes it; if it should be there, name the right one with --database",
        visible(&path.to_string_lossy())
    ))
}

/// Returns `true` if the command may create the database. With a mistyped database name, any other
/// command would report that all is well, and leave an empty database behind.
fn may_create_database(command: &KeyringCommand) -> bool {
    matches!(
        command,
        KeyringCommand::Create(_)
            | KeyringCommand::Workspace(WorkspaceArguments { label: Some(_), .. })
            | KeyringCommand::Member(MemberArguments {
                command: MemberCommand::Add(_)
            })
            | KeyringCommand::Agent(AgentArguments {
                command: AgentCommand::Add { .. }
            })
            | KeyringCommand::Area(AreaArguments {
                command: AreaCommand::Add(_)
            })
    )
}

/// Carries out a command that needs no keyring of its own, or opens its store in its own way.
///
/// # Errors
/// [`Failure`]; nothing of it was printed yet.
pub async fn run_local(
    command: LocalCommand,
    database: Option<&str>,
    json: bool,
) -> Result<(), Failure> {
    let mut output = Output::new(json);
    match command {
        LocalCommand::Completions { shell } => output.bytes(&manual::completions(shell)),
        LocalCommand::Man => output.bytes(&manual::page()?),
        LocalCommand::Doctor(arguments) => doctor::run(&arguments, database, &mut output).await,
        LocalCommand::AuthorizedKeys { fingerprint } => {
            authorized_keys::run(&fingerprint, database, &mut output).await
        }
        LocalCommand::KeepClipboard => copy::keep().await,
    }
}

/// Carries out a command on the keyring, for a member where one logged in over SSH.
///
/// # Errors
/// [`Failure`]; nothing of it was printed yet.
pub async fn run(
    command: KeyringCommand,
    database: Option<&str>,
    json: bool,
    session: Option<&Session>,
) -> Result<(), Failure> {
    let mut output = Output::new(json);
    if let KeyringCommand::Check(arguments) = &command
        && session.is_none()
    {
        return check::run(arguments, database, &mut output).await;
    }
    let config = Config::gather(database, &config::process_variable)?;
    if (config.location_named || session.is_some())
        && !may_create_database(&command)
        && let Some(path) = missing_file(&config)
    {
        return Err(no_database(path));
    }
    let (keyring, warnings) = open_keyring(&config, session).await?;
    for warning in warnings {
        output::complain(&warning);
    }
    let done = run_authorized(command, &keyring, &config, &mut output).await;
    if let Some(sentence) = &output.checkpoint_error {
        output::complain(sentence);
    }
    if let Some(unsent) = keyring.stream_events().await {
        output::complain(&unsent);
    }
    keyring.close().await;
    done
}

/// Carries out a command, if the member or user who gives it may.
async fn run_authorized(
    command: KeyringCommand,
    keyring: &Keyring,
    config: &Config,
    output: &mut Output,
) -> Result<(), Failure> {
    keyring.demand(command.permission()).await?;
    output.several_agents = keyring.agents().await?.len() > 1;
    match command {
        KeyringCommand::Create(arguments) => keys::create(keyring, &arguments, output).await,
        KeyringCommand::List(arguments) => list::run(keyring, &arguments, output).await,
        KeyringCommand::Show(KeyArgument { key }) => show::run(keyring, &key, output).await,
        KeyringCommand::Copy(KeyArgument { key }) => copy::run(keyring, &key, config, output).await,
        KeyringCommand::Reveal(KeyArgument { key }) => keys::reveal(keyring, &key, output).await,
        KeyringCommand::Edit(arguments) => keys::edit(keyring, &arguments, output).await,
        KeyringCommand::Disable(KeysArgument { keys }) => {
            keys::switch(keyring, &keys, true, output).await
        }
        KeyringCommand::Enable(KeysArgument { keys }) => {
            keys::switch(keyring, &keys, false, output).await
        }
        KeyringCommand::Hygiene { agent } => hygiene::run(keyring, agent.as_ref(), output).await,
        KeyringCommand::Explain(arguments) => explain::run(keyring, &arguments, output).await,
        KeyringCommand::Refusals(arguments) => refusals::run(keyring, &arguments, output).await,
        KeyringCommand::Notices(arguments) => notices::run(keyring, &arguments, output).await,
        KeyringCommand::Usage(arguments) => usage::run(keyring, &arguments, output).await,
        KeyringCommand::Rotate(arguments) => rotate::run(keyring, &arguments, output).await,
        KeyringCommand::Revoke(arguments) => revoke::run(keyring, &arguments, output).await,
        KeyringCommand::Approve(arguments) => {
            approval::decide(keyring, &arguments, true, output).await
        }
        KeyringCommand::Reject(arguments) => {
            approval::decide(keyring, &arguments, false, output).await
        }
        KeyringCommand::Audit(arguments) => audit::run(keyring, &arguments, config, output).await,
        KeyringCommand::Member(MemberArguments { command }) => {
            member::run(keyring, &command, output).await
        }
        KeyringCommand::Agent(AgentArguments { command }) => {
            agent::run(keyring, &command, output).await
        }
        KeyringCommand::Area(AreaArguments { command }) => {
            area::run(keyring, &command, output).await
        }
        KeyringCommand::Workspace(arguments) => workspace::run(keyring, &arguments, output).await,
        KeyringCommand::Check(arguments) => check::as_member(keyring, &arguments, output).await,
    }
}
