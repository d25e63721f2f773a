//! The commands on one key: `create`, `reveal`, `edit`, `disable` and `enable`.
use std::{fmt::Write as _, mem};

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    CreateArguments, EditArguments, Failure,
    output::{self, Output, brief, counted, key_json},
    refused,
};
use crate::{
    domain::{
        access::Area,
        audit::Change,
        conditions::Validity,
        key::{Draft, Key, KeyVersion},
        moment::Moment,
        review,
        text::join,
    },
    keyring::{CreateOutcome, Created, Keyring, KeyringError},
};

pub(super) async fn create(
    keyring: &Keyring,
    arguments: &CreateArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let areas = keyring.areas().await?;
    let mut draft = Draft::named(arguments.name.parse().map_err(refused)?);
    if let Some(description) = &arguments.description {
        draft.description = description.parse().map_err(refused)?;
    }
    arguments.rules.apply(&mut draft, &areas, keyring.now())?;
    let sentence = review::sentence(&draft.conditions, &areas);
    let agent = arguments.agent.as_ref();
    let mut created = if arguments.if_absent {
        match keyring.create_if_absent(agent, draft.clone()).await? {
            CreateOutcome::Created(created) => *created,
            CreateOutcome::Existing(key) => {
                return not_created(&key, &draft, arguments, keyring.now(), output);
            }
        }
    } else {
        keyring.create(agent, draft).await?
    };
    output.recorded(mem::take(&mut created.recorded));
    hand_over(&created, output).map_err(|failure| {
        let id = &created.key.id;
        Failure::Failed(format!(
            "the key {id} is made, but its token did not get out ({failure}): `claviger reveal {id}` prints it"
        ))
    })?;
    if !output.json {
        output::print_notice("API key created successfully.");
        output::print_notice(&sentence);
    }
    if created.key.pending_at.is_some() {
        output::print_notice(&format!(
            "It waits for approval: it is refused until another manager or owner approves it with `claviger approve {}`.",
            created.key.id
        ));
    }
    for name in &created.look_alikes {
        output::complain(&format!(
            "the name looks like that of another key, {}: check that you did not mean that one",
            brief(name)
        ));
    }
    // The key exists, so a failure of this lookup must not be reported as a failure of the command.
    let named = keyring.resolve(created.key.name()).await;
    if let Err(KeyringError::Ambiguous { keys, .. }) = named {
        output::complain(&format!(
            "{} keys are called {} now: from here on use their ids",
            keys.len(),
            brief(created.key.name())
        ));
    }
    Ok(())
}

/// Prints the new token: alone, or in JSON together with its key.
fn hand_over(created: &Created, output: &mut Output) -> Result<(), Failure> {
    let token = created.token.expose().expose_secret();
    if !output.json {
        return output.line(token);
    }
    let mut fields = key_json(&created.key, output.several_agents);
    if let Some(fields) = fields.as_object_mut() {
        // The order is id, name, token, then the other fields.
        fields.shift_insert(2, "token".into(), json!(token));
        fields.shift_insert(3, "created".into(), json!(true));
        if created.key.pending_at.is_some() {
            fields.insert("pending_approval".into(), json!(true));
        }
    }
    output.json(&fields)
}

/// Tells of the key that was there before `create --if-absent`: whether it is active, and which of
/// the rules that were asked for it does not have.
fn not_created(
    key: &Key,
    asked: &Draft,
    arguments: &CreateArguments,
    now: Moment,
    output: &mut Output,
) -> Result<(), Failure> {
    if output.json {
        let mut fields = key_json(key, output.several_agents);
        if let Some(fields) = fields.as_object_mut() {
            fields.shift_insert(2, "created".into(), json!(false));
        }
        output.json(&fields)?;
    }
    let id = &key.id;
    let mut sentence = format!(
        "{} ({id}) was there already and is {}: nothing was made or changed",
        brief(key.name()),
        key.status(now).word()
    );
    let differing = arguments.differing(asked, &key.draft);
    if !differing.is_empty() {
        let _ = write!(
            sentence,
            ". Not as asked for: {}; `claviger show {id}` tells what it has",
            join(&differing)
        );
    }
    if arguments.require_token {
        return Err(Failure::Failed(format!(
            "{sentence}. There is no new token, which --require-token asks for: `claviger reveal {id}` prints the key's"
        )));
    }
    output::print_notice(&format!("{sentence}."));
    Ok(())
}

pub(super) async fn reveal(
    keyring: &Keyring,
    key: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    let key = keyring.resolve(key).await?;
    let opened = keyring.token(&key.id, Change::Revealed).await?;
    output.recorded(opened.recorded);
    let token = opened.token.expose().expose_secret();
    if output.json {
        return output.json(&json!({ "id": key.id.as_str(), "name": key.name(), "token": token }));
    }
    output.line(token)
}

