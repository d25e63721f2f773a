//! `approve`, `reject` and `list --pending`: the requests for approval.
use serde_json::{Value, json};

use super::{
    Failure,
    arguments::ApprovalArguments,
    output::{self, Output, brief, key_and_status_json},
};
use crate::{
    domain::{
        agent::AgentName,
        approval::PendingChange,
        audit::{Actor, Change},
        text::visible,
    },
    keyring::{Keyring, KeyringError, StoreError},
};

/// Approves or rejects the request that the text names.
pub(super) async fn decide(
    keyring: &Keyring,
    arguments: &ApprovalArguments,
    approve: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let request = keyring.pending_change(&arguments.subject).await?;
    if arguments
        .revision
        .is_some_and(|seen| seen != request.revision)
    {
        let changed = StoreError::NotPending(visible(&request.subject));
        return Err(KeyringError::from(changed).into());
    }
    let done = if approve {
        keyring.approve(&request).await?
    } else {
        keyring.reject(&request).await?
    };
    output.recorded(done);
    if output.json {
        return output.json(&json!({
            "id": request.subject,
            "name": request.name,
            "change": request.change.word(),
            "revision": request.revision,
            if approve { "approved" } else { "rejected" }: true,
        }));
    }
    let word = match (approve, request.change) {
        (true, _) => "Approved",
        (false, Change::Created) => "Rejected and revoked",
        (false, _) => "Rejected",
    };
    output::print_notice(&format!("{word}: {}.", sentence(&request)));
    for line in request.lines(&keyring.areas().await?) {
        output::print_notice(&format!("  {line}"));
    }
    Ok(())
}

/// Lists the requests for approval, the oldest first.
pub(super) async fn list(
    keyring: &Keyring,
    agent: Option<&AgentName>,
    output: &mut Output,
) -> Result<(), Failure> {
    let scope = keyring.scope_of(agent).await?;
    let pending = keyring.pending_changes(&scope).await?;
    let damaged = keyring.damaged_requests().await?;
    for error in &damaged {
        output::complain(&error.to_string());
    }
    let is_whole = || {
        if damaged.is_empty() {
            Ok(())
        } else {
            Err(Failure::Silent)
        }
    };
    if output.json {
        let mut objects = Vec::with_capacity(pending.len());
        for request in &pending {
            objects.push(object(keyring, request, output.several_agents).await);
        }
        output.json(&Value::Array(objects))?;
        return is_whole();
    }
    if pending.is_empty() && Output::is_terminal() {
        output::print_notice("Nothing waits for approval.");
    }
    let areas = keyring.areas().await?;
    for (at, request) in pending.iter().enumerate() {
        if at > 0 {
            output.line("")?;
        }
        output.line(&format!(
            "{}: {}, requested {} UTC by {}",
            visible(&request.subject),
            sentence(request),
            request.at.date_and_clock(),
            visible(&request.requester())
        ))?;
        for line in request.lines(&areas) {
            output.line(&format!("  {line}"))?;
        }
        let note = if request.is_of(keyring.actor()) {
            format!("  yours: {} approves it, with", request.approvers())
        } else {
            " ".to_owned()
        };
        output.line(&format!(
            "{note} claviger approve {} --revision {}",
            visible(&request.subject),
            request.revision
        ))?;
    }
    is_whole()
}

/// Returns a request in words: "key edited, Partner: Acme".
fn sentence(request: &PendingChange) -> String {
    format!("{}, {}", request.title(), brief(&request.name))
}

/// Returns a request as a JSON object: the key as `list` prints it, if it can be read, with the
/// request.
async fn object(keyring: &Keyring, request: &PendingChange, several_agents: bool) -> Value {
    let key = match request.subject.parse() {
        Ok(id) => keyring.key(&id).await.ok(),
        Err(_) => None,
    };
    let mut fields = match key {
        Some(key) => key_and_status_json(&key, several_agents, keyring.now()),
        None => json!({ "id": request.subject, "name": request.name }),
    };
    fields["pending"] = json(request, keyring.actor());
    fields
}

/// Returns a request as a JSON object, without its subject.
pub(super) fn json(request: &PendingChange, actor: &Actor) -> Value {
    json!({
        "change": request.change.word(),
        "revision": request.revision,
        "requested_at": request.at.rfc3339(),
        "requested_by": request.by,
        "requesters": request.proposers,
        "yours": request.is_of(actor),
        "before": request.before,
        "after": request.after,
    })
}
