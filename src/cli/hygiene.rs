//! `hygiene`: lists keys that should be corrected, each with the command that does so.
use serde_json::{Value, json};

use super::{
    Failure,
    output::{self, Output},
};
use crate::{
    domain::{
        access::Area,
        agent::AgentName,
        hygiene::{HygieneFinding, HygieneRow, Proposal, WATCHED_DAYS},
        key::Key,
        moment::{DAY, Moment},
        text::visible,
    },
    keyring::Keyring,
};

pub(super) async fn run(
    keyring: &Keyring,
    agent: Option<&AgentName>,
    output: &mut Output,
) -> Result<(), Failure> {
    let areas = keyring.areas().await?;
    let scope = keyring.scope_of(agent).await?;
    let since = keyring.counted_since().await?;
    if !output.json {
        output::print_notice(&watching(since, keyring.now()));
    }
    let (mut after, mut found) = (None, 0_u64);
    if output.json {
        let head = json!({ "watching_since": since.map(Moment::rfc3339) }).to_string();
        // The output is one streamed object: the findings are written before its closing brace.
        output.buffered(head.trim_end_matches('}').as_bytes())?;
        output.buffered(b",\"findings\":[")?;
    }
    loop {
        let inspected = keyring.inspect(&scope, after).await?;
        for row in &inspected.rows {
            if output.json {
                let separator = if found == 0 { "" } else { "," };
                let row = json_of(row, &areas);
                output.buffered(format!("{separator}{row}").as_bytes())?;
            } else {
                output.buffered(format!("{}\n", line(row, &areas)).as_bytes())?;
            }
            found += 1;
        }
        after = inspected.next;
        if after.is_none() {
            break;
        }
    }
    if output.json {
        output.buffered(b"]}\n")?;
    } else if found == 0 {
        output::print_notice("Nothing to put right.");
    }
    output.flush()
}

fn watching(since: Option<Moment>, now: Moment) -> String {
    let Some(since) = since else {
        return format!(
            "Nothing was counted yet: uses are counted once `claviger serve` or `claviger check` decides, and nothing is proposed before {WATCHED_DAYS} days of that."
        );
    };
    let days = (now.millis() - since.millis()) / DAY;
    let soon = if days < WATCHED_DAYS {
        format!("; nothing is proposed before {WATCHED_DAYS} days")
    } else {
        String::new()
    };
    format!("Watching since {}, {days} days{soon}.", since.date())
}

fn line(row: &HygieneRow, areas: &[Area]) -> String {
    let proposal = match &row.proposal {
        Ok(proposal) => command(&row.key, proposal),
        Err(why) => format!("- ({why})"),
    };
    [
        row.key.id.as_str(),
        &visible(row.key.name()),
        &row.finding.words(areas),
        &proposal,
    ]
    .join("\t")
}

/// Returns the command that makes the proposed change.
fn command(key: &Key, proposal: &Proposal) -> String {
    let id = &key.id;
    match proposal {
        Proposal::Revoke => format!("claviger revoke {id} --reason unused"),
        Proposal::End(end) => format!("claviger edit {id} --expires {}", end.as_expiry_input()),
        Proposal::Narrow(allow) => {
            format!(
                "claviger edit {id} --allow-ip '{}'",
                allow.entries().join(",")
            )
        }
        Proposal::Drop(grants) => {
            let each = grants.iter().map(|(area, actions)| {
                let left = key.draft.conditions.grants.of(area).without(actions);
                format!(" --grant {area}={}", left.words())
            });
            format!("claviger edit {id}{}", each.collect::<String>())
        }
    }
}

fn json_of(row: &HygieneRow, areas: &[Area]) -> Value {
    let (proposal, command, why) = match &row.proposal {
        Ok(proposal) => {
            let words = proposal.words(areas);
            (Some(words), Some(command(&row.key, proposal)), None)
        }
        Err(why) => (None, None, Some(why)),
    };
    json!({
        "key_id": row.key.id.as_str(),
        "key_name": row.key.name(),
        "finding": row.finding.word(),
        "days": match row.finding {
            HygieneFinding::Idle(days) | HygieneFinding::LongDisabled(days) => Some(days),
            _ => None,
        },
        "words": row.finding.words(areas),
        "proposal": proposal,
        "command": command,
        "no_proposal": why,
    })
}
