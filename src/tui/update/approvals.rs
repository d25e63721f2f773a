//! Handles intents on the screen of the requests for approval, and the answers to its effects.
use crate::{
    domain::{approval::PendingChange, token::KeyId},
    tui::{approvals::ApprovalsDialog, keymap::Intent, message::Effect, model::Model},
};

pub(super) fn on_approvals(model: &mut Model, intent: Intent) -> Option<Effect> {
    let dialog = model.find_mut::<ApprovalsDialog>()?;
    if let Some(asked) = &mut dialog.asked {
        match intent {
            Intent::Next => asked.acts = !asked.acts,
            Intent::Accept => {
                let asked = dialog.asked.take().filter(|asked| asked.acts)?;
                return Some(Effect::Decide(Box::new(asked.request), asked.approve));
            }
            _ => {}
        }
        return None;
    }
    dialog.rows.said = None;
    dialog.rows.problem = None;
    dialog.rows.step(intent);
    match intent {
        Intent::Accept => dialog.ask(true),
        Intent::Revoke => dialog.ask(false),
        _ => {}
    }
    None
}

/// Takes in the requests.
pub(super) fn read(model: &mut Model, found: Result<Vec<PendingChange>, String>) {
    let Some(dialog) = model.find_mut::<ApprovalsDialog>() else {
        return;
    };
    match found {
        Ok(found) => dialog.take_in(found),
        Err(sentence) => dialog.rows.problem = Some(sentence),
    }
}

/// Reports the decision on a request; a new key that was rejected is gone.
pub(super) fn decided(model: &mut Model, done: Result<(String, Option<KeyId>), String>) -> Effect {
    if let Some(dialog) = model.find_mut::<ApprovalsDialog>() {
        dialog.rows.stale = true;
        (dialog.rows.said, dialog.rows.problem) = match &done {
            Ok((said, _)) => (Some(said.clone()), None),
            Err(why) => (None, Some(why.clone())),
        };
    }
    match done {
        Ok((said, revoked)) => {
            model.remove(revoked.as_slice());
            model.notify(said);
        }
        Err(why) => model.report_error(why),
    }
    model.refresh()
}

/// Says that changes were not made and wait for approval.
pub(super) fn waits(model: &mut Model, count: usize) {
    model.notify(match count {
        1 => "It waits for approval: nothing is changed until somebody else approves it (W).".to_owned(),
        count => format!("{count} changes wait for approval: nothing is changed until somebody else approves them (W)."),
    });
}

/// Says after a change which requests it withdrew.
pub(super) fn withdrew(model: &mut Model, requests: &[String]) {
    let before = model.notice.as_ref().map_or("", |notice| &notice.text);
    let what = requests.join(", ");
    let said = format!("{before} This withdraws what waited for approval there: {what}.");
    model.notify(said.trim().to_owned());
}
