//! The output of the commands: results on standard output, messages on standard error.
//!
//! Callers pass text from people through [`visible`] before they print it, except in JSON, whose
//! strings escape control characters themselves and are read by programs.
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use serde_json::{Map, Value, json};

use super::Failure;
use crate::{
    domain::{
        approval::approvers,
        audit::{self, Change},
        key::Key,
        moment::Moment,
        text::{length, visible},
        token::without_tokens,
    },
    keyring::Recorded,
};

/// The maximum length of a name that a sentence repeats in full, in characters.
const LONGEST_BRIEF: usize = 60;

/// A buffered writer to standard output, with the options that shape a command's output.
pub(super) struct Output {
    /// `true` if JSON was requested with `--json`.
    pub json: bool,
    /// `true` if there is more than one agent; otherwise agents are not mentioned.
    pub several_agents: bool,
    /// The number of changes that were requested and wait for approval.
    pub waiting: usize,
    /// Why the newest checkpoint that failed was not kept; said after the result.
    pub checkpoint_error: Option<String>,
    writer: BufWriter<Stdout>,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            several_agents: false,
            waiting: 0,
            checkpoint_error: None,
            writer: BufWriter::new(io::stdout()),
        }
    }

    /// Says of changes that were only requested that they wait for approval, if any were; returns
    /// whether. `subjects` name the requests in commands; `fields` are printed in JSON.
    pub(super) fn waits(
        &mut self,
        change: Change,
        subjects: &[&str],
        mut fields: Value,
    ) -> Result<bool, Failure> {
        if self.waiting == 0 {
            return Ok(false);
        }
        if self.json {
            fields["pending_approval"] = json!(true);
            self.json(&fields)?;
        }
        print_notice(&format!(
            "This widens, so it is only requested: {} can approve it with",
            approvers(change)
        ));
        for subject in subjects {
            print_notice(&format!("  claviger approve {subject}"));
        }
        Ok(true)
    }

    /// Takes what was recorded; a checkpoint that was not kept is said after the result. Returns
    /// whether anything was changed.
    pub(super) fn recorded(&mut self, recorded: Recorded) -> bool {
        if recorded.checkpoint_error.is_some() {
            self.checkpoint_error = recorded.checkpoint_error;
        }
        self.waiting += recorded.waiting;
        for request in &recorded.withdrawn {
            print_notice(&format!(
                "This withdraws what waited for approval there: {}.",
                visible(request)
            ));
        }
        recorded.events > 0
    }

    /// Returns `true` if standard output is a terminal, so that a person reads the output.
    pub(super) fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Writes one line of text and flushes.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// Writes one JSON value on one line, in compact form, and flushes.
    pub(super) fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// Writes the bytes as they are and flushes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes)?;
        Ok(self.writer.flush()?)
    }

    /// Writes the bytes to the buffer without flushing.
    pub(super) fn buffered(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.writer.write_all(bytes)?)
    }

    /// Flushes the buffer.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.writer.flush()?)
    }
}

/// Prints a warning or an error on standard error, after `claviger: `. Write errors are ignored,
/// because standard error may be closed.
pub(super) fn complain(sentence: &str) {
    let _ = writeln!(io::stderr(), "claviger: {}", without_tokens(sentence));
}

/// Prints a notice on standard error, without a prefix. Write errors are ignored.
pub(super) fn print_notice(sentence: &str) {
    let _ = writeln!(io::stderr(), "{}", without_tokens(sentence));
}

/// Returns a key as `list` and `show` print it in JSON: as [`key_json`], with its status.
pub(super) fn key_and_status_json(key: &Key, several_agents: bool, now: Moment) -> Value {
    let mut fields = key_json(key, several_agents);
    if let Some(fields) = fields.as_object_mut() {
        let place = 9 + usize::from(several_agents);
        fields.shift_insert(place, "status".into(), json!(key.status(now).word()));
    }
    fields
}

/// Returns a key as the commands that change it print it in JSON, with its agent if there are
/// several agents.
pub(super) fn key_json(key: &Key, several_agents: bool) -> Value {
    let mut fields = Map::new();
    let mut decided = audit::snapshot(&key.draft);
    fields.insert("id".into(), json!(key.id.as_str()));
    for field in ["name", "description", "allow_ip", "grants"] {
        fields.insert(field.into(), decided.remove(field).unwrap_or_default());
    }
    fields.insert("created_at".into(), json!(key.created_at.rfc3339()));
    fields.insert(
        "last_used_at".into(),
        json!(key.last_use.map(|usage| usage.at.rfc3339())),
    );
    let expires = decided.remove("expires_at").unwrap_or_default();
    fields.insert("expires_at".into(), expires);
    fields.insert("disabled".into(), json!(key.disabled_at.is_some()));
    if several_agents {
        fields.insert("agent".into(), json!(key.agent.as_str()));
    }
    for field in [
        "not_before",
        "deny_ip",
        "rate_limit",
        "quota",
        "owner",
        "labels",
    ] {
        fields.insert(field.into(), decided.remove(field).unwrap_or_default());
    }
    // Whatever else people decide on.
    fields.append(&mut decided);
    Value::Object(fields)
}

/// Returns the count with its noun: "1 key", "2 keys".
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// Returns the text made visible and cut to [`LONGEST_BRIEF`] characters, for use in a sentence.
pub(super) fn brief(text: &str) -> String {
    use unicode_segmentation::UnicodeSegmentation as _;
    let shown = visible(text);
    if length(&shown) > LONGEST_BRIEF {
        let kept = shown.graphemes(true).take(LONGEST_BRIEF - 1);
        format!("{}…", kept.collect::<String>())
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let family = "👩‍👩‍👧‍👦";
        assert_eq!(brief(&family.repeat(61)), family.repeat(59) + "…");
        assert_eq!(brief(&family.repeat(60)), family.repeat(60));
    }
}
