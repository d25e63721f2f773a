//! `doctor --gateway`: sends probes through a gateway, reads from the store which of them reached
//! the endpoint and how, and names the directive that is missing.
use std::{net::IpAddr, time::Duration};

use super::{
    DoctorFinding,
    allowed::{self, GoodProbe},
    directives::{GatewayFault, directive},
    probed::ProbedKind,
    probes::{CLAIMED, ClaimHeaders, GatewayAnswer, Probe, ProbeKind, Prober},
};
use crate::{
    cli::Failure,
    config::GatewayKind,
    domain::{
        decision::{Detail, Reason, Target},
        forwarded::ClientAddress,
        usage::{Refusal, RequestedTarget},
    },
    keyring::Keyring,
    machine::Machine,
};

/// The longest time to wait for the refusals if the gateway refused every probe. The endpoint
/// records refusals every two seconds.
const RECORD_TIMEOUT: Duration = Duration::from_secs(12);
/// The longest time to wait if the gateway did not refuse every probe, and so may not ask the
/// endpoint at all.
const DOUBT: Duration = Duration::from_secs(5);
/// The longest time to wait for the other refusals after the first one was found.
const REST: Duration = Duration::from_secs(3);
/// The time between two reads of the store.
const PAUSE: Duration = Duration::from_millis(200);

/// A probe with the gateway's answer and the refusal that the endpoint recorded.
#[derive(Debug, Clone)]
struct ProbeOutcome {
    probe: Probe,
    answer: Result<GatewayAnswer, String>,
    refusal: Option<Refusal>,
}

pub(super) async fn findings(
    keyring: &Keyring,
    url: &str,
    kind: ProbedKind,
    good: &GoodProbe,
) -> Result<Vec<DoctorFinding>, Failure> {
    let prober = Prober::new(url).map_err(Failure::Refused)?;
    let token = allowed::read_token().await;
    let tried = Probe::all(&prober.base, kind, &Machine::real());
    let own = {
        let prober = prober.clone();
        let asking = tokio::task::spawn_blocking(move || prober.own_address());
        asking.await.ok().flatten()
    };
    let mut heard = Vec::new();
    for probe in tried {
        let (prober, sent) = (prober.clone(), probe.clone());
        let answer = tokio::task::spawn_blocking(move || prober.send(&sent)).await;
        let answer = answer.unwrap_or_else(|_| Err("the probe broke off".to_owned()));
        let lost = answer.is_err();
        heard.push(ProbeOutcome {
            probe,
            answer,
            refusal: None,
        });
        if lost {
            break;
        }
    }
    listen(keyring, &mut heard).await?;
    let mut findings = judge(kind, &heard, own);
    let plain = heard.first().and_then(|one| one.refusal.as_ref());
    if let Some(plain) = plain {
        let sent = prober.clone();
        let answer = tokio::task::spawn_blocking(move || sent.send_preflight()).await;
        findings.push(preflight(
            kind,
            answer.unwrap_or_else(|_| Err("the probe broke off".to_owned())),
        ));
        if kind == ProbedKind::Gateway(GatewayKind::Nginx) {
            let sent = prober.clone();
            let open = tokio::task::spawn_blocking(move || sent.reaches_endpoint()).await;
            if open.unwrap_or(false) {
                findings.push(DoctorFinding::bad(
                    "endpoint",
                    "a client reaches the endpoint itself, at /_claviger/",
                    "it needs: internal; in the location that asks the endpoint",
                ));
            }
        }
        let with_token = allowed::findings(keyring, (kind, &prober), good, token, plain).await?;
        findings.extend(with_token);
    }
    Ok(findings)
}

/// Judges the answer to a browser's preflight, which was not to reach the endpoint.
fn preflight(kind: ProbedKind, answer: Result<GatewayAnswer, String>) -> DoctorFinding {
    let needs = format!("it needs: {}", directive(kind, GatewayFault::Preflight));
    match answer {
        Ok(answer) if answer.decided || matches!(answer.status, 401 | 403) => DoctorFinding::bad(
            "preflight",
            format!(
                "a browser's preflight is refused with {}, so no page of another origin can call the API",
                answer.status
            ),
            needs,
        ),
        Ok(answer) => DoctorFinding::well(
            "preflight",
            format!("a browser's preflight is answered with {}", answer.status),
        ),
        Err(why) => DoctorFinding::bad(
            "preflight",
            format!("a browser's preflight is not answered: {why}"),
            needs,
        ),
    }
}

