//! `check`: one decision, for scripts and for trying a key out.
//!
//! Its exit status is the decision: 0 allowed, 1 denied, 2 could not decide. The decision is out
//! before its use is recorded; a database that is busy or read-only costs the record, not the
//! decision.
use std::{
    io::{self, Read as _},
    time::Duration,
};

use secrecy::SecretString;
use serde_json::json;
use zeroize::{Zeroize as _, Zeroizing};

use super::{CheckArguments, Failure, open_keyring, output::Output};
use crate::{
    config::{self, Config},
    domain::{
        decision::{Decision, Target},
        key::LastUse,
        token::TOKEN_LENGTH,
    },
    keyring::{Keyring, KeyringError, Presented},
};

/// How long recording a use may take before it is given up.
const PATIENCE: Duration = Duration::from_millis(250);
/// More than any token, so that what is longer is known to be none.
const LONGEST: u64 = TOKEN_LENGTH as u64 * 4;

pub(super) async fn run(
    arguments: &CheckArguments,
    database: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let (keyring, decision, at) = match decide(arguments, database).await {
        Ok(decided) => decided,
        // Whatever went wrong, nothing was decided: that is status 2, and never an allow.
        Err(failure) => return Err(Failure::Refused(failure.to_string())),
    };
    print(&decision, output)?;
    match decision {
        Decision::Allow { key_id } => {
            let usage = LastUse {
                at,
                from: arguments.ip.map(|ip| ip.to_canonical()),
            };
            let _ = tokio::time::timeout(PATIENCE, keyring.record_uses(&[(key_id, usage)])).await;
            Ok(())
        }
        Decision::Deny { .. } => Err(Failure::Silent),
    }
}

async fn decide(
    arguments: &CheckArguments,
    database: Option<&str>,
) -> Result<(Keyring, Decision, crate::domain::moment::Moment), Failure> {
    let area = arguments.area.parse().map_err(KeyringError::Access)?;
    let action = arguments.action.parse().map_err(KeyringError::Access)?;
    let token = read_token()?;
    let config = Config::gather(database, &config::process_variable)?;
    let keyring = open_keyring(&config).await?;
    let presented = Presented {
        token: &token,
        target: Target::Routed(area, action),
        address: arguments.ip,
    };
    let (decision, at) = keyring.decide(&presented).await?;
    Ok((keyring, decision, at))
}

/// Standard input less one line end. What is no text cannot be a token, and is kept as one that
/// is not.
fn read_token() -> Result<SecretString, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or(512)));
    io::stdin().lock().take(LONGEST).read_to_end(&mut bytes)?;
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

fn print(decision: &Decision, output: &mut Output) -> Result<(), Failure> {
    let (word, reason, key_id) = match decision {
        Decision::Allow { key_id } => ("allow", None, Some(key_id)),
        Decision::Deny { reason, key_id } => ("deny", Some(reason.word()), key_id.as_ref()),
    };
    let key_id = key_id.map(crate::domain::token::KeyId::as_str);
    if output.json {
        return output.json(&json!({ "decision": word, "reason": reason, "key_id": key_id }));
    }
    let words = [Some(word), reason, key_id]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
    output.line(&words.join(" "))
}
