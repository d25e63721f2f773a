//! `workspace`: shows the workspace's label, database and policy, and changes the label and the
//! policy.
use serde_json::json;

use super::{
    Failure, WorkspaceArguments,
    output::{self, Output},
};
use crate::{
    domain::{audit::Change, member::Role, moment::parse_days, policy::Policy, text::visible},
    keyring::Keyring,
};

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &WorkspaceArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    // Parsed before anything is changed, so that a refused value changes nothing.
    let policy = policy(keyring.policy().await?, arguments)?;
    let mut label = keyring.workspace().label.clone();
    if let Some(new) = &arguments.label {
        output.recorded(keyring.relabel(new).await?);
        label.clone_from(new);
    }
    if arguments.sets_policy() {
        output.recorded(keyring.set_policy(policy).await?);
    }
    if output.waits(
        Change::PolicyChanged,
        &["workspace"],
        json!({ "label": label }),
    )? {
        return Ok(());
    }
    if arguments.approve_widening.is_some() && policy.approve_widening {
        let members = keyring.members().await?;
        let owners = members.iter().filter(|it| it.draft.role == Role::Owner);
        if owners.count() < 2 {
            output::complain(
                "fewer than two members are owners: if the only one loses their SSH key, nobody can approve a change of the members or the policy any more. Add another owner: `claviger member add NAME --role owner --ssh-key FILE`",
            );
        }
    }
    if output.json {
        return output.json(&json!({
            "label": label,
            "database": keyring.place().to_string(),
            "created_at": keyring.workspace().created_at.rfc3339(),
            "actor": keyring.actor().to_string(),
            "longest_life_days": policy.longest_life,
            "must_expire": policy.must_expire,
            "approve_widening": policy.approve_widening,
        }));
    }
    output.line(&format!(
        "{} in {}, as {}",
        visible(&label),
        keyring.place(),
        keyring.actor()
    ))?;
    match policy.sentence() {
        sentence if sentence.is_empty() => Ok(()),
        sentence => output.line(&sentence),
    }
}

fn policy(before: Policy, arguments: &WorkspaceArguments) -> Result<Policy, Failure> {
    let mut policy = before;
    match arguments.longest_life.as_deref() {
        None => {}
        Some("none") => policy.longest_life = None,
        Some(text) => {
            let days = parse_days(text).ok_or_else(|| {
                Failure::Refused(format!(
                    "{} is no longest life: write a number of days, such as 90d, or none",
                    visible(text)
                ))
            })?;
            policy.longest_life = Some(days);
        }
    }
    if let Some(word) = &arguments.approve_widening {
        policy.approve_widening = word == "yes";
    }
    if let Some(word) = &arguments.must_expire {
        policy.must_expire = word == "yes";
        if let (false, Some(days)) = (policy.must_expire, policy.longest_life) {
            return Err(Failure::Refused(format!(
                "with a longest life of {days} days every key must end: leave --must-expire out, or add --longest-life none"
            )));
        }
    }
    Ok(policy)
}