pub(super) async fn edit(
    keyring: &Keyring,
    arguments: &EditArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let EditArguments {
        key,
        name,
        description,
        rules,
        dry_run,
    } = arguments;
    if name.is_none() && description.is_none() && rules.is_empty() {
        return Err(Failure::Refused(
            "nothing to change: name at least one of --name, --description, --allow-ip, --deny-ip, --grant, --expires, --not-before, --rate-limit, --quota, --owner, --label".into(),
        ));
    }
    let key = keyring.resolve(key).await?;
    let mut draft = key.draft.clone();
    if let Some(name) = name {
        draft.name = name.parse().map_err(refused)?;
    }
    if let Some(description) = description {
        draft.description = description.parse().map_err(refused)?;
    }
    let areas = keyring.areas().await?;
    rules.apply(&mut draft, &areas, keyring.now())?;
    if *dry_run {
        keyring.check_edit(&KeyVersion::of(&key), &draft).await?;
        return would_change(&key, &draft, &areas, output);
    }
    output.recorded(keyring.edit(&KeyVersion::of(&key), &draft).await?);
    let edited = keyring.key(&key.id).await?;
    if output.waits(
        Change::Edited,
        &[key.id.as_str()],
        key_json(&edited, output.several_agents),
    )? {
        return Ok(());
    }
    if name.is_some() {
        for twin in keyring
            .look_alikes(&edited.draft.name)
            .await
            .unwrap_or_default()
        {
            output::complain(&format!(
                "the name looks like that of another key, {}",
                brief(&twin)
            ));
        }
    }
    done(&edited, "API key updated successfully.", output)
}

/// Prints what an edit would change: each change as a sentence, those that widen first.
fn would_change(
    key: &Key,
    draft: &Draft,
    areas: &[Area],
    output: &mut Output,
) -> Result<(), Failure> {
    let changes = review::changes(&key.draft, draft, areas);
    if output.json {
        let widens = !key
            .draft
            .conditions
            .changes(&draft.conditions, areas)
            .widens
            .is_empty();
        return output.json(&json!({
            "id": key.id.as_str(),
            "name": key.name(),
            "changes": changes,
            "widens": widens,
        }));
    }
    if changes.is_empty() {
        return output.line("Nothing would change.");
    }
    output.line(&changes.join("\n"))
}

/// Returns the keys that the texts name, in their order and each once.
pub(super) async fn resolve_all(
    keyring: &Keyring,
    texts: &[String],
) -> Result<Vec<Key>, KeyringError> {
    let mut keys: Vec<Key> = Vec::new();
    for text in texts {
        let key = keyring.resolve(text).await?;
        if !keys.iter().any(|known| known.id == key.id) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Disables or enables keys, all or none. Keys that are in that state already stay as they are.
pub(super) async fn switch(
    keyring: &Keyring,
    texts: &[String],
    disable: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let before = resolve_all(keyring, texts).await?;
    let seen: Vec<KeyVersion> = before.iter().map(KeyVersion::of).collect();
    output.recorded(keyring.switch(&seen, disable).await?);
    let mut keys = Vec::with_capacity(before.len());
    for key in &before {
        keys.push(keyring.key(&key.id).await?);
    }
    // Those that wait themselves were enabled at once.
    let asked = keys.iter().filter(|key| key.disabled_at.is_some());
    let asked: Vec<&str> = asked.map(|key| key.id.as_str()).collect();
    let each = keys.iter().map(|key| key_json(key, output.several_agents));
    let fields = match keys.as_slice() {
        [key] => key_json(key, output.several_agents),
        _ => json!({ "keys": each.collect::<Vec<_>>() }),
    };
    if output.waits(Change::Enabled, &asked, fields)? {
        return Ok(());
    }
    if let [key] = keys.as_slice() {
        let sentence = match key.validity(keyring.now()) {
            _ if key.pending_at.is_some() && !disable => {
                "API key enabled. It waits for approval, and stays refused until then: `claviger list --pending`."
            }
            _ if disable => "API key disabled: it is refused from the next request on.",
            Validity::Valid => "API key enabled.",
            Validity::Expired(_) => {
                "API key enabled. It has ended, and stays refused until it gets a new end with `claviger edit --expires`."
            }
            Validity::NotYet(_) => {
                "API key enabled. It begins later, and stays refused until then: `claviger show` tells when."
            }
        };
        return done(key, sentence, output);
    }
    if output.json {
        for key in &keys {
            output.json(&key_json(key, output.several_agents))?;
        }
        return Ok(());
    }
    let as_asked = |key: &&Key| key.disabled_at.is_some() == disable;
    let already = before.iter().filter(as_asked).count();
    let switched = keys.len() - already;
    let (word, effect) = if disable {
        ("disabled", ": refused from the next request on")
    } else {
        ("enabled", "")
    };
    if switched > 0 {
        output::print_notice(&format!("{} {word}{effect}.", counted(switched, "API key")));
    }
    if already > 0 {
        let (keys, verb) = (
            counted(already, "API key"),
            if already == 1 { "was" } else { "were" },
        );
        output::print_notice(&format!("{keys} {verb} {word} already."));
    }
    for key in keys.iter().filter(|_| !disable) {
        if let Validity::Expired(_) = key.validity(keyring.now()) {
            output::print_notice(&format!(
                "{} ({id}) has ended, and stays refused until it gets a new end with `claviger edit {id} --expires`.",
                brief(key.name()),
                id = key.id
            ));
        }
    }
    Ok(())
}

fn done(key: &Key, sentence: &str, output: &mut Output) -> Result<(), Failure> {
    if output.json {
        return output.json(&key_json(key, output.several_agents));
    }
    output::print_notice(sentence);
    Ok(())
}
