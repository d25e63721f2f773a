//! How results and sentences leave: standard output for the one, standard error for the other.
//!
//! Text from people has gone through [`visible`] before it comes here, except in JSON, whose
//! strings escape control characters themselves and are made for programs.
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use serde_json::{Map, Value, json};

use super::Failure;
use crate::domain::{
    audit,
    key::Key,
    moment::Moment,
    text::{length, visible},
};

/// How a token begins, and how much of it is public: the beginning, the key's id, a `_`.
const TOKEN_PREFIX: &str = "clv_";
const PUBLIC_LENGTH: usize = TOKEN_PREFIX.len() + 12 + 1;
/// The longest name that a sentence repeats whole, in characters.
const LONGEST_BRIEF: usize = 60;

/// Standard output, as a command uses it.
pub(super) struct Output {
    /// Whether JSON was asked for.
    pub json: bool,
    writer: BufWriter<Stdout>,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            writer: BufWriter::new(io::stdout()),
        }
    }

    /// Whether a person reads along.
    pub fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// One line of text.
    pub fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// One JSON value on one line, compact.
    pub fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes)?;
        Ok(self.writer.flush()?)
    }

    /// Bytes that may wait for more.
    pub fn buffered(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.writer.write_all(bytes)?)
    }

    /// Sends what waited.
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.writer.flush()?)
    }
}

/// A sentence for the person, on standard error. Nobody may be there to read it.
pub(super) fn complain(sentence: &str) {
    let _ = writeln!(io::stderr(), "claviger: {}", without_tokens(sentence));
}

/// A sentence that is no complaint.
pub(super) fn tell(sentence: &str) {
    let _ = writeln!(io::stderr(), "{}", without_tokens(sentence));
}

/// The text with every token in it cut to its public half: somebody may have typed one where a
/// name belongs, and standard error ends up in logs.
fn without_tokens(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(TOKEN_PREFIX) {
        let (before, token) = rest.split_at(at);
        let end = token
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(token.len());
        clean.push_str(before);
        clean.push_str(&token[..end.min(PUBLIC_LENGTH)]);
        if end > PUBLIC_LENGTH {
            clean.push('…');
        }
        rest = &token[end..];
    }
    clean + rest
}

/// A key as `list` and `show` print it in JSON.
pub(super) fn key_json(key: &Key) -> Value {
    let mut fields = Map::new();
    let mut decided = audit::snapshot(&key.draft);
    let mut take = |field: &str| decided.remove(field).unwrap_or(Value::Null);
    fields.insert("id".into(), json!(key.id.as_str()));
    for field in ["name", "description", "allow_ip", "grants"] {
        fields.insert(field.into(), take(field));
    }
    fields.insert("created_at".into(), json!(key.created_at.rfc3339()));
    fields.insert(
        "last_used_at".into(),
        json!(key.last_use.map(|usage| usage.at.rfc3339())),
    );
    fields.insert(
        "expires_at".into(),
        json!(key.draft.expires_at.map(Moment::rfc3339)),
    );
    fields.insert("disabled".into(), json!(key.disabled_at.is_some()));
    Value::Object(fields)
}

/// "1 key", "2 keys".
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// A text in one line, cut to so many characters, for a sentence.
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
    fn a_token_in_a_sentence_loses_its_secret_half() {
        let secret = "5alvd3kjhAMdTj1AOJWA9uJSbWNvw45HpApoGqOfaHl2OWTMk";
        let sentence = format!("no key is called clv_Cr5JI7uXSE4O_{secret}, or xclv_clv_");
        assert_eq!(
            without_tokens(&sentence),
            "no key is called clv_Cr5JI7uXSE4O_…, or xclv_clv_"
        );
        for kept in ["", "clv_", "clv_Cr5JI7uXSE4O_", "é clv_a é"] {
            assert_eq!(without_tokens(kept), kept);
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let family = "👩‍👩‍👧‍👦";
        assert_eq!(brief(&family.repeat(61)), family.repeat(59) + "…");
        assert_eq!(brief(&family.repeat(60)), family.repeat(60));
    }
}
