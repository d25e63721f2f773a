//! Request paths: those that are always refused, and those that all programs read alike.
//!
//! A gateway, an authorizer and an upstream may each normalize a path differently, and would then
//! disagree about its meaning. A path that could leave its own prefix for one of them is never
//! read. A path that only has an unusual form is read, but it is not [unambiguous].
//!
//! [unambiguous]: RequestPath::unambiguous
use std::borrow::Cow;

use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use percent_encoding::percent_decode_str;
use unicode_normalization::{UnicodeNormalization as _, is_nfkc};

/// The maximum number of times that a path is decoded. No program writes a path that needs more
/// than two or three.
const MAX_DECODINGS: usize = 16;

/// A path that does not escape its prefix, however it is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath<'a> {
    sent: &'a str,
    unambiguous: Option<Cow<'a, str>>,
}

impl<'a> RequestPath<'a> {
    /// Reads the path of a request target such as `/contacts/7?full=1`, without the query that
    /// follows the first `?`. Returns `None` for every path that is always refused: one that does
    /// not begin with exactly one `/`, that has a `.` or `..` segment in any reading, that has a
    /// `%` which begins no escape, or that holds bytes which are no UTF-8, or a control character,
    /// before or after decoding; and for every target that contains `#`.
    #[must_use]
    pub fn read(target: &'a [u8]) -> Option<Self> {
        if target.contains(&b'#') {
            return None;
        }
        let end = target.iter().position(|byte| *byte == b'?');
        let sent = std::str::from_utf8(&target[..end.unwrap_or(target.len())]).ok()?;
        let inside = sent.strip_prefix('/')?;
        if inside.starts_with('/') {
            return None;
        }
        if sent.bytes().all(|byte| is_plain(byte) || byte == b'/') {
            if inside.split('/').any(|piece| matches!(piece, "." | "..")) {
                return None;
            }
        } else if !escapes_are_whole(sent) || escapes(sent) {
            return None;
        }
        Some(Self {
            sent,
            unambiguous: unambiguous(sent),
        })
    }

    /// Returns the path as it was sent, without the query.
    #[must_use]
    pub const fn sent(&self) -> &'a str {
        self.sent
    }

    /// Returns the decoded path without a slash at its end, if all programs read the path alike: it
    /// has no empty segment except the last one, no character that must be escaped, and no escape
    /// of `/`, `\`, `%`, `;` or a control character. So no segment of it contains a slash, and whole
    /// segments can be compared as text.
    #[must_use]
    pub fn unambiguous(&self) -> Option<&str> {
        self.unambiguous.as_deref()
    }
}

/// Returns the segments of a path that begins with `/`; `/` has none.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    let inside = path.strip_prefix('/').unwrap_or(path);
    let mut pieces = inside.split('/');
    if inside.is_empty() {
        pieces.next();
    }
    pieces
}

/// Returns `true` if the byte may appear unescaped in a segment: an unreserved character, a
/// sub-delimiter other than `;`, or `:` or `@` (RFC 3986, 3.3).
pub(super) const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

fn unambiguous(sent: &str) -> Option<Cow<'_, str>> {
    let whole = sent.strip_suffix('/').filter(|rest| !rest.is_empty());
    let whole = whole.unwrap_or(sent);
    if whole == "/" {
        return Some(Cow::Borrowed(whole));
    }
    if segments(whole).any(str::is_empty) {
        return None;
    }
    if whole.contains('%') {
        let decoded: Option<Vec<String>> = segments(whole).map(decode_segment).collect();
        return Some(Cow::Owned(format!("/{}", decoded?.join("/"))));
    }
    let plain = whole.bytes().all(|byte| is_plain(byte) || byte == b'/');
    plain.then_some(Cow::Borrowed(whole))
}

