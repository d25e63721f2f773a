//! Handles intents on the audit log screen.
use tui_input::Input;

use crate::{
    domain::audit::{Event, EventFilter},
    tui::{
        audit::{AuditDialog, ExportDialog, ExportForm},
        keymap::Intent,
        message::Effect,
        model::Model,
    },
};

/// The number of lines by which a page key scrolls an event's details.
const DETAILS_PAGE: u16 = 10;

pub(super) fn on_audit(model: &mut Model, intent: Intent) -> Option<Effect> {
    let (room, now) = (model.audit_rows(), model.now);
    let page = isize::try_from(room).unwrap_or(10);
    if intent == Intent::Export {
        let form = ExportForm::JsonLines;
        model.open(ExportDialog { form });
        return None;
    }
    let audit = model.find_mut::<AuditDialog>()?;
    audit.said = None;
    if audit.typing.is_some() {
        if intent == Intent::Accept
            && let Some(input) = audit.typing.clone()
        {
            audit.filter_by(input.value(), now);
        }
        return None;
    }
    match (intent, audit.opened) {
        (Intent::PageUp, Some(scroll)) => audit.opened = Some(scroll.saturating_sub(DETAILS_PAGE)),
        (Intent::PageDown, Some(scroll)) => {
            audit.opened = Some(scroll.saturating_add(DETAILS_PAGE));
        }
        (Intent::Up, _) => audit.walk(-1, room),
        (Intent::Down, _) => audit.walk(1, room),
        (Intent::PageUp, None) => audit.walk(-page, room),
        (Intent::PageDown, None) => audit.walk(page, room),
        (Intent::First | Intent::Last, _) => audit.jump(intent == Intent::First, room),
        (Intent::Open, None) if audit.selected().is_some() => audit.opened = Some(0),
        (Intent::Filter, _) => {
            audit.opened = None;
            audit.typing = Some(Input::new(audit.typed.clone()));
        }
        (Intent::OnlySubject, _) => only(audit, |event, filter| {
            filter.subject_id.clone_from(&event.draft.subject_id);
            filter.subject.clear();
            ("key", event.draft.subject_id.clone())
        }),
        (Intent::OnlyActor, _) => only(audit, |event, filter| {
            filter.actor_is.clone_from(&event.draft.actor.name);
            filter.actor.clear();
            ("actor", format!("={}", event.draft.actor.name))
        }),
        _ => {}
    }
    None
}

pub(super) fn on_export(model: &mut Model, intent: Intent) -> Option<Effect> {
    let export = model.top_mut::<ExportDialog>()?;
    match intent {
        Intent::Up | Intent::Down => export.form = export.form.other(),
        Intent::Accept => {
            let form = export.form;
            model.modals.pop();
            let filter = model.find_mut::<AuditDialog>()?.filter.clone();
            return Some(Effect::Export(filter, form));
        }
        _ => {}
    }
    None
}

/// Reports whether the log was exported.
pub(super) fn exported(model: &mut Model, exported: Result<String, String>) {
    let Some(audit) = model.find_mut::<AuditDialog>() else {
        match exported {
            Ok(sentence) => model.notify(sentence),
            Err(sentence) => model.report_error(sentence),
        }
        return;
    };
    match exported {
        Ok(sentence) => audit.said = Some(sentence),
        Err(sentence) => audit.problem = Some(sentence),
    }
}

/// Narrows the shown events by a property of the selected event; the rest of the filter is kept.
fn only(
    audit: &mut AuditDialog,
    narrow: impl Fn(&Event, &mut EventFilter) -> (&'static str, String),
) {
    let Some(event) = audit.selected() else {
        return;
    };
    let mut filter = audit.filter.clone();
    let (name, value) = narrow(event, &mut filter);
    let words = shell_words::split(&audit.typed).unwrap_or_default();
    let others = |word: &String| match word.split_once(':') {
        Some((known, _)) => known != name,
        // Words without a name are part of the key's name.
        None => name != "key",
    };
    let mut words: Vec<String> = words.into_iter().filter(others).collect();
    words.push(format!("{name}:{value}"));
    audit.only(shell_words::join(&words), filter);
}

/// Takes in the events of the awaited read.
pub(super) fn read(model: &mut Model, read: Result<Vec<Event>, String>) {
    let room = model.audit_rows();
    if let Some(audit) = model.find_mut::<AuditDialog>() {
        audit.take_in(read, room);
    }
}
