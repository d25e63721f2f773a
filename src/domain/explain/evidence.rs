//! The evidence for each check, as text.
mod address;
mod limits;

use super::{Changed, Check, Facts, Fix, State, title};
use crate::domain::{
    access::{Area, AreaSlug},
    conditions::{Condition, Validity},
    decision::{self, Credential, Detail, Reason, Request, Rules, Target},
    moment::{DAY, Moment},
    route::{AreaSelector, RequestPath},
    text::{join, visible},
    token::KeyId,
    usage::{RequestedAccess, RequestedTarget},
};

/// The advice for a token that is no longer valid.
const USE_CURRENT_TOKEN: &str = "give its client the key's current one";

/// Returns all checks, in order.
#[must_use]
pub fn checks(credential: &Credential, request: &Request, facts: &Facts<'_>) -> Vec<Check> {
    let mut checks = of_the_token(credential, facts);
    let (rules, until) = match credential {
        Credential::Known(rules) => (rules, None),
        Credential::Previous(rules, previous) => (rules, Some(previous.until)),
        _ => {
            checks.extend(decision::key_checks().map(unknown_result));
            return checks;
        }
    };
    for reason in decision::key_checks() {
        let fails = decision::fails(reason, rules, until, request);
        let mut check = match reason {
            Reason::Disabled => state(rules, facts),
            Reason::NotYetValid => start(rules, request, facts),
            Reason::Expired => expiry(rules, until, request, facts),
            Reason::WrongAgent => agent(rules, request),
            Reason::AddressNotAllowed => address::address(rules, request, facts),
            Reason::NoRoute => route(request, facts),
            Reason::ActionNotPermitted => action(rules, request, facts),
            Reason::RateLimited => limits::rate_limit(rules, request, facts),
            Reason::QuotaExceeded => limits::quota(rules, request, facts),
            Reason::MissingToken
            | Reason::MalformedToken
            | Reason::UnknownToken
            | Reason::Revoked => continue, // no checks of a known key
        };
        check.reason = reason;
        // The functions above write the words for either result; the state is set here, except that
        // what only an endpoint remembers stays unknown.
        check.state = match (fails, check.state) {
            (true, _) => State::Fails,
            (false, State::Unknown) => State::Unknown,
            (false, _) => State::Holds,
        };
        if fails {
            check.brief.clear();
        } else {
            check.fix = None;
        }
        checks.push(check);
    }
    checks
}

/// Returns all checks of a request whose token was not checked, because the peer was not trusted.
#[must_use]
pub fn checks_of_untrusted_peer(request: &Request, facts: &Facts<'_>) -> Vec<Check> {
    let not_read = |reason| check(reason, State::Unknown, "the token was not looked at");
    let mut checks: Vec<Check> = decision::token_checks().map(not_read).collect();
    checks.extend(decision::key_checks().map(|reason| match reason {
        Reason::NoRoute => Check {
            state: State::Fails,
            ..route(request, facts)
        },
        reason => unknown_result(reason),
    }));
    checks
}

fn check(reason: Reason, state: State, evidence: impl Into<String>) -> Check {
    Check {
        reason,
        state,
        evidence: evidence.into(),
        brief: String::new(),
        history: Vec::new(),
        fix: None,
    }
}

fn unknown_result(reason: Reason) -> Check {
    check(reason, State::Unknown, "cannot be told: there is no key")
}

/// Returns the four checks of the token; the looked-up credential determines all of them.
fn of_the_token(credential: &Credential, facts: &Facts<'_>) -> Vec<Check> {
    let failing = match credential {
        Credential::Missing(detail) => Some((Reason::MissingToken, missing(*detail))),
        Credential::Malformed(detail) => Some((Reason::MalformedToken, malformed(*detail, facts))),
        Credential::Unknown => Some((Reason::UnknownToken, unknown(facts))),
        Credential::Revoked(id) => Some((
            Reason::Revoked,
            facts.tombstone.map_or_else(
                || format!("the key {id} was revoked"),
                |stone| format!("{} was {}", visible(&stone.name), stone.sentence()),
            ),
        )),
        Credential::Known(_) | Credential::Previous(..) => None,
    };
    let passing = |reason: Reason| {
        let (evidence, brief) = match reason {
            Reason::MissingToken => ("a token was presented".to_owned(), ""),
            Reason::MalformedToken => ("its shape and check digits are right".to_owned(), ""),
            Reason::UnknownToken => match credential {
                Credential::Known(rules) => (
                    format!("it is the token of {}", visible(&rules.name)),
                    "known",
                ),
                Credential::Previous(rules, _) => (
                    format!(
                        "it is a token of {} that was rotated out",
                        visible(&rules.name)
                    ),
                    "an old token, known",
                ),
                _ => ("it was handed out here".to_owned(), ""),
            },
            _ => ("its key was not revoked".to_owned(), ""),
        };
        Check {
            brief: brief.to_owned(),
            ..check(reason, State::Holds, evidence)
        }
    };
    decision::token_checks()
        .map(|reason| match &failing {
            Some((failed, evidence)) if *failed == reason => check(reason, State::Fails, evidence),
            Some((failed, _)) if *failed < reason => {
                check(reason, State::Unknown, "cannot be told")
            }
            _ => passing(reason),
        })
        .collect()
}

