//! Handles intents in the access test: moving, asking and fixing.
use crate::{
    domain::explain::{Explanation, Fix},
    tui::{
        confirmation::{Confirmation, Verb},
        explain::{ExplainDialog, ExplainFocus, ExplainRow},
        hygiene::HygieneDialog,
        keymap::Intent,
        message::Effect,
        model::Model,
        token::NewToken,
        wizard::Wizard,
    },
};

/// Opens the access test of the selected key, or of the key that just got a new token.
pub(super) fn open(model: &mut Model) -> Option<Effect> {
    let test = if let Some(dialog) = model.top::<NewToken>() {
        ExplainDialog::new_token(dialog.id.clone(), dialog.name.clone())
    } else if let Some(hygiene) = model.top::<HygieneDialog>() {
        ExplainDialog::of(&hygiene.rows.selected()?.key)
    } else {
        ExplainDialog::of(model.selected()?)
    };
    model.open(test);
    None
}

pub(super) fn on_explain(model: &mut Model, intent: Intent) -> Option<Effect> {
    let areas = model.areas.clone();
    let test = model.top_mut::<ExplainDialog>()?;
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
    let test = model.top::<ExplainDialog>()?;
    let fix = test.to_fix()?.fix.as_ref()?;
    let key = test.explanation.as_ref()?.key.as_ref()?;
    if *fix == Fix::Enable {
        let confirmation = Confirmation::about(Verb::Enable, vec![key.clone()], now);
        model.open(confirmation);
    } else {
        let wizard = Wizard::fixes(key, fix, &areas, now).under(policy);
        model.open(wizard);
    }
    None
}

/// Takes in an explanation.
pub(super) fn explained(model: &mut Model, read: Result<Box<Explanation>, String>) {
    let Some(test) = model.find_mut::<ExplainDialog>() else {
        return;
    };
    match read {
        Ok(explanation) => test.answered(*explanation),
        Err(sentence) => test.problem = Some(sentence),
    }
}
