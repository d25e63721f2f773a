//! Patterns: the paths that a route applies to.
//!
//! A pattern has literal segments, `*` for exactly one segment of any text, and `*:VERB` for one
//! that ends in a custom verb. It applies to every path that begins with such segments.
use std::{cmp::Ordering, fmt::Write as _};

use unicode_normalization::UnicodeNormalization as _;

use super::{
    RouteError,
    path::{RequestPath, decode_segment, is_plain, segments},
};
use crate::domain::{text::visible, token};

/// The maximum length of a pattern as it is stored, in bytes.
pub(super) const LONGEST_PATTERN: usize = 200;

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// Exactly this text, decoded.
    Literal(String),
    /// Any segment that ends in this verb, which begins with `:`.
    Verb(String),
    /// Any segment.
    Any,
}

impl Segment {
    /// Returns how specific the segment is: of two patterns that apply, the one whose first
    /// different segment is more specific wins.
    const fn rank(&self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Verb(_) => 1,
            Self::Literal(_) => 2,
        }
    }

    fn applies_to(&self, segment: &str) -> bool {
        match self {
            Self::Literal(text) => text == segment,
            Self::Verb(verb) => segment.ends_with(verb.as_str()),
            Self::Any => !segment.is_empty(),
        }
    }

    /// Returns `true` if some segment fits both.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Literal(one), Self::Literal(two)) | (Self::Verb(one), Self::Verb(two)) => {
                one == two
            }
            (Self::Literal(text), Self::Verb(verb)) | (Self::Verb(verb), Self::Literal(text)) => {
                text.ends_with(verb.as_str())
            }
        }
    }

    fn folded(&self, by: Folding) -> Self {
        match self {
            Self::Literal(text) => Self::Literal(by.apply(text)),
            Self::Verb(verb) => Self::Verb(by.apply(verb)),
            Self::Any => Self::Any,
        }
    }
}

/// The differences between texts that a comparison ignores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folding {
    /// Different compositions of the same characters (NFC).
    Composition,
    /// Compositions, and the difference between upper and lower case.
    CompositionAndCase,
}

impl Folding {
    /// Returns the text without these differences.
    pub(super) fn apply(self, text: &str) -> String {
        match self {
            Self::Composition => text.nfc().collect(),
            // Some programs compare upper case letters and some lower case letters: `ſ` is `S` in
            // upper case only, the Kelvin sign is `k` in lower case only, and `ẞ` is `ß` in lower case,
            // which is `SS` in upper case.
            Self::CompositionAndCase => text
                .nfc()
                .flat_map(char::to_lowercase)
                .flat_map(char::to_uppercase)
                .flat_map(char::to_lowercase)
                .nfc()
                .collect(),
        }
    }
}

/// A pattern of paths.
#[derive(Debug, Clone)]
pub struct Pattern {
    segments: Vec<Segment>,
    text: String,
}

impl PartialEq for Pattern {
    /// Two patterns are the same if they apply to the same paths, however they are written.
    fn eq(&self, other: &Self) -> bool {
        self.segments == other.segments
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.segments.cmp(&other.segments)
    }
}

