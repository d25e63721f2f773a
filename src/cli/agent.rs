//! `agent`: lists, adds, edits and removes the agents that keys belong to.
use serde_json::{Value, json};

use super::{
    AgentCommand, Failure,
    output::{self, Output, counted},
};
use crate::{
    domain::{
        agent::{AgentName, AgentSummary},
        token::TokenPrefix,
    },
    keyring::Keyring,
};

pub(super) async fn run(
    keyring: &Keyring,
    command: &AgentCommand,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        AgentCommand::Add { name, prefix } => {
            let prefix = prefix.clone().unwrap_or_default().0;
            output.recorded(keyring.add_agent(name, &prefix).await?);
            done(name, ("added", Some(&prefix)), output)
        }
        AgentCommand::Edit { name, prefix } => {
            let recorded = keyring.set_agent_prefix(name, &prefix.0).await?;
            if output.recorded(recorded) || output.json {
                return done(name, ("edited", Some(&prefix.0)), output);
            }
            output::print_notice(&format!(
                "Nothing to change: the tokens of agent {name} begin with {}_ already.",
                prefix.0
            ));
            Ok(())
        }
        AgentCommand::Remove { name } => {
            output.recorded(keyring.remove_agent(name).await?);
            done(name, ("removed", None), output)
        }
        AgentCommand::List => list(keyring, output).await,
    }
}

fn done(
    name: &AgentName,
    (what, prefix): (&str, Option<&TokenPrefix>),
    output: &mut Output,
) -> Result<(), Failure> {
    let prefix = prefix.filter(|prefix| **prefix != TokenPrefix::default());
    if output.json {
        return output.json(&json!({ "agent": name.as_str(), what: true }));
    }
    output::print_notice(&format!("Agent {what}."));
    if let Some(prefix) = prefix {
        output::print_notice(&format!(
            "From now on, and also after the prefix was changed, a request with two different values that begin with the prefix of an agent is refused (two_credentials): no other service of yours should use {prefix}_."
        ));
    }
    if what == "edited" {
        output::print_notice(
            "Existing tokens keep the prefix that they have, and stay valid; rotating a key gives it a token with the new one.",
        );
    }
    if what == "added" {
        output::print_notice(&format!(
            "Its keys are made with --agent {name}; a gateway asks for it at /agents/{name}/authorize."
        ));
    }
    Ok(())
}

async fn list(keyring: &Keyring, output: &mut Output) -> Result<(), Failure> {
    let agents = keyring.agent_summaries().await?;
    if output.json {
        let each = |agent: &AgentSummary| {
            json!({
                "agent": agent.name.as_str(),
                "keys": agent.keys,
                "prefix": agent.prefix.as_str(),
            })
        };
        return output.json(&agents.iter().map(each).collect::<Value>());
    }
    for AgentSummary { name, prefix, keys } in &agents {
        let keys = counted(usize::try_from(*keys).unwrap_or(usize::MAX), "key");
        let own = if *prefix == TokenPrefix::default() {
            String::new()
        } else {
            format!("  tokens begin with {prefix}_")
        };
        output.line(&format!("{name}  {keys}{own}"))?;
    }
    Ok(())
}
