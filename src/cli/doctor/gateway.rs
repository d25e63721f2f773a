//! `doctor --gateway`: sends probes through a gateway, reads from the store what of them reached the
//! endpoint, and names the directive that is missing.
use std::{net::IpAddr, time::Duration};

use super::{
    Finding,
    directives::{Lack, directive},
    probes::{Answer, CLAIMED, Claim, Probe, Prober, Try},
};
use crate::{
    cli::Failure,
    config::Family,
    domain::{
        decision::{Reason, Target},
        forwarded::ClientAddress,
        usage::{Refusal, Way},
    },
    keyring::Keyring,
    machine::Machine,
};

/// How long a refusal may take to be written down by the endpoint, which does so every two seconds.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long to wait for it where the gateway lets the probe pass, and perhaps asks nobody.
const DOUBT: Duration = Duration::from_secs(5);
/// How long to wait for the rest of them once one is there.
const REST: Duration = Duration::from_secs(3);
/// How often to look.
const PAUSE: Duration = Duration::from_millis(200);

/// What became of a probe.
#[derive(Debug, Clone)]
struct Heard {
    probe: Probe,
    answer: Result<Answer, String>,
    refusal: Option<Refusal>,
}

pub(super) async fn findings(
    keyring: &Keyring,
    url: &str,
    family: Family,
) -> Result<Vec<Finding>, Failure> {
    let prober = Prober::new(url).map_err(Failure::Refused)?;
    let tried = Probe::all(&prober.base, &Machine::real());
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
        heard.push(Heard {
            probe,
            answer,
            refusal: None,
        });
        if lost {
            break;
        }
    }
    listen(keyring, &mut heard).await?;
    Ok(judge(family, &heard, own))
}

