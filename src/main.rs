//! The program's door: parse, make the runtime, and turn what went wrong into one sentence and
//! an exit status. It must not decide anything else.
use std::process::ExitCode;

use clap::Parser as _;
use claviger::{
    cli::{self, Arguments, Failure},
    machine,
};

fn main() -> ExitCode {
    machine::harden();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Failed(format!("cannot start: {error}")).report(),
    };
    let database = arguments.database.as_deref();
    let done = match arguments.command {
        Some(command) => runtime.block_on(cli::run(command, database, arguments.json)),
        None => Ok(()),
    };
    // What still hangs (a clipboard without a display, a database that is locked) must not keep
    // the program from ending.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
