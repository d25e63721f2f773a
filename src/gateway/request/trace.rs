//! The trace that a request is part of: the header `traceparent` of W3C Trace Context, 3.2. It is a
//! field of the log and takes no part in the decision.
use http::HeaderMap;

const HEADER: &str = "traceparent";
/// The length of version, trace id, parent id and flags, with the hyphens between them.
const LENGTH: usize = 55;

/// A valid `traceparent`: lower-case hexadecimal digits and hyphens alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) struct TraceParent(String);

impl TraceParent {
    /// Returns the text, which is safe to log.
    pub(in crate::gateway) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the trace of a request, if the header is there exactly once and valid. Of a later
    /// version, what follows the four known parts is left out.
    pub(in crate::gateway) fn find(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let value = values.next()?.to_str().ok()?;
        if values.next().is_some() {
            return None;
        }
        let (known, more) = value.split_at_checked(LENGTH)?;
        let is_hex = |part: &str| {
            let mut bytes = part.bytes();
            bytes.all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
        let parts: Vec<&str> = known.split('-').collect();
        let [version, trace, parent, flags] = parts.as_slice() else {
            return None;
        };
        let lengths = [version.len(), trace.len(), parent.len(), flags.len()];
        let is_valid = lengths == [2, 32, 16, 2]
            && parts.iter().all(|part| is_hex(part))
            && *version != "ff"
            && (more.is_empty() || (*version != "00" && more.starts_with('-')))
            && !is_zero(trace)
            && !is_zero(parent);
        is_valid.then(|| Self(known.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn found(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(HEADER, value);
        }
        TraceParent::find(&headers).map(|trace| trace.0)
    }

    #[test]
    fn only_a_valid_one_is_taken() {
        assert_eq!(found(&[VALID]).as_deref(), Some(VALID));
        let later = VALID.replacen("00", "cc", 1);
        assert_eq!(found(&[&format!("{later}-what-will")]), Some(later));
        for bad in [
            "",
            "x",
            &VALID[..54],
            &format!("{VALID}-more"),
            &format!("{VALID}0"),
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &VALID.replace('a', "é"),
            &VALID.replacen("-0", " 0", 1),
        ] {
            assert_eq!(found(&[bad]), None, "{bad}");
        }
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[VALID, VALID]), None, "which one?");
    }
}
