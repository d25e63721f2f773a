//! The ways in which programs read a path that is not unambiguous.
use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization as _;

/// The maximum number of readings that are compared. A path that has more is refused.
const MAX_READINGS: usize = 48;

/// Returns every other reading of a path: decoded, composed (NFKC), `\` read as `/`, parameters cut off at `;` and
/// empty segments dropped, in every order and combination. Returns `None` if there are too many.
pub(super) fn other_readings(sent: &str) -> Option<Vec<String>> {
    let mut readings = vec![sent.to_owned()];
    let mut at = 0;
    while let Some(reading) = readings.get(at) {
        let nexts = [
            percent_decode_str(reading)
                .decode_utf8()
                .unwrap_or_default()
                .into_owned(),
            reading.nfkc().collect(),
            reading.replace('\\', "/"),
            without_parameters(reading).into_owned(),
            without_empty_segments(reading),
        ];
        for next in nexts {
            if !next.is_empty() && !readings.contains(&next) {
                readings.push(next);
            }
        }
        if readings.len() > MAX_READINGS {
            return None;
        }
        at += 1;
    }
    readings.remove(0);
    Some(readings)
}

fn without_parameters(path: &str) -> Cow<'_, str> {
    if !path.contains(';') {
        return Cow::Borrowed(path);
    }
    let pieces = path.split('/').map(|piece| {
        let named = piece.split(';').next();
        named.unwrap_or_default()
    });
    Cow::Owned(pieces.collect::<Vec<_>>().join("/"))
}

fn without_empty_segments(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    for piece in path.split('/').filter(|piece| !piece.is_empty()) {
        kept.push('/');
        kept.push_str(piece);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_a_reading() {
        let readings = |path| other_readings(path).expect("few enough");
        assert_eq!(readings("/a/b"), Vec::<String>::new());
        assert_eq!(readings("/a%2Fb"), ["/a/b"]);
        for (path, reading) in [
            ("/a%252Fb", "/a/b"),
            ("/a;x/b", "/a/b"),
            ("/a//b", "/a/b"),
            ("/a\\b", "/a/b"),
            ("/a%5Cb", "/a/b"),
            // Decoded first, or cut first.
            ("/a;x=%2Fb", "/a/b"),
            ("/a;x=%2Fb", "/a"),
            ("/a/%3Bx%2F/b", "/a/b"),
            ("/%2F/b", "/b"),
            ("/a\u{ff0f}b", "/a/b"),
        ] {
            let all = readings(path);
            assert!(all.iter().any(|it| it == reading), "{path}: {all:?}");
        }
        let many: String = (0..20).map(|_| "%25").collect();
        assert!(other_readings(&format!("/{many}")).is_some());
    }
}
