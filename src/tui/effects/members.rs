//! Carries out the effects on members.

use super::Warning;
use crate::{
    domain::text::visible,
    keyring::{Keyring, KeyringError, Recorded},
    tui::message::{Effect, Message},
};

/// Adds, changes or removes a member.
pub(super) async fn change(
    effect: Effect,
    keyring: &Keyring,
    warning: &mut Warning,
) -> Option<Message> {
    let mut saved = |done: Result<Recorded, KeyringError>, sentence: &str| {
        let done = done.map(|recorded| {
            let changed = recorded.events > 0;
            warning.take(recorded);
            let unchanged = "The member was like that already.";
            (if changed { sentence } else { unchanged }).to_owned()
        });
        Message::MemberSaved(done.map_err(|error| error.to_string()))
    };
    Some(match effect {
        Effect::AddMember(draft) => match keyring.add_member(&draft).await {
            Ok(member) => saved(Ok(member.recorded), &added(&member.look_alikes)),
            Err(error) => saved(Err(error), ""),
        },
        Effect::EditMember(seen, draft) => {
            saved(keyring.edit_member(&seen, &draft).await, "Member updated.")
        }
        Effect::RemoveMember(seen) => saved(keyring.remove_member(&seen).await, "Member removed."),
        _ => return None,
    })
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
