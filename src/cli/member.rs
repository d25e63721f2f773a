//! `member`: lists, adds, changes and removes the members who may log in over SSH.
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    Failure, MemberAddArguments, MemberCommand, MemberEditArguments,
    output::{self, Output, brief},
    refused,
};
use crate::{
    domain::{
        agent::{AgentName, AgentScope, listed},
        audit::{self, Change},
        member::{
            Fingerprint, Member, MemberDraft, MemberError, MemberId, SshKey, add_key, parse_keys,
        },
        moment::Moment,
        text::visible,
    },
    keyring::{Keyring, KeyringError},
};

/// The maximum number of bytes that are read from a file of SSH keys. No member's keys take that
/// much, and a wrong file is not read whole.
const MAX_FILE_BYTES: u64 = 256 * 1024;

pub(super) async fn run(
    keyring: &Keyring,
    command: &MemberCommand,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        MemberCommand::Add(arguments) => add(keyring, arguments, output).await,
        MemberCommand::List => list(keyring, output).await,
        MemberCommand::Edit(arguments) => edit(keyring, arguments, output).await,
        MemberCommand::Remove { member } => remove(keyring, member, output).await,
    }
}

/// Reads the SSH keys in the files. A member who logged in over SSH may only name standard input
/// (`-`), because they have no right to read files of this machine.
fn read_keys(keyring: &Keyring, files: &[PathBuf]) -> Result<Vec<SshKey>, Failure> {
    let mut keys = Vec::new();
    for file in files {
        let text = read(file, keyring.is_members())?;
        let of_file = parse_keys(text.trim_start_matches('\u{feff}'))
            .map_err(|error| refused(format!("{}: {error}", shown(file))))?;
        for key in of_file {
            add_key(&mut keys, key);
        }
    }
    Ok(keys)
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        visible(&file.to_string_lossy())
    }
}

fn read(file: &Path, only_input: bool) -> Result<String, Failure> {
    let shown = shown(file);
    let failed = |error: io::Error| refused(format!("{shown} cannot be read ({error})"));
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        let input = io::stdin().lock().take(MAX_FILE_BYTES);
        { input }.read_to_end(&mut bytes).map_err(failed)?;
    } else if only_input {
        return Err(refused(
            "over SSH a key comes on standard input: `… member add NAME --role ROLE --ssh-key - < KEY.pub`",
        ));
    } else {
        let opened = File::open(file).map_err(failed)?;
        opened
            .take(MAX_FILE_BYTES)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    }
    if bytes.len() as u64 == MAX_FILE_BYTES {
        return Err(refused(format!(
            "{shown} is too large to be a file of SSH keys"
        )));
    }
    String::from_utf8(bytes).map_err(|_| refused(format!("{shown} holds no text")))
}

fn scope(agents: &[AgentName]) -> AgentScope {
    if agents.is_empty() {
        AgentScope::Everything
    } else {
        AgentScope::Only(agents.iter().cloned().collect::<BTreeSet<_>>())
    }
}

async fn add(
    keyring: &Keyring,
    arguments: &MemberAddArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let draft = MemberDraft {
        name: arguments.name.parse().map_err(refused)?,
        role: arguments.role,
        scope: scope(&arguments.agents),
        keys: read_keys(keyring, &arguments.ssh_keys)?,
    };
    let added = keyring.add_member(&draft).await?;
    output.recorded(added.recorded);
    let subject = format!("member:{}", added.id);
    if output.waits(
        Change::MemberAdded,
        &[&subject],
        draft_json(&added.id, &draft),
    )? {
        return Ok(());
    }
    if output.json {
        output.json(&draft_json(&added.id, &draft))?;
    } else {
        output::print_notice("Member added.");
        output::print_notice(&sentence(&draft));
    }
    for name in &added.look_alikes {
        output::complain(&format!(
            "the name looks like that of another member, {}: check that you did not mean that one",
            brief(name)
        ));
    }
    Ok(())
}

/// Describes the member: `alice is a manager: create, edit, …; only at the keys of prod.`
fn sentence(draft: &MemberDraft) -> String {
    let limit = match &draft.scope {
        AgentScope::Everything => String::new(),
        AgentScope::Only(agents) => format!("; only at the keys of {}", listed(agents)),
    };
    format!(
        "{} is {} {}: {}{limit}.",
        brief(draft.name.as_str()),
        draft.role.article(),
        draft.role,
        draft.role.description()
    )
}