/// Judges whether an application lets the endpoint judge headers that override the method.
fn overrides(kind: ProbedKind, probed: Option<&ProbeOutcome>) -> DoctorFinding {
    let recorded = probed.and_then(|one| one.refusal.as_ref());
    match recorded.map(|refusal| &refusal.wanted.requested) {
        None => not_recorded("override"),
        Some(RequestedTarget::Unroutable(Detail::MethodOverride)) => {
            DoctorFinding::well("override", "a header that overrides the method is noticed")
        }
        Some(_) => DoctorFinding::bad(
            "override",
            "a client can override the method with a header, and the endpoint is not told",
            format!("it needs: {}", directive(kind, GatewayFault::Override)),
        ),
    }
}

/// Waits until the endpoint has recorded the refusals of the probes, and adds them to the outcomes.
async fn listen(keyring: &Keyring, heard: &mut [ProbeOutcome]) -> Result<(), Failure> {
    let refused =
        |heard: &ProbeOutcome| matches!(&heard.answer, Ok(it) if matches!(it.status, 401 | 403));
    let patience = if heard.iter().all(refused) {
        RECORD_TIMEOUT
    } else {
        DOUBT
    };
    let mut rounds = patience.as_millis() / PAUSE.as_millis();
    while rounds > 0 {
        rounds -= 1;
        let refusals = keyring.refusals(None).await?;
        for one in heard.iter_mut() {
            let of_it = |refusal: &&Refusal| {
                refusal.named.as_ref() == Some(&one.probe.id)
                    || refusal.wanted.path.contains(one.probe.id.as_str())
            };
            one.refusal = refusals.iter().find(of_it).cloned();
        }
        if heard.iter().all(|one| one.refusal.is_some()) {
            break;
        }
        // Probes that arrived a little later are recorded in the endpoint's next write.
        if heard.iter().any(|one| one.refusal.is_some()) {
            rounds = rounds.min(REST.as_millis() / PAUSE.as_millis());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Returns the findings that follow from the outcomes of the probes.
fn judge(kind: ProbedKind, heard: &[ProbeOutcome], own: Option<IpAddr>) -> Vec<DoctorFinding> {
    let of = |probe: ProbeKind| heard.iter().find(|one| one.probe.kind == probe);
    let Some(plain) = of(ProbeKind::Plain) else {
        return Vec::new();
    };
    let answer = match &plain.answer {
        Ok(answer) => answer,
        Err(why) => {
            return vec![DoctorFinding::bad(
                "gateway",
                format!("it does not answer: {why}"),
                "see that it runs and listens there, with http or https as the URL says, and with a certificate that this machine trusts",
            )];
        }
    };
    let needs = |fault| format!("it needs: {}", directive(kind, fault));
    let mut findings = vec![guard(kind, answer, plain.refusal.as_ref(), &needs)];
    let Some(refusal) = &plain.refusal else {
        return findings;
    };
    match (&refusal.wanted.requested, refusal.reason) {
        (RequestedTarget::Unroutable(Detail::UntrustedPeer), _) => {
            findings.push(DoctorFinding::bad(
                "trust",
                "the endpoint does not believe this gateway: method, path and address are ignored",
                "start the endpoint with --trusted-proxy and the gateway's address; its log names it",
            ));
            return findings;
        }
        (RequestedTarget::Unroutable(Detail::UnknownEndpointPath), _) => {
            findings.push(DoctorFinding::bad(
                "endpoint path",
                format!(
                    "the gateway calls a path that the endpoint does not have, or not for --gateway {}",
                    kind.word()
                ),
                needs(GatewayFault::EndpointPath),
            ));
            return findings;
        }
        (_, Reason::MissingToken | Reason::MalformedToken) => {
            findings.push(DoctorFinding::bad(
                "token",
                "the client's token does not reach the endpoint",
                needs(GatewayFault::Token),
            ));
        }
        _ => findings.push(DoctorFinding::well("token", "it reaches the endpoint")),
    }
    let Some(gateway) = kind.gateway() else {
        // The application names area and action itself.
        findings.extend(address(refusal, of(ProbeKind::ClaimAddress), own, &needs));
        findings.push(overrides(kind, of(ProbeKind::Override)));
        return findings;
    };
    let claimed = of(ProbeKind::ClaimMethodAndPath);
    if let Some(other) = other_headers(gateway, claimed) {
        findings.push(other);
        findings.extend(address(refusal, of(ProbeKind::ClaimAddress), own, &needs));
        return findings;
    }
    findings.push(method(gateway, refusal, claimed, &needs));
    findings.extend(path(plain, refusal, claimed, &needs));
    // Without a well-formed token the endpoint did not look for the path's route.
    if refusal.reason > Reason::MalformedToken {
        findings.extend(route(refusal));
    }
    findings.extend(address(refusal, of(ProbeKind::ClaimAddress), own, &needs));
    findings
}

/// Returns a finding if the endpoint believed the path that the probe claimed in the headers of
/// another gateway: the endpoint then reads those headers.
fn other_headers(gateway: GatewayKind, claimed: Option<&ProbeOutcome>) -> Option<DoctorFinding> {
    let heard = claimed?;
    let wanted = &heard.refusal.as_ref()?.wanted;
    let claimed = |claim: &ClaimHeaders| wanted.path == heard.probe.claimed_path(*claim);
    let believed = ClaimHeaders::ALL.into_iter().find(claimed)?;
    (!believed.is_of(gateway)).then(|| {
        DoctorFinding::bad(
            "gateway",
            "the endpoint reads method and path in the headers of another gateway, and a client can say them",
            format!(
                "start the endpoint with --gateway {}, or name the gateway that it is with --as",
                gateway.word()
            ),
        )
    })
}

fn guard(
    kind: ProbedKind,
    answer: &GatewayAnswer,
    refusal: Option<&Refusal>,
    needs: &impl Fn(GatewayFault) -> String,
) -> DoctorFinding {
    let status = answer.status;
    match (status, refusal) {
        (401 | 403, Some(_)) => DoctorFinding::well(
            "guard",
            "it asks the endpoint, and refuses what the endpoint refuses",
        ),
        (_, Some(_)) => DoctorFinding::bad(
            "guard",
            format!("it asks the endpoint, and answers {status} to what that refused"),
            needs(GatewayFault::Guard),
        ),
        (401 | 403, None) => DoctorFinding::bad(
            "guard",
            format!(
                "it answered {status}, but no endpoint of this workspace was asked{}",
                if answer.decided {
                    ": another one was"
                } else {
                    ""
                }
            ),
            "name the database of its endpoint with --database, and see that the endpoint can write to it; after very many refusals within a minute not every one is kept, so wait and run it again",
        ),
        (500 | 502..=504, None) => DoctorFinding::bad(
            "guard",
            format!("it answered {status}, and no endpoint of this workspace was asked"),
            format!(
                "see that the endpoint runs, and that the gateway looks for it there ({}); if it does, {}",
                directive(kind, GatewayFault::Endpoint),
                needs(GatewayFault::Guard)
            ),
        ),
        (_, None) => DoctorFinding::bad(
            "guard",
            format!(
                "it answered {status} to a token that was never issued, and did not ask the endpoint"
            ),
            needs(GatewayFault::Guard),
        ),
    }
}

/// Checks that the method reached the endpoint once and unchanged, and that a client cannot forge
/// it.
fn method(
    gateway: GatewayKind,
    refusal: &Refusal,
    claimed: Option<&ProbeOutcome>,
    needs: &impl Fn(GatewayFault) -> String,
) -> DoctorFinding {
    let claims = claimed.and_then(|one| one.refusal.as_ref());
    let believed = |it: &Refusal| {
        ClaimHeaders::ALL
            .iter()
            .any(|one| it.wanted.method == one.method())
    };
    if claims.is_some_and(believed) {
        return DoctorFinding::bad(
            "method",
            "a client can claim another method, and is believed",
            needs(GatewayFault::Method),
        );
    }
    match (&refusal.wanted.requested, refusal.wanted.method.as_str()) {
        (RequestedTarget::Unroutable(Detail::MethodNotSaidOnce), _) => DoctorFinding::bad(
            "method",
            "it does not reach the endpoint exactly once",
            format!(
                "{}; or the endpoint was not started with --gateway {}",
                needs(GatewayFault::Method),
                gateway.word()
            ),
        ),
        (RequestedTarget::Unroutable(Detail::PathNotSaidOnce), _) => {
            DoctorFinding::well("method", "it reaches the endpoint")
        }
        (_, "HEAD") if claims.is_none() => not_recorded("method"),
        (_, "HEAD") => DoctorFinding::well(
            "method",
            "it reaches the endpoint as it is, and a client cannot claim another",
        ),
        (_, other) => DoctorFinding::bad(
            "method",
            format!("HEAD reached the endpoint as {other}"),
            needs(GatewayFault::Method),
        ),
    }
}

fn path(
    plain: &ProbeOutcome,
    refusal: &Refusal,
    claimed: Option<&ProbeOutcome>,
    needs: &impl Fn(GatewayFault) -> String,
) -> Option<DoctorFinding> {
    let believed = claimed.is_some_and(|one| {
        let heard = one.refusal.as_ref().map(|it| it.wanted.path.as_str());
        let mut paths = ClaimHeaders::ALL
            .map(|claim| one.probe.claimed_path(claim))
            .into_iter();
        paths.any(|path| heard == Some(path.as_str()))
    });
    if believed {
        return Some(DoctorFinding::bad(
            "path",
            "a client can claim another path, and is believed",
            needs(GatewayFault::Path),
        ));
    }
    Some(match &refusal.wanted.requested {
        RequestedTarget::Unroutable(Detail::PathNotSaidOnce) => DoctorFinding::bad(
            "path",
            "it does not reach the endpoint exactly once",
            needs(GatewayFault::Path),
        ),
        // The endpoint did not read the path.
        RequestedTarget::Unroutable(Detail::MethodNotSaidOnce) => return None,
        _ if claimed.is_none_or(|one| one.refusal.is_none()) => not_recorded("path"),
        _ if refusal.wanted.path == plain.probe.path => DoctorFinding::well(
            "path",
            "it reaches the endpoint as it is, and a client cannot claim another",
        ),
        _ => DoctorFinding::bad(
            "path",
            format!(
                "{} reached the endpoint as {}",
                plain.probe.path, refusal.wanted.path
            ),
            needs(GatewayFault::Path),
        ),
    })
}

/// Returns a finding if the probed path leads to no access area.
fn route(refusal: &Refusal) -> Option<DoctorFinding> {
    let leads_nowhere = matches!(refusal.wanted.requested, RequestedTarget::Routed(..))
        && matches!(refusal.target, Target::NoRoute(_));
    leads_nowhere.then(|| {
        DoctorFinding::bad(
            "route",
            "the path leads to no access area, so everything there is refused",
            "probe a path that an area has a route for, or give one with `claviger area edit AREA --route PATH`; for a location with an area of its own, see that `claviger area list` has it",
        )
    })
}

fn address(
    refusal: &Refusal,
    claimed: Option<&ProbeOutcome>,
    own: Option<IpAddr>,
    needs: &impl Fn(GatewayFault) -> String,
) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    let hop = refusal.hop;
    findings.push(match refusal.address {
        ClientAddress::Unknown => DoctorFinding::bad(
            "address",
            "the client's address does not reach the endpoint",
            needs(GatewayFault::Address),
        ),
        ClientAddress::Unreadable => DoctorFinding::bad(
            "address",
            format!("what reaches the endpoint is no address ({hop})"),
            needs(GatewayFault::Address),
        ),
        ClientAddress::Known(address) => {
            let from = match own {
                Some(own) if own != address => {
                    format!("; this machine connects from {own}, so another hop lies between")
                }
                _ => String::new(),
            };
            DoctorFinding::well("address", format!("{address}, from {hop}{from}"))
        }
    });
    let claims = claimed.and_then(|one| one.refusal.as_ref());
    findings.push(match claims.map(|it| it.address) {
        None => not_recorded("forged address"),
        Some(ClientAddress::Known(CLAIMED)) => DoctorFinding::bad(
            "forged address",
            format!("a client that says X-Forwarded-For: {CLAIMED} is believed"),
            needs(GatewayFault::ForgedAddress),
        ),
        Some(_) => {
            DoctorFinding::well("forged address", "a client that claims one is not believed")
        }
    });
    findings
}

/// Returns a failed finding, for a probe whose refusal was not found: an unknown result does not
/// pass.
fn not_recorded(what: &'static str) -> DoctorFinding {
    DoctorFinding::bad(
        what,
        "it cannot be told whether a client can claim another: that probe was not written down",
        "run it again; while many unknown tokens come in, not every refusal of one is kept",
    )
}
