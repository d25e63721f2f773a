//! The entry point: parses the command line, creates the runtime, and turns an error into one
//! sentence and an exit status. It must not decide anything else.
use std::process::ExitCode;

use claviger::{
    cli::{self, Arguments, Command, Failure, ServeArguments},
    config::{self, Config},
    gateway::{self, PassedSocket, Service, ServiceSignals},
    keyring::Decider,
    machine::{self, Machine},
    startup::{self, Session},
    tui,
};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    machine::harden();
    // Before any thread exists: the restriction would not apply to threads that are already
    // running.
    let (session, arguments) = match parse_command_line() {
        Ok(parse_command_line) => parse_command_line,
        Err(failure) => return failure.report(),
    };
    // Before any thread exists, too: the environment is changed.
    let socket = match arguments.command {
        Some(Command::Serve(_)) => PassedSocket::take(),
        _ => Ok(None),
    };
    let socket = match socket {
        Ok(socket) => socket,
        Err(why) => return Failure::Failed(why).report(),
    };
    let runtime = match arguments.command {
        Some(Command::Serve(_)) => of_the_endpoint().enable_all().build(),
        _ => Builder::new_current_thread().enable_all().build(),
    };
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Failed(format!("cannot start: {error}")).report(),
    };
    let database = arguments.database.as_deref();
    let done = match arguments.command {
        Some(Command::Serve(_)) if arguments.json => Err(Failure::Refused(
            "serve prints no result: --log-format json makes its log JSON".into(),
        )),
        Some(Command::Serve(options)) => runtime
            .block_on(endpoint(database, options, socket))
            .map(|()| 0),
        Some(Command::Local(command)) => runtime
            .block_on(cli::run_local(command, database, arguments.json))
            .map(|()| 0),
        Some(Command::Keyring(command)) => runtime
            .block_on(cli::run(
                command,
                database,
                arguments.json,
                session.as_ref(),
            ))
            .map(|()| 0),
        None => runtime.block_on(screen(database, arguments.json, session.as_ref())),
    };
    // What still hangs (a clipboard without a display, a locked database) must not keep the program
    // from ending.
    runtime.shutdown_background();
    match done {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.report(),
    }
}

/// Returns the session of a member who logged in over SSH, if any, and the requested command.
fn parse_command_line() -> Result<(Option<Session>, Arguments), Failure> {
    let arguments = cli::parse()?;
    let Some(id) = &arguments.member else {
        return Ok((None, arguments));
    };
    machine::run_no_program().map_err(|why| {
        Failure::Failed(format!(
            "this system cannot keep a member from running programs here ({why}): nobody is let in"
        ))
    })?;
    let (session, wanted) = cli::open_session(&arguments, id)?;
    Ok((Some(session), wanted))
}

/// Builds the endpoint's runtime with half of the cores: the gateway and the database need the
/// others. With fewer than four cores it uses a single thread, which avoids threads that wake each
/// other; that is worth a tenth of its throughput.
fn of_the_endpoint() -> Builder {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores < 4 {
        return Builder::new_current_thread();
    }
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(cores / 2);
    builder
}

/// Opens the store without the master key, and answers gateways until a signal ends the endpoint.
async fn endpoint(
    database: Option<&str>,
    options: ServeArguments,
    socket: Option<PassedSocket>,
) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let signals = ServiceSignals::catch().map_err(|error| failed(&error))?;
    let config = Config::gather(database, &config::process_variable)?;
    let location = config.location.clone();
    let audit = config.audit.clone();
    let service = Service::gather(config, options.into()).map_err(Failure::Refused)?;
    let mut decider = Decider::open_to_serve(&location, Machine::steady()).await?;
    decider.stream_to(&audit);
    gateway::run(decider, service, signals, socket)
        .await
        .map_err(|error| failed(&error))
}

/// Opens the keyring and runs the terminal UI; returns the exit status.
async fn screen(
    database: Option<&str>,
    json: bool,
    session: Option<&Session>,
) -> Result<u8, Failure> {
    if json {
        return Err(Failure::Refused(
            "--json goes with a command, such as `claviger list --json`".into(),
        ));
    }
    if config::process_variable("TERM").is_some_and(|term| term == "dumb") {
        return Err(Failure::Refused("a terminal with TERM=dumb cannot show the screen: use the commands, see `claviger --help`".into()));
    }
    let config = Config::gather(database, &config::process_variable)?;
    if session.is_some() {
        cli::demand_database(&config)?;
    }
    let (keyring, warnings) = startup::open_keyring(&config, session).await?;
    tui::run(keyring, &config, &warnings)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))
}