fn missing(detail: Option<Detail>) -> String {
    match detail {
        Some(Detail::Preflight) => "no token was presented: this is a browser's preflight, which never has one; let the gateway answer it before it asks, as the files in packaging/gateways do",
        Some(Detail::OtherScheme) => "no token was presented in a place where the endpoint looks, but there was a credential of another kind, or a token elsewhere: let the client send Authorization: Bearer or X-API-Key, or start the endpoint with --credential for the place",
        _ => "no token was presented",
    }
    .to_owned()
}

fn malformed(detail: Detail, facts: &Facts<'_>) -> String {
    let why = match detail {
        Detail::TwoCredentials => "there were two different credentials: let the client send one",
        Detail::BadCheckDigits => "its check digits are wrong: it was mistyped",
        _ => "its shape is wrong: it was cut off, or it is a credential of something else",
    };
    match facts.named {
        Some(named) => format!("{why}; it names the key {}", called(named)),
        None => why.to_owned(),
    }
}

/// Returns name and id, such as "Partner: Acme (k7GhT2mQ9xZa)", or only the id if the name is
/// empty.
fn called((id, name): (&KeyId, &str)) -> String {
    if name.is_empty() {
        id.to_string()
    } else {
        format!("{} ({id})", visible(name))
    }
}

fn unknown(facts: &Facts<'_>) -> String {
    match facts.named {
        Some(named) => format!(
            "it names the key {} and is none of its tokens: it was handed out elsewhere, made up, or rotated out long ago",
            called(named)
        ),
        None => "no key has this token".to_owned(),
    }
}

fn state(rules: &Rules, facts: &Facts<'_>) -> Check {
    let (evidence, fix) = match (rules.disabled_at, rules.pending_at) {
        (Some(since), _) => (
            format!("disabled since {} UTC", since.date_and_clock()),
            Fix::Enable,
        ),
        (None, Some(since)) => (
            format!(
                "the key is new and waits for approval since {} UTC",
                since.date_and_clock()
            ),
            Fix::Approve,
        ),
        (None, None) => ("the key is active".to_owned(), Fix::Enable),
    };
    Check {
        brief: "active".to_owned(),
        history: history_lines(facts.history.state.as_ref(), "switched", ""),
        fix: Some(fix),
        ..check(Reason::Disabled, State::Holds, evidence)
    }
}

fn start(rules: &Rules, request: &Request, facts: &Facts<'_>) -> Check {
    let evidence = match (
        rules.conditions.validity(request.at),
        rules.conditions.not_before,
    ) {
        (Validity::NotYet(start), _) => format!(
            "the key begins {}: its requests pass from then on",
            start.as_start()
        ),
        (Validity::Valid | Validity::Expired(_), Some(start)) => {
            format!("the key began {}", start.as_start())
        }
        (Validity::Valid | Validity::Expired(_), None) => "the key has no start date".to_owned(),
    };
    Check {
        history: match rules.conditions.not_before {
            Some(_) => history_lines(facts.history.of(Condition::NotBefore), "start", "set"),
            None => Vec::new(),
        },
        fix: Some(Fix::Begin),
        ..check(Reason::NotYetValid, State::Holds, evidence)
    }
}

