//! `explain`: shows why a request was refused, whether it would be refused now, and the commands
//! that would let it pass.
use serde_json::{Value, json};

use super::{
    ExplainArguments, Failure,
    output::{self, Output},
    refused,
    show::refusal_json,
};
use crate::{
    domain::{
        access::{Actions, find_area},
        decision::{Decision, Detail, reason_words},
        explain::{self, Check, ExplainSubject, Explanation, Fix, State},
        forwarded::Client,
        key::Key,
        text::visible,
        usage::RequestedAccess,
    },
    keyring::{Keyring, KeyringError},
};

/// The widths of the columns of states and checks, in characters.
const STATE: usize = 5;
const CHECK: usize = 7;

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &ExplainArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let found = keyring.question_about(&arguments.subject).await?;
    let described = requested(keyring, arguments, &found).await?;
    let wished = arguments.area.is_some() || arguments.request.is_some();
    let made_up = !wished && matches!(found, ExplainSubject::Request { .. });
    let explanation = keyring.explain(described.unwrap_or(found)).await?;
    if made_up && explanation.key.is_some() {
        output::print_notice(
            "No refusal of this key is known. This is an ordinary request; describe another with --area and --action, or --request, and --ip.",
        );
    }
    if output.json {
        return output.json(&json_of(&explanation));
    }
    output.line(&text(&explanation).join("\n"))
}

/// Returns the request that the options describe, or `None` if they describe none.
async fn requested(
    keyring: &Keyring,
    arguments: &ExplainArguments,
    question: &ExplainSubject,
) -> Result<Option<ExplainSubject>, Failure> {
    let wanted = match (&arguments.area, &arguments.action, &arguments.request) {
        (Some(area), Some(action), _) => {
            let area = area.parse().map_err(KeyringError::Access)?;
            find_area(&keyring.areas().await?, &area).map_err(refused)?;
            RequestedAccess::named(area, action.parse().map_err(KeyringError::Access)?)
        }
        (_, _, Some(request)) => RequestedAccess::routed(request).map_err(Failure::Refused)?,
        _ if arguments.ip.is_none() => return Ok(None),
        _ => question.wanted().clone(),
    };
    let Some(key) = question.key() else {
        return Err(Failure::Refused(
            "a request can be described for a key: this decision is about none".into(),
        ));
    };
    // As in `check`, an address that is not given is unknown.
    Ok(Some(ExplainSubject::Request {
        key: key.clone(),
        client: Client::given(arguments.ip),
        wanted,
    }))
}

fn text(explanation: &Explanation) -> Vec<String> {
    let mut lines = Vec::new();
    match (&explanation.name, explanation.question.key()) {
        (Some(name), Some(id)) => lines.push(format!("{} ({id})", visible(name))),
        _ => lines.push("No key".to_owned()),
    }
    lines.push(format!(
        "{} from {}",
        explanation.request_line(),
        explanation.request.address
    ));
    if let ExplainSubject::Request { .. } = &explanation.question {
        lines.push("A described request, with the key's current token".to_owned());
    }
    if let ExplainSubject::Refusal(refusal) = &explanation.question {
        lines.push(format!(
            "Refused {} UTC, {}: {}",
            refusal.at.date_and_clock(),
            refusal.id,
            refusal.reason_words()
        ));
    }
    lines.push(match &explanation.decision {
        Decision::Allow { .. } => "ALLOWED now".to_owned(),
        Decision::Deny { reason, detail, .. } => {
            format!("DENIED now: {}", reason_words(*reason, *detail))
        }
    });
    lines.push(String::new());
    for check in &explanation.checks {
        let state = match check.state {
            State::Holds => "ok",
            State::Fails => "FAILS",
            State::Unknown => "-",
        };
        let name = explain::name(check.reason);
        lines.push(format!(
            "{state:<STATE$}  {name:<CHECK$}  {}",
            check.evidence
        ));
        let indent = " ".repeat(STATE + 2 + CHECK + 2);
        if check.state == State::Fails
            || check.reason == crate::domain::decision::Reason::AddressNotAllowed
        {
            lines.extend(check.history.iter().map(|line| format!("{indent}{line}")));
        }
    }
    let commands = fixes(explanation);
    if !commands.is_empty() {
        lines.push(String::new());
        lines.push("What would let this request pass:".to_owned());
        lines.extend(
            commands
                .into_iter()
                .map(|(change, command)| format!("  {}", command.unwrap_or(change))),
        );
    }
    lines
}

/// Returns the changes that would fix the failing checks, each with the command that makes it, if
/// it takes more than to wait. The
/// list is empty if a failing check has no fix or if there is no key.
fn fixes(explanation: &Explanation) -> Vec<(String, Option<String>)> {
    let failing = explanation
        .checks
        .iter()
        .filter(|check| check.state == State::Fails);
    let fixes: Option<Vec<&Fix>> = failing.map(|check| check.fix.as_ref()).collect();
    let (Some(fixes), Some(key)) = (fixes, &explanation.key) else {
        return Vec::new();
    };
    let said = |fix: &Fix| (fix.sentence(&explanation.areas), command(fix, key));
    fixes.into_iter().map(said).collect()
}

fn command(fix: &Fix, key: &Key) -> Option<String> {
    let id = &key.id;
    Some(match fix {
        Fix::Wait(_) => return None,
        Fix::Begin => format!("claviger edit {id} --not-before none"),
        Fix::Undeny(address) => {
            let left = key.draft.conditions.deny.without(*address)?;
            let left = if left.is_empty() { "none" } else { &left };
            format!("claviger edit {id} --deny-ip '{left}'")
        }
        Fix::Enable => format!("claviger enable {id}"),
        Fix::Approve => format!("claviger approve {id}"),
        Fix::End(end) => format!("claviger edit {id} --expires {}", end.as_expiry_input()),
        Fix::Address(address) => {
            format!(
                "claviger edit {id} --allow-ip '{}'",
                key.draft.conditions.allow.with(*address)
            )
        }
        Fix::Grant(area, action) => {
            let actions: Actions = key.draft.conditions.grants.of(area).with(*action);
            format!("claviger edit {id} --grant {area}={}", actions.words())
        }
    })
}

fn json_of(explanation: &Explanation) -> Value {
    let (decision, reason, detail) = match &explanation.decision {
        Decision::Allow { .. } => ("allow", None, None),
        Decision::Deny { reason, detail, .. } => {
            ("deny", Some(reason.word()), detail.map(Detail::word))
        }
    };
    let (recorded, decision_id) = match &explanation.question {
        ExplainSubject::Refusal(refusal) => (refusal_json(refusal), json!(refusal.id.as_str())),
        ExplainSubject::Request { .. } => (Value::Null, Value::Null),
    };
    let check = |check: &Check| {
        json!({
            "check": check.reason.word(),
            "state": match check.state {
                State::Holds => "holds",
                State::Fails => "fails",
                State::Unknown => "untold",
            },
            "evidence": check.evidence,
            "history": check.history,
        })
    };
    let fixes: Vec<Value> = fixes(explanation)
        .into_iter()
        .map(|(change, command)| json!({ "change": change, "command": command }))
        .collect();
    json!({
        "decision": decision,
        "reason": reason,
        "detail": detail,
        "decision_id": decision_id,
        "key_id": explanation.question.key().map(crate::domain::token::KeyId::as_str),
        "key_name": explanation.name,
        "recorded": recorded,
        "checks": explanation.checks.iter().map(check).collect::<Vec<_>>(),
        "mends": fixes,
    })
}
