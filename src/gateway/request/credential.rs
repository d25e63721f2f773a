//! The credential of a request: the values in all places that may hold one.
use std::fmt;

use data_encoding::BASE64_NOPAD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use zeroize::Zeroizing;

use crate::{
    config::CredentialPlace,
    domain::{
        authorization::Presented,
        decision::Detail,
        token::{self, Prefixes},
    },
};

/// The prefix of the element of `Sec-WebSocket-Protocol` that holds a credential. A browser can set
/// no other header of a WebSocket's handshake.
const SUBPROTOCOL: &[u8] = b"bearer.";

/// A value in a place that may hold a credential; wiped from memory if it is not a part of the request.
enum CredentialValue<'a> {
    Sent(&'a [u8]),
    Decoded(Zeroizing<Vec<u8>>),
}

impl AsRef<[u8]> for CredentialValue<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Sent(value) => value,
            Self::Decoded(value) => value,
        }
    }
}

/// The values that a request has in the places that may hold a credential. Which of them decides
/// depends on the prefixes of tokens, which are read together with the key.
pub(in crate::gateway) struct CredentialValues<'a> {
    values: Vec<CredentialValue<'a>>,
    /// What is there instead if there is no value, if anything.
    instead: Option<Detail>,
}

impl CredentialValues<'_> {
    /// Creates the values of a request that says which its credential is, if it has one.
    pub(in crate::gateway) fn said(value: Option<Zeroizing<Vec<u8>>>) -> Self {
        Self {
            values: value.map(CredentialValue::Decoded).into_iter().collect(),
            instead: None,
        }
    }

    /// Says what the request is if there is no value and nothing instead of one.
    pub(super) fn or_else(&mut self, instead: Detail) {
        self.instead.get_or_insert(instead);
    }

    /// Chooses the value that decides.
    pub(in crate::gateway) fn choose(&self, prefixes: &Prefixes) -> Presented {
        match Presented::choose(self.values.iter().map(AsRef::as_ref), prefixes) {
            Presented::Nothing(_) => Presented::Nothing(self.instead),
            chosen => chosen,
        }
    }

    /// Returns `true` if a prefix that is not among these could change the choice.
    pub(in crate::gateway) fn may_miss(&self, prefixes: &Prefixes) -> bool {
        self.values
            .iter()
            .any(|value| prefixes.may_miss(value.as_ref()))
    }
}

impl fmt::Debug for CredentialValues<'_> {
    /// Shows no value: any of them may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialValues({})", self.values.len())
    }
}

/// Finds the values of a request in these places. `target` is the request target that the client
/// sent, as far as it is known.
pub(super) fn find<'a>(
    headers: &'a HeaderMap,
    places: &[CredentialPlace],
    target: Option<&[u8]>,
) -> CredentialValues<'a> {
    let mut values = Vec::new();
    for place in places {
        match place {
            CredentialPlace::Scheme(wanted) => {
                let of_it = authorizations(headers);
                let of_it =
                    of_it.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(wanted.as_bytes()));
                values.extend(of_it.map(|(_, value)| CredentialValue::Sent(value)));
            }
            CredentialPlace::Basic => {
                for (scheme, value) in authorizations(headers) {
                    if scheme.eq_ignore_ascii_case(b"basic") {
                        let decoded = user_and_password(value).map(Zeroizing::new);
                        values.extend(decoded.map(CredentialValue::Decoded));
                    }
                }
            }
            CredentialPlace::Header(name) => {
                let lines = headers.get_all(name).iter();
                let elements = lines.flat_map(|line| elements(line.as_bytes()));
                values.extend(elements.map(CredentialValue::Sent));
            }
            CredentialPlace::Subprotocol => {
                let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
                let elements = lines.flat_map(|line| elements(line.as_bytes()));
                let tokens = elements.filter_map(|element| element.strip_prefix(SUBPROTOCOL));
                values.extend(tokens.map(CredentialValue::Sent));
            }
        }
    }
    let is_none = values.iter().all(|value| value.as_ref().is_empty());
    let instead = (is_none && is_elsewhere(headers, target)).then_some(Detail::OtherScheme);
    CredentialValues { values, instead }
}

/// Returns `true` if `Authorization` has a scheme, although no credential was found, or a token is in
/// another header or in the query.
fn is_elsewhere(headers: &HeaderMap, target: Option<&[u8]>) -> bool {
    let holds_token = |bytes: &[u8]| token::is_inside(&String::from_utf8_lossy(bytes));
    let of_other_scheme = |(scheme, value): (&[u8], &[u8])| {
        let is_empty_bearer = value.is_empty() && scheme.eq_ignore_ascii_case(b"bearer");
        !scheme.is_empty() && !is_empty_bearer
    };
    authorizations(headers).any(of_other_scheme)
        || headers.values().any(|value| holds_token(value.as_bytes()))
        || target.is_some_and(holds_token)
}

/// Returns the elements of a header's value that are separated by commas, without the whitespace
/// around them (RFC 9110, 5.6.1).
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    value.split(|byte| *byte == b',').map(move |element| {
        let start = element.iter().take_while(|byte| is_space(byte)).count();
        let element = &element[start..];
        let end = element
            .iter()
            .rev()
            .take_while(|byte| is_space(byte))
            .count();
        &element[..element.len() - end]
    })
}

