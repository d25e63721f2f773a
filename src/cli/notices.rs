//! `notices`: prints what somebody should be told about keys, for timers and for people.
use serde_json::json;

use super::{
    Failure, NoticesArguments,
    output::{self, Output},
};
use crate::{
    domain::{
        moment::{Moment, duration},
        owner::Owner,
        text::visible,
    },
    keyring::{Keyring, Notices},
};

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &NoticesArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let within = duration(arguments.within.trim()).ok_or_else(|| {
        Failure::Refused(format!(
            "{} is no time: write a number of days or hours, such as 14d",
            visible(&arguments.within)
        ))
    })?;
    let scope = keyring.scope_of(arguments.agent.as_ref()).await?;
    let Notices {
        notices,
        unreadable,
    } = keyring.notices(&scope, within).await?;
    for (key, notice) in &notices {
        if output.json {
            let mut line = json!({
                "key_id": key.id.as_str(),
                "key_name": key.name(),
                "agent": key.agent.as_str(),
                "owner": key.draft.owner.as_ref().map(Owner::as_str),
                "notice": notice.word(),
                "at": notice.at().map(Moment::rfc3339),
                "words": notice.words(),
            });
            if !output.several_agents
                && let Some(fields) = line.as_object_mut()
            {
                fields.shift_remove("agent");
            }
            output.buffered(format!("{line}\n").as_bytes())?;
            continue;
        }
        let owner = key.draft.owner.as_ref().map_or("-", Owner::as_str);
        let cells = [
            key.id.as_str(),
            &visible(key.name()),
            &notice.words(),
            &visible(owner),
        ];
        output.buffered(format!("{}\n", cells.join("\t")).as_bytes())?;
    }
    output.flush()?;
    for error in &unreadable {
        output::complain(&error.to_string());
    }
    if notices.is_empty() && unreadable.is_empty() && !output.json {
        output::print_notice("Nothing to tell.");
    }
    if arguments.exit_code && !(notices.is_empty() && unreadable.is_empty()) {
        return Err(Failure::Silent);
    }
    Ok(())
}
