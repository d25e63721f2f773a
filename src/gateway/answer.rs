//! Responses to authorization requests. Every response sets all identity headers, so that a gateway
//! that copies them always overwrites those sent by a client, and forbids caching. The client gets
//! the decision's id and never the reason.
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::utf8_percent_encode;
use serde_json::json;

use crate::{
    config::CredentialPlace,
    domain::{
        authorization::Authorization,
        decision::{Decision, DecisionId, Reason, Rules},
        label::RESERVED,
    },
};

/// A response of the endpoint; its body is always whole.
pub(super) type Response = http::Response<Full<Bytes>>;

const KEY_ID: HeaderName = HeaderName::from_static("x-claviger-key-id");
const KEY_NAME: HeaderName = HeaderName::from_static("x-claviger-key-name");
const OWNER: HeaderName = HeaderName::from_static("x-claviger-owner");
const LABELS: HeaderName = HeaderName::from_static("x-claviger-labels");
/// The status that the client should get, where the gateway cannot be answered with it; else empty.
const STATUS: HeaderName = HeaderName::from_static("x-claviger-status");
/// The names of draft-ietf-httpapi-ratelimit-headers-08.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const DECISION_ID: HeaderName = HeaderName::from_static("x-claviger-decision-id");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const EMPTY: HeaderValue = HeaderValue::from_static("");
/// The maximum length of a key's name in a header, in bytes: the smallest buffers of gateways for
/// all headers of a response are 4 KiB.
const LONGEST_NAME: usize = 2048;

/// Returns the response for a decided request. No other function of this module allows a request.
/// `knows_429` is whether the gateway hands on an answer with that status.
pub(super) fn decided(
    id: &DecisionId,
    decided: &Authorization,
    credentials: &[CredentialPlace],
    knows_429: bool,
) -> Response {
    match (&decided.decision, decided.rules()) {
        (Decision::Allow { .. }, Some(rules)) => allow(id, rules),
        (Decision::Deny { reason, .. }, Some(rules)) if reason.status() == 429 => {
            limited(id, rules, decided, knows_429)
        }
        (Decision::Deny { reason, .. }, _) => deny(id, *reason, credentials),
        (Decision::Allow { .. }, None) => undecided(id),
    }
}

/// Returns the response for a request that may pass.
fn allow(id: &DecisionId, rules: &Rules) -> Response {
    let mut response = Response::default();
    identify(response.headers_mut(), id, &Identity::of(rules));
    response
}

/// Returns the response for a request that is one too many. A gateway that does not know 429 gets
/// 403, with the status in a header.
fn limited(id: &DecisionId, rules: &Rules, decided: &Authorization, knows_429: bool) -> Response {
    let status = if knows_429 {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::FORBIDDEN
    };
    let mut response = problem(
        id,
        status,
        "This request was refused, because the API key has used up a limit. Retry-After says when to try again.",
    );
    let headers = response.headers_mut();
    if !knows_429 {
        headers.insert(STATUS, HeaderValue::from_static("429"));
    }
    let at = decided.request.at;
    let wait = decided.passes_at().map_or(1, |until| {
        let millis = until.millis() - at.millis();
        (millis.max(1) + 999) / 1000
    });
    headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
    let conditions = &rules.conditions;
    let policy = match decided.reason() {
        Some(Reason::RateLimited) => conditions
            .rate_limit
            .map(|limit| (limit.burst().into(), limit.window_seconds(), "rate")),
        _ => conditions.quota.map(|quota| {
            let (began, next) = quota.period().around(at);
            let window = (next.millis() - began.millis()) / 1000;
            (quota.count(), window.unsigned_abs(), "quota")
        }),
    };
    if let Some((most, window, name)) = policy {
        let policy = format!("\"{name}\";q={most};w={window}");
        let left = format!("\"{name}\";r=0;t={wait}");
        headers.extend([
            (
                RATE_LIMIT_POLICY,
                HeaderValue::try_from(policy).unwrap_or(EMPTY),
            ),
            (RATE_LIMIT, HeaderValue::try_from(left).unwrap_or(EMPTY)),
        ]);
    }
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
    identify(response.headers_mut(), id, &Identity::default());
    response
}

/// What a gateway is told about the key: the values of its headers.
struct Identity {
    key_id: HeaderValue,
    key_name: HeaderValue,
    owner: HeaderValue,
    labels: HeaderValue,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            key_id: EMPTY,
            key_name: EMPTY,
            owner: EMPTY,
            labels: EMPTY,
        }
    }
}

impl Identity {
    fn of(rules: &Rules) -> Self {
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(EMPTY);
        Self {
            key_id: HeaderValue::from_str(rules.id.as_str()).unwrap_or(EMPTY),
            key_name: value(encoded(&rules.name)),
            // Their lengths are limited where they are set.
            owner: rules
                .owner
                .as_ref()
                .map_or(EMPTY, |owner| value(owner.encoded())),
            labels: if rules.labels.is_empty() {
                EMPTY
            } else {
                value(rules.labels.encoded())
            },
        }
    }
}

