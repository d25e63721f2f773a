//! Text from people: validated on input, and made visible on display.
//!
//! Names and descriptions are shown in other people's terminals. A character that can move a
//! cursor, reverse a line or remain invisible is refused, with its code point in the message.
//! Because rows can also have other origins (older versions, SQL by hand), [`visible`] shows such
//! characters as `<U+202E>` wherever text is displayed. Both use the same function, [`hazard`]. It
//! must not depend on a locale or a terminal. The list of characters follows Unicode 16's format
//! and control characters; `char::is_control` alone would accept most of them.
mod folding;

use std::fmt;

pub use folding::{folded, skeleton};

use unicode_normalization::char::is_combining_mark;
use unicode_properties::UnicodeEmoji as _;
use unicode_segmentation::UnicodeSegmentation;

/// The number of combining marks that one base character may carry. Writing systems need four at
/// most; more would only serve to deface the neighbouring lines.
const MAX_MARKS: usize = 6;

/// A character that text must not contain, and the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hazard {
    /// The character itself; display it only as its code point.
    pub character: char,
    /// The kind of character, for use in a sentence: "a control character".
    pub kind: &'static str,
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X} ({})", self.character as u32, self.kind)
    }
}

/// Why a text was refused. The message names the field and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The text has no visible character, and the field requires one.
    #[error("{field} is empty: type at least one visible character")]
    Empty {
        /// The field's title, as shown to people.
        field: &'static str,
    },
    /// The text has more characters (grapheme clusters) than the field allows.
    #[error("{field} has {length} characters, at most {limit} are allowed: shorten it by {}", .length - .limit)]
    TooLong {
        /// The field's title.
        field: &'static str,
        /// The text's length in grapheme clusters.
        length: usize,
        /// The limit in grapheme clusters.
        limit: usize,
    },
    /// The text has few characters, but too many bytes because its characters consist of many code
    /// points.
    #[error("{field} takes {bytes} bytes, at most {limit} are allowed: use simpler characters")]
    TooManyBytes {
        /// The field's title.
        field: &'static str,
        /// The text's length in bytes of UTF-8.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A character that could act on a terminal or be invisible in one.
    #[error("{field} holds {hazard} at character {position}: remove it")]
    Forbidden {
        /// The field's title.
        field: &'static str,
        /// The character.
        hazard: Hazard,
        /// The character's position, counted in grapheme clusters from 1.
        position: usize,
    },
    /// The text contains a complete token, which is secret: names and descriptions are displayed
    /// and stored in the clear.
    #[error("{field} holds a token, and tokens are secret: take it out")]
    HoldsToken {
        /// The field's title.
        field: &'static str,
    },
    /// A character carries more than 6 combining marks, and would extend beyond its line.
    #[error(
        "{field} has a character with {marks} combining marks at character {position}: at most {MAX_MARKS} are allowed"
    )]
    TooManyMarks {
        /// The field's title.
        field: &'static str,
        /// The number of marks found.
        marks: usize,
        /// The character's position, counted in grapheme clusters from 1.
        position: usize,
    },
}

/// The maximum length of a text. Characters are counted as people count them.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The field's title, used in sentences.
    pub field: &'static str,
    /// The maximum number of grapheme clusters.
    pub characters: usize,
    /// The maximum number of bytes of UTF-8.
    pub bytes: usize,
}

/// Returns the number of characters as people count them: grapheme clusters (UAX #29).
#[must_use]
pub fn length(text: &str) -> usize {
    text.graphemes(true).count()
}

/// Checks a text against its limits and for hazards. An empty text is accepted.
///
/// # Errors
/// Returns the first reason to refuse the text: a hazard or too many combining marks, then a token,
/// then too many characters, then too many bytes.
pub fn check(text: &str, limits: Limits) -> Result<(), TextError> {
    let Limits {
        field,
        characters,
        bytes,
    } = limits;
    let mut count = 0;
    for cluster in text.graphemes(true) {
        count += 1;
        if let Some(hazard) = hazard(cluster) {
            return Err(TextError::Forbidden {
                field,
                hazard,
                position: count,
            });
        }
        let marks = cluster.chars().filter(|c| is_combining_mark(*c)).count();
        if marks > MAX_MARKS {
            return Err(TextError::TooManyMarks {
                field,
                marks,
                position: count,
            });
        }
    }
    if super::token::is_inside(text) {
        return Err(TextError::HoldsToken { field });
    }
    if count > characters {
        return Err(TextError::TooLong {
            field,
            length: count,
            limit: characters,
        });
    }
    if text.len() > bytes {
        return Err(TextError::TooManyBytes {
            field,
            bytes: text.len(),
            limit: bytes,
        });
    }
    Ok(())
}