impl Pattern {
    /// Parses a pattern as people write it: with or without escapes, and with or without a slash
    /// at its end.
    ///
    /// # Errors
    /// Returns [`RouteError::Parameter`] if a segment is a parameter in the notation of another
    /// program, such as `:id`; [`RouteError::BadStar`] if a `*` is only a part of a segment;
    /// [`RouteError::TooLong`] if the pattern has more than 200 bytes with its escapes; and
    /// [`RouteError::BadPath`] if it is not an unambiguous path.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        Self::read(text, true)
    }

    /// Reads a pattern from the store. In it, segments such as `:id` are literal: they were
    /// accepted in version 0.1.0.
    ///
    /// # Errors
    /// Returns the errors of [`Self::parse`], except [`RouteError::Parameter`].
    pub fn stored(text: &str) -> Result<Self, RouteError> {
        Self::read(text, false)
    }

    fn read(text: &str, refuse_parameters: bool) -> Result<Self, RouteError> {
        let bad = || RouteError::BadPath(visible(text));
        let whole = text.strip_suffix('/').filter(|rest| !rest.is_empty());
        let whole = whole.unwrap_or(text);
        if !whole.starts_with('/') {
            return Err(bad());
        }
        let mut pattern = Self {
            segments: Vec::new(),
            text: String::new(),
        };
        for written in segments(whole) {
            if refuse_parameters && is_parameter(written) {
                return Err(RouteError::Parameter(visible(written)));
            }
            let segment = match written.strip_prefix('*') {
                Some("") => Segment::Any,
                Some(verb) if is_verb(verb) => Segment::Verb(verb.to_owned()),
                _ if written.contains('*') => return Err(RouteError::BadStar(visible(written))),
                _ => Segment::Literal(decode_written(written).ok_or_else(bad)?),
            };
            pattern.text.push('/');
            match &segment {
                Segment::Literal(text) => {
                    // A colon is written as it was given: see `has_old_parameter`.
                    encode(text, written.starts_with(':'), &mut pattern.text);
                }
                Segment::Any | Segment::Verb(_) => pattern.text.push_str(written),
            }
            pattern.segments.push(segment);
        }
        if pattern.segments.is_empty() {
            pattern.text.push('/');
        }
        if pattern.text.len() > LONGEST_PATTERN {
            return Err(RouteError::TooLong);
        }
        let holds_token = |segment: &Segment| match segment {
            Segment::Literal(text) => token::is_inside(text),
            Segment::Verb(_) | Segment::Any => false,
        };
        if refuse_parameters && pattern.segments.iter().any(holds_token) {
            return Err(RouteError::HoldsToken);
        }
        let path = RequestPath::read(pattern.text.as_bytes());
        let read = path.as_ref().and_then(RequestPath::unambiguous);
        read.is_some().then_some(pattern).ok_or_else(bad)
    }

    /// Returns the pattern as it is stored and shown: every other character than letters, digits
    /// and `-._~!$&'()+,:@` of a literal segment is escaped.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the number of segments.
    pub(super) const fn len(&self) -> usize {
        self.segments.len()
    }

    /// Returns `true` if the pattern has a literal segment such as `:id` that was stored before
    /// such segments were refused.
    #[must_use]
    pub fn has_old_parameter(&self) -> bool {
        segments(&self.text).any(is_parameter)
    }

    /// Returns the first segment that some programs read as a parameter and this one does not:
    /// `$id`.
    #[must_use]
    pub fn doubtful_segment(&self) -> Option<&str> {
        let named = |segment: &&str| {
            let name = segment.strip_prefix('$');
            name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
        };
        segments(&self.text).find(named)
    }

    /// Returns `true` if the pattern applies to a path with these segments.
    pub(super) fn applies_to<'s>(&self, mut path: impl Iterator<Item = &'s str>) -> bool {
        self.segments.iter().all(|segment| {
            let next = path.next();
            next.is_some_and(|next| segment.applies_to(next))
        })
    }

    /// Returns `true` if the pattern applies to a path with these segments as they were sent. The
    /// segments that the pattern itself has must be unambiguous; what follows them may have any
    /// form.
    pub(super) fn applies_to_sent<'s>(&self, mut path: impl Iterator<Item = &'s str>) -> bool {
        self.segments.iter().all(|segment| {
            let next = path.next().and_then(decode_segment);
            next.is_some_and(|next| segment.applies_to(&next))
        })
    }

    /// Compares which of two patterns that apply to the same path is more specific: the one with
    /// more segments, or else the one whose first different segment is.
    pub(super) fn specificity(&self, other: &Self) -> Ordering {
        let by_length = self.segments.len().cmp(&other.segments.len());
        by_length.then_with(|| {
            let ranks = self.segments.iter().map(Segment::rank);
            ranks.cmp(other.segments.iter().map(Segment::rank))
        })
    }

    /// Returns `true` if some path fits both patterns: then one can lie at or below the other.
    /// Compositions and case are ignored.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let (one, two) = (self.folded(Folding::CompositionAndCase), other);
        let two = two.folded(Folding::CompositionAndCase);
        let mut pairs = one.segments.iter().zip(&two.segments);
        pairs.all(|(one, two)| one.meets(two))
    }

    /// Returns the pattern for paths without these differences.
    pub(super) fn folded(&self, by: Folding) -> Self {
        Self {
            segments: self.segments.iter().map(|it| it.folded(by)).collect(),
            text: self.text.clone(),
        }
    }
}