/// Returns the schemes and values of all `Authorization` headers. A gateway may have joined several
/// headers with commas, so every element may have a scheme of its own; an element without one has
/// that of the element before it.
fn authorizations(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = headers.get_all(header::AUTHORIZATION).iter();
    lines.map(HeaderValue::as_bytes).flat_map(|line| {
        let mut before: &[u8] = b"";
        elements(line).enumerate().map(move |(at, element)| {
            let (scheme, rest) = scheme_of(element);
            let has_scheme = !scheme.is_empty()
                && (at == 0 || rest.starts_with(b" ") || rest.starts_with(b"\t"));
            if !has_scheme {
                return (before, element);
            }
            before = scheme;
            let spaces = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
            (scheme, &rest[spaces.count()..])
        })
    })
}

/// Splits an element after its scheme, which is a token (RFC 9110, 11.1) that a space or nothing
/// follows. The scheme is empty if there is none.
fn scheme_of(element: &[u8]) -> (&[u8], &[u8]) {
    let end = element
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(byte));
    element.split_at(end.unwrap_or(element.len()))
}

/// Returns user name and password of the `Basic` scheme (RFC 7617), which are both values: clients
/// put a token into either.
fn user_and_password(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    // Some clients leave out the padding.
    let padding = value.iter().rev().take_while(|byte| **byte == b'=').count();
    let decoded = BASE64_NOPAD.decode(&value[..value.len() - padding]);
    let decoded = decoded.unwrap_or_default();
    let colon = decoded.iter().position(|byte| *byte == b':');
    let (user, password) = match colon {
        Some(colon) => (decoded[..colon].to_vec(), decoded[colon + 1..].to_vec()),
        None => (decoded, Vec::new()),
    };
    [user, password].into_iter()
}