/// Returns the first hazard in a grapheme cluster, or `None` if there is none.
fn hazard(cluster: &str) -> Option<Hazard> {
    let characters: Vec<char> = cluster.chars().collect();
    (0..characters.len()).find_map(|at| {
        let kind = kind(characters[at])?;
        (!joins_emoji(&characters, at)).then_some(Hazard {
            character: characters[at],
            kind,
        })
    })
}

/// Returns `true` if the character is a joiner or a variation selector within an emoji sequence,
/// where it is harmless and needed. Only there does a cluster continue after a joiner with another
/// emoji (rule GB11 of UAX #29).
fn joins_emoji(cluster: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).map(|index| cluster[index]);
    let after = cluster.get(at + 1);
    match cluster[at] {
        '\u{200D}' => {
            after.is_some_and(|c| !c.is_ascii() && c.is_emoji_char())
                && before.is_some_and(|c| !c.is_ascii() && (c.is_emoji_char() || c == '\u{FE0F}'))
        }
        '\u{FE0E}' | '\u{FE0F}' => before
            .is_some_and(|c| c.is_emoji_char() && (!c.is_ascii() || after == Some(&'\u{20E3}'))),
        _ => false,
    }
}

/// Returns the kind of hazard that a character is, regardless of the characters beside it.
fn kind(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{1B}' => "an escape character",
        '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' => "a control character",
        '\u{061C}'
        | '\u{200E}'
        | '\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2066}'..='\u{2069}' => "a bidirectional control",
        '\u{200B}'..='\u{200D}'
        | '\u{2060}'..='\u{2065}'
        | '\u{FEFF}'
        | '\u{180E}'
        | '\u{034F}' => "a zero-width character",
        '\u{FE00}'..='\u{FE0F}'
        | '\u{E0100}'..='\u{E01EF}'
        | '\u{180B}'..='\u{180D}'
        | '\u{180F}' => "a variation selector outside an emoji",
        '\u{AD}' => "a soft hyphen",
        '\u{2028}' | '\u{2029}' => "a line or paragraph separator",
        '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}' => "an invisible filler",
        '\u{206A}'..='\u{206F}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' => {
            "an invisible format character"
        }
        '\u{E0000}'..='\u{E007F}' => "an invisible tag character",
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => "a private-use character",
        '\u{FDD0}'..='\u{FDEF}' | '\u{FFFE}' | '\u{FFFF}' => "not a character",
        _ => return None,
    })
}

/// Returns the text in a form that is safe to display: every hazard replaced by its code point,
/// such as `<U+202E>`.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for cluster in text.graphemes(true) {
        if hazard(cluster).is_none() {
            let marks = cluster.chars().filter(|c| is_combining_mark(*c)).count();
            if marks <= MAX_MARKS {
                shown.push_str(cluster);
                continue;
            }
        }
        spell_out(cluster, &mut shown);
    }
    shown
}

fn push_code_point(c: char, shown: &mut String) {
    use fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = write!(shown, "<U+{:04X}>", c as u32);
}

fn spell_out(cluster: &str, shown: &mut String) {
    let characters: Vec<char> = cluster.chars().collect();
    let mut marks = 0;
    for (at, c) in characters.iter().enumerate() {
        marks += usize::from(is_combining_mark(*c));
        let hazardous = kind(*c).is_some() && !joins_emoji(&characters, at);
        if hazardous || (is_combining_mark(*c) && marks > MAX_MARKS) {
            push_code_point(*c, shown);
        } else {
            shown.push(*c);
        }
    }
}

/// Like [`visible`], but also replaces everything beyond ASCII, for terminals that support nothing
/// else.
#[must_use]
pub fn visible_ascii(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in visible(text).chars() {
        if c.is_ascii() {
            shown.push(c);
        } else {
            push_code_point(c, &mut shown);
        }
    }
    shown
}

/// Cuts the text to a width in terminal cells, with an ellipsis at the end if something was cut,
/// and pads it to that width.
#[must_use]
pub fn fitted(text: &str, width: usize) -> String {
    use unicode_width::UnicodeWidthStr as _;
    let mut kept = String::new();
    let mut used = 0;
    if text.width() <= width {
        kept.push_str(text);
        used = text.width();
    } else if width > 0 {
        for cluster in text.graphemes(true) {
            if used + cluster.width() >= width {
                break;
            }
            used += cluster.width();
            kept.push_str(cluster);
        }
        kept.push('…');
        used += 1;
    }
    kept.push_str(&" ".repeat(width.saturating_sub(used)));
    kept
}