fn is_verb(text: &str) -> bool {
    let name = text.strip_prefix(':').unwrap_or_default();
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Returns `true` if a whole segment is a parameter in the notation of another program: `:id`,
/// `{id}` or `<id>`.
fn is_parameter(segment: &str) -> bool {
    let inside = |open, close| {
        let rest = segment.strip_prefix(open);
        rest.is_some_and(|rest: &str| rest.ends_with(close))
    };
    let named = segment.strip_prefix(':');
    named.is_some_and(|name| !name.is_empty()) || inside('{', '}') || inside('<', '>')
}

/// Decodes a literal segment, in which characters outside ASCII may be written as they are.
fn decode_written(segment: &str) -> Option<String> {
    let mut escaped = String::with_capacity(segment.len());
    for character in segment.chars() {
        match character {
            '=' => return None, // it would be read as METHOD PATH=ACTION
            c if c.is_ascii() => escaped.push(c),
            c => encode(c.encode_utf8(&mut [0; 4]), false, &mut escaped),
        }
    }
    decode_segment(&escaped).filter(|text| !text.is_empty())
}

/// Appends a literal segment with escapes. The first colon is escaped unless it is kept.
fn encode(literal: &str, keep_colon: bool, text: &mut String) {
    for (at, byte) in literal.bytes().enumerate() {
        let first_colon = byte == b':' && at == 0 && !keep_colon;
        if is_plain(byte) && !b"*=".contains(&byte) && !first_colon {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).expect(text)
    }

    fn applies(text: &str, path: &str) -> bool {
        pattern(text).applies_to(segments(path))
    }

    #[test]
    fn segments_are_whole_and_all_below_is_included() {
        for (text, path, expected) in [
            ("/", "/", true),
            ("/", "/x/y", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a/b", "/a", false),
            ("/v1/orgs/*/contacts", "/v1/orgs/7/contacts", true),
            ("/v1/orgs/*/contacts", "/v1/orgs/7/contacts/9", true),
            ("/v1/orgs/*/contacts", "/v1/orgs/contacts", false),
            ("/v1/orgs/*/contacts", "/v1/orgs/7/8/contacts", false),
            ("/v1/*:cancel", "/v1/7:cancel", true),
            ("/v1/*:cancel", "/v1/7:x:cancel", true),
            ("/v1/*:cancel", "/v1/7cancel", false),
            ("/v1/*:cancel", "/v1/7:cancel2", false),
            ("/v1/*:cancel", "/v1/7:Cancel", false),
            ("/a/%2A", "/a/*", true),
            ("/a/%2a", "/a/b", false),
            ("/größe", "/größe", true),
            ("/gr%C3%B6%c3%9fe", "/größe", true),
            ("/%61b", "/ab", true),
        ] {
            assert_eq!(applies(text, path), expected, "{text} {path}");
        }
    }

    #[test]
    fn patterns_are_stored_in_one_form() {
        for (written, stored) in [
            ("/", "/"),
            ("/invoices/", "/invoices"),
            ("/%69nvoices", "/invoices"),
            ("/größe", "/gr%C3%B6%C3%9Fe"),
            ("/a/%2a", "/a/%2A"),
            ("/a%3Db", "/a%3Db"),
            ("/%3Aorg", "/%3Aorg"),
            ("/v1/invoices:bulk", "/v1/invoices:bulk"),
            ("/*/x/*:undo_it", "/*/x/*:undo_it"),
            ("/$id", "/$id"),
            ("/a%20b", "/a%20b"),
        ] {
            let read = pattern(written);
            assert_eq!(read.as_str(), stored);
            assert_eq!(Pattern::stored(stored).expect(stored), read);
            assert_eq!(Pattern::stored(stored).expect(stored).as_str(), stored);
        }
    }

    #[test]
    fn parameters_of_other_programs_are_refused_but_what_is_stored_stays() {
        for text in ["/v1/:org/x", "/{id}", "/v1/<id>", "/{}", "/:o/*"] {
            let error = Pattern::parse(text).expect_err(text).to_string();
            assert!(error.contains("write * "), "{error}");
        }
        let old = Pattern::stored("/v1/orgs/:org/contacts").expect("a stored one");
        assert!(old.has_old_parameter());
        assert!(old.applies_to(segments("/v1/orgs/:org/contacts")));
        assert!(!old.applies_to(segments("/v1/orgs/7/contacts")));
        // The way to write such a literal today. It is the same pattern.
        let meant = pattern("/v1/orgs/%3Aorg/contacts");
        assert!(!meant.has_old_parameter());
        assert_eq!(meant, old);
        assert_eq!(pattern("/a/$id/b").doubtful_segment(), Some("$id"));
        assert_eq!(pattern("/a/$/$1").doubtful_segment(), None);
    }

    #[test]
    fn longer_patterns_and_literals_are_more_specific() {
        let sorted = [
            "/", "/*", "/*:x", "/a", "/*/*", "/*/*:x", "/*/b", "/*:x/*", "/a/*", "/a/*:x", "/a/b",
        ];
        for pair in sorted.windows(2) {
            let order = pattern(pair[0]).specificity(&pattern(pair[1]));
            assert_eq!(order, Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn patterns_meet_where_one_path_fits_both() {
        for (one, two, expected) in [
            ("/a", "/a/b", true),
            ("/a", "/b", false),
            ("/", "/b", true),
            ("/a/*", "/a/b/c", true),
            ("/*/b", "/a/c", false),
            ("/*:x", "/a:x", true),
            ("/*:x", "/a:y", false),
            ("/*:x", "/*:y", false),
            ("/*:x", "/*", true),
            ("/a", "/A/b", true),
            ("/%C3%A9", "/e%CC%81/b", true),
        ] {
            assert_eq!(pattern(one).meets(&pattern(two)), expected, "{one} {two}");
            assert_eq!(pattern(two).meets(&pattern(one)), expected, "{two} {one}");
        }
    }
}
