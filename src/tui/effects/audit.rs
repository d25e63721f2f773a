//! Carries out the effects on the audit log: events are read, or written to a file.
use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use crate::{
    domain::{
        audit::{EventCursor, EventFilter, csv_head, csv_line, json_line},
        text::{thousands, visible},
    },
    keyring::Keyring,
    tui::audit::{self, ExportForm},
};

/// Writes the events that match the filter, oldest first, to a new file in the home directory with
/// mode 0600. An existing file is never overwritten.
pub(super) async fn export(
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
