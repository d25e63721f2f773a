//! Carries out the effects that read and export the audit log and that read and change members.
use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use super::Warning;
use crate::{
    domain::{
        audit::{EventCursor, EventFilter, csv_head, csv_line, json_line},
        text::{thousands, visible},
    },
    keyring::{Keyring, KeyringError, Recorded},
    tui::{
        audit::{self, ExportForm},
        message::{Effect, Message},
    },
};

/// Reads members or events, or writes events to a file.
pub(super) async fn look(effect: Effect, keyring: &Keyring) -> Option<Message> {
    Some(match effect {
        Effect::ReadEvents(filter, onward) => {
            let read = keyring.events(&filter, onward, audit::PAGE).await;
            Message::EventsRead(filter, onward, read.map_err(|error| error.to_string()))
        }
        Effect::Export(filter, form) => Message::Exported(export(&filter, form, keyring).await),
        Effect::ReadMembers => {
            let read = keyring.members().await;
            Message::MembersRead(read.map_err(|error| error.to_string()))
        }
        _ => return None,
    })
}

/// Adds, changes or removes a member.
pub(super) async fn change(
    effect: Effect,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Option<Message> {
    let mut saved = |done: Result<Recorded, KeyringError>, sentence: &str| {
        let done = done.map(|recorded| {
            let changed = recorded.events > 0;
            warning.take(recorded);
            let unchanged = "The member was like that already.";
            (if changed { sentence } else { unchanged }).to_owned()
        });
        Message::MemberSaved(done.map_err(|error| error.to_string()))
    };
    Some(match effect {
        Effect::AddMember(draft) => match keyring.add_member(&draft).await {
            Ok(member) => saved(Ok(member.recorded), &added(&member.look_alikes)),
            Err(error) => saved(Err(error), ""),
        },
        Effect::EditMember(seen, draft) => {
            saved(keyring.edit_member(&seen, &draft).await, "Member updated.")
        }
        Effect::RemoveMember(seen) => saved(keyring.remove_member(&seen).await, "Member removed."),
        _ => return None,
    })
}

fn added(look_alikes: &[String]) -> String {
    if look_alikes.is_empty() {
        return "Member added.".to_owned();
    }
    let names: Vec<String> = look_alikes.iter().map(|name| visible(name)).collect();
    format!(
        "Member added. The name looks like {}: check that you did not mean that one.",
        names.join(", ")
    )
}

/// Writes the events that match the filter, oldest first, to a new file in the home directory with
/// mode 0600. An existing file is never overwritten.
async fn export(
    filter: &EventFilter,
    form: ExportForm,
    keyring: &Keyring,
) -> Result<String, String> {
    let home = crate::config::process_variable("HOME").ok_or("HOME is not set")?;
    let moment = keyring.now().date_and_seconds().replace([' ', ':'], "-");
    let path = PathBuf::from(home).join(format!("claviger-audit-{moment}.{}", form.ending()));
    let told = visible(&path.to_string_lossy());
    let failed = |error: std::io::Error| format!("Not written: {told}: {error}.");
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    let mut writer = BufWriter::new(file);
    if form == ExportForm::Csv {
        writer.write_all(csv_head().as_bytes()).map_err(failed)?;
    }
    let (mut sequence, mut count) = (0, 0);
    loop {
        let read = keyring.events(filter, EventCursor::After(sequence), audit::PAGE);
        let events = read.await.map_err(|error| error.to_string())?;
        let Some(last) = events.last() else { break };
        sequence = last.sequence;
        count += i64::try_from(events.len()).unwrap_or(0);
        for event in &events {
            let line = match form {
                ExportForm::JsonLines => format!("{}\n", json_line(event)),
                ExportForm::Csv => csv_line(event),
            };
            writer.write_all(line.as_bytes()).map_err(failed)?;
        }
    }
    let written = writer
        .into_inner()
        .map_err(|error| failed(error.into_error()));
    written.and_then(|file: File| file.sync_all().map_err(failed))?;
    let events = if count == 1 {
        "1 event"
    } else {
        &format!("{} events", thousands(count))
    };
    Ok(format!(
        "{events} written to {told}, readable by you alone."
    ))
}
