//! The credential of a request: exactly one, in one place.
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::domain::authorization::Presented;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Finds the one credential of a request: `Authorization: Bearer` or `X-API-Key`, once in all.
pub(super) fn find(headers: &HeaderMap) -> Presented {
    let bearers = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|value| bearer(value.as_bytes()));
    let keys = headers.get_all(API_KEY).iter();
    let mut all = bearers.chain(keys.map(HeaderValue::as_bytes));
    match (all.next(), all.next()) {
        (None, _) | (Some(b""), None) => Presented::Nothing,
        (Some(credential), None) => {
            std::str::from_utf8(credential).map_or(Presented::Malformed(None), Presented::read)
        }
        _ => Presented::Malformed(None),
    }
}

/// Returns the text after `Bearer`, or `None` for another scheme, which this program does not use.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let end = value
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(byte));
    let (scheme, rest) = value.split_at(end.unwrap_or(value.len()));
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then_some(&rest[spaces..])
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::domain::token::{KeyId, Token};

    fn token() -> String {
        use secrecy::ExposeSecret as _;
        let id: KeyId = "0123456789AB".parse().expect("an id");
        let token = Token::mint(&id, &mut |buffer| buffer.fill(7));
        token.expose().expose_secret().to_owned()
    }

    fn presented(headers: &[(&str, &str)]) -> &'static str {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let request = request.body(()).expect("a request");
        match find(request.headers()) {
            Presented::Nothing => "nothing",
            Presented::Malformed(_) => "malformed",
            Presented::Token(_) => "token",
        }
    }

    #[test]
    fn one_credential_in_one_place() {
        let token = token();
        let bearer = |scheme: &str| format!("{scheme} {token}");
        let (good, lower, odd) = (bearer("Bearer"), bearer("bearer"), bearer("bEaReR"));
        let spaced = format!("Bearer   {token}");
        for (headers, expected) in [
            (vec![("x-api-key", token.as_str())], "token"),
            (vec![("authorization", good.as_str())], "token"),
            (vec![("authorization", lower.as_str())], "token"),
            (vec![("authorization", odd.as_str())], "token"),
            (vec![("authorization", spaced.as_str())], "token"),
            (vec![], "nothing"),
            (vec![("x-api-key", "")], "nothing"),
            (vec![("authorization", "Bearer")], "nothing"),
            (vec![("authorization", "Bearer ")], "nothing"),
            // Another scheme is for the upstream.
            (vec![("authorization", "Basic YTpi")], "nothing"),
            (vec![("authorization", "Bearerx abc")], "nothing"),
            (
                vec![("authorization", "Basic YTpi"), ("x-api-key", &token)],
                "token",
            ),
            (
                vec![("authorization", "Basic YTpi"), ("authorization", &good)],
                "token",
            ),
            (vec![("authorization", &token)], "nothing"),
            // Two credentials are malformed, whichever they are.
            (
                vec![("x-api-key", &token), ("x-api-key", &token)],
                "malformed",
            ),
            (
                vec![("authorization", &good), ("authorization", &good)],
                "malformed",
            ),
            (
                vec![("authorization", &good), ("x-api-key", &token)],
                "malformed",
            ),
            (
                vec![("authorization", &good), ("x-api-key", "")],
                "malformed",
            ),
            (vec![("x-api-key", ""), ("x-api-key", "")], "malformed"),
            (
                vec![("authorization", "Bearer"), ("x-api-key", &token)],
                "malformed",
            ),
            (
                vec![("authorization", "Bearer\tx"), ("x-api-key", &token)],
                "malformed",
            ),
        ] {
            assert_eq!(presented(&headers), expected, "{headers:?}");
        }
        for malformed in [
            format!("{token} "),
            format!("{token}\t"),
            format!("{token},{token}"),
            format!("Bearer {token}"),
            token.replace('A', "\u{410}"),
            token[1..].to_owned(),
            "x".repeat(7000),
        ] {
            assert_eq!(presented(&[("x-api-key", &malformed)]), "malformed");
        }
    }

    #[test]
    fn what_is_malformed_may_name_a_key_all_the_same() {
        let named = |text: &str| match Presented::read(text) {
            Presented::Malformed(named) => named.map(|id| id.to_string()),
            other => panic!("{other:?}"),
        };
        let known = Some("0123456789AB".to_owned());
        assert_eq!(named(&format!("{}x", &token()[..65])), known);
        assert_eq!(named(&token()[..17]), known);
        assert_eq!(named(&token()[..16]), None);
        assert_eq!(named("clv_0123456789A-_x"), None);
        assert_eq!(named("clv_éééééé_x"), None);
        assert_eq!(named("nonsense"), None);
    }
}
