//! `POST /verify`: a decision for a trusted application that determines area and action itself. The
//! response contains the reason.
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    answer::{self, Response},
    endpoint::Endpoint,
    log::shown,
    request::{AuthorizationRequest, CredentialValues, Requested, TraceParent, is_override},
};
use crate::domain::{
    authorization::Authorization,
    decision::{Decision, DecisionId, Detail, Reason},
    forwarded::{Client, Peer, parse_client_address},
    moment::Moment,
    owner::Owner,
    token::KeyId,
};

/// The maximum length of the body, in bytes.
const LONGEST_BODY: usize = 8 * 1024;

/// The body of a request. An unknown field is refused, because it may have been meant to restrict
/// the request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    token: Option<SecretString>,
    area: String,
    action: String,
    ip: Option<String>,
    agent: Option<String>,
    /// The names of the request's headers, so that an override of the method is noticed.
    header_names: Option<Vec<String>>,
}

pub(super) async fn verify(
    endpoint: &Endpoint,
    peer: Peer,
    request: Request<Incoming>,
) -> Response {
    let id = endpoint.ids.next();
    if !endpoint.settings().is_trusted(peer, request.headers()) {
        return endpoint.refuse_untrusted(&id, peer);
    }
    let trace = TraceParent::find(request.headers());
    let read = match Limited::new(request.into_body(), LONGEST_BODY)
        .collect()
        .await
    {
        Ok(body) => read(&body.to_bytes()),
        Err(_) => Err(format!(
            "The body is longer than {LONGEST_BODY} bytes, or broke off."
        )),
    };
    let request = match read {
        Ok(request) => AuthorizationRequest { trace, ..request },
        Err(sentence) => return endpoint.refuse_bad(&id, peer, &sentence),
    };
    match endpoint.decide(&id, &request).await {
        Ok(decided) => verdict_json(&id, &decided),
        Err(_) => answer::undecided(&id),
    }
}

/// Reads the body, each part by the constructor of its type.
fn read(body: &[u8]) -> Result<AuthorizationRequest<'static>, String> {
    let unreadable = |why: &str| {
        format!(
            "The body is not understood ({why}): send the object {{\"token\", \"area\", \"action\", \"ip\"}}, with \"agent\" where there are several, and with \"header_names\" to have the method's override refused."
        )
    };
    // serde would read the fields of an array in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(unreadable("it is no JSON object"));
    }
    let asked: VerifyBody = serde_json::from_slice(body)
        .map_err(|error| unreadable(&shown(error.to_string().as_bytes())))?;
    let action = asked.action.parse().map_err(|_| {
        let named = shown(asked.action.as_bytes());
        format!("There is no action {named}: send create, read, update or delete.")
    })?;
    let address = asked
        .ip
        .as_ref()
        .map(|ip| parse_client_address(&shown(ip.as_bytes())));
    let names = asked.header_names.unwrap_or_default();
    let overrides = names
        .iter()
        .any(|name| is_override(&name.to_ascii_lowercase()));
    let agent = asked.agent.map(|name| {
        name.parse()
            .map_err(|_| format!("{} is no agent's name.", shown(name.as_bytes())))
    });
    Ok(AuthorizationRequest {
        credentials: CredentialValues::said(asked.token.as_ref().map(|token| {
            let token = token.expose_secret().as_bytes();
            Zeroizing::new(token.to_vec())
        })),
        requested: if overrides {
            Requested::Unroutable(Detail::MethodOverride)
        } else {
            Requested::Named {
                area: shown(asked.area.as_bytes()),
                // A text that cannot be a slug is the slug of no area.
                target: asked.area.parse().ok().map(|area| (area, action)),
            }
        },
        endpoint: "/verify",
        agent: agent.transpose()?,
        client: Client::given(address.transpose()?),
        original: None,
        trusted: true,
        trace: None,
    })
}

fn verdict_json(id: &DecisionId, decided: &Authorization) -> Response {
    let (decision, reason, key_id) = match &decided.decision {
        Decision::Allow { key_id } => ("allow", None, Some(key_id)),
        Decision::Deny { reason, key_id, .. } => ("deny", Some(*reason), key_id.as_ref()),
    };
    let status = reason.map_or(200, Reason::status);
    let body = json!({
        "decision": decision,
        "reason": reason.map(Reason::word),
        "detail": decided.detail().map(Detail::word),
        "status": status,
        "key_id": key_id.map(KeyId::as_str),
        "key_name": decided.rules().map(|rules| &rules.name),
        "owner": decided.rules().and_then(|rules| rules.owner.as_ref()).map(Owner::as_str),
        "labels": decided.rules().map(|rules| rules.labels.json()),
        "passes_at": decided.passes_at().map(Moment::rfc3339),
        "decision_id": id.as_str(),
    });
    let mut response = answer::text(StatusCode::OK, "application/json", body.to_string());
    let no_store = HeaderValue::from_static("no-store");
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, no_store);
    response
}