/// Cuts the text to a width in terminal cells, with an ellipsis in the middle if something was cut,
/// so that names with the same beginning can be told apart by their ends. The result is not padded.
#[must_use]
pub fn cut_in_the_middle(text: &str, width: usize) -> String {
    use unicode_width::UnicodeWidthStr as _;
    if text.width() <= width {
        return text.to_owned();
    }
    let clusters: Vec<&str> = text.graphemes(true).collect();
    let room = width.saturating_sub(1);
    let fitting = |clusters: &mut dyn Iterator<Item = &&str>, room: usize| {
        let mut used = 0;
        let fits = clusters.take_while(|cluster| {
            used += cluster.width();
            used <= room
        });
        fits.count()
    };
    let last = fitting(&mut clusters.iter().rev(), room / 2);
    let end: String = clusters[clusters.len() - last..].concat();
    let first = fitting(&mut clusters.iter(), room - end.width().min(room));
    let mark = if width == 0 { "" } else { "…" };
    format!("{}{mark}{end}", clusters[..first].concat())
}

/// Returns a number with thousands separators: `1,204`.
#[must_use]
pub fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Returns a number with its noun: "1 request", "1,204 requests".
#[must_use]
pub fn counted(count: i64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

/// Returns `true` if the text is a number in decimal digits alone: no sign, no blank.
#[must_use]
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// "a", "a and b", "a, b and c".
#[must_use]
pub fn join(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        field: "Name",
        characters: 10,
        bytes: 100,
    };

    #[test]
    fn people_count_an_emoji_family_as_one() {
        assert_eq!(length("👩‍👩‍👧‍👦"), 1);
        assert_eq!(check("👩‍👩‍👧‍👦 ❤️ 1️⃣ 🇩🇪", LIMITS), Ok(()));
    }

    #[test]
    fn hazards_are_refused_by_code_point() {
        for (text, code) in [
            ("a\u{1b}[2J", "U+001B"),
            ("a\u{7}", "U+0007"),
            ("a\tb", "U+0009"),
            ("a\nb", "U+000A"),
            ("a\u{9b}b", "U+009B"),
            ("a\u{202e}b", "U+202E"),
            ("a\u{2066}b", "U+2066"),
            ("a\u{200b}b", "U+200B"),
            ("a\u{200d}b", "U+200D"),
            ("a\u{fe0f}b", "U+FE0F"),
            ("a\u{ad}b", "U+00AD"),
            ("\u{3164}", "U+3164"),
            ("\u{e0041}", "U+E0041"),
            ("a\u{2028}", "U+2028"),
            ("\u{feff}a", "U+FEFF"),
        ] {
            let error = check(text, LIMITS).expect_err(code).to_string();
            assert!(error.contains(code), "{error}");
            assert!(
                !error.chars().any(|c| kind(c).is_some()),
                "the sentence itself is clean"
            );
            assert!(
                visible(text).contains(&format!("<{code}>")),
                "{}",
                visible(text)
            );
        }
    }

    #[test]
    fn a_token_is_no_text() {
        let token = "clv_0123456789AB_23456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghi2Xczds";
        let limits = Limits {
            characters: 100,
            ..LIMITS
        };
        for text in [token, &format!("é {token}"), &format!("clv_{token}x")] {
            let error = check(text, limits).expect_err("a token").to_string();
            assert!(error.contains("holds a token"), "{error}");
            assert!(!error.contains("clv_"), "{error}");
        }
        assert_eq!(check(&token[..65], limits), Ok(()));
        assert_eq!(check("about clv_ and clv_é", limits), Ok(()));
    }

    #[test]
    fn too_long_and_too_many_marks() {
        assert!(check("1234567890", LIMITS).is_ok());
        let error = check("12345678901", LIMITS).expect_err("long").to_string();
        assert_eq!(
            error,
            "Name has 11 characters, at most 10 are allowed: shorten it by 1"
        );
        let tower = format!("a{}", "\u{301}".repeat(20));
        assert!(matches!(
            check(&tower, LIMITS),
            Err(TextError::TooManyMarks { marks: 20, .. })
        ));
        assert!(visible(&tower).contains("<U+0301>"));
    }

    #[test]
    fn ascii_spells_out_everything_else() {
        assert_eq!(visible_ascii("Zoë"), "Zo<U+00EB>");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1204), "1,204");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }

    #[test]
    fn a_name_is_cut_in_the_middle() {
        for (text, width, expected) in [
            ("Partner: Acme", 13, "Partner: Acme"),
            ("Partner: Acme", 9, "Part…Acme"),
            ("Partner: Acme", 2, "P…"),
            ("Partner: Acme", 1, "…"),
            ("Partner: Acme", 0, ""),
            ("界界界界", 5, "界…界"),
            ("🇩🇪 Partner 🇩🇪", 6, "🇩🇪 …🇩🇪"),
        ] {
            assert_eq!(cut_in_the_middle(text, width), expected, "{text} {width}");
        }
    }
}
