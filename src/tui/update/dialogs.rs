//! Handles intents in the wizard, the confirmations, the token dialogs and the palette.
use super::{close, explain, perform};
use crate::{
    domain::{access::Actions, key::KeyVersion},
    tui::{
        confirmation::{ConfirmationFocus, Verb},
        dialog::{Modal, NewToken, TokenButton, palette_entries},
        explain::ExplainDialog,
        keymap::{BINDINGS, Intent},
        message::{CopyForm, Effect},
        model::Model,
        wizard::{BasicsFocus, MatrixFocus, WizardPurpose, WizardStep},
    },
};

/// The number of lines by which a page key scrolls a dialog's text, and the maximum scroll offset.
const REVIEW_PAGE: u16 = 3;
const MOST_SCROLL: u16 = 600;

pub(super) fn on_wizard(model: &mut Model, intent: Intent) -> Option<Effect> {
    let (now, areas) = (model.now, &model.areas);
    let Some(Modal::Wizard(wizard)) = model.modals.last_mut() else {
        return None;
    };
    if wizard.saving {
        return None;
    }
    match intent {
        Intent::Next => wizard.move_focus(true),
        Intent::Previous => wizard.move_focus(false),
        Intent::Up => wizard.move_cell(-1, 0, areas.len()),
        Intent::Down => wizard.move_cell(1, 0, areas.len()),
        Intent::Left => wizard.move_cell(0, -1, areas.len()),
        Intent::Right => wizard.move_cell(0, 1, areas.len()),
        Intent::PageUp | Intent::PageDown if matches!(wizard.step, WizardStep::Basics(_)) => {}
        Intent::PageUp => wizard.scroll = wizard.scroll.saturating_sub(REVIEW_PAGE),
        Intent::PageDown => wizard.scroll = (wizard.scroll + REVIEW_PAGE).min(MOST_SCROLL),
        Intent::Toggle => wizard.toggle(areas),
        Intent::GrantNone => wizard.preset(Actions::NONE, areas),
        Intent::GrantRead => wizard.preset(Actions::READ, areas),
        Intent::GrantWrite => wizard.preset(Actions::READ_AND_WRITE, areas),
        Intent::GrantAll => wizard.preset(Actions::ALL, areas),
        Intent::Accept => match wizard.step {
            WizardStep::Basics(BasicsFocus::Cancel) => return close(model),
            WizardStep::Basics(_) => wizard.next_step(now),
            WizardStep::Permissions(_, MatrixFocus::Back) => wizard.back(),
            WizardStep::Permissions(..) => return save(model),
        },
        _ => {}
    }
    None
}

fn save(model: &mut Model) -> Option<Effect> {
    let Some(Modal::Wizard(wizard)) = model.modals.last_mut() else {
        return None;
    };
    let draft = wizard.draft()?;
    if let WizardPurpose::Edit(key) = &wizard.purpose {
        if key.draft == draft {
            model.modals.pop();
            model.notify("Nothing was changed.");
            return None;
        }
        wizard.saving = true;
        return Some(Effect::Edit(KeyVersion::of(key), draft));
    }
    wizard.saving = true;
    Some(Effect::Create(wizard.agent.clone(), draft))
}

pub(super) fn on_confirmation(model: &mut Model, intent: Intent) -> Option<Effect> {
    let Some(Modal::Confirmation(confirmation)) = model.modals.last_mut() else {
        return None;
    };
    if confirmation.working {
        return None;
    }
    match intent {
        Intent::Next => confirmation.move_focus(true),
        Intent::Previous => confirmation.move_focus(false),
        Intent::PageUp => confirmation.scroll = confirmation.scroll.saturating_sub(REVIEW_PAGE),
        Intent::PageDown => {
            confirmation.scroll = (confirmation.scroll + REVIEW_PAGE).min(MOST_SCROLL);
        }
        Intent::Left => confirmation.sideways(false),
        Intent::Right => confirmation.sideways(true),
        Intent::Accept => match confirmation.focus {
            ConfirmationFocus::Cancel => return close(model),
            ConfirmationFocus::Reason => confirmation.move_focus(true),
            ConfirmationFocus::Field | ConfirmationFocus::Act => {
                if !confirmation.confirmed() {
                    return None;
                }
                confirmation.working = true;
                let seen = confirmation.seen();
                if let Some(damaged) = &confirmation.damaged {
                    let reason = confirmation.reason.unwrap_or_default();
                    return Some(Effect::RevokeDamaged(damaged.id.clone(), reason));
                }
                return Some(match confirmation.verb {
                    Verb::Revoke => Effect::Revoke(seen, confirmation.reason.unwrap_or_default()),
                    Verb::Disable => Effect::Switch(seen, true),
                    Verb::Enable => Effect::Switch(seen, false),
                    Verb::Tidy => {
                        let hygiene_changes = confirmation.hygiene_changes.clone();
                        Effect::Tidy(seen.into_iter().zip(hygiene_changes).collect())
                    }
                    Verb::Rotate => Effect::Rotate(seen.into_iter().next()?, confirmation.overlap),
                });
            }
        },
        _ => {}
    }
    None
}

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

pub(super) fn on_palette(model: &mut Model, intent: Intent) -> Option<Effect> {
    let below = model.modals.len() == 1;
    let Some(Modal::Palette(palette)) = model.modals.last() else {
        return None;
    };
    let (text, selected) = (palette.input.value().to_owned(), palette.selected);
    let entries = palette_entries(&text, |intent| palette_allows(model, intent, below));
    let Some(Modal::Palette(palette)) = model.modals.last_mut() else {
        return None;
    };
    match intent {
        Intent::Up => {
            palette.selected = selected
                .checked_sub(1)
                .unwrap_or(entries.len().saturating_sub(1));
        }
        Intent::Down => {
            palette.selected = if selected + 1 < entries.len() {
                selected + 1
            } else {
                0
            };
        }
        Intent::Accept => {
            if let Some(id) = palette.decision() {
                model.modals.pop();
                let asked = ExplainDialog::decision(id);
                model.modals.push(Modal::Explain(Box::new(asked)));
                return None;
            }
            let (_, intent) = *entries.get(selected)?;
            model.modals.pop();
            return if model.allows(intent) {
                perform(model, intent)
            } else {
                None
            };
        }
        _ => {}
    }
    None
}

/// Whether the palette offers an intent. Over another dialog it offers only intents that are bound
/// everywhere.
#[must_use]
pub fn palette_allows(model: &Model, intent: Intent, on_list: bool) -> bool {
    let everywhere = BINDINGS
        .iter()
        .any(|b| b.places.is_empty() && b.intent == intent);
    (on_list || everywhere) && model.allows(intent)
}
