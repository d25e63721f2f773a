//! `revoke`: asks before it deletes, as far as somebody is there to be asked.
use std::io::{self, BufRead as _, IsTerminal as _};

use serde_json::json;

use super::{
    Failure, RevokeArguments,
    output::{self, Output, brief, counted, key_json},
};
use crate::{
    domain::key::{Key, Seen},
    keyring::Keyring,
};

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &RevokeArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut keys: Vec<Key> = Vec::new();
    for text in &arguments.keys {
        let key = keyring.resolve(text).await?;
        if !keys.iter().any(|known| known.id == key.id) {
            keys.push(key);
        }
    }
    if !arguments.yes {
        ask(keyring, &keys)?;
    }
    let seen: Vec<Seen> = keys.iter().map(Seen::of).collect();
    keyring.revoke(&seen, arguments.reason).await?;
    if output.json {
        for key in &keys {
            let mut fields = key_json(key, output.several_agents);
            fields["revoked"] = json!(true);
            fields["reason"] = json!(arguments.reason.word());
            output.json(&fields)?;
        }
        return Ok(());
    }
    output::tell(&format!("{} revoked.", counted(keys.len(), "API key")));
    Ok(())
}

/// What must be typed: the number of several keys, the first four characters of the id of one
/// that was used in the last seven days, else yes.
fn ask(keyring: &Keyring, keys: &[Key]) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::Refused(
            "revoke asks first, and nobody is there to answer: add --yes to do it without asking"
                .into(),
        ));
    }
    for key in keys {
        output::tell(&format!(
            "{} ({}): {}",
            brief(key.name()),
            key.id,
            key.last_use_sentence()
        ));
    }
    let expected = match keys {
        [one] if one.recently_used(keyring.now()) => one.id.start().to_owned(),
        [_] => "yes".to_owned(),
        several => several.len().to_string(),
    };
    let subject = if keys.len() == 1 {
        "key is"
    } else {
        "keys are"
    };
    output::tell(&format!(
        "In {}: the {subject} permanently deleted. Any applications using this key will lose access.",
        keyring.workspace().label
    ));
    output::tell(&format!(
        "Type {expected} to revoke, anything else to leave all as it is:"
    ));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::Failed(format!("the answer cannot be read: {error}")))?;
    if answer.trim() == expected {
        Ok(())
    } else {
        Err(Failure::Failed(format!(
            "{expected} was not typed: nothing was revoked"
        )))
    }
}
