//! `agent`: lists, adds and removes the agents that keys belong to.
use serde_json::{Value, json};

use super::{
    AgentCommand, Failure,
    output::{self, Output, counted},
};
use crate::{domain::agent::AgentName, keyring::Keyring};

pub(super) async fn run(
    keyring: &Keyring,
    command: &AgentCommand,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        AgentCommand::Add { name } => {
            output.recorded(keyring.add_agent(name).await?);
            done(name, "added", output)
        }
        AgentCommand::Remove { name } => {
            output.recorded(keyring.remove_agent(name).await?);
            done(name, "removed", output)
        }
        AgentCommand::List => list(keyring, output).await,
    }
}

fn done(name: &AgentName, what: &str, output: &mut Output) -> Result<(), Failure> {
    if output.json {
        return output.json(&json!({ "agent": name.as_str(), what: true }));
    }
    output::print_notice(&format!("Agent {what}."));
    if what == "added" {
        output::print_notice(&format!(
            "Its keys are made with --agent {name}; a gateway asks for it at /agents/{name}/authorize."
        ));
    }
    Ok(())
}

async fn list(keyring: &Keyring, output: &mut Output) -> Result<(), Failure> {
    let agents = keyring.counted_agents().await?;
    if output.json {
        let each =
            |(name, keys): &(AgentName, i64)| json!({ "agent": name.as_str(), "keys": keys });
        return output.json(&agents.iter().map(each).collect::<Value>());
    }
    for (name, keys) in &agents {
        let keys = counted(usize::try_from(*keys).unwrap_or(usize::MAX), "key");
        output.line(&format!("{name}  {keys}"))?;
    }
    Ok(())
}