fn identify(headers: &mut HeaderMap, id: &DecisionId, identity: &Identity) {
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(KEY_ID, identity.key_id.clone());
    headers.insert(KEY_NAME, identity.key_name.clone());
    headers.insert(OWNER, identity.owner.clone());
    headers.insert(LABELS, identity.labels.clone());
    headers.insert(STATUS, EMPTY);
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
    use std::sync::Arc;

    use super::*;
    use crate::domain::{
        access::{Action, Actions, AreaSlug},
        agent::AgentName,
        conditions::Conditions,
        decision::{Credential, DecisionIds, Exhausted, Target},
        forwarded::Client,
        label::Labels,
        moment::{DAY, Moment},
    };

    #[test]
    fn names_are_percent_encoded_and_fit_into_a_header() {
        assert_eq!(encoded("Partner: Acme"), "Partner%3A%20Acme");
        assert_eq!(encoded("größe-1._~"), "gr%C3%B6%C3%9Fe-1._~");
        let long = "é".repeat(1000);
        let encoded = encoded(&long);
        assert_eq!(encoded.len() % 6, 0, "cut between characters");
        assert!(encoded.len() <= LONGEST_NAME && encoded.len() > LONGEST_NAME - 6);
    }

    fn rules() -> Rules {
        Rules {
            id: "0123456789AB".parse().expect("an id"),
            name: "a b".to_owned(),
            agent: AgentName::default_agent(),
            owner: Some("Zoë".parse().expect("an owner")),
            labels: Labels::read("team=billing, env=a b").expect("labels"),
            conditions: Conditions {
                rate_limit: Some("60/minute:20".parse().expect("a limit")),
                quota: Some("50000/month".parse().expect("a quota")),
                ..Conditions::none()
            },
            disabled_at: None,
            pending_at: None,
            previous_tokens: Vec::new(),
        }
    }

    #[test]
    fn every_answer_has_the_same_headers() {
        let id = DecisionIds::draw(&mut |buffer| buffer.fill(1)).next();
        let mut answers: Vec<Response> = Reason::ALL
            .map(|reason| deny(&id, reason, &CredentialPlace::usual()))
            .into();
        answers.extend([undecided(&id), bad(&id, "x"), allow(&id, &rules())]);
        for answer in &answers {
            let headers = answer.headers();
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
            assert_eq!(headers[DECISION_ID], id.as_str());
            let allowed = answer.status() == StatusCode::OK;
            for (name, value) in [
                (KEY_ID, "0123456789AB"),
                (KEY_NAME, "a%20b"),
                (OWNER, "Zo%C3%AB"),
                (LABELS, "env=a%20b,team=billing"),
            ] {
                assert_eq!(headers[name], if allowed { value } else { "" });
            }
            assert_eq!(headers[STATUS], "");
            let known = [200, 400, 401, 403, 429, 503].contains(&answer.status().as_u16());
            assert!(known, "{}", answer.status());
        }
        let challenge = &answers[0].headers()[header::WWW_AUTHENTICATE];
        assert_eq!(challenge, "Bearer realm=\"claviger\"");
    }

    #[test]
    fn one_too_many_is_told_when_to_try_again() {
        let id = DecisionIds::draw(&mut |buffer| buffer.fill(1)).next();
        let now = Moment::from_millis(1_798_761_600_000);
        let allowed = || {
            let mut open = rules();
            let area: AreaSlug = "contacts".parse().expect("an area");
            open.conditions.grants.set(area.clone(), Actions::READ);
            Authorization::decide(
                Credential::Known(Arc::new(open)),
                Target::Routed(area, Action::Read),
                Client::given(None),
                None,
                now,
            )
        };
        let rate = allowed().limited(Exhausted {
            rate_limit_until: Some(now.plus(1_001)),
            quota_until: None,
        });
        let quota = allowed().limited(Exhausted {
            rate_limit_until: None,
            quota_until: Some(now.plus(31 * DAY)),
        });
        for (decided, wait, policy, left) in [
            (&rate, "2", "\"rate\";q=20;w=20", "\"rate\";r=0;t=2"),
            (
                &quota,
                "2678400",
                "\"quota\";q=50000;w=2678400",
                "\"quota\";r=0;t=2678400",
            ),
        ] {
            for (knows_429, status, said) in [(true, 429, ""), (false, 403, "429")] {
                let answer = super::decided(&id, decided, &[], knows_429);
                let headers = answer.headers();
                assert_eq!(answer.status().as_u16(), status);
                assert_eq!(headers[STATUS], said);
                assert_eq!(headers[header::RETRY_AFTER], wait);
                assert_eq!(headers[RATE_LIMIT_POLICY], policy);
                assert_eq!(headers[RATE_LIMIT], left);
                assert_eq!((&headers[KEY_ID], &headers[OWNER]), (&EMPTY, &EMPTY));
            }
        }
    }
}
