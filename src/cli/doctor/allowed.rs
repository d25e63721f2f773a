//! The probe with a good token: an allowed request, seen from both sides of the gateway.
use std::{net::SocketAddr, time::Duration};

use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncReadExt as _;

use super::{
    DoctorFinding,
    directives::{GatewayFault, directive},
    probed::ProbedKind,
    probes::{FORGED, GatewayAnswer, IDENTITY, Prober},
    upstream::Upstream,
};
use crate::{
    cli::{Failure, refused},
    domain::{
        access::Actions,
        conditions::Conditions,
        decision::Target,
        key::{Draft, Key, KeyVersion, RevokeReason},
        label::{LabelChange, Labels},
        owner::Owner,
        text::visible,
        token::{KeyId, Token},
        usage::Refusal,
    },
    keyring::{Keyring, KeyringError},
};

/// The maximum length of a token on standard input, in bytes, and how long its first byte is waited
/// for: standard input may be open although nobody writes to it.
const LONGEST_TOKEN: u64 = 4096;
const TOKEN_WAIT: Duration = Duration::from_secs(1);
/// How long the key lives that is made for the probe, in milliseconds; it is revoked before.
const KEY_LIFE: i64 = 10 * 60 * 1000;
/// How long the endpoint's record of the request is waited for, and the pause between two looks.
const RECORD_TIMEOUT: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(200);

/// The owner and the label of that key.
const PROBE_OWNER: &str = "claviger doctor";
const PROBE_LABEL: &str = "purpose=probe";

/// What the probe with a good token needs.
#[derive(Debug)]
pub(super) struct GoodProbe {
    /// Whether a key is to be made for it.
    pub make_key: bool,
    /// Where to listen in place of the API.
    pub upstream: Option<SocketAddr>,
}

/// Reads a token from standard input, if there is one.
pub(super) async fn read_token() -> Option<SecretString> {
    let mut text = String::new();
    let mut input = tokio::io::stdin().take(LONGEST_TOKEN);
    let read = tokio::time::timeout(TOKEN_WAIT, input.read_to_string(&mut text)).await;
    let token = text.trim_end_matches(['\r', '\n']);
    let is_there = matches!(read, Ok(Ok(_))) && !token.is_empty();
    is_there.then(|| SecretString::from(token))
}

/// Sends the probe with a good token, and says what came of it. `plain` is the recorded refusal of
/// the ordinary probe.
pub(super) async fn findings(
    keyring: &Keyring,
    (kind, prober): (ProbedKind, &Prober),
    good: &GoodProbe,
    token: Option<SecretString>,
    plain: &Refusal,
) -> Result<Vec<DoctorFinding>, Failure> {
    let upstream = match good.upstream {
        Some(place) => Some(Upstream::listen(place).await.map_err(Failure::Failed)?),
        None => None,
    };
    if let Some(token) = token {
        return probe(keyring, (kind, prober), upstream.as_ref(), &token).await;
    }
    if !good.make_key {
        return Ok(Vec::new());
    }
    let Target::Routed(area, action) = &plain.target else {
        return Ok(Vec::new());
    };
    let mut conditions = Conditions::none();
    let actions: Actions = [*action].into_iter().collect();
    conditions.grants.set(area.clone(), actions);
    conditions.expires_at = Some(keyring.now().plus(KEY_LIFE));
    let name = format!("claviger doctor {}", keyring.now().rfc3339());
    let name = name.parse().map_err(KeyringError::Text)?;
    // An owner and a label, so that the probe sees whether these reach the API.
    let label: LabelChange = PROBE_LABEL.parse().map_err(refused)?;
    let draft = Draft {
        owner: Some(PROBE_OWNER.parse().map_err(refused)?),
        labels: Labels::default().changed(&[label]).map_err(refused)?,
        conditions,
        ..Draft::named(name)
    };
    let made = keyring.create(plain.agent.as_ref(), draft).await?;
    let found = probe(
        keyring,
        (kind, prober),
        upstream.as_ref(),
        made.token.expose(),
    )
    .await;
    let now = keyring.key(&made.key.id).await?;
    let now = [KeyVersion::of(&now)];
    keyring.revoke(&now, RevokeReason::Unused).await?;
    found
}

async fn probe(
    keyring: &Keyring,
    (kind, prober): (ProbedKind, &Prober),
    upstream: Option<&Upstream>,
    token: &SecretString,
) -> Result<Vec<DoctorFinding>, Failure> {
    let id = match Token::parse(token.expose_secret()) {
        Ok(token) => token.key_id().clone(),
        Err(why) => {
            return Err(Failure::Refused(format!(
                "the text on standard input: {why}"
            )));
        }
    };
    let before = Seen::of(keyring, &id).await?;
    let sent = {
        let (prober, token) = (prober.clone(), token.clone());
        tokio::task::spawn_blocking(move || prober.send_good(&token)).await
    };
    let (answer, body) = match sent.unwrap_or_else(|_| Err("the probe broke off".to_owned())) {
        Ok(answer) => answer,
        Err(why) => {
            return Ok(vec![DoctorFinding::bad(
                "allowed",
                format!("it does not answer a good token: {why}"),
                "see that the API behind it runs",
            )]);
        }
    };
    let record = record(keyring, &before).await?;
    let mut findings = vec![allowed(kind, &answer, record.as_ref())];
    if matches!(record, Some(EndpointRecord::Allowed)) && !matches!(kind, ProbedKind::Verify) {
        findings.push(match upstream {
            Some(upstream) => {
                let key = keyring.key(&id).await?;
                identity(kind, &upstream.reached(), &key)
            }
            None => identity_in_body(kind, &body, &id),
        });
    }
    Ok(findings)
}

