//! `revoke`: deletes keys, after a confirmation at the terminal or with `--yes`.
use std::io::{self, BufRead as _, IsTerminal as _};

use serde_json::json;

use super::{
    Failure, RevokeArguments,
    keys::resolve_all,
    output::{self, Output, brief, counted, key_json},
    refused,
};
use crate::{
    domain::{
        key::{Key, KeyVersion},
        owner::Owner,
        text::visible,
        token::KeyId,
    },
    keyring::{Keyring, KeyringError, StoreError},
};

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &RevokeArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let keys = match (&arguments.owner, &*arguments.keys) {
        (Some(owner), _) => keys_of(keyring, owner).await?,
        (None, texts) => match (resolve_all(keyring, texts).await, texts) {
            (Err(KeyringError::Store(StoreError::Corrupt { .. })), [text])
                if !arguments.dry_run =>
            {
                return revoke_damaged(keyring, text, arguments, output).await;
            }
            (resolved, _) => resolved?,
        },
    };
    if arguments.dry_run {
        return would_revoke(&keys, output);
    }
    if !arguments.yes {
        ask_about(keyring, &keys)?;
    }
    let seen: Vec<KeyVersion> = keys.iter().map(KeyVersion::of).collect();
    output.recorded(keyring.revoke(&seen, arguments.reason).await?);
    if output.json {
        for key in &keys {
            let mut fields = key_json(key, output.several_agents);
            fields["revoked"] = json!(true);
            fields["reason"] = json!(arguments.reason.word());
            output.json(&fields)?;
        }
        return Ok(());
    }
    output::print_notice(&format!("{} revoked.", counted(keys.len(), "API key")));
    Ok(())
}

/// Returns all keys of an owner, the newest first.
async fn keys_of(keyring: &Keyring, owner: &str) -> Result<Vec<Key>, Failure> {
    let owner: Owner = owner.parse().map_err(refused)?;
    let keys = keyring.keys_of(&owner).await?;
    if keys.is_empty() {
        return Err(Failure::Failed(format!(
            "no key has the owner {}: `claviger list --with owner --json` shows those that have one",
            visible(owner.as_str())
        )));
    }
    Ok(keys)
}

/// Prints the keys that would be revoked, each with its last use.
fn would_revoke(keys: &[Key], output: &mut Output) -> Result<(), Failure> {
    for key in keys {
        if output.json {
            let mut fields = key_json(key, output.several_agents);
            fields["revoked"] = json!(false);
            output.json(&fields)?;
        } else {
            let (name, used) = (visible(key.name()), key.last_use_sentence());
            output.line(&format!("{}\t{name}\t{used}", key.id))?;
        }
    }
    if !output.json {
        let keys = counted(keys.len(), "API key");
        output::print_notice(&format!("{keys} would be revoked. Nothing was changed."));
    }
    Ok(())
}

/// Revokes a damaged key. It must be named by its full id, and be the only key in the command.
async fn revoke_damaged(
    keyring: &Keyring,
    text: &str,
    arguments: &RevokeArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let id: KeyId = text.parse().map_err(|_| {
        Failure::Refused(format!(
            "{} is a key that cannot be read: revoke it by its id, `claviger list` has it",
            visible(text)
        ))
    })?;
    if !arguments.yes {
        let told = format!("{id} is damaged: it cannot be read, nor when it was used last.");
        ask(keyring, &[told], "key is", id.start())?;
    }
    output.recorded(keyring.revoke_damaged(&id, arguments.reason).await?);
    if output.json {
        let reason = arguments.reason.word();
        let fields =
            json!({ "id": id.as_str(), "damaged": true, "revoked": true, "reason": reason });
        return output.json(&fields);
    }
    output::print_notice("API key revoked.");
    Ok(())
}

/// Asks for confirmation. The text to type is the number of keys if there are several, the first
/// four characters of the id if a single key was used in the last seven days, else `yes`.
fn ask_about(keyring: &Keyring, keys: &[Key]) -> Result<(), Failure> {
    let told: Vec<String> = keys
        .iter()
        .map(|key| {
            let (name, used) = (brief(key.name()), key.last_use_sentence());
            format!("{name} ({}): {used}", key.id)
        })
        .collect();
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
    ask(keyring, &told, subject, &expected)
}

fn ask(keyring: &Keyring, told: &[String], subject: &str, expected: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::Refused(
            "revoke asks first, and nobody is there to answer: add --yes to do it without asking"
                .into(),
        ));
    }
    for line in told {
        output::print_notice(line);
    }
    output::print_notice(&format!(
        "In {}: the {subject} permanently deleted. Any applications using this key will lose access.",
        keyring.workspace().label
    ));
    output::print_notice(&format!(
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
