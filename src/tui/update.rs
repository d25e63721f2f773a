//! `update(model, message) -> effect`: everything that can happen, in one place.
//!
//! It is pure but for the model: no connection, no clock, no terminal. Keys become intents by the
//! one table of bindings; an intent that the model does not allow does nothing. Messages that
//! answer an effect are in [`answers`], the walk through the list in [`walk`].
mod answers;
mod walk;

use crossterm::event::{Event, KeyEvent};
use tui_input::{Input, InputRequest, backend::crossterm::to_input_request};

use super::{
    dialog::{
        Confirmation, ConfirmationFocus, Modal, NewToken, Palette, TokenButton, Verb,
        palette_entries,
    },
    keymap::{Chord, Intent, Place, intent_of},
    message::{CopyForm, Effect, Message},
    model::{Expect, Model},
    wizard::{BasicsFocus, MatrixFocus, Purpose, Step, Wizard, pasted_text},
};
use crate::domain::{
    access::Actions,
    key::Seen,
    listing::{Direction, Filter},
};

/// Takes a message in; answers what is to be done about it.
pub fn update(model: &mut Model, message: Message) -> Option<Effect> {
    match message {
        Message::Pressed(event) => pressed(model, event),
        Message::Pasted(text) => pasted(model, &text),
        Message::Resized(columns, rows) => {
            model.size = (columns, rows);
            walk::keep_in_view(model);
            walk::load_around(model)
        }
        other => answers::answered(model, other),
    }
}

fn pressed(model: &mut Model, event: KeyEvent) -> Option<Effect> {
    let place = model.place();
    let intent = intent_of(place, Chord::of(event));
    if let Some(Modal::Wizard(wizard)) = model.modals.last_mut()
        && !matches!(intent, Some(Intent::Close | Intent::Quit))
    {
        wizard.armed = false;
    }
    match intent {
        Some(intent) if model.allows(intent) => perform(model, intent),
        None if place.takes_text() => typed(model, to_input_request(&Event::Key(event))?),
        Some(_) | None => None,
    }
}

fn typed(model: &mut Model, request: InputRequest) -> Option<Effect> {
    match model.modals.last_mut() {
        Some(Modal::Wizard(wizard)) => {
            wizard.type_into(request);
            None
        }
        Some(Modal::Confirmation(confirmation)) => {
            let _ = confirmation.typed.handle(request);
            confirmation.problem = None;
            None
        }
        Some(Modal::Palette(palette)) => {
            let _ = palette.input.handle(request);
            palette.selected = 0;
            None
        }
        _ => {
            let input = model.list.typing.as_mut()?;
            let _ = input.handle(request);
            search(model)
        }
    }
}

/// A paste is text for the focused field; where there is none it is nothing, and never keys.
fn pasted(model: &mut Model, text: &str) -> Option<Effect> {
    if let Some(Modal::Wizard(wizard)) = model.modals.last_mut() {
        wizard.armed = false;
        wizard.paste(text);
        return None;
    }
    if !model.place().takes_text() {
        return None;
    }
    let mut effect = None;
    for c in pasted_text(text, " ").chars() {
        effect = typed(model, InputRequest::InsertChar(c)).or(effect);
    }
    effect
}

fn search(model: &mut Model) -> Option<Effect> {
    let text = model
        .list
        .typing
        .as_ref()
        .map(|input| input.value().to_owned())
        .unwrap_or_default();
    if text == model.list.filter.search {
        return None;
    }
    model.list.filter.search = text;
    Some(model.load(Direction::First, Expect::Top))
}

/// Does what is wanted, wherever the keys are.
fn perform(model: &mut Model, intent: Intent) -> Option<Effect> {
    // What was said is old once something else is done.
    if !matches!(intent, Intent::Redraw | Intent::Suspend) && model.clipboard.is_none() {
        model.notice = None;
    }
    match intent {
        Intent::Help => {
            let place = model.place();
            model.modals.push(Modal::Help { place, scroll: 0 });
            None
        }
        Intent::Palette => {
            model.modals.push(Modal::Palette(Palette::default()));
            None
        }
        Intent::Quit => quit(model),
        Intent::Interrupt => interrupt(model),
        Intent::Redraw => Some(Effect::Redraw),
        Intent::Suspend => Some(Effect::Suspend),
        Intent::Overwrite => Some(Effect::Overwrite),
        Intent::Close => close(model),
        _ => match model.modals.last_mut() {
            None => on_list(model, intent),
            Some(Modal::Details { .. }) => on_details(model, intent),
            Some(Modal::Wizard(_)) => on_wizard(model, intent),
            Some(Modal::Confirmation(_)) => on_confirmation(model, intent),
            Some(Modal::NewToken(_)) => on_new_token(model, intent),
            Some(Modal::CopyAs { .. }) => on_copy_as(model, intent),
            Some(Modal::Revealed(_)) => on_revealed(model, intent),
            Some(Modal::Help { scroll, .. }) => {
                scroll_by(scroll, intent);
                None
            }
            Some(Modal::Palette(_)) => on_palette(model, intent),
        },
    }
}

