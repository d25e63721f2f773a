//! `update(model, message) -> effect`: handles every message in one place.
//!
//! It changes the model and has no other side effects: no connection, no clock, no terminal. Key
//! presses become intents through the one table of bindings; an intent that the model does not
//! allow does nothing. [`answers`] handles the answers to effects, [`arrivals`] loaded pages,
//! [`bursts`] characters that arrive together, [`walk`] moving through the list, and a file for
//! each dialog its intents.
mod agents;
mod answers;
mod approvals;
mod arrivals;
mod audit;
mod bursts;
mod confirmation;
mod explain;
mod hygiene;
mod members;
mod palette;
mod token;
mod usage;
mod walk;
mod wizard;

pub use bursts::{Burst, is_stray};
use crossterm::event::{Event, KeyEvent};
pub use palette::palette_allows;
use tui_input::{Input, backend::crossterm::to_input_request};

use super::{
    agents::AgentChoice,
    approvals::ApprovalsDialog,
    audit::AuditDialog,
    confirmation::{Confirmation, Verb},
    dialog::{Leave, Typed},
    explain::ExplainDialog,
    hygiene::HygieneDialog,
    keymap::{Chord, Intent, Place, intent_of},
    members::MembersDialog,
    message::{CopyForm, Effect, Message},
    modal::Modal,
    model::{DamageSearch, Model, Placement},
    palette::Palette,
    texts::{Help, KeyDetails},
    token::CopyAs,
    typing::{FieldLimit, TextEdit, type_into},
    usage::UsageDialog,
    wizard::Wizard,
};
use crate::domain::listing::{Direction, Filter};

/// Applies a message to the model and returns the effect to carry out, if any.
pub fn update(model: &mut Model, message: Message) -> Option<Effect> {
    take_in(model, message).or_else(|| model.next_read())
}

fn take_in(model: &mut Model, message: Message) -> Option<Effect> {
    match message {
        Message::Pressed(event) => pressed(model, event),
        Message::Pasted(text) => typed(model, TextEdit::Paste(&text)),
        Message::Typed(text) => typed(model, TextEdit::Burst(&text)),
        Message::Strayed => {
            bursts::stray(model);
            None
        }
        Message::Resized(columns, rows) => {
            model.size = (columns, rows);
            walk::keep_in_view(model);
            let room = model.audit_rows();
            if let Some(audit) = model.find_mut::<AuditDialog>() {
                audit.keep_in_view(room);
            }
            walk::load_around(model)
        }
        other => answers::answered(model, other),
    }
}

fn pressed(model: &mut Model, event: KeyEvent) -> Option<Effect> {
    let place = model.place();
    let intent = intent_of(place, Chord::of(event));
    if let Some(top) = model.modals.last_mut()
        && !matches!(intent, Some(Intent::Close | Intent::Quit))
    {
        top.dialog_mut().key_pressed();
    }
    match intent {
        Some(intent) if model.allows(intent) => perform(model, intent),
        Some(Intent::Overwrite) => {
            model.notify("Nothing was copied from here: the clipboard is left as it is.");
            None
        }
        Some(intent) => {
            // An intent that makes no sense now is ignored; one that is not permitted is reported.
            if let Err(why) = model.demand(intent) {
                refuse(model, why);
            } else if place == Place::List
                && (intent == Intent::Open || intent.permission(place).is_some())
                && let Some(damaged) = model.selected_damaged()
            {
                let why = format!(
                    "{} is damaged: {}. `claviger doctor` says more; restore it from a backup, or x revokes it.",
                    damaged.id, damaged.why
                );
                model.dismiss_notice();
                model.report_error(why);
            }
            None
        }
        None if place.takes_text() => {
            let request = to_input_request(&Event::Key(event))?;
            typed(model, TextEdit::Key(request))
        }
        None => None,
    }
}

/// Types a key or text into the focused field. Without one it is ignored and never becomes key
/// presses.
fn typed(model: &mut Model, typing: TextEdit<'_>) -> Option<Effect> {
    if !model.place().takes_text() {
        return None;
    }
    let typed = if let Some(top) = model.modals.last_mut() {
        top.dialog_mut().type_into(typing)
    } else {
        let cut = type_into(model.list.typing.as_mut()?, typing, FieldLimit::LINE);
        cut.map_or(Typed::Whole, |cut| Typed::CutUnreported(format!("{cut}.")))
    };
    let cut = typed != Typed::Whole;
    if let Typed::CutUnreported(sentence) = typed {
        model.report_error(sentence);
    }
    // The rest of a burst that did not fit must not be appended to the part that was kept.
    model.ignores_burst |= cut && matches!(typing, TextEdit::Burst(_));
    if model.modals.is_empty() {
        search(model)
    } else {
        None
    }
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
    Some(model.load(Direction::First, Placement::Top))
}

