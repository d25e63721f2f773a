//! `audit`: prints the changes as text lines, JSON lines or CSV, and verifies that none was
//! tampered with.
use std::{fs, io::Read as _, path::Path};

use serde_json::json;

use super::{
    AuditArguments, AuditCommand, Failure, answered_no,
    output::{self, Output, brief, counted},
    refused,
};
use crate::{
    config::Config,
    domain::{
        audit::{
            Checkpoint, Event, EventCursor, EventFilter, checkpoints_in, csv_head, csv_line,
            json_line,
        },
        location::{AuditTarget, CheckpointTarget},
        member::Permission,
        moment::parse_past,
        text::visible,
    },
    keyring::{Keyring, KeyringError},
};

/// The pause between two looks for new events.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);
/// The number of events read from the store at a time.
const EVENTS_PER_READ: i64 = 500;

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &AuditArguments,
    config: &Config,
    output: &mut Output,
) -> Result<(), Failure> {
    match &arguments.command {
        None if arguments.csv && output.json => {
            Err(refused("CSV or JSON, not both: leave --csv or --json out"))
        }
        Some(_) if arguments.chooses() => Err(refused(
            "verify looks at all events: leave the options before it out",
        )),
        None if arguments.follow => follow(keyring, arguments, output).await,
        None => list(keyring, arguments, output).await,
        Some(AuditCommand::Verify { checkpoints }) => {
            if keyring.is_members() && checkpoints.iter().any(|file| file != Path::new("-")) {
                return Err(refused(
                    "over SSH checkpoints come on standard input: `… audit verify --checkpoints -`",
                ));
            }
            let kept = read_checkpoints(keyring, checkpoints, config)?;
            let named =
                !checkpoints.is_empty() || matches!(config.checkpoints, CheckpointTarget::File(_));
            verify(keyring, &kept, named, output).await
        }
        Some(AuditCommand::Resend { from }) => {
            keyring.demand(Permission::Workspace).await?;
            if config.audit == AuditTarget::Off {
                return Err(refused(
                    "there is no place to send events to: name one in config.toml, such as audit = \"syslog\"",
                ));
            }
            let newest = keyring.send_again(*from).await?;
            if newest < *from {
                return Err(refused(format!(
                    "there is no event {from}: the newest one has the number {newest}"
                )));
            }
            // They are sent at the end of every command.
            if output.json {
                return output.json(&json!({ "from": from, "to": newest }));
            }
            output::print_notice(&format!(
                "The events from number {from} to {newest} are to be sent again."
            ));
            Ok(())
        }
    }
}

async fn filter(keyring: &Keyring, arguments: &AuditArguments) -> Result<EventFilter, Failure> {
    let moment = |text: &Option<String>, until| {
        let text = text.as_deref();
        text.map(|text| parse_past(text, keyring.now(), until))
            .transpose()
            .map_err(refused)
    };
    let subject_id = match &arguments.key {
        Some(key) => keyring.id_of(key).await?.to_string(),
        None => String::new(),
    };
    Ok(EventFilter {
        scope: keyring.scope_of(arguments.agent.as_ref()).await?,
        subject_id,
        actor: arguments.actor.clone().unwrap_or_default(),
        change: arguments.action.clone().unwrap_or_default(),
        since: moment(&arguments.since, false)?,
        until: moment(&arguments.until, true)?,
        ..EventFilter::default()
    })
}

async fn list(
    keyring: &Keyring,
    arguments: &AuditArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let filter = filter(keyring, arguments).await?;
    let mut onward = match (arguments.reverse, arguments.from) {
        (true, _) => EventCursor::Before(i64::MAX),
        (false, Some(from)) => EventCursor::After(from - 1),
        (false, None) => EventCursor::After(0),
    };
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut none = true;
    if arguments.csv {
        output.buffered(csv_head().as_bytes())?;
    }
    while left > 0 {
        let batch = EVENTS_PER_READ.min(i64::try_from(left).unwrap_or(EVENTS_PER_READ));
        let events = keyring.events(&filter, onward, batch).await?;
        let Some(last) = events.last() else { break };
        none = false;
        left -= events.len() as u64;
        onward = match onward {
            EventCursor::After(_) => EventCursor::After(last.sequence),
            EventCursor::Before(_) => EventCursor::Before(last.sequence),
        };
        for event in &events {
            let line = match (arguments.csv, output.json) {
                (true, _) => csv_line(event),
                (_, true) => format!("{}\n", json_line(event)),
                _ => format!("{}\n", text_line(event)),
            };
            output.buffered(line.as_bytes())?;
        }
    }
    output.flush()?;
    if none && !output.json && !arguments.csv {
        output::print_notice("No event is like that.");
    }
    Ok(())
}

