//! The evidence for the limits of a key: what is used up, until when, and who knows it.
//!
//! Each endpoint counts a rate limit in its own memory, so nobody else can tell how much of it is
//! left. For a recorded refusal, the record says it; otherwise the check stays unknown. A quota is
//! counted in the store, where endpoints reserve shares of it.
use super::{super::Fix, Check, Facts, State, check, history_lines};
use crate::domain::{
    conditions::Condition,
    decision::{Reason, Request, Rules},
    moment::Moment,
    text::thousands,
    usage::Refusal,
};

/// Returns the evidence for the rate limit.
pub(super) fn rate_limit(rules: &Rules, request: &Request, facts: &Facts<'_>) -> Check {
    let Some(limit) = rules.conditions.rate_limit else {
        return check(
            Reason::RateLimited,
            State::Holds,
            "the key has no rate limit",
        );
    };
    let words = limit.words();
    let (state, evidence) = match (
        request.exhausted.rate_limit_until,
        recorded(facts, Reason::RateLimited),
    ) {
        (Some(until), _) => (
            State::Fails,
            format!(
                "{words}: used up; as recorded then, one more passes from {} UTC; `claviger edit {} --rate-limit` sets a larger limit",
                until.date_and_seconds(),
                rules.id
            ),
        ),
        (None, Some((at, until))) => (
            State::Unknown,
            format!(
                "{words}: recorded as used up at {} UTC{}; only each endpoint knows what is left now",
                at.date_and_seconds(),
                until.map_or_else(String::new, |until| format!(
                    ", with one more from {} UTC",
                    until.date_and_seconds()
                ))
            ),
        ),
        (None, None) => (
            State::Unknown,
            format!("{words}: only each endpoint knows what is left now"),
        ),
    };
    Check {
        history: history_lines(facts.history.of(Condition::RateLimit), "limit", "set"),
        fix: request.exhausted.rate_limit_until.map(Fix::Wait),
        ..check(Reason::RateLimited, state, evidence)
    }
}

/// Returns the evidence for the quota.
pub(super) fn quota(rules: &Rules, request: &Request, facts: &Facts<'_>) -> Check {
    let Some(quota) = rules.conditions.quota else {
        return check(Reason::QuotaExceeded, State::Holds, "the key has no quota");
    };
    let period = quota.period().word();
    let (_, next) = quota.period().around(request.at);
    let evidence = match (request.exhausted.quota_until, facts.quota_reserved) {
        (Some(until), _) => format!(
            "all {} requests of this {period} are used or reserved by endpoints: requests pass again from {} on; `claviger edit {} --quota N/{period}` sets a larger quota",
            thousands(quota.count()),
            until.as_start(),
            rules.id
        ),
        (None, Some(reserved)) => format!(
            "of {} requests a {period}, at most {} are used; the count starts again {}",
            thousands(quota.count()),
            thousands(reserved.min(quota.count())),
            next.as_start()
        ),
        (None, None) => quota.words(),
    };
    Check {
        history: history_lines(facts.history.of(Condition::Quota), "quota", "set"),
        fix: request.exhausted.quota_until.map(Fix::Wait),
        ..check(Reason::QuotaExceeded, State::Holds, evidence)
    }
}

/// Returns when the explained request was refused for this reason, and from when on another one
/// would have passed.
fn recorded(facts: &Facts<'_>, reason: Reason) -> Option<(Moment, Option<Moment>)> {
    let refusal: &Refusal = facts.refusal.filter(|refusal| refusal.reason == reason)?;
    Some((refusal.at, refusal.passes_at))
}
