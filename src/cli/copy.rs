//! `copy`: copies a token to a clipboard, from the command line.
//!
//! A desktop's clipboard is served by the program that filled it, for as long as that program runs.
//! A command that stayed in the foreground for this would block its script. So a second process of
//! this program, the keeper, serves the clipboard: it reads the token from its standard input,
//! reports success on its standard output, and runs for 45 seconds. It then clears the clipboard
//! unless something else was copied. A terminal's clipboard needs no keeper.
use std::{
    io::{self, Read as _, Write},
    os::unix::process::CommandExt as _,
    process::Stdio,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    time::timeout,
};
use zeroize::Zeroizing;

use super::{
    Failure,
    output::{self, Output, brief},
};
use crate::{
    clipboard::{Clipboard, Delivery, Environment, Unavailable},
    config::Config,
    domain::{audit::Change, token::LONGEST_TOKEN},
    keyring::Keyring,
};

/// The name of the hidden command that runs the keeper.
pub(super) const KEEPER: &str = "keep-clipboard";
/// The time for which the keeper leaves the token on the clipboard.
const KEEP_DURATION: Duration = Duration::from_secs(45);
/// The longest time to wait for the keeper's report.
const KEEPER_TIMEOUT: Duration = Duration::from_secs(3);
/// The line that the keeper prints when the clipboard holds the token.
const COPIED: &str = "copied";

pub(super) async fn run(
    keyring: &Keyring,
    key: &str,
    config: &Config,
    output: &mut Output,
) -> Result<(), Failure> {
    let key = keyring.resolve(key).await?;
    let members = keyring.is_members();
    // Checked before the token is opened, which records a copy.
    if let Some(why) = obstacle(config, members) {
        let way_out = if members {
            "say `ssh -t`, so that there is a terminal to send it to"
        } else {
            "use `claviger reveal` and select the token"
        };
        return Err(Failure::Failed(format!(
            "there is no clipboard to copy to ({why}): {way_out}"
        )));
    }
    let opened = keyring.token(&key.id, Change::Copied).await?;
    output.recorded(opened.recorded);
    let token = opened.token;
    let delivery = deliver(token.expose(), config, members).await.map_err(|Unavailable { reason }| {
        Failure::Failed(format!(
            "there is no clipboard to copy to ({reason}): use `claviger reveal` and select the token"
        ))
    })?;
    if output.json {
        let word = if delivery == Delivery::Copied {
            "copied"
        } else {
            "sent"
        };
        let id = key.id.as_str();
        return output.json(&json!({ "id": id, "name": key.name(), "delivery": word }));
    }
    let name = brief(key.name());
    output::print_notice(&match delivery {
        Delivery::Copied => {
            format!("The token of {name} was copied; the clipboard is cleared in 45 seconds.")
        }
        Delivery::Sent => format!("The token of {name} was sent to your terminal."),
        Delivery::Doubtful(doubt) => {
            format!("The token of {name} was sent to your terminal, but may not arrive: {doubt}.")
        }
    });
    Ok(())
}

/// Returns why no clipboard can be reached, or `None` if that is not certain.
fn obstacle(config: &Config, is_members: bool) -> Option<String> {
    let environment = Environment::of_session(is_members);
    if environment.desktop() {
        return None;
    }
    let terminal = || std::fs::OpenOptions::new().write(true).open("/dev/tty");
    match environment.to_terminal(config.osc52) {
        Err(why) => Some(why),
        Ok(()) => terminal().err().map(|_| "there is no terminal".to_owned()),
    }
}

async fn deliver(
    token: &SecretString,
    config: &Config,
    is_members: bool,
) -> Result<Delivery, Unavailable> {
    let environment = Environment::of_session(is_members);
    if environment.desktop() && hand_to_keeper(token).await.is_some() {
        return Ok(Delivery::Copied);
    }
    let mut clipboard = Clipboard::new(environment.without_desktop(), config.osc52);
    clipboard.copy(token, &mut screen()).await
}

/// Starts the keeper and sends it the token. Returns `None` if the keeper could not copy it.
async fn hand_to_keeper(token: &SecretString) -> Option<()> {
    let mut command = std::process::Command::new(std::env::current_exe().ok()?);
    command
        .arg(KEEPER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    // Its own process group, so that Ctrl-C in this terminal does not end it.
    command.process_group(0);
    let mut keeper = Command::from(command).spawn().ok()?;
    let mut input = keeper.stdin.take()?;
    input
        .write_all(token.expose_secret().as_bytes())
        .await
        .ok()?;
    drop(input);
    let mut answer = String::new();
    let mut lines = BufReader::new(keeper.stdout.take()?);
    timeout(KEEPER_TIMEOUT, lines.read_line(&mut answer))
        .await
        .ok()?
        .ok()?;
    (answer.trim() == COPIED).then_some(())
}

/// Runs the keeper: copies standard input to the clipboard, prints [`COPIED`], waits for
/// [`KEEP_DURATION`], and clears the clipboard.
///
/// # Errors
/// Returns [`Failure::Failed`] if the desktop has no clipboard, and [`Failure::Output`] if standard
/// input cannot be read or standard output cannot be written.
pub(super) async fn keep() -> Result<(), Failure> {
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_TOKEN * 2));
    io::stdin()
        .lock()
        .take(LONGEST_TOKEN as u64 * 2)
        .read_to_string(&mut text)?;
    let mut clipboard = Clipboard::new(Environment::from_env(), false);
    let copied = clipboard
        .copy(&SecretString::from(text.as_str()), &mut io::sink())
        .await;
    copied.map_err(|unavailable| Failure::Failed(unavailable.reason))?;
    writeln!(io::stdout(), "{COPIED}")?;
    tokio::time::sleep(KEEP_DURATION).await;
    clipboard.clear_if_ours().await;
    Ok(())
}

/// Opens the terminal for escape sequences. It is `/dev/tty`, so that standard output may be
/// redirected.
fn screen() -> Box<dyn Write + Send> {
    match std::fs::OpenOptions::new().write(true).open("/dev/tty") {
        Ok(terminal) => Box::new(terminal),
        Err(_) => Box::new(NoTerminal),
    }
}

/// A writer that always fails, used if there is no terminal.
struct NoTerminal;

impl Write for NoTerminal {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("there is no terminal"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
