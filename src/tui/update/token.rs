//! Handles intents in the dialogs of tokens: the new token, copy as, a shown token.
use super::{close, explain};
use crate::tui::{
    keymap::{Intent, neighbour},
    message::{CopyForm, Effect},
    model::Model,
    token::{CopyAs, NewToken, Revealed, TokenButton},
};

pub(super) fn on_new_token(model: &mut Model, intent: Intent) -> Option<Effect> {
    let dialog = model.top_mut::<NewToken>()?;
    let NewToken {
        id, name, focus, ..
    } = dialog.clone();
    let wanted = match (intent, focus) {
        (Intent::Next, _) => {
            dialog.move_focus(true);
            return None;
        }
        (Intent::Previous, _) => {
            dialog.move_focus(false);
            return None;
        }
        (Intent::Accept, button) => button,
        (Intent::Copy, _) => TokenButton::Copy,
        (Intent::CopyAs, _) => TokenButton::CopyAs,
        (Intent::Reveal, _) => TokenButton::Reveal,
        (Intent::Explain, _) => TokenButton::Test,
        _ => return None,
    };
    match wanted {
        TokenButton::Copy => Some(Effect::Copy(id, CopyForm::Token)),
        TokenButton::CopyAs => {
            let form = CopyForm::ALL[0];
            model.open(CopyAs { id, name, form });
            None
        }
        TokenButton::Reveal => Some(Effect::Reveal(id)),
        TokenButton::Test => explain::open(model),
        TokenButton::Close => close(model),
    }
}

pub(super) fn on_copy_as(model: &mut Model, intent: Intent) -> Option<Effect> {
    let choice = model.top_mut::<CopyAs>()?;
    match intent {
        Intent::Up | Intent::Down => {
            choice.form = neighbour(&CopyForm::ALL, choice.form, intent == Intent::Down);
        }
        Intent::Accept => {
            let effect = Effect::Copy(choice.id.clone(), choice.form);
            model.modals.pop();
            return Some(effect);
        }
        _ => {}
    }
    None
}

pub(super) fn on_revealed(model: &mut Model, intent: Intent) -> Option<Effect> {
    let revealed = model.top::<Revealed>()?;
    let id = revealed.shown.id.clone();
    match intent {
        Intent::Save => Some(Effect::Save(id)),
        Intent::Copy => Some(Effect::Copy(id, CopyForm::Token)),
        _ => None,
    }
}