fn on_list(model: &mut Model, intent: Intent) -> Option<Effect> {
    if model.list.typing.is_some() && intent == Intent::Accept {
        model.list.typing = None;
        return None;
    }
    match intent {
        Intent::Up
        | Intent::Down
        | Intent::PageUp
        | Intent::PageDown
        | Intent::First
        | Intent::Last => walk::walked(model, intent),
        Intent::Filter => {
            model.list.typing = Some(Input::new(model.list.filter.search.clone()));
            walk::keep_in_view(model);
            None
        }
        Intent::OnlyAttention => {
            model.list.filter.attention = !model.list.filter.attention;
            Some(model.load(Direction::First, Expect::Top))
        }
        Intent::SortNext | Intent::SortReverse => Some(walk::sorted(model, intent)),
        Intent::Mark => walk::marked(model),
        Intent::Open => {
            model.modals.push(Modal::Details { scroll: 0 });
            None
        }
        other => on_key(model, other),
    }
}

fn on_details(model: &mut Model, intent: Intent) -> Option<Effect> {
    match intent {
        Intent::Up | Intent::Down => walk::walked(model, intent),
        other => on_key(model, other),
    }
}

/// What can be done with the selected key, from the list and from its details.
fn on_key(model: &mut Model, intent: Intent) -> Option<Effect> {
    let key = model.selected().cloned();
    match (intent, key) {
        (Intent::New, _) => {
            model
                .modals
                .push(Modal::Wizard(Box::new(Wizard::new_key())));
            None
        }
        (Intent::NewLike, Some(key)) => {
            model
                .modals
                .push(Modal::Wizard(Box::new(Wizard::like(&key, model.now))));
            None
        }
        (Intent::Edit, Some(key)) => {
            model
                .modals
                .push(Modal::Wizard(Box::new(Wizard::edit(&key))));
            None
        }
        (Intent::Copy, Some(key)) => Some(Effect::Copy(key.id, CopyForm::Token)),
        (Intent::CopyAs, Some(key)) => {
            let name = key.name().to_owned();
            model.modals.push(Modal::CopyAs {
                id: key.id,
                name,
                choice: 0,
            });
            None
        }
        (Intent::Reveal, Some(key)) => Some(Effect::Reveal(key.id)),
        (Intent::Switch, _) => switch(model),
        (Intent::Revoke, _) => {
            let confirmation = Confirmation::about(Verb::Revoke, model.targets(), model.now);
            model.modals.push(Modal::Confirmation(confirmation));
            None
        }
        _ => None,
    }
}

/// Disabling stops production with the next request, so it asks; enabling does not.
fn switch(model: &mut Model) -> Option<Effect> {
    let targets = model.targets();
    let active: Vec<_> = targets
        .iter()
        .filter(|key| key.disabled_at.is_none())
        .cloned()
        .collect();
    if active.is_empty() {
        return Some(Effect::Switch(
            targets.iter().map(Seen::of).collect(),
            false,
        ));
    }
    let confirmation = Confirmation::about(Verb::Disable, active, model.now);
    model.modals.push(Modal::Confirmation(confirmation));
    None
}

