//! Handles intents on the screen of what waits for approval, and the answers to its effects.
use crate::{
    domain::approval::PendingChange,
    tui::{approvals::ApprovalsDialog, keymap::Intent, message::Effect, model::Model},
};

pub(super) fn on_approvals(model: &mut Model, intent: Intent) -> Option<Effect> {
    let dialog = model.find_mut::<ApprovalsDialog>()?;
    if let (Intent::Accept, Some((request, approve))) = (intent, dialog.asked.clone()) {
        dialog.asked = None;
        return Some(Effect::Decide(Box::new(request), approve));
    }
    dialog.rows.said = None;
    dialog.rows.problem = None;
    if dialog.asked.is_some() {
        return None;
    }
    dialog.rows.step(intent);
    match intent {
        Intent::Accept => dialog.ask(true),
        Intent::Revoke => dialog.ask(false),
        _ => {}
    }
    None
}

/// Takes in what waits.
pub(super) fn read(model: &mut Model, found: Result<Vec<PendingChange>, String>) {
    let Some(dialog) = model.find_mut::<ApprovalsDialog>() else {
        return;
    };
    match found {
        Ok(found) => dialog.take_in(found),
        Err(sentence) => dialog.rows.problem = Some(sentence),
    }
}

/// Reports what became of a request.
pub(super) fn decided(model: &mut Model, done: Result<String, String>) -> Effect {
    if let Some(dialog) = model.find_mut::<ApprovalsDialog>() {
        dialog.rows.stale = true;
        (dialog.rows.said, dialog.rows.problem) = match &done {
            Ok(said) => (Some(said.clone()), None),
            Err(why) => (None, Some(why.clone())),
        };
    }
    match done {
        Ok(said) => model.notify(said),
        Err(why) => model.report_error(why),
    }
    model.refresh()
}
