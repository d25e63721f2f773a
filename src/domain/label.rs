//! Labels of a key: names with values, such as `team=billing`, which people choose freely. The
//! upstream is told them in one header, so their encoded length is limited; they have no meaning to
//! the checks.
use std::{collections::BTreeMap, fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::text::{self, Limits, TextError, visible};

/// The largest number of labels of a key.
pub const MOST_LABELS: usize = 20;
/// The longest name of a label, in characters.
const LONGEST_NAME: usize = 40;
/// The limits of a label's value.
const VALUE_LIMITS: Limits = Limits {
    field: "The label's value",
    characters: 100,
    bytes: 400,
};
/// The largest length of all labels as [`Labels::encoded`] writes them, in bytes: the smallest
/// buffers of gateways for all headers of a response are 4 KiB.
pub const LONGEST_ENCODED: usize = 1024;

/// All characters except the unreserved ones of RFC 3986.
pub const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The name of a label: 1 to 40 of the characters `A-Z a-z 0-9 . _ / -`, with a letter or digit at
/// either end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelName(String);

impl LabelName {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LabelName {
    type Err = LabelError;

    fn from_str(name: &str) -> Result<Self, LabelError> {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
        let ends = [name.bytes().next(), name.bytes().last()];
        let ends = ends
            .into_iter()
            .all(|byte| byte.is_some_and(|byte| byte.is_ascii_alphanumeric()));
        if ends && name.len() <= LONGEST_NAME && name.bytes().all(inside) {
            Ok(Self(name.to_owned()))
        } else {
            Err(LabelError::Name(visible(name)))
        }
    }
}

impl fmt::Display for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A change of one label, as it is written: `team=billing` sets it, `team-` removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelChange {
    /// Sets the label to this value.
    Set(LabelName, String),
    /// Removes the label, if it is there.
    Remove(LabelName),
}

impl FromStr for LabelChange {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        if let Some((name, value)) = text.split_once('=') {
            let name: LabelName = name.parse()?;
            // As in a list of labels, where blanks at the ends are not kept either.
            let value = value.trim();
            check_value(&name, value)?;
            return Ok(Self::Set(name, value.to_owned()));
        }
        match text.strip_suffix('-') {
            Some(name) => name.parse().map(Self::Remove),
            None => Err(LabelError::Form(visible(text))),
        }
    }
}

fn check_value(name: &LabelName, value: &str) -> Result<(), LabelError> {
    if value.trim().is_empty() {
        return Err(LabelError::EmptyValue(name.clone()));
    }
    if value.contains(',') {
        return Err(LabelError::Comma(name.clone()));
    }
    Ok(text::check(value, VALUE_LIMITS)?)
}

/// Why a label was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The text is neither `NAME=VALUE` nor `NAME-`.
    #[error("{0} is no label: write NAME=VALUE, or NAME- to remove it")]
    Form(String),
    /// The name has a form that names of labels do not have.
    #[error(
        "{0} is no name of a label: use 1 to {LONGEST_NAME} letters, digits and . _ / -, with a letter or digit at either end"
    )]
    Name(String),
    /// The value is empty.
    #[error("the value of the label {0} is empty: write {0}=VALUE, or {0}- to remove it")]
    EmptyValue(LabelName),
    /// The value has a comma.
    #[error("the value of the label {0} has a comma, which separates labels: leave it out")]
    Comma(LabelName),
    /// The value is refused as a text.
    #[error(transparent)]
    Value(#[from] TextError),
    /// The name is there twice.
    #[error("the label {0} is given twice: give it once")]
    Twice(LabelName),
    /// There are more than [`MOST_LABELS`].
    #[error("{0} labels are too many: a key has at most {MOST_LABELS}")]
    TooMany(usize),
    /// Together they are longer than [`LONGEST_ENCODED`].
    #[error(
        "the labels take {0} bytes as the header X-Claviger-Labels, at most {LONGEST_ENCODED} are allowed: shorten some"
    )]
    TooLong(usize),
}

/// The labels of a key, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(BTreeMap<LabelName, String>);

impl Labels {
    /// Creates the labels from names and values.
    ///
    /// # Errors
    /// Returns [`LabelError`] if a value is refused, a name is there twice, or they are too many or
    /// too long.
    pub fn new(pairs: impl IntoIterator<Item = (LabelName, String)>) -> Result<Self, LabelError> {
        let mut labels = BTreeMap::new();
        for (name, value) in pairs {
            check_value(&name, &value)?;
            if labels.contains_key(&name) {
                return Err(LabelError::Twice(name));
            }
            labels.insert(name, value);
        }
        Self(labels).checked()
    }