/// Performs an intent, whichever dialog has the focus.
fn perform(model: &mut Model, intent: Intent) -> Option<Effect> {
    // The previous message is outdated once the user does something else.
    let counts = model.clipboard.is_some() && !model.notice.as_ref().is_some_and(|it| it.failed);
    if !matches!(intent, Intent::Redraw | Intent::Suspend) && !counts {
        model.dismiss_notice();
    }
    match intent {
        Intent::Help => {
            let place = model.place();
            model.open(Help { place, scroll: 0 });
            None
        }
        Intent::Palette => {
            model.open(Palette::default());
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
            Some(Modal::Details(_)) => on_details(model, intent),
            Some(Modal::Wizard(_)) => wizard::on_wizard(model, intent),
            Some(Modal::Confirmation(_)) => confirmation::on_confirmation(model, intent),
            Some(Modal::Withdrawn(_)) => None,
            Some(Modal::Explain(_)) => explain::on_explain(model, intent),
            Some(Modal::Hygiene(_)) => hygiene::on_hygiene(model, intent),
            Some(Modal::Approvals(_)) => approvals::on_approvals(model, intent),
            Some(Modal::Usage(_)) => usage::on_usage(model, intent),
            Some(Modal::Audit(_)) => audit::on_audit(model, intent),
            Some(Modal::Export(_)) => audit::on_export(model, intent),
            Some(Modal::Members(_)) => members::on_members(model, intent),
            Some(Modal::MemberForm(_)) => members::on_form(model, intent),
            Some(Modal::Removal(_)) => members::on_removal(model, intent),
            Some(Modal::Agents(_)) => agents::on_agents(model, intent),
            Some(Modal::NewToken(_)) => token::on_new_token(model, intent),
            Some(Modal::CopyAs(_)) => token::on_copy_as(model, intent),
            Some(Modal::Revealed(_)) => token::on_revealed(model, intent),
            Some(Modal::Help(help)) => {
                scroll_by(&mut help.scroll, intent);
                None
            }
            Some(Modal::Palette(_)) => palette::on_palette(model, intent),
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
            if model.list.damage == DamageSearch::Failed {
                model.list.damage = DamageSearch::NotYet;
            }
            // A user who looks for keys that need attention mostly looks for refusals.
            let expect = if model.list.filter.attention {
                Placement::Refused
            } else {
                Placement::Top
            };
            Some(model.load(Direction::First, expect))
        }
        Intent::SortNext | Intent::SortReverse => Some(walk::sorted(model, intent)),
        Intent::Mark => walk::marked(model),
        Intent::Open => {
            model.open(KeyDetails::default());
            None
        }
        other => on_key(model, other),
    }
}

fn on_details(model: &mut Model, intent: Intent) -> Option<Effect> {
    match intent {
        Intent::PageUp | Intent::PageDown => {
            if let Some(details) = model.top_mut::<KeyDetails>() {
                scroll_by(&mut details.scroll, intent);
            }
            None
        }
        Intent::Up | Intent::Down => {
            if let Some(details) = model.top_mut::<KeyDetails>() {
                details.scroll = 0;
            }
            walk::walked(model, intent)
        }
        other => on_key(model, other),
    }
}

