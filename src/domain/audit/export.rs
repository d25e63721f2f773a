//! Exports the audit log: as JSON lines, which hold every field, and as CSV for spreadsheets.
use serde_json::{Map, Value, json};

use super::Event;
use crate::domain::{agent::AgentName, member::Fingerprint, text::visible};

fn details(event: &Event) -> Map<String, Value> {
    serde_json::from_str(&event.draft.details).unwrap_or_default()
}

/// Returns an event as a JSON object with every field. Details that are not a JSON object are left
/// out.
#[must_use]
pub fn json_line(event: &Event) -> Value {
    let mut details = details(event);
    let draft = &event.draft;
    let login = draft.actor.login.as_ref();
    let mut detail = |field: &str| details.shift_remove(field).unwrap_or(Value::Null);
    let mut line = json!({
        "sequence": event.sequence,
        "at": draft.at.rfc3339(),
        "actor": draft.actor.name,
        "member": login.map(|login| login.member.as_str()),
        "fingerprint": login.and_then(|login| login.fingerprint.as_ref()).map(Fingerprint::as_str),
        "account": login.map_or(draft.actor.name.as_str(), |login| login.account.as_str()),
        "from": draft.actor.from.map(|address| address.to_string()),
        "action": draft.change.word(),
        "subject": draft.subject_id,
        "name": draft.subject_name,
        "agent": draft.agent.as_ref().map(AgentName::as_str),
        "before": detail("before"),
        "after": detail("after"),
        "reason": detail("reason"),
    });
    for (field, value) in details {
        line[field] = value;
    }
    line["program"] = json!(draft.program);
    line["previous_hash"] = json!(event.previous_hash);
    line["hash"] = json!(event.hash);
    line
}

const COLUMNS: [&str; 16] = [
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
    "more",
    "hash",
];

/// Returns the first line of the CSV: the names of the columns.
#[must_use]
pub fn csv_head() -> String {
    csv_record(&COLUMNS.map(str::to_owned))
}

/// Returns an event as a line of CSV. Cells that a spreadsheet could take for a formula are escaped
/// (OWASP, "CSV Injection").
#[must_use]
pub fn csv_line(event: &Event) -> String {
    let draft = &event.draft;
    let login = draft.actor.login.as_ref();
    let details = details(event);
    let detail = |field: &str| match details.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let known = ["before", "after", "reason"];
    let more: Map<String, Value> = details
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let more = if more.is_empty() {
        String::new()
    } else {
        Value::Object(more).to_string()
    };
    let text = |text: &str| without_formula(&visible(text));
    let fingerprint = login.and_then(|login| login.fingerprint.as_ref());
    let account = login.map_or(draft.actor.name.as_str(), |login| login.account.as_str());
    csv_record(&[
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
        text(&more),
        event.hash.clone(),
    ])
}

/// Escapes a text that a spreadsheet could evaluate as a formula, with a `'` in front.
fn without_formula(text: &str) -> String {
    // Full-width forms and forms behind spaces are escaped too, because some programs treat them
    // alike. A tab or a carriage return can come first only if the text did not pass through
    // `visible`.
    let first = text.trim_start_matches(' ');
    if first.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn csv_record(cells: &[String; COLUMNS.len()]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail.
    writer.write_record(cells).expect("written in memory");
    let bytes = writer.into_inner().expect("written in memory");
    String::from_utf8(bytes).expect("made of texts")
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
            (" =1", "' =1"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(without_formula(text), cell);
        }
    }
}
