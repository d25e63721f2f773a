//! Handles intents about people: the members, their form, and the choice of an agent.
use crate::{
    domain::{listing::Direction, member::Member},
    tui::{
        agents::{AgentChoice, AgentChoicePurpose},
        dialog::Modal,
        keymap::Intent,
        members::{FormFocus, MemberForm, MembersDialog, Removal},
        message::{Effect, Message},
        model::{Model, Placement},
        wizard::Wizard,
    },
};

/// The number of rows by which a page key moves the selection.
const PAGE: isize = 10;

fn screen(model: &mut Model) -> Option<&mut MembersDialog> {
    model.modals.iter_mut().rev().find_map(|modal| match modal {
        Modal::Members(members) => Some(members.as_mut()),
        _ => None,
    })
}

pub(super) fn on_members(model: &mut Model, intent: Intent) -> Option<Effect> {
    let several = model.agents.len() > 1;
    let members = screen(model)?;
    (members.said, members.problem) = (None, None);
    match intent {
        Intent::Up => members.walk(-1),
        Intent::Down => members.walk(1),
        Intent::PageUp => members.walk(-PAGE),
        Intent::PageDown => members.walk(PAGE),
        Intent::New => {
            let form = MemberForm::new(several);
            model.modals.push(Modal::MemberForm(Box::new(form)));
        }
        Intent::Edit => {
            let form = MemberForm::of(members.selected()?, several);
            model.modals.push(Modal::MemberForm(Box::new(form)));
        }
        Intent::Revoke => {
            let member = Box::new(members.selected()?.clone());
            model.modals.push(Modal::Removal(Removal {
                member,
                act: false,
                working: false,
            }));
        }
        _ => {}
    }
    None
}

pub(super) fn on_form(model: &mut Model, intent: Intent) -> Option<Effect> {
    let Some(Modal::MemberForm(form)) = model.modals.last_mut() else {
        return None;
    };
    if form.working {
        return None;
    }
    match intent {
        Intent::Next => form.move_focus(true),
        Intent::Previous => form.move_focus(false),
        Intent::Left => form.sideways(false),
        Intent::Right => form.sideways(true),
        Intent::Accept if form.focus == FormFocus::Cancel => {
            model.modals.pop();
        }
        Intent::Accept => return save(form),
        _ => {}
    }
    None
}

fn save(form: &mut MemberForm) -> Option<Effect> {
    match form.draft() {
        Err((focus, sentence)) => {
            form.focus = focus;
            form.problem = Some(sentence);
            None
        }
        Ok(draft) => {
            form.working = true;
            Some(match &form.seen {
                None => Effect::AddMember(draft),
                Some(seen) => Effect::EditMember(seen.clone(), draft),
            })
        }
    }
}

pub(super) fn on_removal(model: &mut Model, intent: Intent) -> Option<Effect> {
    let Some(Modal::Removal(removal)) = model.modals.last_mut() else {
        return None;
    };
    if removal.working {
        return None;
    }
    match intent {
        Intent::Next | Intent::Previous | Intent::Left | Intent::Right => {
            removal.act = !removal.act;
        }
        Intent::Accept if removal.act => {
            removal.working = true;
            return Some(Effect::RemoveMember(removal.member.clone()));
        }
        Intent::Accept => {
            model.modals.pop();
        }
        _ => {}
    }
    None
}

/// Handles the answers to the effects about people and the audit log.
pub(super) fn answered(model: &mut Model, message: Message) -> Option<Effect> {
    match message {
        Message::EventsRead(filter, onward, events) => {
            super::audit::read(model, &filter, onward, events);
            None
        }
        Message::Exported(exported) => {
            super::audit::exported(model, exported);
            None
        }
        Message::MembersRead(members) => {
            read(model, members);
            None
        }
        Message::MemberSaved(done) => {
            saved(model, done);
            Some(model.refresh())
        }
        Message::Warned(sentence) => {
            model.report_error(sentence);
            None
        }
        Message::Expelled(sentence) => {
            model.parting = Some(sentence);
            Some(Effect::Quit)
        }
        _ => None,
    }
}

