//! Handles intents in the confirmations.
use super::close;
use crate::tui::{
    confirmation::{Confirmation, ConfirmationFocus, Verb},
    keymap::Intent,
    message::Effect,
    model::Model,
};

use super::wizard::{MOST_SCROLL, REVIEW_PAGE};

pub(super) fn on_confirmation(model: &mut Model, intent: Intent) -> Option<Effect> {
    let confirmation = model.top_mut::<Confirmation>()?;
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
                    Verb::ApplyHygiene => {
                        let hygiene_changes = confirmation.hygiene_changes.clone();
                        Effect::ApplyHygiene(seen.into_iter().zip(hygiene_changes).collect())
                    }
                    Verb::Rotate => Effect::Rotate(seen.into_iter().next()?, confirmation.overlap),
                });
            }
        },
        _ => {}
    }
    None
}