/// Returns `true` if the request is a browser's CORS preflight (Fetch, 3.2.2), of which a gateway
/// passed on the headers: exactly one origin and one requested method.
pub(super) fn is_preflight(method: &str, headers: &HeaderMap) -> bool {
    let once = |name: HeaderName| headers.get_all(name).iter().count() == 1;
    method == "OPTIONS" && once(header::ORIGIN) && once(header::ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use data_encoding::BASE64;

    use super::*;
    use crate::domain::token::{KeyId, Token, TokenPrefix};

    fn token_of(id: &str) -> String {
        use secrecy::ExposeSecret as _;
        let id: KeyId = id.parse().expect("an id");
        let token = Token::mint(&TokenPrefix::default(), &id, &mut |buffer| buffer.fill(7));
        token.expose().expose_secret().to_owned()
    }

    fn token() -> String {
        token_of("0123456789AB")
    }

    fn presented_in(places: &[&str], headers: &[(&str, &str)]) -> &'static str {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let request = request.body(()).expect("a request");
        let places: Vec<CredentialPlace> = places
            .iter()
            .map(|place| place.parse().expect("a place"))
            .collect();
        match find(request.headers(), &places, None).choose(&Prefixes::default()) {
            Presented::Nothing(None) => "nothing",
            Presented::Token(_) => "token",
            Presented::Nothing(Some(detail)) | Presented::Malformed(detail, _) => detail.word(),
        }
    }

    fn presented(headers: &[(&str, &str)]) -> &'static str {
        presented_in(&["bearer", "x-api-key"], headers)
    }

    #[test]
    fn one_value_that_can_be_ours_decides_in_the_usual_places() {
        let (token, other) = (token(), token_of("zzzzzzzzzzzz"));
        let token = token.as_str();
        let bearer = |scheme: &str| format!("{scheme} {token}");
        let (good, lower, odd) = (bearer("Bearer"), bearer("bearer"), bearer("bEaReR"));
        let spaced = format!("Bearer   {token}");
        let (joined, both) = (format!("{token}, {token}"), format!("{token},{other}"));
        let (merged, stranger) = (
            format!("Bearer {token},Bearer {other}"),
            format!("Basic YTpi, Bearer {token}"),
        );
        let jwt = "Bearer eyJhbGciOiJub25lIn0.e30.";
        for (headers, expected) in [
            (vec![("x-api-key", token)], "token"),
            (vec![("authorization", good.as_str())], "token"),
            (vec![("authorization", lower.as_str())], "token"),
            (vec![("authorization", odd.as_str())], "token"),
            (vec![("authorization", spaced.as_str())], "token"),
            (vec![], "nothing"),
            (vec![("x-api-key", "")], "nothing"),
            (vec![("authorization", "Bearer")], "nothing"),
            (vec![("authorization", "Bearer ")], "nothing"),
            // Another scheme is for the upstream.
            (vec![("authorization", "Basic YTpi")], "other_scheme"),
            (vec![("authorization", "Bearerx abc")], "other_scheme"),
            (
                vec![("authorization", "Basic YTpi"), ("x-api-key", token)],
                "token",
            ),
            (
                vec![("authorization", "Basic YTpi"), ("authorization", &good)],
                "token",
            ),
            (vec![("authorization", &stranger)], "token"),
            (vec![("authorization", token)], "other_scheme"),
            (
                vec![("authorization", &format!("Token {token}"))],
                "other_scheme",
            ),
            (vec![("apikey", token)], "other_scheme"),
            (vec![("private-token", token)], "other_scheme"),
            (vec![("private-token", "glpat-x")], "nothing"),
            // A client's default header, or the API's own credential.
            (vec![("authorization", jwt), ("x-api-key", token)], "token"),
            (
                vec![("authorization", &good), ("x-api-key", "sk-x")],
                "token",
            ),
            (vec![("authorization", jwt)], "bad_shape"),
            (
                vec![("authorization", jwt), ("x-api-key", "x")],
                "bad_shape",
            ),
            // Equal ones are one, and an empty one is none.
            (vec![("x-api-key", token), ("x-api-key", token)], "token"),
            (
                vec![("authorization", &good), ("x-api-key", token)],
                "token",
            ),
            (vec![("authorization", &good), ("x-api-key", "")], "token"),
            (
                vec![("authorization", "Bearer"), ("x-api-key", token)],
                "token",
            ),
            (vec![("x-api-key", &joined)], "token"),
            // Two different ones, whichever they are and wherever they stand.
            (
                vec![("authorization", &good), ("x-api-key", &other)],
                "two_credentials",
            ),
            (
                vec![("x-api-key", token), ("x-api-key", &other)],
                "two_credentials",
            ),
            (vec![("x-api-key", &both)], "two_credentials"),
            (vec![("authorization", &merged)], "two_credentials"),
            (
                vec![("authorization", &good), ("x-api-key", "clv_x")],
                "two_credentials",
            ),
            (
                vec![("authorization", &good), ("x-api-key", &token[..65])],
                "two_credentials",
            ),
        ] {
            assert_eq!(presented(&headers), expected, "{headers:?}");
        }
        for malformed in [
            format!("{token}x"),
            format!("{token} {token}"),
            format!("Bearer {token}"),
            token.replace('A', "\u{410}"),
            token[1..].to_owned(),
            "x".repeat(7000),
        ] {
            assert_eq!(presented(&[("x-api-key", &malformed)]), "bad_shape");
        }
        let typo = format!("{}x", &token[..65]);
        assert_eq!(presented(&[("x-api-key", &typo)]), "bad_check_digits");
    }

    #[test]
    fn other_places_hold_a_credential_instead() {
        let token = token();
        let token = token.as_str();
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        let (as_user, as_password) = (basic(&format!("{token}:")), basic(&format!("svc:{token}")));
        let (alone, twice) = (basic(token), basic(&format!("{token}:{token}")));
        let other = token_of("zzzzzzzzzzzz");
        let two = basic(&format!("{token}:{other}"));
        let unpadded = as_user.trim_end_matches('=');
        let scheme = format!("token {token}");
        let protocols = format!("chat, bearer.{token}");
        for (place, headers, expected) in [
            ("basic", vec![("authorization", as_user.as_str())], "token"),
            ("basic", vec![("authorization", &as_password)], "token"),
            ("basic", vec![("authorization", &alone)], "token"),
            ("basic", vec![("authorization", &twice)], "token"),
            ("basic", vec![("authorization", &two)], "two_credentials"),
            (
                "basic",
                vec![("authorization", "Basic %%%")],
                "other_scheme",
            ),
            ("basic", vec![("authorization", "Basic YTpi")], "bad_shape"),
            ("basic", vec![("authorization", unpadded)], "token"),
            ("basic", vec![("x-api-key", token)], "other_scheme"),
            ("scheme:Token", vec![("authorization", &scheme)], "token"),
            (
                "scheme:Api-Key",
                vec![("authorization", &scheme)],
                "other_scheme",
            ),
            ("header:apikey", vec![("ApiKey", token)], "token"),
            (
                "header:PRIVATE-TOKEN",
                vec![("private-token", token)],
                "token",
            ),
            (
                "header:apikey",
                vec![("x-goog-api-key", token)],
                "other_scheme",
            ),
            (
                "subprotocol",
                vec![("sec-websocket-protocol", &protocols)],
                "token",
            ),
            (
                "subprotocol",
                vec![("sec-websocket-protocol", "chat")],
                "nothing",
            ),
        ] {
            assert_eq!(
                presented_in(&[place], &headers),
                expected,
                "{place} {headers:?}"
            );
        }
    }

    #[test]
    fn a_token_in_the_query_is_in_another_place() {
        let target = format!("/contacts?api_key={}", token());
        let headers = HeaderMap::new();
        let found = find(&headers, &CredentialPlace::usual(), Some(target.as_bytes()));
        assert!(matches!(
            found.choose(&Prefixes::default()),
            Presented::Nothing(Some(Detail::OtherScheme))
        ));
    }

    #[test]
    fn what_is_malformed_may_name_a_key_all_the_same() {
        let named = |text: &str| match Presented::read(text, &Prefixes::default()) {
            Presented::Malformed(_, named) => named.map(|id| id.to_string()),
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