/// Decodes a segment in which every character has one meaning. Returns `None` for any other.
pub(super) fn decode_segment(segment: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let [high, low, tail @ ..] = tail else {
                return None;
            };
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
            if byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b'%' | b';') {
                return None;
            }
            decoded.push(byte);
            rest = tail;
        } else if is_plain(*first) {
            decoded.push(*first);
        } else {
            return None;
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// Returns `true` if every `%` begins an escape.
fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Returns `true` if one of the path's segments is `.` or `..` after everything that some program
/// does to a path: decoding and compatibility composition (NFKC), in turn until neither changes
/// anything, `\` read as `/`, parameters cut off, and invisible characters removed. Also returns
/// `true` for bytes that are no UTF-8 and for control characters, at any step.
fn escapes(sent: &str) -> bool {
    let mut text = Cow::Borrowed(sent);
    for _ in 0..MAX_DECODINGS {
        if text.contains(char::is_control) {
            return true;
        }
        match decoded_once(&text) {
            None => return true,
            Some(next) if next == text => return has_dot_segment(&text),
            Some(next) => text = Cow::Owned(next.into_owned()),
        }
    }
    true
}

/// Decodes and composes a text once. Returns `None` if the result is no UTF-8, or has a control
/// character before it is composed.
fn decoded_once(text: &str) -> Option<Cow<'_, str>> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    if decoded.contains(char::is_control) {
        return None;
    }
    Some(if is_nfkc(&decoded) {
        decoded
    } else {
        Cow::Owned(decoded.nfkc().collect())
    })
}

