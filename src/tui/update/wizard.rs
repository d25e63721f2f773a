//! Handles intents in the wizard.
use super::close;
use crate::{
    domain::{access::Actions, key::KeyVersion},
    tui::{
        keymap::Intent,
        message::Effect,
        modal::InModal as _,
        model::Model,
        wizard::{BasicsFocus, MatrixFocus, Wizard, WizardPurpose, WizardStep},
    },
};

/// The number of lines by which a page key scrolls a dialog's text, and the maximum scroll offset.
pub(super) const REVIEW_PAGE: u16 = 3;
pub(super) const MOST_SCROLL: u16 = 600;

pub(super) fn on_wizard(model: &mut Model, intent: Intent) -> Option<Effect> {
    let (now, areas) = (model.now, &model.areas);
    let wizard = Wizard::of_mut(model.modals.last_mut()?)?;
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
            WizardStep::Basics(BasicsFocus::More) => wizard.unfold(),
            WizardStep::Basics(_) => wizard.next_step(now),
            WizardStep::Permissions(_, MatrixFocus::Back) => wizard.back(),
            WizardStep::Permissions(..) => return save(model),
        },
        _ => {}
    }
    None
}

fn save(model: &mut Model) -> Option<Effect> {
    let wizard = model.top_mut::<Wizard>()?;
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