    /// Returns the labels after these changes.
    ///
    /// # Errors
    /// Returns [`LabelError`] if two changes name the same label, or if there are too many labels
    /// or they are too long.
    pub fn changed(&self, changes: &[LabelChange]) -> Result<Self, LabelError> {
        let mut named: Vec<&LabelName> = Vec::new();
        let mut labels = self.0.clone();
        for change in changes {
            let (LabelChange::Set(name, _) | LabelChange::Remove(name)) = change;
            if named.contains(&name) {
                return Err(LabelError::Twice(name.clone()));
            }
            named.push(name);
            match change {
                LabelChange::Set(name, value) => labels.insert(name.clone(), value.clone()),
                LabelChange::Remove(name) => labels.remove(name),
            };
        }
        Self(labels).checked()
    }

    fn checked(self) -> Result<Self, LabelError> {
        if self.0.len() > MOST_LABELS {
            return Err(LabelError::TooMany(self.0.len()));
        }
        match self.encoded().len() {
            long if long > LONGEST_ENCODED => Err(LabelError::TooLong(long)),
            _ => Ok(self),
        }
    }

    /// Returns `true` if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value of a label.
    #[must_use]
    pub fn get(&self, name: &LabelName) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&LabelName, &str)> {
        self.0.iter().map(|(name, value)| (name, value.as_str()))
    }

    /// Returns the labels as a JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let labels = self.iter();
        let labels = labels.map(|(name, value)| (name.to_string(), json!(value)));
        Value::Object(labels.collect())
    }

    /// Returns the labels as one header: `name=value` joined by commas, the values percent-encoded.
    #[must_use]
    pub fn encoded(&self) -> String {
        let each = self.iter().map(|(name, value)| {
            let name = utf8_percent_encode(name.as_str(), &RESERVED);
            format!("{name}={}", utf8_percent_encode(value, &RESERVED))
        });
        each.collect::<Vec<_>>().join(",")
    }

    /// Returns the labels as people write them: `name=value`, joined by `, `.
    #[must_use]
    pub fn written(&self) -> String {
        let each = self.iter().map(|(name, value)| format!("{name}={value}"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// Reads labels as people type them in one field: `name=value`, separated by commas or line
    /// breaks.
    ///
    /// # Errors
    /// Returns [`LabelError`] for the first entry that is no label, and the errors of
    /// [`Labels::changed`].
    pub fn read(typed: &str) -> Result<Self, LabelError> {
        let entries = typed.split([',', '\n', '\r']).map(str::trim);
        let entries = entries.filter(|entry| !entry.is_empty());
        let changes: Result<Vec<LabelChange>, _> = entries.map(str::parse).collect();
        Self::default().changed(&changes?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(changes: &[&str]) -> Result<Labels, LabelError> {
        let changes: Result<Vec<LabelChange>, _> =
            changes.iter().map(|text| text.parse()).collect();
        Labels::default().changed(&changes?)
    }

    #[test]
    fn labels_are_set_and_removed() {
        let some = labels(&["team=billing", "env=prod"]).expect("labels");
        assert_eq!(some.written(), "env=prod, team=billing");
        assert_eq!(Labels::read(&some.written()), Ok(some.clone()));
        let left = some
            .changed(&[
                "team-".parse().expect("a change"),
                "env=a b;ö".parse().expect("set"),
            ])
            .expect("changed");
        assert_eq!(left.encoded(), "env=a%20b%3B%C3%B6");
        let again = left.changed(&["gone-".parse().expect("a change")]);
        assert_eq!(again, Ok(left), "removing what is not there is no error");
    }

    #[test]
    fn bad_labels_say_what_to_write() {
        for (text, why) in [
            ("team", "write NAME=VALUE"),
            ("", "write NAME=VALUE"),
            ("team=", "is empty"),
            ("team= ", "is empty"),
            ("team=a,b", "has a comma"),
            ("=x", "no name of a label"),
            ("-", "no name of a label"),
            ("te am=x", "no name of a label"),
            ("team-=x", "no name of a label"),
            ("téam=x", "no name of a label"),
            ("team=a\u{202e}b", "U+202E"),
            ("team=a\nb", "U+000A"),
        ] {
            let error = labels(&[text]).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let twice = labels(&["a=1", "a=2"]).expect_err("twice").to_string();
        assert!(twice.contains("given twice"), "{twice}");
    }

    #[test]
    fn they_are_bounded_in_number_and_as_a_header() {
        let many: Vec<String> = (0..21).map(|at| format!("n{at}=x")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(labels(&many), Err(LabelError::TooMany(21)));
        assert!(labels(&many[..20]).is_ok());
        let long: Vec<String> = (0..4)
            .map(|at| format!("n{at}={}", "é".repeat(100)))
            .collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        assert!(matches!(labels(&long), Err(LabelError::TooLong(_))));
        assert!(labels(&long[..1]).is_ok());
    }
}
