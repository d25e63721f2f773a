//! Handles intents on the hygiene screen, and the answers to its effects.
use super::explain;
use crate::tui::{
    confirmation::Confirmation,
    hygiene::HygieneDialog,
    keymap::Intent,
    message::{Effect, HygieneOutcome},
    model::Model,
    read::HygieneFindings,
};

pub(super) fn on_hygiene(model: &mut Model, intent: Intent) -> Option<Effect> {
    let now = model.now;
    let hygiene = model.find_mut::<HygieneDialog>()?;
    hygiene.rows.said = None;
    hygiene.rows.step(intent);
    match intent {
        Intent::Mark => hygiene.mark(),
        Intent::Explain => return explain::open(model),
        Intent::Apply => {
            let chosen = hygiene.chosen();
            if !chosen.is_empty() {
                let confirmation = Confirmation::hygiene_change(chosen, now);
                model.open(confirmation);
            }
        }
        _ => {}
    }
    None
}

/// Takes in the findings.
pub(super) fn inspected(model: &mut Model, found: Result<Box<HygieneFindings>, String>) {
    let Some(hygiene) = model.find_mut::<HygieneDialog>() else {
        return;
    };
    match found {
        Ok(found) => hygiene.take_in(*found),
        Err(sentence) => hygiene.rows.problem = Some(sentence),
    }
}

/// Reports the result of changes that were made together.
pub(super) fn tidied(model: &mut Model, tidied: &HygieneOutcome) -> Effect {
    let failed = tidied.failed.join("; ");
    let mut done = Vec::new();
    for (count, what) in [(tidied.edited, "edited"), (tidied.revoked.len(), "revoked")] {
        match count {
            0 => {}
            1 => done.push(format!("1 API key {what}")),
            count => done.push(format!("{count} API keys {what}")),
        }
    }
    let done = if done.is_empty() {
        "Nothing was changed".to_owned()
    } else {
        done.join(", ")
    };
    if let Some(hygiene) = model.find_mut::<HygieneDialog>() {
        hygiene.rows.stale = true;
        hygiene.rows.said = Some(format!("{done}."));
        hygiene.rows.problem = (!failed.is_empty()).then(|| format!("Not done: {failed}"));
    }
    if failed.is_empty() {
        model.notify(format!("{done}."));
    } else {
        model.report_error(format!("{done}; not done: {failed}"));
    }
    model.refresh()
}
