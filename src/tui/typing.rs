//! Typing and pasting into a field: only text is taken, and no more than the field's limit.
//!
//! The functions change nothing but the given field. Every text field of the program goes through
//! [`type_into`], so that no field grows without bound, and a paste costs no more than its length.
use std::ops::ControlFlow;

use tui_input::{Input, InputRequest};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::domain::text::{Limits, length, thousands};

/// A change to a field's text.
#[derive(Debug, Clone, Copy)]
pub enum TextEdit<'a> {
    /// A key was pressed.
    Key(InputRequest),
    /// Text was pasted, as reported by the terminal.
    Paste(&'a str),
    /// Characters arrived together, with `\n` for line ends. More may follow.
    Burst(&'a str),
}

/// The limit of a field.
#[derive(Debug, Clone, Copy)]
pub struct FieldLimit {
    /// The limits of a paste. Text typed key by key may be longer, up to the byte limit, so that
    /// the user sees by how much it is too long.
    pub limits: Limits,
    /// The separator that replaces a line end.
    pub separator: &'static str,
}

impl FieldLimit {
    /// The limit of a line that has no limits of its own.
    pub const LINE: Self = Self::of(1000);

    /// Creates the limit of a line of at most this number of characters.
    #[must_use]
    pub const fn of(characters: usize) -> Self {
        Self {
            limits: Limits {
                field: "The line",
                characters,
                bytes: 4 * characters,
            },
            separator: " ",
        }
    }
}

/// Types into a field at its cursor. Returns a sentence if something did not fit.
pub fn type_into(input: &mut Input, typing: TextEdit<'_>, room: FieldLimit) -> Option<String> {
    let text = match typing {
        TextEdit::Key(InputRequest::InsertChar(c)) => {
            if input.value().len() + c.len_utf8() > room.limits.bytes {
                let most = thousands_of(room.limits.bytes);
                return Some(format!(
                    "There is no room for more: {most} bytes are the most"
                ));
            }
            let _ = input.handle(InputRequest::InsertChar(c));
            return None;
        }
        TextEdit::Key(request) => {
            let _ = input.handle(request);
            return None;
        }
        TextEdit::Paste(text) => pasted_text(text, room.separator),
        TextEdit::Burst(text) => burst_text(text, room.separator),
    };
    insert(input, &text, room)
}

fn insert(input: &mut Input, text: &str, room: FieldLimit) -> Option<String> {
    let at = input.value().char_indices().nth(input.cursor());
    let (before, after) = input
        .value()
        .split_at(at.map_or(input.value().len(), |(at, _)| at));
    // A burst that begins with a line end continues the text that is in the field.
    let text = match text.strip_prefix(room.separator) {
        Some(rest) if before.is_empty() => rest,
        Some(rest) if before.ends_with([',', ';', ' ']) => rest,
        _ => text,
    };
    let kept = fitting(text, room, input.value());
    let is_cut = kept.len() < text.len();
    let value = format!("{before}{kept}{after}");
    let cursor = before.chars().count() + kept.chars().count();
    *input = Input::new(value).with_cursor(cursor);
    let most = thousands_of(room.limits.characters);
    is_cut.then(|| {
        format!("The paste was cut, for {most} characters are the most: the rest did not fit")
    })
}

/// Returns as much of a text as fits beside the field's current text. A list is cut between two
/// entries, because half of an address may be another valid address.
fn fitting<'a>(text: &'a str, room: FieldLimit, there: &str) -> &'a str {
    let mut characters = room.limits.characters.saturating_sub(length(there));
    let mut bytes = room.limits.bytes.saturating_sub(there.len());
    let end = text.grapheme_indices(true).try_for_each(|(at, cluster)| {
        if characters == 0 || bytes < cluster.len() {
            return ControlFlow::Break(at);
        }
        characters -= 1;
        bytes -= cluster.len();
        ControlFlow::Continue(())
    });
    let ControlFlow::Break(end) = end else {
        return text;
    };
    let end = match room.separator.trim() {
        "" => end,
        mark => text[..end].rfind(mark).unwrap_or(0),
    };
    &text[..end]
}