/// Performs the intents that apply to the selected key, from the list and from its details.
fn on_key(model: &mut Model, intent: Intent) -> Option<Effect> {
    let key = model.selected().cloned();
    match (intent, key) {
        (Intent::New, _) => {
            agents::new_key(model);
            None
        }
        (Intent::NewLike, Some(key)) => {
            model.open(Wizard::like(&key, model.now).under(model.policy));
            None
        }
        (Intent::Edit, Some(key)) => {
            model.open(Wizard::edit(&key).under(model.policy));
            None
        }
        (Intent::Copy, Some(key)) => Some(Effect::Copy(key.id, CopyForm::Token)),
        (Intent::CopyAs, Some(key)) => {
            let name = key.name().to_owned();
            model.open(CopyAs {
                id: key.id,
                name,
                form: CopyForm::ALL[0],
            });
            None
        }
        (Intent::Reveal, Some(key)) => Some(Effect::Reveal(key.id)),
        (Intent::Explain, Some(_)) => explain::open(model),
        (Intent::Unmatched, _) => {
            let test = ExplainDialog::unmatched();
            model.open(test);
            None
        }
        (Intent::Audit, _) => {
            model.open(AuditDialog::default());
            None
        }
        (Intent::Members, _) => {
            model.open(MembersDialog::default());
            None
        }
        (Intent::Agents, _) => {
            let choice = AgentChoice::shown(&model.agents, model.list.agent.as_ref());
            model.open(choice);
            None
        }
        (Intent::Usage, key) => {
            let of = key.filter(|_| model.place() == Place::Details);
            model.open(UsageDialog::of(of.as_ref()));
            None
        }
        (Intent::Approvals, _) => {
            model.open(ApprovalsDialog::default());
            None
        }
        (Intent::Hygiene, _) => {
            model.open(HygieneDialog::default());
            None
        }
        (Intent::Rotate, Some(key)) => {
            let confirmation = Confirmation::about(Verb::Rotate, vec![key], model.now);
            model.open(confirmation);
            None
        }
        (Intent::Switch, _) => {
            switch(model);
            None
        }
        (Intent::Revoke, _) => {
            let damaged = model.selected_damaged().cloned();
            let confirmation = match damaged.filter(|_| model.list.marks.is_empty()) {
                Some(damaged) => Confirmation::of_damaged(damaged, model.now),
                None => Confirmation::about(Verb::Revoke, model.targets(), model.now),
            };
            model.open(confirmation);
            None
        }
        _ => None,
    }
}

/// Opens the confirmation for disabling or enabling keys. Both are confirmed: disabling refuses
/// every further request, and enabling admits what another user may have shut out.
fn switch(model: &mut Model) {
    let targets = model.targets();
    let active: Vec<_> = targets
        .iter()
        .filter(|key| key.disabled_at.is_none())
        .cloned()
        .collect();
    let (verb, keys) = if active.is_empty() {
        (Verb::Enable, targets)
    } else {
        (Verb::Disable, active)
    };
    let confirmation = Confirmation::about(verb, keys, model.now);
    model.open(confirmation);
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

/// Closes exactly one layer: a dialog, the filter, or the marks. A form with changes is closed only
/// by the second press.
fn close(model: &mut Model) -> Option<Effect> {
    match model.modals.last_mut() {
        Some(top) => {
            if top.dialog_mut().leave() == Leave::Close {
                model.modals.pop();
            }
            None
        }
        None if model.list.typing.is_some() || model.list.filter != Filter::default() => {
            model.list.typing = None;
            if model.list.filter == Filter::default() {
                return None;
            }
            model.list.filter = Filter::default();
            model.list.at_start = true;
            Some(model.load(Direction::First, Placement::Refresh))
        }
        None => {
            model.list.marks.clear();
            None
        }
    }
}

fn quit(model: &mut Model) -> Option<Effect> {
    let top = model.modals.last_mut();
    let may_quit = top.is_none_or(|top| top.dialog_mut().may_quit());
    may_quit.then_some(Effect::Quit)
}

/// Handles Ctrl-C: leaves a field or, if there is none, says how to quit.
fn interrupt(model: &mut Model) -> Option<Effect> {
    let left = match model.modals.last_mut() {
        Some(top) => top.dialog_mut().leave_field(),
        None => model.list.typing.take().map(|_| Leave::Stay),
    };
    match left {
        Some(Leave::Stay) => {}
        Some(Leave::Close) => drop(model.modals.pop()),
        None => model.notify("Press q to quit."),
    }
    None
}

/// Reports why the user may not do something, in the dialog they are looking at or else above the
/// footer.
fn refuse(model: &mut Model, why: String) {
    let unreported = match model.modals.last_mut() {
        Some(top) => top.dialog_mut().refuse(why),
        None => Some(why),
    };
    if let Some(why) = unreported {
        // A key press means that the previous sentence was read.
        model.dismiss_notice();
        model.report_error(why);
    }
}

/// Something changed in the store: what the dialogs show is read again.
fn mark_stale(model: &mut Model) {
    for open in &mut model.modals {
        open.dialog_mut().mark_stale();
    }
}
