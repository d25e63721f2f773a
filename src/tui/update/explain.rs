//! What intents do in the test of access: moving, asking, and fixing.
use crate::{
    domain::explain::{Explanation, Mend},
    tui::{
        confirmation::{Confirmation, Verb},
        dialog::Modal,
        explain::{AccessFocus, AccessRow, AccessTest},
        keymap::Intent,
        message::Effect,
        model::Model,
        wizard::Wizard,
    },
};

/// Opens the test of the selected key, or of the one that was just made.
pub(super) fn open(model: &mut Model) -> Option<Effect> {
    let test = match model.modals.last() {
        Some(Modal::NewToken(dialog)) => {
            AccessTest::new_token(dialog.id.clone(), dialog.name.clone())
        }
        Some(Modal::Hygiene(hygiene)) => AccessTest::of(&hygiene.selected()?.key),
        _ => AccessTest::of(model.selected()?),
    };
    model.modals.push(Modal::Access(Box::new(test)));
    None
}

pub(super) fn on_access(model: &mut Model, intent: Intent) -> Option<Effect> {
    let areas = model.areas.clone();
    let Some(Modal::Access(test)) = model.modals.last_mut() else {
        return None;
    };
    match (intent, test.focus) {
        (Intent::Up, _) => test.move_row(false),
        (Intent::Down, _) => test.move_row(true),
        (Intent::Next, _) => test.move_field(true),
        (Intent::Previous, _) => test.move_field(false),
        (Intent::Left, _) => test.choose(false, areas.len()),
        (Intent::Right, _) => test.choose(true, areas.len()),
        (Intent::Accept, AccessFocus::Field(_)) => test.ask(&areas),
        (Intent::Accept, AccessFocus::Row(at)) => match test.rows().get(at) {
            Some(AccessRow::Refused(refusal)) => {
                let refusal = (*refusal).clone();
                test.ask_about(refusal);
            }
            Some(AccessRow::Failing(_)) => return fix(model),
            None => {}
        },
        (Intent::Fix, _) => return fix(model),
        _ => {}
    }
    None
}

/// Opens the edit with the mending change filled in, or asks whether to switch the key on.
fn fix(model: &mut Model) -> Option<Effect> {
    let (now, areas, policy) = (model.now, model.areas.clone(), model.policy);
    let test = model.access_test()?;
    let mend = test.to_mend()?.mend.as_ref()?;
    let key = test.told.as_ref()?.key.as_ref()?;
    let opened = if *mend == Mend::Enable {
        Modal::Confirmation(Confirmation::about(Verb::Enable, vec![key.clone()], now))
    } else {
        Modal::Wizard(Box::new(
            Wizard::mending(key, mend, &areas, now).under(policy),
        ))
    };
    model.modals.push(opened);
    None
}

/// An explanation arrived.
pub(super) fn explained(model: &mut Model, ticket: u64, told: Result<Box<Explanation>, String>) {
    if model
        .explaining
        .take_if(|awaited| *awaited == ticket)
        .is_none()
    {
        return;
    }
    let tests = model.modals.iter_mut().rev().find_map(|modal| match modal {
        Modal::Access(test) => Some(test),
        _ => None,
    });
    let Some(test) = tests else { return };
    match told {
        Ok(told) => test.answered(*told),
        Err(sentence) => test.problem = Some(sentence),
    }
}

/// Something changed: what was explained is explained anew.
pub(super) fn doubt(model: &mut Model) {
    for modal in &mut model.modals {
        if let Modal::Access(test) = modal {
            test.stale = true;
        }
    }
}