fn on_wizard(model: &mut Model, intent: Intent) -> Option<Effect> {
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
        Intent::Toggle => wizard.toggle(areas),
        Intent::GrantNone => wizard.preset(Actions::NONE, areas),
        Intent::GrantRead => wizard.preset(Actions::READ, areas),
        Intent::GrantWrite => wizard.preset(Actions::READ_AND_WRITE, areas),
        Intent::GrantAll => wizard.preset(Actions::ALL, areas),
        Intent::Accept => match wizard.step {
            Step::Basics(BasicsFocus::Cancel) => return close(model),
            Step::Basics(_) => wizard.next_step(now),
            Step::Permissions(_, MatrixFocus::Back) => wizard.back(),
            Step::Permissions(..) => return save(model),
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
    if let Purpose::Edit(key) = &wizard.purpose {
        if key.draft == draft {
            model.modals.pop();
            model.say("Nothing was changed.");
            return None;
        }
        wizard.saving = true;
        return Some(Effect::Edit(Seen::of(key), draft));
    }
    wizard.saving = true;
    Some(Effect::Create(draft))
}

fn on_confirmation(model: &mut Model, intent: Intent) -> Option<Effect> {
    let Some(Modal::Confirmation(confirmation)) = model.modals.last_mut() else {
        return None;
    };
    if confirmation.working {
        return None;
    }
    match intent {
        Intent::Next => confirmation.move_focus(true),
        Intent::Previous => confirmation.move_focus(false),
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
                return Some(match confirmation.verb {
                    Verb::Revoke => Effect::Revoke(seen, confirmation.reason.unwrap_or_default()),
                    Verb::Disable => Effect::Switch(seen, true),
                });
            }
        },
        _ => {}
    }
    None
}

fn on_new_token(model: &mut Model, intent: Intent) -> Option<Effect> {
    let Some(Modal::NewToken(dialog)) = model.modals.last_mut() else {
        return None;
    };
    let NewToken { id, name, focus } = dialog.clone();
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
        TokenButton::Close => close(model),
    }
}

fn on_copy_as(model: &mut Model, intent: Intent) -> Option<Effect> {
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

fn on_revealed(model: &mut Model, intent: Intent) -> Option<Effect> {
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

fn on_palette(model: &mut Model, intent: Intent) -> Option<Effect> {
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

/// Over another dialog the palette offers only what holds everywhere.
#[must_use]
pub fn palette_allows(model: &Model, intent: Intent, on_list: bool) -> bool {
    let everywhere = super::keymap::BINDINGS
        .iter()
        .any(|b| b.places.is_empty() && b.intent == intent);
    (on_list || everywhere) && model.allows(intent)
}

fn scroll_by(scroll: &mut u16, intent: Intent) {
    *scroll = match intent {
        Intent::Up => scroll.saturating_sub(1),
        Intent::Down => scroll.saturating_add(1),
        Intent::PageUp => scroll.saturating_sub(10),
        Intent::PageDown => scroll.saturating_add(10),
        _ => *scroll,
    };
}

/// Closes exactly one layer: a dialog, the typed filter, the kept filter, the marks.
fn close(model: &mut Model) -> Option<Effect> {
    match model.modals.last_mut() {
        Some(Modal::Wizard(wizard)) if wizard.saving => None,
        Some(Modal::Confirmation(confirmation)) if confirmation.working => None,
        Some(Modal::Wizard(wizard)) if wizard.changed() && !wizard.armed => {
            wizard.armed = true;
            None
        }
        Some(_) => {
            model.modals.pop();
            None
        }
        None if model.list.typing.is_some() || model.list.filter != Filter::default() => {
            model.list.typing = None;
            if model.list.filter == Filter::default() {
                return None;
            }
            model.list.filter = Filter::default();
            model.list.at_start = true;
            Some(model.load(Direction::First, Expect::Refresh))
        }
        None => {
            model.list.marks.clear();
            None
        }
    }
}

fn quit(model: &mut Model) -> Option<Effect> {
    if let Some(Modal::Wizard(wizard)) = model.modals.last_mut()
        && wizard.changed()
        && !wizard.armed
    {
        wizard.armed = true;
        return None;
    }
    Some(Effect::Quit)
}

/// Ctrl-C leaves a field; where there is none it says how to quit.
fn interrupt(model: &mut Model) -> Option<Effect> {
    let place = model.place();
    match model.modals.last_mut() {
        Some(Modal::Wizard(wizard)) if place == Place::Field => wizard.leave_field(),
        Some(Modal::Confirmation(confirmation)) if place == Place::ConfirmationField => {
            confirmation.focus = ConfirmationFocus::Cancel;
        }
        Some(Modal::Palette(_)) => {
            model.modals.pop();
        }
        None if model.list.typing.is_some() => model.list.typing = None,
        _ => model.say("Press q to quit."),
    }
    None
}