/// Prints the events from a number on, or those to come, until the process is ended or nobody reads
/// them any more.
async fn follow(
    keyring: &Keyring,
    arguments: &AuditArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let filter = filter(keyring, arguments).await?;
    let mut seen = if let Some(from) = arguments.from {
        from - 1
    } else {
        let newest = EventCursor::Before(i64::MAX);
        let newest = keyring.events(&EventFilter::default(), newest, 1).await?;
        newest.first().map_or(0, |event| event.sequence)
    };
    let mut looks = tokio::time::interval(PAUSE);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        loop {
            let onward = EventCursor::After(seen);
            let events = keyring.events(&filter, onward, EVENTS_PER_READ).await?;
            let Some(last) = events.last() else { break };
            seen = last.sequence;
            for event in &events {
                let line = if output.json {
                    json_line(event).to_string()
                } else {
                    text_line(event)
                };
                output.buffered(format!("{line}\n").as_bytes())?;
            }
            output.flush()?;
        }
    }
}

/// Formats an event for text output:
/// `17  2026-11-23T07:00:00Z  alice (m-39a237bd3577)  key.edited  k7GhT2mQ9xZa  Partner: Acme  {…}`
fn text_line(event: &Event) -> String {
    let draft = &event.draft;
    let from = draft
        .actor
        .from
        .map_or_else(String::new, |address| format!(" from {address}"));
    // A member may have the name of an operating system user; the id tells them apart.
    let member = draft.actor.login.as_ref();
    let member = member.map_or_else(String::new, |login| format!(" ({})", login.member));
    let details = if draft.details == "{}" {
        String::new()
    } else {
        format!("  {}", visible(&draft.details))
    };
    format!(
        "{}  {}  {}{member}{from}  {}  {}  {}{details}",
        event.sequence,
        draft.at.rfc3339(),
        draft.actor,
        draft.change.word(),
        visible(&draft.subject_id),
        brief(&draft.subject_name),
    )
}

/// Reads this workspace's checkpoints from the named files or, if none is named, from the file that
/// the configuration names.
pub(super) fn read_checkpoints(
    keyring: &Keyring,
    files: &[std::path::PathBuf],
    config: &Config,
) -> Result<Vec<Checkpoint>, Failure> {
    let workspace = &keyring.workspace().uuid;
    let configured = match &config.checkpoints {
        CheckpointTarget::File(path) if files.is_empty() => Some(path),
        _ => None,
    };
    let mut kept = Vec::new();
    for file in files.iter().chain(configured) {
        let text = read(file).map_err(|error| {
            let file = visible(&file.to_string_lossy());
            Failure::Failed(format!(
                "the checkpoints in {file} cannot be read ({error}): make the file readable for you, or name another one"
            ))
        })?;
        kept.extend(checkpoints_in(&text, workspace));
    }
    Ok(kept)
}

/// Reads a log from a regular file, or from standard input for `-`. Bytes that are not UTF-8 are
/// replaced, because they cannot be part of a checkpoint.
fn read(file: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)?;
    } else if fs::metadata(file)?.is_file() {
        fs::File::open(file)?.read_to_end(&mut bytes)?;
    } else {
        return Err(std::io::Error::other("it is no file"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn verify(
    keyring: &Keyring,
    kept: &[Checkpoint],
    named: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let verified = match keyring.verify(kept).await {
        // With `--json` a broken log is an answer too, printed on standard output.
        Err(KeyringError::Unreadable { sequence, why }) if output.json => {
            let why = why.to_string();
            let answer = json!({ "holds": false, "sequence": sequence, "why": why });
            return Err(answered_no(output.json(&answer)));
        }
        Err(KeyringError::BrokenChain { sequence, why }) if output.json => {
            let answer = json!({ "holds": false, "sequence": sequence, "why": why });
            return Err(answered_no(output.json(&answer)));
        }
        other => other?,
    };
    // If a log was named, it must be reported that it is empty or another workspace's.
    let nothing_kept = named && verified.checkpoints == 0 && verified.events > 0;
    if output.json {
        let printed = output.json(&json!({
            "holds": true,
            "events": verified.events,
            "head": verified.head,
            "checkpoints": verified.checkpoints,
        }));
        return if nothing_kept {
            Err(answered_no(printed))
        } else {
            printed
        };
    }
    if nothing_kept {
        return Err(Failure::Failed(
            "the audit log holds by itself, but there is no checkpoint of this workspace where one was looked for: that its end was cut off, or all of it written anew, would not show. Look for the log that has them, or find out who emptied it".into(),
        ));
    }
    let count = |count: usize, noun| counted(count, noun);
    let events = count(
        usize::try_from(verified.events).unwrap_or(usize::MAX),
        "event",
    );
    output.line(&format!(
        "The audit log holds: {events}, newest hash {}",
        verified.head
    ))?;
    output.line(&match verified.checkpoints {
        0 => "No checkpoint was compared: that its end was cut off, or that all of it was written anew, would not show. Name a log with --checkpoints.".to_owned(),
        found => format!("{} kept elsewhere {}.", count(found, "checkpoint"), if found == 1 { "agrees" } else { "agree" }),
    })
}
