//! Handles intents in the dialogs of tokens: the new token, copy as, a shown token.
use super::{close, explain};
use crate::tui::{
    dialog::{Modal, NewToken, TokenButton},
    keymap::Intent,
    message::{CopyForm, Effect},
    model::Model,
};

pub(super) fn on_new_token(model: &mut Model, intent: Intent) -> Option<Effect> {
    let Some(Modal::NewToken(dialog)) = model.modals.last_mut() else {
        return None;
    };
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
            model.modals.push(Modal::CopyAs {
                id,
                name,
                choice: 0,
            });
            None
        }
        TokenButton::Reveal => Some(Effect::Reveal(id)),
        TokenButton::Test => explain::open(model),
        TokenButton::Close => close(model),
    }
}

pub(super) fn on_copy_as(model: &mut Model, intent: Intent) -> Option<Effect> {
    let Some(Modal::CopyAs { id, choice, .. }) = model.modals.last_mut() else {
        return None;
    };
    let last = CopyForm::ALL.len() - 1;
    match intent {
        Intent::Up => *choice = choice.checked_sub(1).unwrap_or(last),
        Intent::Down => *choice = if *choice == last { 0 } else { *choice + 1 },
        Intent::Accept => {
            let effect = Effect::Copy(id.clone(), CopyForm::ALL[*choice]);
            model.modals.pop();
            return Some(effect);
        }
        _ => {}
    }
    None
}

pub(super) fn on_revealed(model: &mut Model, intent: Intent) -> Option<Effect> {
    let Some(Modal::Revealed(revealed)) = model.modals.last_mut() else {
        return None;
    };
    let id = revealed.shown.id.clone();
    match intent {
        Intent::Save => Some(Effect::Save(id)),
        Intent::Copy => Some(Effect::Copy(id, CopyForm::Token)),
        _ => None,
    }
}