fn has_dot_segment(text: &str) -> bool {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    text.split(['/', '\\']).any(|piece| {
        let named = piece.split(';').next().unwrap_or_default();
        let mut seen = named
            .chars()
            .filter(|c| !c.is_whitespace() && !ignorable.contains(*c));
        let first = (seen.next(), seen.next(), seen.next());
        matches!(first, (Some('.'), None | Some('.'), None))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(path: &str) -> Option<String> {
        let read = RequestPath::read(path.as_bytes())?;
        read.unambiguous().map(str::to_owned)
    }

    #[test]
    fn unambiguous_paths_are_decoded_and_end_without_a_slash() {
        for (path, read_as) in [
            ("/", "/"),
            ("/contacts", "/contacts"),
            ("/contacts/", "/contacts"),
            ("/contacts/7?x=/documents&y=%zz", "/contacts/7"),
            ("/contacts?/../..", "/contacts"),
            ("/a/...", "/a/..."),
            ("/a.b-c_d~e", "/a.b-c_d~e"),
            ("/a!$&'()*+,=:@", "/a!$&'()*+,=:@"),
            ("/contacts/a%20b", "/contacts/a b"),
            ("/contacts/%C3%A9", "/contacts/é"),
            ("/contacts/%c3%a9", "/contacts/é"),
            ("/contacts/a%40b.example", "/contacts/a@b.example"),
            ("/contacts/%23%3F", "/contacts/#?"),
            // Escapes of unreserved characters are the same path (RFC 3986, 6.2.2.2).
            ("/%63ontacts", "/contacts"),
            ("/users/8c5f%2D11%5f%7E%2e", "/users/8c5f-11_~."),
            ("/contacts/a%2e%2eb", "/contacts/a..b"),
            ("/contacts/%EF%BC%8Fx", "/contacts/\u{ff0f}x"),
        ] {
            assert_eq!(read(path).as_deref(), Some(read_as), "{path}");
        }
    }

    #[test]
    fn other_forms_are_read_but_are_not_unambiguous() {
        for path in [
            "/api/queues/%2F/jobs",
            "/@acme%2fwidgets",
            "/api/coupons/50%25-off",
            "/api/items/1;rev=2",
            "/contacts//7",
            "/contacts//",
            "/contacts%5cx",
            "/contacts\\x",
            "/contacts;x",
            "/contacts/;x",
            "/contacts/%3B",
            "/contacts/%2525",
            "/contacts/é",
            "/contacts/a b",
            "/contacts/<",
            "/contacts/[1]",
            "/contacts/a|b",
            "/contacts/\"",
            "/contacts/^",
            "/contacts/`",
            "/contacts/{}",
            "/contacts/...;/%2F...",
            "/contacts/%25zz",
        ] {
            let read = RequestPath::read(path.as_bytes()).expect(path);
            assert_eq!((read.sent(), read.unambiguous()), (path, None));
        }
    }

    #[test]
    fn what_escapes_for_any_reader_is_always_refused() {
        for path in [
            "",
            "contacts",
            "*",
            "http://api/contacts",
            "//",
            "//contacts",
            "/.",
            "/..",
            "/contacts/.",
            "/contacts/./7",
            "/contacts/../documents",
            "/contacts/..",
            "/contacts/%2e%2e/documents",
            "/contacts/%2E%2e",
            "/contacts/.%2e",
            "/contacts/..%2fdocuments",
            "/contacts%5c..",
            "/contacts\\..\\documents",
            "/contacts/..;/documents",
            "/contacts/..;x=1/documents",
            "/contacts/..%3b/documents",
            "/contacts/..%253b/documents",
            "/contacts/.;./",
            "/contacts/..%20/documents",
            "/contacts/%20./documents",
            "/contacts/.%20./documents",
            "/contacts/.%C2%A0.",
            "/contacts/.%E2%80%8B./x",
            "/contacts/.%C2%AD.",
            "/contacts/%EF%B8%8F..",
            "/contacts/%ef%bc%8e%ef%bc%8e/documents",
            "/contacts/%E2%80%A5/documents",
            "/contacts/%EF%BC%852e%EF%BC%852e",
            "/contacts/%EF%BC%852e",
            "/contacts/%25252525252e%252e",
            "/contacts/a%2F..%2Fb",
            "/contacts/%EF%BC%8F..",
            "/contacts/%EF%BC%BC..",
            "/contacts/%00",
            "/contacts/%2500",
            "/contacts/%0a",
            "/contacts/%7f",
            "/contacts/%C2%85",
            "/contacts/\t",
            "/contacts/%252e",
            "/contacts/%",
            "/contacts/%4",
            "/contacts/%zz",
            "/contacts/%+1",
            "/contacts/%C0%AF",
            "/contacts/%c0%ae",
            "/contacts/%E9",
            "/contacts/%25E9",
            "/contacts#",
            "/documents#/contacts",
            "/contacts?x#y",
        ] {
            assert_eq!(RequestPath::read(path.as_bytes()), None, "{path}");
        }
        let deep = format!("/x/%{}2f", "25".repeat(MAX_DECODINGS));
        assert_eq!(RequestPath::read(deep.as_bytes()), None);
        assert_eq!(RequestPath::read(b"/contacts/\xe9"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(target in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = RequestPath::read(&target);
        }

        /// A plain model: decode and compose until nothing changes, then look for dots.
        #[test]
        fn escaping_is_found_however_it_is_written(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    ".", "..", "%2e", "%252E", "%EF%BC%8E", "\u{ff0e}", ";", "%3b", "/", "%2f", "\\", "%20",
                    "%E2%80%8B", "a", "%25", "%61", "%C3%A9", "2e",
                ]),
                0..9,
            )
        ) {
            let path = format!("/x/{}", pieces.concat());
            let mut text = path.clone();
            let mut broken = !escapes_are_whole(&path);
            loop {
                let bytes: Vec<u8> = percent_decode_str(&text).collect();
                let Ok(decoded) = String::from_utf8(bytes) else {
                    broken = true;
                    break;
                };
                let next: String = decoded.nfkc().collect();
                if next == text {
                    break;
                }
                text = next;
            }
            let dots = text.replace('\\', "/").split('/').any(|piece| {
                let piece = piece.split(';').next().unwrap_or_default();
                let seen: String = piece.chars().filter(|c| !matches!(c, ' ' | '\u{200b}')).collect();
                seen == "." || seen == ".."
            });
            prop_assert_eq!(RequestPath::read(path.as_bytes()).is_none(), broken || dots, "{}", path);
        }
    }
}
