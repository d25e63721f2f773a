//! The effects about people: the audit log is read, members are read and changed.
use crate::{
    domain::text::visible,
    keyring::{Keyring, KeyringError},
    tui::{
        audit,
        message::{Effect, Message},
    },
};

pub(super) async fn carry_out(effect: Effect, keyring: &Keyring) -> Option<Message> {
    let said = |done: Result<(), KeyringError>, sentence: &str| {
        let said = done.map(|()| sentence.to_owned());
        Message::MemberSaved(said.map_err(|error| error.to_string()))
    };
    Some(match effect {
        Effect::ReadEvents(filter, onward) => {
            let read = keyring.events(&filter, onward, audit::PAGE).await;
            Message::EventsRead(filter, onward, read.map_err(|error| error.to_string()))
        }
        Effect::ReadMembers => {
            let read = keyring.members().await;
            Message::MembersRead(read.map_err(|error| error.to_string()))
        }
        Effect::AddMember(draft) => match keyring.add_member(&draft).await {
            Ok((_, look_alikes)) => said(Ok(()), &added(&look_alikes)),
            Err(error) => said(Err(error), ""),
        },
        Effect::EditMember(seen, draft) => {
            said(keyring.edit_member(&seen, &draft).await, "Member updated.")
        }
        Effect::RemoveMember(seen) => said(keyring.remove_member(&seen).await, "Member removed."),
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
