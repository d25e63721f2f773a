//! Carries out the effects on members.

use super::Warning;
use crate::{
    domain::{
        member::{Member, MemberDraft},
        text::visible,
    },
    keyring::{Keyring, KeyringError, Recorded},
    tui::message::Message,
};

/// Adds a member.
pub(super) async fn add(draft: &MemberDraft, keyring: &Keyring, warning: &mut Warning) -> Message {
    match keyring.add_member(draft).await {
        Ok(member) => saved(Ok(member.recorded), &added(&member.look_alikes), warning),
        Err(error) => saved(Err(error), "", warning),
    }
}

/// Changes a member.
pub(super) async fn edit(
    seen: &Member,
    draft: &MemberDraft,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Message {
    saved(
        keyring.edit_member(seen, draft).await,
        "Member updated.",
        warning,
    )
}

/// Removes a member.
pub(super) async fn remove(seen: &Member, keyring: &Keyring, warning: &mut Warning) -> Message {
    saved(
        keyring.remove_member(seen).await,
        "Member removed.",
        warning,
    )
}

fn saved(done: Result<Recorded, KeyringError>, sentence: &str, warning: &mut Warning) -> Message {
    let done = done.map(|recorded| {
        let sentence = match (recorded.waiting, recorded.events) {
            (0, 0) => "The member was like that already.",
            (0, _) => sentence,
            _ => "It waits for approval: nothing is changed until another owner approves it (W).",
        };
        warning.take(recorded);
        sentence.to_owned()
    });
    Message::MemberSaved(done.map_err(|error| error.to_string()))
}

fn added(look_alikes: &[String]) -> String {
    if look_alikes.is_empty() {
        return "Member added.".to_owned();
    }
    let names: Vec<String> = look_alikes.iter().map(|name| visible(name)).collect();
    format!(
        "Member added. The name looks like {}: check that you did not mean that one.",
        names.join(", ")
    )
}