fn expiry(rules: &Rules, until: Option<Moment>, request: &Request, facts: &Facts<'_>) -> Check {
    let end = rules.conditions.expires_at;
    let (key_ended, of_key) = match (rules.conditions.validity(request.at), end) {
        (Validity::Expired(end), _) => (true, format!("the key ended {}", end.as_expiry())),
        (Validity::Valid | Validity::NotYet(_), Some(end)) => {
            (false, format!("valid until {}", end.as_expiry()))
        }
        (Validity::Valid | Validity::NotYet(_), None) => (false, "no end date".to_owned()),
    };
    let token_ended = until.is_some_and(|until| until <= request.at);
    let (evidence, brief) = match until {
        Some(until) if token_ended => (
            rotated_out(until, key_ended.then_some(of_key)),
            String::new(),
        ),
        Some(until) if !key_ended => {
            let words = format!(
                "good until {} UTC, as a token that was rotated out",
                until.date_and_clock()
            );
            (words.clone(), words)
        }
        _ if end.is_none() => (format!("the key has {of_key}"), of_key),
        _ => (of_key.clone(), of_key),
    };
    let mut history = Vec::new();
    if until.is_some() {
        history.extend(history_lines(
            facts.history.rotation.as_ref(),
            "rotated",
            "",
        ));
    }
    if until.is_none() || key_ended {
        history.extend(history_lines(
            facts.history.of(Condition::Expires),
            "end",
            "set",
        ));
    }
    let latest = facts.policy.latest(request.at);
    let next = request.at.plus(90 * DAY).end_of_day();
    let end = latest.map_or(next, |latest| next.min(latest));
    Check {
        brief,
        history,
        // A new expiry does not help a token that is no longer valid: its client needs the current
        // token.
        fix: (key_ended && !token_ended).then_some(Fix::End(end)),
        ..check(Reason::Expired, State::Holds, evidence)
    }
}

/// Returns the evidence for a previous token that is no longer valid; its key may have expired too.
fn rotated_out(until: Moment, key_ended: Option<String>) -> String {
    let ended = if until.millis() == 0 {
        " and ended".to_owned()
    } else {
        format!(", and its overlap ended {} UTC", until.date_and_clock())
    };
    let too = key_ended.map_or_else(String::new, |words| format!("; {words} too"));
    format!("this token was rotated out{ended}; {USE_CURRENT_TOKEN}{too}")
}

fn agent(rules: &Rules, request: &Request) -> Check {
    let evidence = match &request.agent {
        None => "no agent was named".to_owned(),
        Some(agent) if *agent == rules.agent => {
            format!("the key is of the agent {}", agent.as_str())
        }
        Some(agent) => format!(
            "the endpoint of the agent {} was asked, and the key is of {}: this gateway's location names the wrong agent, or the client has the wrong key",
            agent.as_str(),
            rules.agent.as_str()
        ),
    };
    check(Reason::WrongAgent, State::Holds, evidence)
}

fn route(request: &Request, facts: &Facts<'_>) -> Check {
    let RequestedAccess {
        requested,
        method,
        path,
    } = facts.wanted;
    let said_request = visible(format!("{method} {path}").trim());
    let evidence = match (&request.target, requested) {
        (Target::Routed(area, action), RequestedTarget::Named(..)) if path.is_empty() => {
            format!(
                "asked for {} in {}",
                action.title(),
                title(facts.areas, area)
            )
        }
        (Target::Routed(area, action), _) => {
            format!(
                "{said_request} leads to {}, {}",
                title(facts.areas, area),
                action.title()
            )
        }
        (Target::NoRoute(Detail::AmbiguousPath), _) => ambiguous(&said_request, facts),
        (Target::NoRoute(_), RequestedTarget::Named(area, _)) => {
            format!("there is no area {area}: {}", known(facts.areas))
        }
        (Target::NoRoute(_), RequestedTarget::Routed(AreaSelector::Area(area), _))
            if !is_known(facts.areas, area) =>
        {
            format!(
                "the gateway asked for the area {area}, and there is none such: {}",
                known(facts.areas)
            )
        }
        (Target::NoRoute(_), RequestedTarget::Routed(AreaSelector::Area(area), _)) => format!(
            "{method} means no action in {}: give it a route such as '{method} PATH=read' with `claviger area edit {area} --route`",
            title(facts.areas, area)
        ),
        (Target::NoRoute(_), RequestedTarget::Routed(AreaSelector::Path, _))
            if facts.path_area.is_some() =>
        {
            let area = facts.path_area.as_ref().map_or("AREA", AreaSlug::as_str);
            format!(
                "{path} leads to the area {area}, and {method} means no action there: say one, such as `claviger area edit {area} --route '{method} {path}=read'` beside the routes that it has",
                path = visible(path),
            )
        }
        (Target::NoRoute(_), RequestedTarget::Routed(AreaSelector::Path, _)) => format!(
            "{said_request} leads to no area and action: give an area a route for it with `claviger area edit AREA --route PATH`"
        ),
        (Target::NoRoute(_), RequestedTarget::Unroutable(detail)) => astray(*detail, &said_request),
    };
    Check {
        history: history_lines(facts.history.area.as_ref(), "area", "changed"),
        ..check(Reason::NoRoute, State::Holds, evidence)
    }
}

