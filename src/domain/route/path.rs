//! Request paths: canonical, or refused.
//!
//! A gateway, an authorizer and an upstream may each normalize a path differently, and would then
//! disagree about its meaning. So only paths that need no normalization are accepted.
use std::borrow::Cow;

/// A path in the one spelling that all programs interpret alike: decoded, without a trailing slash.
/// No segment contains a slash, so whole segments can be compared as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'a>(Cow<'a, str>);

impl<'a> CanonicalPath<'a> {
    /// Reads the path of a request target such as `/contacts/7?full=1`, without the query that
    /// follows the first `?`. Returns `None` for every path that is not canonical: one that does
    /// not begin with `/`, has an empty, `.` or `..` segment, has a character that must be escaped,
    /// escapes a character that must not be escaped, escapes `/`, `\`, `.`, `;`, `%` or a control
    /// character, has dots with whitespace beside them, or is not UTF-8; and for every target that
    /// contains `#`.
    #[must_use]
    pub fn read(target: &'a [u8]) -> Option<Self> {
        if target.contains(&b'#') {
            return None;
        }
        let end = target.iter().position(|byte| *byte == b'?');
        let path = &target[..end.unwrap_or(target.len())];
        let inside = path.strip_prefix(b"/")?;
        let inside = inside.strip_suffix(b"/").unwrap_or(inside);
        if inside.is_empty() {
            return (path.len() == 1).then_some(Self(Cow::Borrowed("/")));
        }
        let segments = || inside.split(|byte| *byte == b'/');
        if segments().any(|segment| matches!(segment, b"" | b"." | b"..")) {
            return None;
        }
        let whole = &path[..=inside.len()];
        if whole.contains(&b'%') {
            return decode(whole).map(|text| Self(Cow::Owned(text)));
        }
        let plain = whole.iter().all(|byte| is_plain(*byte) || *byte == b'/');
        let text = std::str::from_utf8(whole).ok()?;
        plain.then_some(Self(Cow::Borrowed(text)))
    }

    /// Returns the decoded path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if the path is `root` or lies below it.
    pub(super) fn is_within(&self, root: &str) -> bool {
        root == "/"
            || self
                .0
                .strip_prefix(root)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
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

/// Returns `true` if the byte may be escaped. Unreserved characters never need an escape, and
/// gateways and upstreams have interpreted escapes of the other excluded bytes differently.
const fn is_escapable(byte: u8) -> bool {
    let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !unreserved && !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\' | b'%' | b';')
}

fn decode(path: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let [high, low, tail @ ..] = tail else {
                return None;
            };
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
            if !is_escapable(byte) {
                return None;
            }
            decoded.push(byte);
            rest = tail;
        } else if is_plain(*first) || *first == b'/' {
            decoded.push(*first);
        } else {
            return None;
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    // A segment must not be dots after its surrounding whitespace is removed either.
    let is_dots = |segment: &str| matches!(segment.trim(), "." | "..");
    let bad = text.chars().any(char::is_control) || text.split('/').any(is_dots);
    (!bad).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(path: &str) -> Option<String> {
        CanonicalPath::read(path.as_bytes()).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn canonical_paths_are_decoded_and_end_without_a_slash() {
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
        ] {
            assert_eq!(read(path).as_deref(), Some(read_as), "{path}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for path in [
            "",
            "contacts",
            "*",
            "http://api/contacts",
            "//",
            "//contacts",
            "/contacts//7",
            "/contacts//",
            "/.",
            "/..",
            "/contacts/.",
            "/contacts/./7",
            "/contacts/../documents",
            "/contacts/..",
            "/contacts/%2e%2e/documents",
            "/contacts/%2E%2e",
            "/contacts/.%2e",
            "/contacts/%2fdocuments",
            "/contacts/..%2fdocuments",
            "/contacts%5c..",
            "/contacts\\x",
            "/contacts;x",
            "/contacts/;x",
            "/contacts/%3B",
            "/contacts/..%3b/documents",
            "/contacts/..%20/documents",
            "/contacts/%20./documents",
            "/contacts/%00",
            "/contacts/%0a",
            "/contacts/%7f",
            "/contacts/%C2%85",
            "/contacts/%252e",
            "/contacts/%25",
            "/contacts/%",
            "/contacts/%4",
            "/contacts/%zz",
            "/contacts/%+1",
            "/%63ontacts",
            "/contacts/%7E",
            "/contacts/%C0%AF",
            "/contacts/%c0%ae",
            "/contacts/%E9",
            "/contacts/é",
            "/contacts/a b",
            "/contacts/\t",
            "/contacts#",
            "/documents#/contacts",
            "/contacts?x#y",
            "/contacts/<",
            "/contacts/[1]",
            "/contacts/a|b",
            "/contacts/\"",
            "/contacts/^",
            "/contacts/`",
            "/contacts/{}",
        ] {
            assert_eq!(read(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(target in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = CanonicalPath::read(&target);
        }
    }
}
