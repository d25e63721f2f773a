//! The commands on one key: `create`, `reveal`, `edit`, `disable` and `enable`.
use std::{fmt::Write as _, mem};

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    CreateArguments, EditArguments, Failure,
    arguments::ConditionArguments,
    output::{self, Output, brief, counted, key_json},
    refused,
};
use crate::{
    domain::{
        access::{AccessError, Area, Grants, find_area, parse_grant},
        allowlist::AllowList,
        audit::Change,
        conditions::{Conditions, Validity},
        key::{Draft, Key, KeyVersion},
        moment::{EXPIRY_FORMS, Moment, parse_expiry},
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
    arguments
        .conditions
        .apply(&mut draft.conditions, &areas, keyring.now())?;
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
        conditions,
    } = arguments;
    if name.is_none() && description.is_none() && conditions.is_empty() {
        return Err(Failure::Refused(
            "nothing to change: name at least one of --name, --description, --allow-ip, --grant, --expires".into(),
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
    conditions.apply(&mut draft.conditions, &areas, keyring.now())?;
    output.recorded(keyring.edit(&KeyVersion::of(&key), &draft).await?);
    let edited = keyring.key(&key.id).await?;
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
    if let [key] = keys.as_slice() {
        let sentence = match key.validity(keyring.now()) {
            _ if disable => "API key disabled: it is refused from the next request on.",
            Validity::Valid => "API key enabled.",
            Validity::Expired(_) => {
                "API key enabled. It has ended, and stays refused until it gets a new end with `claviger edit --expires`."
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

impl CreateArguments {
    /// Returns the names of the rules that were given and are not those of an existing key.
    fn differing(&self, asked: &Draft, existing: &Draft) -> Vec<String> {
        let description = self.description.is_some() && asked.description != existing.description;
        let conditions = self
            .conditions
            .differing(&asked.conditions, &existing.conditions);
        let named = [("description", description)].into_iter().chain(conditions);
        let differing = named.filter(|(_, differs)| *differs);
        differing.map(|(name, _)| name.to_owned()).collect()
    }
}

impl ConditionArguments {
    /// Returns each condition with whether it was given and is not that of an existing key. Two
    /// allow-lists that admit the same addresses are the same.
    fn differing(&self, asked: &Conditions, existing: &Conditions) -> [(&'static str, bool); 3] {
        let Self {
            allow_ip,
            grants,
            expires,
        } = self;
        let allow = asked.allow.widens(&existing.allow) || existing.allow.widens(&asked.allow);
        [
            ("allow-ip", allow_ip.is_some() && allow),
            (
                "grants",
                !grants.is_empty() && asked.grants != existing.grants,
            ),
            (
                "expires",
                expires.is_some() && asked.expires_at != existing.expires_at,
            ),
        ]
    }

    /// Whether no flag was given.
    fn is_empty(&self) -> bool {
        let Self {
            allow_ip,
            grants,
            expires,
        } = self;
        allow_ip.is_none() && grants.is_empty() && expires.is_none()
    }

    /// Applies the flags that were given.
    fn apply(
        &self,
        conditions: &mut Conditions,
        areas: &[Area],
        now: Moment,
    ) -> Result<(), Failure> {
        let Conditions {
            allow,
            grants,
            expires_at,
        } = conditions;
        if let Some(list) = &self.allow_ip {
            *allow = allow_list(list)?;
        }
        apply_grants(grants, &self.grants, areas)?;
        if let Some(when) = &self.expires {
            *expires_at = expiry(when, now)?;
        }
        Ok(())
    }
}

/// Parses an allow-list from the command line. An empty value is refused: it most likely comes from
/// an unset variable and must not open a key to all addresses.
fn allow_list(text: &str) -> Result<AllowList, Failure> {
    if text
        .split([',', ';', '\n', '\r'])
        .all(|entry| entry.trim().is_empty())
    {
        return Err(Failure::Refused(
            "--allow-ip is empty: write addresses and networks, or any to allow every address"
                .into(),
        ));
    }
    let parsed = AllowList::parse(text).map_err(refused)?;
    for merged in &parsed.merged {
        output::print_notice(&merged.to_string());
    }
    Ok(parsed.list)
}

fn expiry(when: &str, now: Moment) -> Result<Option<Moment>, Failure> {
    if when.trim().is_empty() {
        return Err(Failure::Refused(format!(
            "--expires is empty: write {EXPIRY_FORMS}"
        )));
    }
    parse_expiry(when, now).map_err(refused)
}

fn apply_grants(grants: &mut Grants, given: &[String], areas: &[Area]) -> Result<(), Failure> {
    let mut named = Vec::new();
    for text in given {
        let (slug, actions) = match parse_grant(text) {
            // To a person, an invalid slug is simply an unknown area.
            Err(AccessError::BadSlug(word)) => {
                let known: Vec<&str> = areas.iter().map(|area| area.slug.as_str()).collect();
                return Err(refused(AccessError::UnknownArea {
                    unknown: word,
                    known: known.join(", "),
                }));
            }
            other => other.map_err(refused)?,
        };
        find_area(areas, &slug).map_err(refused)?;
        if named.contains(&slug) {
            return Err(Failure::Refused(format!(
                "{slug} is named by --grant twice: name each area once, as in {slug}=create,read"
            )));
        }
        grants.set(slug.clone(), actions);
        named.push(slug);
    }
    Ok(())
}
