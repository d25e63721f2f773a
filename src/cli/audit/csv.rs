//! The audit log as CSV, for people with a spreadsheet: no cell of it is taken for a formula
//! (OWASP, "CSV Injection"). JSON is the form that loses nothing.
use serde_json::Value;

use super::{Failure, details};
use crate::domain::{agent::AgentName, audit::Event, member::Fingerprint, text::visible};

const COLUMNS: [&str; 15] = [
    "sequence",
    "at",
    "actor",
    "member",
    "fingerprint",
    "account",
    "from",
    "action",
    "subject",
    "name",
    "agent",
    "before",
    "after",
    "reason",
    "hash",
];

pub(super) fn head() -> Result<String, Failure> {
    written(&COLUMNS.map(str::to_owned))
}

pub(super) fn line(event: &Event) -> Result<String, Failure> {
    let draft = &event.draft;
    let login = draft.actor.login.as_ref();
    let details = details(event);
    let detail = |field: &str| match details.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let text = |text: &str| harmless(&visible(text));
    let fingerprint = login.and_then(|login| login.fingerprint.as_ref());
    let account = login.map_or(draft.actor.name.as_str(), |login| login.account.as_str());
    written(&[
        event.sequence.to_string(),
        draft.at.rfc3339(),
        text(&draft.actor.name),
        text(login.map_or("", |login| login.member.as_str())),
        text(fingerprint.map_or("", Fingerprint::as_str)),
        text(account),
        draft
            .actor
            .from
            .map(|it| it.to_string())
            .unwrap_or_default(),
        draft.change.word().to_owned(),
        text(&draft.subject_id),
        text(&draft.subject_name),
        text(draft.agent.as_ref().map_or("", AgentName::as_str)),
        text(&detail("before")),
        text(&detail("after")),
        text(&detail("reason")),
        event.hash.clone(),
    ])
}

/// A text that no spreadsheet calculates with.
fn harmless(text: &str) -> String {
    // A tab or a carriage return can come first only in a text that was not made visible before.
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn written(cells: &[String; COLUMNS.len()]) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(|error| failed(&error))?;
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_texts_and_nothing_else_changes() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("acme", "acme"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(harmless(text), cell);
        }
    }
}