/// Waits until the endpoint has written down what it was asked.
async fn listen(keyring: &Keyring, heard: &mut [Heard]) -> Result<(), Failure> {
    let refused = |heard: &Heard| matches!(&heard.answer, Ok(it) if matches!(it.status, 401 | 403));
    let patience = if heard.iter().all(refused) {
        PATIENCE
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
        // What came in a little later is written down with the next ones.
        if heard.iter().any(|one| one.refusal.is_some()) {
            rounds = rounds.min(REST.as_millis() / PAUSE.as_millis());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// What the probes tell.
fn judge(family: Family, heard: &[Heard], own: Option<IpAddr>) -> Vec<Finding> {
    let of = |tries: Try| heard.iter().find(|one| one.probe.tries == tries);
    let Some(plain) = of(Try::Plain) else {
        return Vec::new();
    };
    let answer = match &plain.answer {
        Ok(answer) => answer,
        Err(why) => {
            return vec![Finding::bad(
                "gateway",
                format!("it does not answer: {why}"),
                "see that it runs and listens there, with http or https as the URL says, and with a certificate that this machine believes",
            )];
        }
    };
    let lacks = |lack| format!("it lacks: {}", directive(family, lack));
    let mut findings = vec![guard(family, answer, plain.refusal.as_ref(), &lacks)];
    let Some(refusal) = &plain.refusal else {
        return findings;
    };
    match (&refusal.wanted.way, refusal.reason) {
        (Way::Astray(detail), _) if detail == "untrusted_peer" => {
            findings.push(Finding::bad(
                "trust",
                "the endpoint does not believe this gateway: method, path and address are ignored",
                "start the endpoint with --trusted-proxy and the gateway's address; its log names it",
            ));
            return findings;
        }
        (Way::Astray(detail), _) if detail == "unknown_endpoint_path" => {
            findings.push(Finding::bad(
                "endpoint path",
                format!(
                    "the gateway asks a path that the endpoint has not, or not for --gateway {}",
                    family.word()
                ),
                lacks(Lack::EndpointPath),
            ));
            return findings;
        }
        (_, Reason::MissingToken | Reason::MalformedToken) => {
            findings.push(Finding::bad(
                "token",
                "the client's token does not reach the endpoint",
                lacks(Lack::Token),
            ));
        }
        _ => findings.push(Finding::well("token", "it reaches the endpoint")),
    }
    let claimed = of(Try::ClaimWay);
    if let Some(other) = other_headers(family, claimed) {
        findings.push(other);
        findings.extend(address(refusal, of(Try::ClaimAddress), own, &lacks));
        return findings;
    }
    findings.push(method(family, refusal, claimed, &lacks));
    findings.extend(path(plain, refusal, claimed, &lacks));
    // Without a token nobody looked where the path leads.
    if refusal.reason > Reason::MalformedToken {
        findings.extend(route(refusal));
    }
    findings.extend(address(refusal, of(Try::ClaimAddress), own, &lacks));
    findings
}

/// What the claiming probe was believed in the headers of another gateway: then it is those that the
/// endpoint reads.
fn other_headers(family: Family, claimed: Option<&Heard>) -> Option<Finding> {
    let heard = claimed?;
    let wanted = &heard.refusal.as_ref()?.wanted;
    let claimed = |claim: &Claim| wanted.path == heard.probe.claimed_path(*claim);
    let believed = Claim::ALL.into_iter().find(claimed)?;
    (!believed.is_of(family)).then(|| {
        Finding::bad(
            "gateway",
            "the endpoint reads method and path in the headers of another gateway, and a client can say them",
            format!(
                "start the endpoint with --gateway {}, or name the gateway that it is with --as",
                family.word()
            ),
        )
    })
}

fn guard(
    family: Family,
    answer: &Answer,
    refusal: Option<&Refusal>,
    lacks: &impl Fn(Lack) -> String,
) -> Finding {
    let status = answer.status;
    match (status, refusal) {
        (401 | 403, Some(_)) => Finding::well(
            "guard",
            "it asks the endpoint, and refuses what that refuses",
        ),
        (_, Some(_)) => Finding::bad(
            "guard",
            format!("it asks the endpoint, and answers {status} to what that refused"),
            lacks(Lack::Guard),
        ),
        (401 | 403, None) => Finding::bad(
            "guard",
            format!(
                "it answered {status}, but no endpoint of this workspace was asked{}",
                if answer.decided {
                    ": another one was"
                } else {
                    ""
                }
            ),
            "name the database of its endpoint with --database, and see that the endpoint can write to it",
        ),
        (500 | 502..=504, None) => Finding::bad(
            "guard",
            format!("it answered {status}, and no endpoint of this workspace was asked"),
            format!(
                "see that the endpoint runs, and that the gateway looks for it there ({}); if it does, {}",
                directive(family, Lack::Endpoint),
                lacks(Lack::Guard)
            ),
        ),
        (_, None) => Finding::bad(
            "guard",
            format!(
                "it answered {status} to a token that nobody handed out, and asked no endpoint"
            ),
            lacks(Lack::Guard),
        ),
    }
}

/// What was recorded of the method, or that it was not said.
fn method(
    family: Family,
    refusal: &Refusal,
    claimed: Option<&Heard>,
    lacks: &impl Fn(Lack) -> String,
) -> Finding {
    let claims = claimed.and_then(|one| one.refusal.as_ref());
    let believed = |it: &Refusal| {
        Claim::ALL
            .iter()
            .any(|one| it.wanted.method == one.method())
    };
    if claims.is_some_and(believed) {
        return Finding::bad(
            "method",
            "a client can say any method it likes, and is believed",
            lacks(Lack::Method),
        );
    }
    match (&refusal.wanted.way, refusal.wanted.method.as_str()) {
        (Way::Astray(detail), _) if detail == "method_not_said_once" => Finding::bad(
            "method",
            "it does not reach the endpoint, or more than once",
            format!(
                "{}; or the endpoint was not started with --gateway {}",
                lacks(Lack::Method),
                family.word()
            ),
        ),
        (Way::Astray(detail), _) if detail == "path_not_said_once" => {
            Finding::well("method", "it reaches the endpoint")
        }
        (_, "HEAD") if claims.is_none() => unheard("method"),
        (_, "HEAD") => Finding::well(
            "method",
            "it reaches the endpoint as it is, and a client cannot claim another",
        ),
        (_, other) => Finding::bad(
            "method",
            format!("HEAD reached the endpoint as {other}"),
            lacks(Lack::Method),
        ),
    }
}

fn path(
    plain: &Heard,
    refusal: &Refusal,
    claimed: Option<&Heard>,
    lacks: &impl Fn(Lack) -> String,
) -> Option<Finding> {
    let believed = claimed.is_some_and(|one| {
        let heard = one.refusal.as_ref().map(|it| it.wanted.path.as_str());
        let mut paths = Claim::ALL
            .map(|claim| one.probe.claimed_path(claim))
            .into_iter();
        paths.any(|path| heard == Some(path.as_str()))
    });
    if believed {
        return Some(Finding::bad(
            "path",
            "a client can say any path it likes, and is believed",
            lacks(Lack::Path),
        ));
    }
    Some(match &refusal.wanted.way {
        Way::Astray(detail) if detail == "path_not_said_once" => Finding::bad(
            "path",
            "it does not reach the endpoint, or more than once",
            lacks(Lack::Path),
        ),
        // Nobody looked for it.
        Way::Astray(detail) if detail == "method_not_said_once" => return None,
        _ if claimed.is_none_or(|one| one.refusal.is_none()) => unheard("path"),
        _ if refusal.wanted.path == plain.probe.path => Finding::well(
            "path",
            "it reaches the endpoint as it is, and a client cannot claim another",
        ),
        _ => Finding::bad(
            "path",
            format!(
                "{} reached the endpoint as {}",
                plain.probe.path, refusal.wanted.path
            ),
            lacks(Lack::Path),
        ),
    })
}

/// Whether requests to that path lead anywhere at all.
fn route(refusal: &Refusal) -> Option<Finding> {
    let leads_nowhere =
        matches!(refusal.wanted.way, Way::Routed(..)) && refusal.target == Target::NoRoute;
    leads_nowhere.then(|| {
        Finding::bad(
            "route",
            "the path leads to no access area, so everything there is refused",
            "probe a path that an area has a route for, or give one with `claviger area edit AREA --route PATH`; for a location with an area of its own, see that `claviger area list` has it",
        )
    })
}

fn address(
    refusal: &Refusal,
    claimed: Option<&Heard>,
    own: Option<IpAddr>,
    lacks: &impl Fn(Lack) -> String,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let hop = refusal.hop;
    findings.push(match refusal.address {
        ClientAddress::Unknown => Finding::bad(
            "address",
            "the client's address does not reach the endpoint",
            lacks(Lack::Address),
        ),
        ClientAddress::Unreadable => Finding::bad(
            "address",
            format!("what reaches the endpoint is no address ({hop})"),
            lacks(Lack::Address),
        ),
        ClientAddress::Known(address) => {
            let from = match own {
                Some(own) if own != address => {
                    format!("; this machine connects from {own}, so another hop lies between")
                }
                _ => String::new(),
            };
            Finding::well("address", format!("{address}, from {hop}{from}"))
        }
    });
    let claims = claimed.and_then(|one| one.refusal.as_ref());
    findings.push(match claims.map(|it| it.address) {
        None => unheard("forged address"),
        Some(ClientAddress::Known(CLAIMED)) => Finding::bad(
            "forged address",
            format!("a client that says X-Forwarded-For: {CLAIMED} is believed"),
            lacks(Lack::ForgedAddress),
        ),
        Some(_) => Finding::well("forged address", "a client that claims one is not believed"),
    });
    findings
}

/// What is not known is not well.
fn unheard(what: &'static str) -> Finding {
    Finding::bad(
        what,
        "it cannot be told whether a client can claim another: that probe was not written down",
        "run it again; while many unknown tokens come in, not every refusal of one is kept",
    )
}