async fn edit(
    keyring: &Keyring,
    arguments: &MemberEditArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let seen = keyring.member(&arguments.member).await?;
    let mut draft = seen.draft.clone();
    if let Some(name) = &arguments.name {
        draft.name = name.parse().map_err(refused)?;
    }
    draft.role = arguments.role.unwrap_or(draft.role);
    if arguments.all_agents || !arguments.agents.is_empty() {
        draft.scope = scope(&arguments.agents);
    }
    for key in read_keys(keyring, &arguments.ssh_keys)? {
        add_key(&mut draft.keys, key);
    }
    for gone in &arguments.remove_keys {
        let print: Fingerprint = gone.parse().map_err(refused)?;
        let before = draft.keys.len();
        draft.keys.retain(|key| *key.fingerprint() != print);
        if draft.keys.len() == before {
            let (fingerprint, member) = (print.to_string(), visible(seen.name()));
            let error = MemberError::NoSuchKey {
                fingerprint,
                member,
            };
            return Err(KeyringError::Member(error).into());
        }
    }
    if draft.keys.is_empty() {
        let error = MemberError::LastKey(visible(seen.name()));
        return Err(KeyringError::Member(error).into());
    }
    let changed = output.recorded(keyring.edit_member(&seen, &draft).await?);
    let subject = format!("member:{}", seen.id);
    if output.waits(
        Change::MemberEdited,
        &[&subject],
        draft_json(&seen.id, &seen.draft),
    )? {
        return Ok(());
    }
    if output.json {
        return output.json(&draft_json(&seen.id, &draft));
    }
    output::print_notice(if changed {
        "Member updated."
    } else {
        "The member was like that already."
    });
    output::print_notice(&sentence(&draft));
    Ok(())
}

async fn remove(keyring: &Keyring, name: &str, output: &mut Output) -> Result<(), Failure> {
    let seen = keyring.member(name).await?;
    output.recorded(keyring.remove_member(&seen).await?);
    if output.json {
        return output
            .json(&json!({ "id": seen.id.as_str(), "name": seen.name(), "removed": true }));
    }
    output::print_notice("Member removed.");
    Ok(())
}

fn draft_json(id: &MemberId, draft: &MemberDraft) -> Value {
    let mut fields = audit::member_fields(draft);
    fields.shift_insert(0, "id".into(), json!(id.as_str()));
    Value::Object(fields)
}

fn as_json(member: &Member) -> Value {
    let mut value = draft_json(&member.id, &member.draft);
    let seen = member.last_seen.as_ref();
    value["added_at"] = json!(member.added_at.rfc3339());
    value["last_seen_at"] = json!(seen.map(|(at, _)| at.rfc3339()));
    let with = seen.and_then(|(_, with)| with.as_ref());
    value["last_seen_with"] = json!(with.map(Fingerprint::as_str));
    value
}

async fn list(keyring: &Keyring, output: &mut Output) -> Result<(), Failure> {
    let members = keyring.members().await?;
    if output.json {
        return output.json(&members.iter().map(as_json).collect::<Value>());
    }
    if members.is_empty() {
        output::print_notice(
            "There are no members yet: `claviger member add NAME --role owner --ssh-key FILE` adds one.",
        );
    }
    for member in &members {
        let draft = &member.draft;
        let limit = match &draft.scope {
            AgentScope::Everything => String::new(),
            AgentScope::Only(agents) => format!("  only {}", listed(agents)),
        };
        let seen = member.last_seen.as_ref().map_or_else(
            || format!("not seen yet, added {}", member.added_at.date()),
            |(at, _): &(Moment, _)| format!("last seen {} UTC", at.date_and_clock()),
        );
        let (id, name) = (&member.id, visible(member.name()));
        output.line(&format!("{name}  {}{limit}  {seen}  ({id})", draft.role))?;
        for key in &draft.keys {
            output.line(&format!("    {}", visible(&key.summary())))?;
        }
    }
    Ok(())
}
