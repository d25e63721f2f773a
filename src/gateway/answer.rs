//! Responses to authorization requests. Every response sets all identity headers, so that a gateway
//! that copies them always overwrites those sent by a client, and forbids caching. The client gets
//! the decision's id and never the reason.
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::{
    config::CredentialPlace,
    domain::{
        authorization::Authorization,
        decision::{Decision, DecisionId, Reason},
        token::KeyId,
    },
};

/// A response of the endpoint; its body is always whole.
pub(super) type Response = http::Response<Full<Bytes>>;

const KEY_ID: HeaderName = HeaderName::from_static("x-claviger-key-id");
const KEY_NAME: HeaderName = HeaderName::from_static("x-claviger-key-name");
/// Always empty: keys have neither an owner nor labels yet. They are sent so that a gateway overwrites
/// what a client sent.
const OWNER: HeaderName = HeaderName::from_static("x-claviger-owner");
const LABELS: HeaderName = HeaderName::from_static("x-claviger-labels");
const DECISION_ID: HeaderName = HeaderName::from_static("x-claviger-decision-id");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const EMPTY: HeaderValue = HeaderValue::from_static("");
/// All characters except the unreserved ones of RFC 3986.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The maximum length of a key's name in a header, in bytes: the smallest buffers of gateways for
/// all headers of a response are 4 KiB.
const LONGEST_NAME: usize = 2048;

/// Returns the response for a decided request. No other function of this module allows a request.
pub(super) fn decided(
    id: &DecisionId,
    decided: &Authorization,
    credentials: &[CredentialPlace],
) -> Response {
    match (&decided.decision, decided.rules()) {
        (Decision::Allow { key_id }, Some(rules)) => allow(id, key_id, &rules.name),
        (Decision::Deny { reason, .. }, _) => deny(id, *reason, credentials),
        (Decision::Allow { .. }, None) => undecided(id),
    }
}

/// Returns the response for a request that may pass.
fn allow(id: &DecisionId, key: &KeyId, name: &str) -> Response {
    let mut response = Response::default();
    let name = HeaderValue::try_from(encoded(name)).unwrap_or(EMPTY);
    let key = HeaderValue::from_str(key.as_str()).unwrap_or(EMPTY);
    identify(response.headers_mut(), id, key, name);
    response
}

/// Returns the response for a request that may not pass. With status 401 it has a challenge for each
/// scheme among the places for credentials.
pub(super) fn deny(id: &DecisionId, reason: Reason, credentials: &[CredentialPlace]) -> Response {
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = problem(
        id,
        status,
        "This request was refused. Whoever manages the API keys finds out why by the decision id.",
    );
    if status == StatusCode::UNAUTHORIZED {
        let challenges = credentials.iter().filter_map(CredentialPlace::challenge);
        let challenges = challenges.filter_map(|text| HeaderValue::try_from(text).ok());
        for challenge in challenges {
            let headers = response.headers_mut();
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
    }
    response
}

/// Returns the response for a request that could not be decided: it may not pass.
pub(super) fn undecided(id: &DecisionId) -> Response {
    let mut response = problem(
        id,
        StatusCode::SERVICE_UNAVAILABLE,
        "It could not be decided whether this request may pass. Try again later.",
    );
    let retry = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, retry);
    response
}

/// Returns a response with a text of this media type.
pub(super) fn text(status: StatusCode, media_type: &'static str, text: String) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    response
}

/// Returns the response for a malformed request; the sentence says why it is malformed.
pub(super) fn bad(id: &DecisionId, sentence: &str) -> Response {
    problem(id, StatusCode::BAD_REQUEST, sentence)
}

fn problem(id: &DecisionId, status: StatusCode, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
        "decision_id": id.as_str(),
    });
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM);
    identify(response.headers_mut(), id, EMPTY, EMPTY);
    response
}

fn identify(headers: &mut HeaderMap, id: &DecisionId, key: HeaderValue, name: HeaderValue) {
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(KEY_ID, key);
    headers.insert(KEY_NAME, name);
    headers.insert(OWNER, EMPTY);
    headers.insert(LABELS, EMPTY);
    let id = HeaderValue::from_str(id.as_str()).unwrap_or(EMPTY);
    headers.insert(DECISION_ID, id);
}

/// Returns the name percent-encoded, cut between two characters if it is longer than
/// `LONGEST_NAME`.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (at, character) in name.char_indices() {
        let one = &name[at..at + character.len_utf8()];
        let one = utf8_percent_encode(one, &RESERVED).to_string();
        if text.len() + one.len() > LONGEST_NAME {
            break;
        }
        text.push_str(&one);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision::DecisionIds;

    #[test]
    fn names_are_percent_encoded_and_fit_into_a_header() {
        assert_eq!(encoded("Partner: Acme"), "Partner%3A%20Acme");
        assert_eq!(encoded("größe-1._~"), "gr%C3%B6%C3%9Fe-1._~");
        let long = "é".repeat(1000);
        let encoded = encoded(&long);
        assert_eq!(encoded.len() % 6, 0, "cut between characters");
        assert!(encoded.len() <= LONGEST_NAME && encoded.len() > LONGEST_NAME - 6);
    }

    #[test]
    fn every_answer_has_the_same_headers() {
        let id = DecisionIds::draw(&mut |buffer| buffer.fill(1)).next();
        let key: KeyId = "0123456789AB".parse().expect("an id");
        let mut answers: Vec<Response> = Reason::ALL
            .map(|reason| deny(&id, reason, &CredentialPlace::usual()))
            .into();
        answers.extend([undecided(&id), bad(&id, "x"), allow(&id, &key, "a b")]);
        for answer in &answers {
            let headers = answer.headers();
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
            assert_eq!(headers[DECISION_ID], id.as_str());
            let allowed = answer.status() == StatusCode::OK;
            assert_eq!(headers[KEY_ID], if allowed { key.as_str() } else { "" });
            assert_eq!(headers[KEY_NAME], if allowed { "a%20b" } else { "" });
            assert_eq!((&headers[OWNER], &headers[LABELS]), (&EMPTY, &EMPTY));
            let known = [200, 400, 401, 403, 503].contains(&answer.status().as_u16());
            assert!(known, "{}", answer.status());
        }
        let challenge = &answers[0].headers()[header::WWW_AUTHENTICATE];
        assert_eq!(challenge, "Bearer realm=\"claviger\"");
    }
}
