//! Handles intents in the dialogs of members, and the answers to the effects on them.
use crate::{
    domain::member::Member,
    tui::{
        keymap::Intent,
        members::{FormFocus, MemberForm, MembersDialog, Removal},
        message::Effect,
        modal::Modal,
        model::Model,
    },
};

pub(super) fn on_members(model: &mut Model, intent: Intent) -> Option<Effect> {
    let several = model.agents.len() > 1;
    let members = &mut model.find_mut::<MembersDialog>()?.rows;
    (members.said, members.problem) = (None, None);
    members.step(intent);
    match intent {
        Intent::New => {
            let form = MemberForm::new(several);
            model.open(form);
        }
        Intent::Edit => {
            let form = MemberForm::of(members.selected()?, several);
            model.open(form);
        }
        Intent::Revoke => {
            let member = Box::new(members.selected()?.clone());
            model.open(Removal {
                member,
                act: false,
                working: false,
            });
        }
        _ => {}
    }
    None
}

pub(super) fn on_form(model: &mut Model, intent: Intent) -> Option<Effect> {
    let form = model.top_mut::<MemberForm>()?;
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
    let removal = model.top_mut::<Removal>()?;
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

/// Takes in the members that were read. A form in progress is updated; the confirmation about a
/// member who was changed or removed is withdrawn.
pub(super) fn read(model: &mut Model, read: Result<Vec<Member>, String>) {
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
            model.close_if::<Removal>(|_| true);
            if let Some(screen) = model.find_mut::<MembersDialog>() {
                screen.rows.problem = Some(format!(
                    "{name} was changed or removed meanwhile: the question was withdrawn. Look again."
                ));
            }
        }
    }
    let Some(members) = model.find_mut::<MembersDialog>() else {
        return;
    };
    match read {
        Ok(found) => members.rows.take_in(found, |old, new| old.id == new.id),
        Err(sentence) => members.rows.problem = Some(sentence),
    }
}

/// Reports whether a change to a member was made.
pub(super) fn saved(model: &mut Model, saved: Result<String, String>) {
    let mut trouble = None;
    // Another dialog, such as the help, may be on top of the form by now.
    let form = model.find_mut::<MemberForm>().filter(|form| form.working);
    match (saved, form) {
        (Err(sentence), Some(form)) => {
            form.working = false;
            form.problem = Some(sentence);
            if let Some(screen) = model.find_mut::<MembersDialog>() {
                screen.rows.stale = true;
            }
            return;
        }
        (Err(sentence), _) => trouble = Some(sentence),
        (Ok(sentence), _) => {
            if let Some(screen) = model.find_mut::<MembersDialog>() {
                screen.rows.said = Some(sentence);
            }
        }
    }
    model.close_if::<MemberForm>(|form| form.working);
    model.close_if::<Removal>(|removal| removal.working);
    if let Some(screen) = model.find_mut::<MembersDialog>() {
        screen.rows.stale = true;
        screen.rows.problem = trouble;
    }
}
