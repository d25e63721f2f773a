//! `audit`: every change, oldest first, and the proof that none was tampered with.
use serde_json::{Map, Value, json};

use super::{
    Failure, answered_no,
    output::{Output, brief, counted},
};
use crate::{
    domain::{audit::Event, text::visible},
    keyring::{Keyring, KeyringError},
};

/// How many events are read at a time.
const BATCH: i64 = 500;

pub(super) async fn list(keyring: &Keyring, output: &mut Output) -> Result<(), Failure> {
    let mut sequence = 0;
    loop {
        let events = keyring.events_after(sequence, BATCH).await?;
        let Some(last) = events.last() else {
            return output.flush();
        };
        sequence = last.sequence;
        for event in &events {
            let line = if output.json {
                json_line(event).to_string()
            } else {
                text_line(event)
            };
            output.buffered(format!("{line}\n").as_bytes())?;
        }
    }
}

fn json_line(event: &Event) -> Value {
    let details: Map<String, Value> =
        serde_json::from_str(&event.draft.details).unwrap_or_default();
    let detail = |field: &str| details.get(field).cloned().unwrap_or(Value::Null);
    json!({
        "sequence": event.sequence,
        "at": event.draft.at.rfc3339(),
        "actor": event.draft.actor.name,
        "from": event.draft.actor.from.map(|address| address.to_string()),
        "action": event.draft.change.word(),
        "subject": event.draft.subject_id,
        "name": event.draft.subject_name,
        "before": detail("before"),
        "after": detail("after"),
        "reason": detail("reason"),
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    })
}

/// `17  2026-11-23T07:00:00Z  alice@gw1  key.edited  k7GhT2mQ9xZa  Partner: Acme  {…}`
fn text_line(event: &Event) -> String {
    let draft = &event.draft;
    let from = draft
        .actor
        .from
        .map_or_else(String::new, |address| format!(" from {address}"));
    let details = if draft.details == "{}" {
        String::new()
    } else {
        format!("  {}", visible(&draft.details))
    };
    format!(
        "{}  {}  {}{from}  {}  {}  {}{details}",
        event.sequence,
        draft.at.rfc3339(),
        draft.actor,
        draft.change.word(),
        visible(&draft.subject_id),
        brief(&draft.subject_name),
    )
}

pub(super) async fn verify(keyring: &Keyring, output: &mut Output) -> Result<(), Failure> {
    let verified = match keyring.verify().await {
        // For a script that is an answer too.
        Err(KeyringError::BrokenChain { sequence, why }) if output.json => {
            let answer = json!({ "holds": false, "sequence": sequence, "why": why });
            return Err(answered_no(output.json(&answer)));
        }
        other => other?,
    };
    if output.json {
        return output
            .json(&json!({ "holds": true, "events": verified.events, "head": verified.head }));
    }
    let events = counted(
        usize::try_from(verified.events).unwrap_or(usize::MAX),
        "event",
    );
    output.line(&format!(
        "The audit log holds: {events}, newest hash {}",
        verified.head
    ))
}