/// Takes in the members that were read. A form in progress is updated; the confirmation about a
/// member who was changed or removed is withdrawn.
fn read(model: &mut Model, read: Result<Vec<Member>, String>) {
    if let Ok(members) = &read {
        let now = |seen: &Member| members.iter().find(|it| it.id == seen.id);
        let mut withdrawn = None;
        for modal in &mut model.modals {
            match modal {
                Modal::Removal(removal) if !removal.working => {
                    let is_same = |it: &Member| it.draft == removal.member.draft;
                    if !now(&removal.member).is_some_and(is_same) {
                        withdrawn = Some(removal.member.name().to_owned());
                    }
                }
                Modal::MemberForm(form) if !form.working => {
                    let theirs = form.seen.as_ref().and_then(|seen| now(seen)).cloned();
                    if let Some(theirs) = theirs {
                        form.rebase(&theirs);
                    }
                }
                _ => {}
            }
        }
        if let Some(name) = withdrawn {
            model
                .modals
                .retain(|modal| !matches!(modal, Modal::Removal(_)));
            if let Some(screen) = screen(model) {
                screen.problem = Some(format!(
                    "{name} was changed or removed meanwhile: the question was withdrawn. Look again."
                ));
            }
        }
    }
    let Some(members) = screen(model) else { return };
    match read {
        Ok(found) => members.take_in(found),
        Err(sentence) => members.problem = Some(sentence),
    }
}

/// Reports whether a change to a member was made.
fn saved(model: &mut Model, saved: Result<String, String>) {
    let mut trouble = None;
    // Another dialog, such as the help, may be on top of the form by now.
    let form = model.modals.iter_mut().rev().find_map(|modal| match modal {
        Modal::MemberForm(form) if form.working => Some(form),
        _ => None,
    });
    match (saved, form) {
        (Err(sentence), Some(form)) => {
            form.working = false;
            form.problem = Some(sentence);
            if let Some(screen) = screen(model) {
                screen.stale = true;
            }
            return;
        }
        (Err(sentence), _) => trouble = Some(sentence),
        (Ok(sentence), _) => {
            if let Some(screen) = screen(model) {
                screen.said = Some(sentence);
            }
        }
    }
    model.modals.retain(|modal| {
        let working = match modal {
            Modal::MemberForm(form) => form.working,
            Modal::Removal(removal) => removal.working,
            _ => false,
        };
        !working
    });
    if let Some(screen) = screen(model) {
        screen.stale = true;
        screen.problem = trouble;
    }
}

/// Marks the members and the audit log as stale, because something changed.
pub(super) fn mark_stale(model: &mut Model) {
    if let Some(members) = screen(model) {
        members.stale = true;
    }
    if let Some(audit) = super::audit::screen(model) {
        audit.mark_stale();
    }
}

pub(super) fn on_agents(model: &mut Model, intent: Intent) -> Option<Effect> {
    let Some(Modal::Agents(choice)) = model.modals.last_mut() else {
        return None;
    };
    match intent {
        Intent::Up => choice.walk(false),
        Intent::Down => choice.walk(true),
        Intent::Accept => {
            let chosen = choice.choices.get(choice.at)?.clone();
            let choosing = choice.choosing;
            model.modals.pop();
            if choosing == AgentChoicePurpose::NewKey {
                let wizard = Wizard::new_key().under(model.policy).of_agent(chosen);
                model.modals.push(Modal::Wizard(Box::new(wizard)));
                return None;
            }
            if model.list.agent == chosen {
                return None;
            }
            model.list.agent = chosen;
            // A mark that is no longer visible must not be acted on.
            model.list.marks.clear();
            return Some(model.load(Direction::First, Placement::Top));
        }
        _ => {}
    }
    None
}

/// Reports why the user may not do something, on the screen they are looking at.
pub(super) fn refuse(model: &mut Model, why: String) {
    match model.modals.last_mut() {
        Some(Modal::Members(members)) => members.problem = Some(why),
        Some(Modal::Audit(audit)) => audit.problem = Some(why),
        Some(Modal::Hygiene(hygiene)) => hygiene.problem = Some(why),
        Some(Modal::Explain(test)) => test.problem = Some(why),
        _ => {
            // A key press means that the previous message was read.
            model.dismiss_notice();
            model.report_error(why);
        }
    }
}

/// Opens the wizard for a new key, or first the choice of an agent if several are possible.
pub(super) fn new_key(model: &mut Model) {
    let opened = match (&model.list.agent, model.agents.as_slice()) {
        (None, [_, _, ..]) => Modal::Agents(AgentChoice::for_new_key(&model.agents)),
        (agent, _) => {
            let wizard = Wizard::new_key()
                .under(model.policy)
                .of_agent(agent.clone());
            Modal::Wizard(Box::new(wizard))
        }
    };
    model.modals.push(opened);
}
