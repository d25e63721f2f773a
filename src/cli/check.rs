//! `check`: makes one decision, for scripts and for trying a key out.
//!
//! The exit status is the decision: 0 allowed, 1 denied, 2 could not decide. The decision is
//! printed before the use is recorded, so a busy or read-only database loses the record, not the
//! decision.
use std::{
    io::{self, IsTerminal as _, Read as _},
    time::Duration,
};

use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use secrecy::SecretString;
use serde_json::json;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    CheckArguments, Failure, answered_no, missing_file, no_database,
    output::{self, Output},
};
use crate::{
    config::{self, Config},
    domain::{
        decision::{Decision, Detail},
        token::{KeyId, LONGEST_TOKEN},
    },
    keyring::{CheckOutcome, CheckRequest, Decider, Keyring, KeyringError},
    machine::Machine,
};

const CTRL_C: u8 = 3;
/// The longest time that recording a use may take.
const RECORD_TIMEOUT: Duration = Duration::from_millis(250);
/// The maximum number of bytes that are read for a token. It is more than any token has, so a
/// longer input is still too long after it is cut.
const MAX_TOKEN_BYTES: u64 = LONGEST_TOKEN as u64 * 4;

pub(super) async fn run(
    arguments: &CheckArguments,
    database: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let (store, decided) = match decide(arguments, database).await {
        Ok(decided) => decided,
        Err(failure) => return Err(undecided(&failure)),
    };
    let printed = print(&decided, output);
    let recorded = tokio::time::timeout(RECORD_TIMEOUT, store.record(&decided)).await;
    let denied = matches!(decided.decision, Decision::Deny { .. });
    if denied && !output.json && printed.is_ok() {
        output::print_notice(&match &recorded {
            Ok(Ok(())) => format!("`claviger explain {}` tells why", decided.id),
            Ok(Err(error)) => format!("This refusal could not be written down: {error}"),
            Err(_) => "This refusal was not written down: the database is busy".to_owned(),
        });
    }
    // If recording timed out, closing could wait for the same lock and delay the exit.
    if recorded.is_ok() {
        store.close().await;
    }
    match (decided.decision, printed) {
        (Decision::Deny { .. }, printed) => Err(answered_no(printed)),
        // A closed pipe counts as printed: the reader did not want the text. After any other
        // output error the status must not claim that the decision was printed.
        (Decision::Allow { .. }, Err(failure)) if !failure.is_broken_pipe() => {
            Err(undecided(&failure))
        }
        (Decision::Allow { .. }, _) => Ok(()),
    }
}

/// Makes the decision for a member, who may be limited to the keys of some agents. The decision is
/// not recorded: a member who may only read must not be able to make a key look used, from an
/// address of their choice.
pub(super) async fn as_member(
    keyring: &Keyring,
    arguments: &CheckArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let decided = async {
        let token = read_token()?;
        Ok::<_, Failure>(keyring.decide(&presented(arguments, &token)?).await?)
    };
    let decided = decided.await.map_err(|failure| undecided(&failure))?;
    let printed = print(&decided, output);
    match decided.decision {
        Decision::Deny { .. } => Err(answered_no(printed)),
        Decision::Allow { .. } => printed.map_err(|failure| undecided(&failure)),
    }
}

/// Turns any failure into [`Failure::Refused`]: nothing was decided, so the status is 2, never 0.
fn undecided(failure: &Failure) -> Failure {
    Failure::Refused(failure.to_string())
}

async fn decide(
    arguments: &CheckArguments,
    database: Option<&str>,
) -> Result<(Decider, CheckOutcome), Failure> {
    let token = read_token()?;
    let config = Config::gather(database, &config::process_variable)?;
    if let Some(path) = missing_file(&config) {
        return Err(no_database(path));
    }
    let store = Decider::open(&config.location, Machine::real()).await?;
    let decided = store.decide(&presented(arguments, &token)?).await?;
    Ok((store, decided))
}

fn presented<'a>(
    arguments: &CheckArguments,
    token: &'a SecretString,
) -> Result<CheckRequest<'a>, Failure> {
    Ok(CheckRequest {
        token,
        area: arguments.area.parse().map_err(KeyringError::Access)?,
        action: arguments.action.parse().map_err(KeyringError::Access)?,
        address: arguments.ip,
        agent: arguments.agent.clone(),
    })
}

/// A guard that switches the terminal's echo off until it is dropped. Ctrl-C ends the line instead
/// of the program, which would leave the echo off; a line that it ended is not taken for a token.
/// Holds the terminal's previous settings.
struct EchoOff(Option<Termios>);

impl EchoOff {
    fn begin() -> Self {
        let stdin = io::stdin();
        let before = termios::tcgetattr(&stdin).ok();
        if let Some(mut settings) = before.clone() {
            settings
                .local_flags
                .remove(LocalFlags::ECHO | LocalFlags::ISIG);
            settings.control_chars[SpecialCharacterIndices::VEOL as usize] = CTRL_C;
            let _ = termios::tcsetattr(&stdin, SetArg::TCSADRAIN, &settings);
        }
        Self(before)
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        }
    }
}

/// Reads one line from a terminal, with the character that ended it. Returns an error of kind
/// `Interrupted` if the line contains Ctrl-C.
fn read_line(input: &mut impl io::Read, line: &mut Vec<u8>) -> io::Result<()> {
    line.resize(usize::try_from(MAX_TOKEN_BYTES).unwrap_or(512), 0);
    let count = input.read(line)?;
    line.truncate(count);
    if line.contains(&CTRL_C) {
        return Err(io::Error::new(
            io::ErrorKind::Interrupted,
            "it was broken off",
        ));
    }
    Ok(())
}

/// Reads the token from standard input, without one line end. Input that is not UTF-8 cannot be a
/// token and is replaced by a text that is not a token either.
fn read_token() -> Result<SecretString, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(MAX_TOKEN_BYTES).unwrap_or(512),
    ));
    let mut input = io::stdin().lock().take(MAX_TOKEN_BYTES);
    let read = if io::stdin().is_terminal() {
        let _unseen = EchoOff::begin();
        output::print_notice("The token, then Enter (it is not shown):");
        read_line(&mut input, &mut bytes)
    } else {
        input.read_to_end(&mut bytes).map(drop)
    };
    read.map_err(|error| Failure::Failed(format!("standard input cannot be read: {error}")))?;
    let mut text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => return Ok(SecretString::from("not UTF-8")),
    };
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| {
        line.strip_suffix('\r').unwrap_or(line)
    });
    let token = SecretString::from(line);
    text.zeroize();
    Ok(token)
}

fn print(decided: &CheckOutcome, output: &mut Output) -> Result<(), Failure> {
    let (word, reason, detail, key_id) = match &decided.decision {
        Decision::Allow { key_id } => ("allow", None, None, Some(key_id)),
        Decision::Deny {
            reason,
            detail,
            key_id,
        } => ("deny", Some(reason.word()), *detail, key_id.as_ref()),
    };
    let detail = detail.map(Detail::word);
    let (key_id, id) = (key_id.map(KeyId::as_str), decided.id.as_str());
    if output.json {
        return output.json(&json!({
            "decision": word,
            "reason": reason,
            "detail": detail,
            "key_id": key_id,
            "decision_id": id,
        }));
    }
    let mut words: Vec<&str> = [Some(word), reason, key_id].into_iter().flatten().collect();
    let detail = detail.map(|detail| format!("({detail})"));
    words.extend(detail.as_deref());
    output.line(&words.join(" "))
}