/// Returns a paste as text: line ends become separators, other control characters are removed.
fn pasted_text(text: &str, separator: &str) -> String {
    let lines: Vec<String> = text
        .split(['\n', '\r'])
        .map(|line| {
            let line = line.replace('\t', " ");
            let trimmed = if separator.trim().is_empty() {
                &line
            } else {
                line.trim().trim_end_matches([',', ';'])
            };
            trimmed
                .chars()
                .filter(|c| !c.is_control())
                .collect::<String>()
        })
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines.join(separator)
}

/// Returns a burst as text: line ends within it become separators. Its two ends are not trimmed,
/// because more text may have come before and may follow.
fn burst_text(text: &str, separator: &str) -> String {
    let mut joined = String::new();
    for (at, line) in text.split('\n').enumerate() {
        if at == 0 {
            joined.push_str(line);
            continue;
        }
        let kept = joined.trim_end().trim_end_matches([',', ';']).len();
        if !separator.trim().is_empty() {
            joined.truncate(kept);
        }
        joined.push_str(separator);
        joined.push_str(line.trim_start());
    }
    joined
}

fn thousands_of(number: usize) -> String {
    thousands(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: FieldLimit = FieldLimit {
        separator: ", ",
        ..FieldLimit::of(40)
    };

    fn after(there: &str, typing: TextEdit<'_>, room: FieldLimit) -> (String, Option<String>) {
        let mut input = Input::new(there.to_owned());
        let cut = type_into(&mut input, typing, room);
        (input.value().to_owned(), cut)
    }

    #[test]
    fn line_ends_are_separators() {
        let networks = "10.0.0.0/8, 192.168.1.0/24";
        for typing in [
            TextEdit::Paste("10.0.0.0/8,\r\n192.168.1.0/24\r\n"),
            TextEdit::Burst("10.0.0.0/8,\n192.168.1.0/24"),
        ] {
            assert_eq!(after("", typing, LIST), (networks.to_owned(), None));
        }
        for (there, burst, expected) in [
            ("10.0.0.0/8,", "\n1.2.3.4", "10.0.0.0/8,1.2.3.4"),
            ("10.0.0.0/8", "\n1.2.3.4", "10.0.0.0/8, 1.2.3.4"),
            ("10.0.0.0/8, ", "1.2.3.4, ", "10.0.0.0/8, 1.2.3.4, "),
            ("", "\n1.2.3.4", "1.2.3.4"),
        ] {
            assert_eq!(after(there, TextEdit::Burst(burst), LIST).0, expected);
        }
        let name = after("", TextEdit::Burst("two\nlines"), FieldLimit::of(40));
        assert_eq!(name, ("two lines".to_owned(), None));
    }

    #[test]
    fn a_paste_is_cut_at_the_limit_and_a_list_between_two_entries() {
        let (value, cut) = after("ab", TextEdit::Paste(&"é".repeat(100)), FieldLimit::of(40));
        assert_eq!(length(&value), 40);
        assert_eq!(
            cut.as_deref(),
            Some("The paste was cut, for 40 characters are the most: the rest did not fit")
        );
        let list = "10.0.0.0/8, 192.168.1.0/24, 192.168.2.128/25";
        let (value, cut) = after("", TextEdit::Paste(list), LIST);
        assert_eq!(value, "10.0.0.0/8, 192.168.1.0/24");
        assert!(cut.is_some_and(|cut| cut.contains("did not fit")));
    }

    #[test]
    fn what_is_typed_goes_in_at_the_cursor_and_ends_somewhere() {
        let mut input = Input::new("ac".to_owned()).with_cursor(1);
        assert_eq!(
            type_into(&mut input, TextEdit::Burst("bb"), FieldLimit::LINE),
            None
        );
        assert_eq!((input.value(), input.cursor()), ("abbc", 3));
        let key = TextEdit::Key(InputRequest::InsertChar('x'));
        for _ in 0..100 {
            let _ = type_into(&mut input, key, FieldLimit::of(10));
        }
        assert_eq!(input.value().len(), 40);
        assert!(type_into(&mut input, key, FieldLimit::of(10)).is_some());
    }
}
