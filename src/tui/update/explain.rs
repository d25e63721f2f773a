//! Handles intents in the access test: moving, asking and fixing.
use crate::{
    domain::explain::{Explanation, Fix},
    tui::{
        confirmation::{Confirmation, Verb},
        dialog::Modal,
        explain::{ExplainDialog, ExplainFocus, ExplainRow},
        keymap::Intent,
        message::Effect,
        model::Model,
        wizard::Wizard,
    },
};

/// Opens the access test of the selected key, or of the key that just got a new token.
pub(super) fn open(model: &mut Model) -> Option<Effect> {
    let test = match model.modals.last() {
        Some(Modal::NewToken(dialog)) => {
            ExplainDialog::new_token(dialog.id.clone(), dialog.name.clone())
        }
        Some(Modal::Hygiene(hygiene)) => ExplainDialog::of(&hygiene.selected()?.key),
        _ => ExplainDialog::of(model.selected()?),
    };
    model.modals.push(Modal::Explain(Box::new(test)));
    None
}

pub(super) fn on_explain(model: &mut Model, intent: Intent) -> Option<Effect> {
    let areas = model.areas.clone();
    let Some(Modal::Explain(test)) = model.modals.last_mut() else {
        return None;
    };
    match (intent, test.focus) {
        (Intent::Up, _) => test.move_row(false),
        (Intent::Down, _) => test.move_row(true),
        (Intent::Next, _) => test.move_field(true),
        (Intent::Previous, _) => test.move_field(false),
        (Intent::Left, _) => test.choose(false, areas.len()),
        (Intent::Right, _) => test.choose(true, areas.len()),
        (Intent::Accept, ExplainFocus::Field(_)) => test.ask(&areas),
        (Intent::Accept, ExplainFocus::Row(at)) => match test.rows().get(at) {
            Some(ExplainRow::Refused(refusal)) => {
                let refusal = (*refusal).clone();
                test.ask_about(refusal);
            }
            Some(ExplainRow::Failing(_)) => return fix(model),
            None => {}
        },
        (Intent::Fix, _) => return fix(model),
        _ => {}
    }
    None
}

/// Opens the wizard with the fix filled in, or the confirmation for enabling the key.
fn fix(model: &mut Model) -> Option<Effect> {
    let (now, areas, policy) = (model.now, model.areas.clone(), model.policy);
    let test = model.explain_dialog()?;
    let mend = test.to_fix()?.mend.as_ref()?;
    let key = test.explanation.as_ref()?.key.as_ref()?;
    let opened = if *mend == Fix::Enable {
        Modal::Confirmation(Confirmation::about(Verb::Enable, vec![key.clone()], now))
    } else {
        Modal::Wizard(Box::new(
            Wizard::fixes(key, mend, &areas, now).under(policy),
        ))
    };
    model.modals.push(opened);
    None
}

/// Takes in an explanation. An answer with another ticket than the awaited one is dropped.
pub(super) fn explained(model: &mut Model, ticket: u64, told: Result<Box<Explanation>, String>) {
    if model
        .explaining
        .take_if(|awaited| *awaited == ticket)
        .is_none()
    {
        return;
    }
    let tests = model.modals.iter_mut().rev().find_map(|modal| match modal {
        Modal::Explain(test) => Some(test),
        _ => None,
    });
    let Some(test) = tests else { return };
    match told {
        Ok(told) => test.answered(*told),
        Err(sentence) => test.problem = Some(sentence),
    }
}

/// Marks every open explanation as stale, because something changed.
pub(super) fn mark_stale(model: &mut Model) {
    for modal in &mut model.modals {
        if let Modal::Explain(test) = modal {
            test.stale = true;
        }
    }
}
