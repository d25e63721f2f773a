//! `rotate`: gives a key a new token, while the old one stays valid for a time; or ends the old
//! ones.
use std::mem;

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    Failure, RotateArguments,
    output::{self, Output, key_json},
    refused,
};
use crate::{
    domain::{
        key::{Key, KeyVersion, RotatedTokens},
        moment::{Moment, parse_overlap},
        text::visible,
    },
    keyring::{Keyring, Rotated},
};

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &RotateArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let overlap = parse_overlap(&arguments.overlap).map_err(refused)?;
    let key = keyring.resolve(&arguments.key).await?;
    if arguments.finish {
        return finish(keyring, &key, output).await;
    }
    let mut rotated = keyring.rotate(&KeyVersion::of(&key), overlap).await?;
    output.recorded(mem::take(&mut rotated.recorded));
    hand_over(&rotated, output).map_err(|failure| {
        let id = &key.id;
        Failure::Failed(format!(
            "the key {id} has a new token, but that did not get out ({failure}): `claviger reveal {id}` prints it"
        ))
    })?;
    if !output.json {
        output::print_notice(&match rotated.key.rotated_tokens(rotated.until, keyring.now()) {
            RotatedTokens::OldGoodUntil(until) => format!(
                "API key rotated. The old token stays good until {} UTC: `claviger show {}` tells whether it is still used.",
                until.date_and_clock(),
                key.id
            ),
            RotatedTokens::OldEnded => {
                "API key rotated. The old token is refused from the next request on.".to_owned()
            }
            RotatedTokens::Disabled => {
                "API key rotated. The key is disabled: both tokens are refused until it is enabled."
                    .to_owned()
            }
            RotatedTokens::NotYet(start) => format!(
                "API key rotated. The key begins {}: its tokens are refused until then.",
                start.as_start()
            ),
            RotatedTokens::Expired { disabled } => format!(
                "API key rotated. The key has ended: the old token has ended with it, and the new one is refused until the key gets a new end with `claviger edit --expires`{}.",
                if disabled { " and is enabled" } else { "" }
            ),
        });
    }
    Ok(())
}

fn hand_over(rotated: &Rotated, output: &mut Output) -> Result<(), Failure> {
    let token = rotated.token.expose().expose_secret();
    if !output.json {
        return output.line(token);
    }
    let mut fields = key_json(&rotated.key, output.several_agents);
    if let Some(fields) = fields.as_object_mut() {
        fields.shift_insert(2, "token".into(), json!(token));
        let until = rotated.until.map(Moment::rfc3339);
        fields.insert("former_valid_until".into(), json!(until));
    }
    output.json(&fields)
}

async fn finish(keyring: &Keyring, key: &Key, output: &mut Output) -> Result<(), Failure> {
    output.recorded(keyring.finish_rotation(&KeyVersion::of(key)).await?);
    if output.json {
        let key = keyring.key(&key.id).await?;
        return output.json(&key_json(&key, output.several_agents));
    }
    output::print_notice(&format!(
        "The old token of {} is refused from the next request on.",
        visible(key.name())
    ));
    Ok(())
}