/// Returns why two programs could read the path differently, and what to do.
fn ambiguous(said_request: &str, facts: &Facts<'_>) -> String {
    let path = RequestPath::read(facts.wanted.path.as_bytes());
    let why = match path.map(|path| path.unambiguous().is_some()) {
        None => {
            "for some program the path could leave its own prefix, or hold what no path may hold: it is always refused"
        }
        Some(true) => {
            "without case, or with its characters composed, the path would lead further in, so two programs could read it differently; if the API distinguishes case, say so with `claviger area edit AREA --case-sensitive yes`"
        }
        Some(false) => {
            "two programs could read the path differently (an escaped slash or percent sign, a semicolon, an empty segment, or a character that must be escaped); if the API has such paths, say so with `claviger area edit AREA --paths opaque`, or let a location of the gateway name the area"
        }
    };
    format!("{said_request}: {why}")
        .trim_start_matches(": ")
        .to_owned()
}

/// Returns why a request leads nowhere whatever the routes, and the fix.
fn astray(detail: Detail, said_request: &str) -> String {
    match detail {
        Detail::UnknownEndpointPath => "the gateway called a path that the endpoint does not have, or not for the gateway that --gateway names".to_owned(),
        Detail::UntrustedPeer => "who asked is no trusted proxy, so method and path were not believed: start the endpoint with --trusted-proxy, or let the gateway send a proxy secret, once".to_owned(),
        Detail::MethodNotSaidOnce => "the gateway did not say the method exactly once: `claviger doctor --gateway` names the directive".to_owned(),
        Detail::PathNotSaidOnce => "the gateway did not say the path exactly once: `claviger doctor --gateway` names the directive".to_owned(),
        Detail::MethodOverride => "a header asks for another method (X-HTTP-Method-Override and its like): the client must not send it".to_owned(),
        Detail::UnknownMethod => format!("{said_request}: no route can name this method"),
        Detail::UnknownArea => "there is no such area".to_owned(),
        _ => format!("{said_request} leads to no area and action").trim().to_owned(),
    }
}

fn action(rules: &Rules, request: &Request, facts: &Facts<'_>) -> Check {
    let Target::Routed(area, action) = &request.target else {
        return check(
            Reason::ActionNotPermitted,
            State::Holds,
            "no area and action to look for",
        );
    };
    let granted = rules.conditions.grants.of(area);
    let titles: Vec<String> = granted
        .iter()
        .map(|action| action.title().to_owned())
        .collect();
    let title = title(facts.areas, area);
    let evidence = match (granted.contains(*action), titles.is_empty()) {
        (true, _) => format!("{title} grants {}", join(&titles)),
        (false, true) => format!("{title} grants nothing, not {}", action.title()),
        (false, false) => format!("{title} grants {}, not {}", join(&titles), action.title()),
    };
    Check {
        history: history_lines(facts.history.of(Condition::Grants), "grants", "changed"),
        fix: Some(Fix::Grant(area.clone(), *action)),
        ..check(Reason::ActionNotPermitted, State::Holds, evidence)
    }
}

fn history_lines(changed: Option<&Changed>, what: &str, verb: &str) -> Vec<String> {
    let sentence = |changed: &Changed| changed.sentence(what, verb).replace("  ", " ");
    changed.map(sentence).into_iter().collect()
}

fn is_known(areas: &[Area], slug: &AreaSlug) -> bool {
    areas.iter().any(|area| area.slug == *slug)
}

fn known(areas: &[Area]) -> String {
    let slugs: Vec<&str> = areas.iter().map(|area| area.slug.as_str()).collect();
    format!("the areas are {}", slugs.join(", "))
}
