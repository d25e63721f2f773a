//! `show`: prints all details of one key, with its use and its newest refusals.
use serde_json::{Value, json};

use super::{
    Failure, approval,
    output::{Output, key_and_status_json},
};
use crate::{
    domain::{
        agent::AgentScope,
        attention::Attention,
        audit::Change,
        conditions::{Conditions, Validity},
        decision::{Detail, Target},
        forwarded::{ClientAddress, Hop},
        key::{Key, PreviousTokenSummary},
        moment::Moment,
        review,
        text::{thousands, visible},
        usage::{Activity, Refusal},
    },
    keyring::Keyring,
};

/// The maximum number of refusals that text output lists.
const LISTED: usize = 10;

pub(super) async fn run(keyring: &Keyring, key: &str, output: &mut Output) -> Result<(), Failure> {
    let key = keyring.resolve(key).await?;
    let activity = keyring.activity(&key.id).await?;
    let now = keyring.now();
    let pending = keyring.pending_changes(&AgentScope::Everything).await?;
    let request = pending.iter().find(|one| one.subject == key.id.as_str());
    if output.json {
        let mut fields = json_of(
            key_and_status_json(&key, output.several_agents, now),
            &activity,
        );
        if let Some(request) = request {
            fields["pending"] = approval::json(request, keyring.actor());
        }
        return output.json(&fields);
    }
    let areas = keyring.areas().await?;
    let mut lines = vec![visible(key.name())];
    if !key.draft.description.as_str().is_empty() {
        lines.push(visible(key.draft.description.as_str()));
    }
    lines.push(review::sentence(&key.draft.conditions, &areas));
    lines.push(String::new());
    lines.push(format!("Id          {}", key.id));
    if output.several_agents {
        lines.push(format!("Agent       {}", key.agent));
    }
    lines.push(format!("Status      {}", status(&key, now)));
    if let Some(request) = request {
        lines.push(format!(
            "Waits       {} by {}, {} UTC: claviger approve {} --revision {}",
            request.title(),
            visible(&request.requester()),
            request.at.date_and_clock(),
            key.id,
            request.revision
        ));
        if request.change != Change::Created {
            let changes = request.lines(&areas).into_iter();
            lines.extend(changes.map(|line| format!("            {line}")));
        }
    }
    let Conditions {
        allow,
        deny,
        grants,
        not_before,
        expires_at,
        rate_limit,
        quota,
    } = &key.draft.conditions;
    for area in &areas {
        let actions = grants.of(&area.slug);
        lines.push(format!("{:<10}  {}", visible(&area.badge), actions.words()));
    }
    lines.push(format!("From        {allow}"));
    if !deny.is_empty() {
        lines.push(format!("Not from    {}", deny.entries().join(", ")));
    }
    if let Some(limit) = rate_limit {
        lines.push(format!("Rate limit  {}, at each endpoint", limit.words()));
    }
    if let Some(quota) = quota {
        lines.push(format!("Quota       {}", activity.quota_words(*quota, now)));
    }
    if let Some(owner) = &key.draft.owner {
        lines.push(format!("Owner       {}", visible(owner.as_str())));
    }
    if !key.draft.labels.is_empty() {
        lines.push(format!(
            "Labels      {}",
            visible(&key.draft.labels.written())
        ));
    }
    lines.push(format!(
        "Created     {} UTC",
        key.created_at.date_and_clock()
    ));
    if let Some(start) = not_before {
        lines.push(format!("Begins      {}", start.as_start()));
    }
    let expires = expires_at.map_or_else(|| "never".to_owned(), Moment::as_expiry);
    lines.push(format!("Expires     {expires}"));
    for previous in activity.previous_tokens.iter().filter(|it| it.is_news(now)) {
        lines.push(format!("Old token   {}", previous.sentence(&key, now)));
    }
    lines.push(format!("Last used   {}", key.last_used_words()));
    let (allowed, refused) = activity.hours.totals();
    lines.push(format!(
        "48 hours    {} allowed, {} refused",
        thousands(allowed),
        thousands(refused)
    ));
    refusals(&mut lines, &activity.refusals);
    output.line(&lines.join("\n"))
}

fn refusals(lines: &mut Vec<String>, all: &[Refusal]) {
    if all.is_empty() {
        return;
    }
    lines.push(String::new());
    let shown = all.len().min(LISTED);
    lines.push(format!("Last refusals, {shown} of {}", all.len()));
    for refusal in &all[..shown] {
        lines.push(format!("  {}", refusal.line()));
    }
}

/// Adds the use of a key to its fields.
fn json_of(mut fields: Value, activity: &Activity) -> Value {
    let (allowed, refused) = activity.hours.totals();
    fields["allowed_48h"] = json!(allowed);
    fields["refused_48h"] = json!(refused);
    fields["quota_used"] = json!(activity.quota_reserved);
    fields["former_tokens"] = activity
        .previous_tokens
        .iter()
        .map(previous_token_json)
        .collect();
    fields["refusals"] = activity.refusals.iter().map(refusal_json).collect();
    fields
}

fn previous_token_json(previous: &PreviousTokenSummary) -> Value {
    json!({
        "rotated_at": previous.rotated_at.rfc3339(),
        "valid_until": (!previous.is_ended()).then(|| previous.until.rfc3339()),
        "uses": previous.uses,
        "last_used_at": previous.last_use.map(|usage| usage.at.rfc3339()),
    })
}

/// Returns a refusal as a JSON object.
pub(super) fn refusal_json(refusal: &Refusal) -> Value {
    let (area, action) = match &refusal.target {
        Target::Routed(area, action) => (Some(area.as_str()), Some(action.word())),
        Target::NoRoute(_) => (None, None),
    };
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "decision_id": refusal.id.as_str(),
        "at": refusal.at.rfc3339(),
        "reason": refusal.reason.word(),
        "detail": refusal.detail.map(Detail::word),
        "passes_at": refusal.passes_at.map(Moment::rfc3339),
        "address": match refusal.address {
            ClientAddress::Known(address) => Some(address.to_string()),
            ClientAddress::Unknown | ClientAddress::Unreadable => None,
        },
        "address_from": match refusal.hop {
            Hop::Nowhere => None,
            hop => Some(hop.to_string()),
        },
        "unreadable": refusal.unreadable,
        "method": said(&refusal.wanted.method),
        "path": said(&refusal.wanted.path),
        "area": area,
        "action": action,
    })
}

fn status(key: &Key, now: Moment) -> String {
    if let Some(since) = key.disabled_at {
        return format!("disabled since {} UTC", since.date_and_clock());
    }
    if let Some(since) = key.pending_at {
        return format!(
            "pending, needs approval since {} UTC",
            since.date_and_clock()
        );
    }
    match (key.validity(now), Attention::of(key, now)) {
        (Validity::Expired(_), _) => Attention::Expired.to_string(),
        (Validity::NotYet(start), _) => format!("pending, begins {}", start.as_start()),
        (Validity::Valid, Some(attention)) => format!("active, {attention}"),
        (Validity::Valid, None) => "active".to_owned(),
    }
}