/// What the endpoint recorded of the probe.
enum EndpointRecord {
    Allowed,
    Refused(Box<Refusal>),
}

/// The recorded activity of a key at one time.
struct Seen {
    id: KeyId,
    allowed: i64,
    refusals: Vec<Refusal>,
}

impl Seen {
    async fn of(keyring: &Keyring, id: &KeyId) -> Result<Self, Failure> {
        let activity = keyring.activity(id).await?;
        Ok(Self {
            id: id.clone(),
            allowed: activity.hours.totals().0,
            refusals: activity.refusals,
        })
    }
}

/// Waits for the endpoint's record of the probe with this key.
async fn record(keyring: &Keyring, before: &Seen) -> Result<Option<EndpointRecord>, Failure> {
    let newest = before.refusals.first().map(|refusal| &refusal.id);
    for _ in 0..RECORD_TIMEOUT.as_millis() / PAUSE.as_millis() {
        let now = Seen::of(keyring, &before.id).await?;
        if now.allowed != before.allowed {
            return Ok(Some(EndpointRecord::Allowed));
        }
        if let Some(refusal) = now.refusals.into_iter().next()
            && Some(&refusal.id) != newest
        {
            return Ok(Some(EndpointRecord::Refused(Box::new(refusal))));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(None)
}

fn allowed(
    kind: ProbedKind,
    answer: &GatewayAnswer,
    record: Option<&EndpointRecord>,
) -> DoctorFinding {
    let status = answer.status;
    let needs = format!("it needs: {}", directive(kind, GatewayFault::Guard));
    match record {
        Some(EndpointRecord::Allowed) if status < 500 && !matches!(status, 401 | 403) => {
            DoctorFinding::well(
                "allowed",
                format!("a good token passes, and the API answered {status}"),
            )
        }
        Some(EndpointRecord::Allowed) => DoctorFinding::bad(
            "allowed",
            format!("the endpoint allowed a good token, and the client got {status}"),
            format!("see that the API runs and is not itself what refuses; if so, {needs}"),
        ),
        Some(EndpointRecord::Refused(refusal)) => DoctorFinding::bad(
            "allowed",
            format!("the endpoint refused the token: {}", refusal.reason_words()),
            format!("`claviger explain {}` tells why", refusal.id),
        ),
        None => DoctorFinding::bad(
            "allowed",
            format!(
                "it answered {status} to a good token, and the endpoint recorded no request with it"
            ),
            needs,
        ),
    }
}

/// Judges the headers of the requests that reached the place of the API.
fn identity(kind: ProbedKind, reached: &[HeaderMap], key: &Key) -> DoctorFinding {
    let Some(headers) = reached.last() else {
        return DoctorFinding::bad(
            "identity",
            "no request reached the place that --upstream names",
            "name the address at which the gateway looks for the API",
        );
    };
    let needs = format!("it needs: {}", directive(kind, GatewayFault::Identity));
    let forged = headers
        .iter()
        .find(|(_, value)| value.as_bytes() == FORGED.as_bytes());
    if let Some((name, _)) = forged {
        let found = format!("a client's own {} reaches the API", visible(name.as_str()));
        return DoctorFinding::bad("identity", found, needs);
    }
    let value = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let Draft { owner, labels, .. } = &key.draft;
    let owner = owner.as_ref().map(Owner::encoded).unwrap_or_default();
    // Owner and labels may be empty, and then they may be missing.
    let arrives = |name: &str| match name {
        "X-Claviger-Key-Id" => value(name) == key.id.as_str(),
        "X-Claviger-Key-Name" => !value(name).is_empty(),
        "X-Claviger-Decision-Id" => value(name).starts_with("d_"),
        "X-Claviger-Owner" => value(name) == owner,
        "X-Claviger-Labels" => value(name) == labels.encoded(),
        _ => true,
    };
    match IDENTITY.iter().find(|name| !arrives(name)) {
        Some(name) => {
            DoctorFinding::bad("identity", format!("{name} does not reach the API"), needs)
        }
        None => DoctorFinding::well(
            "identity",
            "the API learns of the key, and a client's own headers do not reach it",
        ),
    }
}

/// Judges what the API's answer shows of the headers that reached it, if it shows them.
fn identity_in_body(kind: ProbedKind, body: &str, id: &KeyId) -> DoctorFinding {
    let needs = format!("it needs: {}", directive(kind, GatewayFault::Identity));
    let lower = body.to_ascii_lowercase();
    if body.contains(FORGED) {
        return DoctorFinding::bad(
            "identity",
            "an identity header of the client's own reaches the API",
            needs,
        );
    }
    if !lower.contains("x-claviger-") && !body.contains(id.as_str()) {
        return DoctorFinding::well(
            "identity",
            "the API's answer does not show which headers reach it: look with --upstream",
        );
    }
    let missing = IDENTITY
        .iter()
        .filter(|name| !name.ends_with("Owner") && !name.ends_with("Labels"))
        .find(|name| !lower.contains(&name.to_ascii_lowercase()));
    match missing {
        Some(name) => {
            DoctorFinding::bad("identity", format!("{name} does not reach the API"), needs)
        }
        None => DoctorFinding::well(
            "identity",
            "the API learns of the key, and a client's own headers do not reach it",
        ),
    }
}
