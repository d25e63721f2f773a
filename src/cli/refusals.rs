//! `refusals`: lists the newest refusals of all keys, and of tokens that belong to no key.
use serde_json::{Value, json};

use super::{
    Failure, RefusalsArguments,
    output::{self, Output},
    show::refusal_json,
};
use crate::{
    domain::{text::visible, token::KeyId, usage::Refusal},
    keyring::Keyring,
};

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &RefusalsArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let scope = keyring.scope_of(arguments.agent.as_ref()).await?;
    let refusals = keyring
        .recent_refusals(arguments.unmatched, &scope, arguments.limit)
        .await?;
    if output.json {
        let all: Vec<Value> = refusals.iter().map(json_of).collect();
        return output.json(&Value::Array(all));
    }
    if refusals.is_empty() {
        output::print_notice("No refusal is kept.");
        return Ok(());
    }
    let lines: Vec<String> = refusals.iter().map(line).collect();
    output.line(&lines.join("\n"))
}

fn line((refusal, name): &(Refusal, Option<String>)) -> String {
    let whose = match (&refusal.key, name, &refusal.named) {
        (Some(_), Some(name), _) => visible(name),
        (Some(id), None, _) => id.to_string(),
        (None, _, Some(named)) => format!("no key; names {named}"),
        (None, _, None) => "no key".to_owned(),
    };
    format!("{}  {whose}", refusal.line())
}

fn json_of((refusal, name): &(Refusal, Option<String>)) -> Value {
    let mut fields = refusal_json(refusal);
    fields["key_id"] = json!(refusal.key.as_ref().map(KeyId::as_str));
    fields["key_name"] = json!(name);
    fields["names_key_id"] = json!(refusal.named.as_ref().map(KeyId::as_str));
    fields
}
