//! `POST /verify`: a decision for a trusted application that determines area and action itself. The
//! response contains the reason.
use std::net::IpAddr;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{
    answer::{self, Response},
    endpoint::Endpoint,
    log::shown,
    request::{AuthorizationRequest, Requested},
};
use crate::domain::{
    authorization::{Authorization, Presented},
    decision::{Decision, DecisionId, Detail, Reason},
    forwarded::{Client, Peer},
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
        Ok(request) => request,
        Err(sentence) => return endpoint.refuse_bad(&id, peer, &sentence),
    };
    match endpoint.decide(&id, &request).await {
        Ok(decided) => verdict_json(&id, &decided),
        Err(_) => answer::undecided(&id),
    }
}

/// Reads the body, each part by the constructor of its type.
fn read(body: &[u8]) -> Result<AuthorizationRequest<'static>, String> {
    let asked: VerifyBody = serde_json::from_slice(body).map_err(|error| {
        let why = shown(error.to_string().as_bytes());
        format!(
            "The body is not understood ({why}): send {{\"token\", \"area\", \"action\", \"ip\"}}, and \"agent\" where there are several."
        )
    })?;
    let action = asked.action.parse().map_err(|_| {
        let named = shown(asked.action.as_bytes());
        format!("There is no action {named}: send create, read, update or delete.")
    })?;
    let address = asked.ip.as_ref().map(|ip| {
        ip.parse::<IpAddr>().map_err(|_| {
            format!(
                "{} is no IP address: send one such as 10.0.0.9, or leave \"ip\" out.",
                shown(ip.as_bytes())
            )
        })
    });
    let agent = asked.agent.map(|name| {
        name.parse()
            .map_err(|_| format!("{} is no agent's name.", shown(name.as_bytes())))
    });
    Ok(AuthorizationRequest {
        presented: asked
            .token
            .as_ref()
            .map_or(Presented::Nothing(None), |token| {
                Presented::read(token.expose_secret())
            }),
        requested: Requested::Named {
            area: shown(asked.area.as_bytes()),
            // A text that cannot be a slug is the slug of no area.
            target: asked.area.parse().ok().map(|area| (area, action)),
        },
        endpoint: "/verify",
        agent: agent.transpose()?,
        client: Client::given(address.transpose()?),
        original: None,
        trusted: true,
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
        "decision_id": id.as_str(),
    });
    let mut response = answer::text(StatusCode::OK, "application/json", body.to_string());
    let no_store = HeaderValue::from_static("no-store");
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, no_store);
    response
}
