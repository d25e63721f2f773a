//! The screen of the audit log and the details of an event.
//!
//! ```text
//! ╭ Audit log · PROD ───────────────────────────────────────────── 1 of 200+ ─╮
//! │ The newest first, in UTC                                                  │
//! │                                                                           │
//! │ ▸ 2026-11-25 22:10  alice          revoked            Partner: Acme       │
//! │   2026-11-25 22:04  bob@gw1        member added       carol               │
//! ╰ Enter details · / filter · o only about this · Esc close ─────────────────╯
//! ```
use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    footer,
    paint::{styled_lines, typed, wrapped},
    sheet::{self, Sheet},
};
use crate::{
    domain::{
        audit::{Difference, Event, EventFilter, differences},
        text::{fitted, thousands},
    },
    tui::{
        audit::{AuditDialog, ExportForm},
        model::{Model, TWO_LINE_WIDTH},
    },
};

/// The width of the labels in an event's details, in columns.
const LABEL: usize = 10;

pub(super) fn sheet(model: &Model, audit: &AuditDialog, screen: Rect) -> Sheet {
    match (audit.opened, audit.selected()) {
        (Some(scroll), Some(event)) => details(model, event, scroll, screen),
        _ => events(model, audit, screen),
    }
}

fn events(model: &Model, audit: &AuditDialog, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let theme = model.theme;
    let (head, cursor) = filter_line(model, audit, room);
    let mut lines = vec![head];
    let mut focus = (0, cursor);
    if let Some(problem) = &audit.problem {
        let text = format!("! {}", theme.shown(problem));
        lines.extend(styled_lines(&text, room, theme.alarm()));
    } else if let Some(said) = &audit.said {
        lines.extend(styled_lines(&theme.shown(said), room, theme.success()));
    } else {
        lines.push(Line::default());
    }
    let loading = audit.events.is_empty() && (audit.begin.is_some() || audit.awaited.is_some());
    if loading {
        lines.push(Line::from("reading…"));
    } else if audit.events.is_empty() && audit.problem.is_none() {
        lines.push(Line::from(if audit.filter == EventFilter::default() {
            "Nothing was changed yet."
        } else {
            "No event is like that. Esc shows all."
        }));
    }
    let visible = audit.events.iter().enumerate().skip(audit.top);
    for (at, event) in visible.take(model.audit_rows()) {
        let here = at == audit.at;
        if here && audit.typing.is_none() {
            focus = (lines.len(), 0);
        }
        lines.extend(row(model, event, here, room));
    }
    let count = i64::try_from(audit.events.len()).unwrap_or(i64::MAX);
    let more = if audit.more { "+" } else { "" };
    let corner = match count {
        0 => String::new(),
        count => format!("{} of {}{more}", audit.at + 1, thousands(count)),
    };
    Sheet {
        title: format!("Audit log · {}", theme.shown(&model.workspace)).into(),
        corner,
        lines,
        focus,
        hint: footer::border(model),
        ..Sheet::default()
    }
}

/// Draws the description of the filter, or its text field while it is typed. Also returns the
/// column of the cursor, which is 0 outside the text field.
fn filter_line(model: &Model, audit: &AuditDialog, room: usize) -> (Line<'static>, u16) {
    let theme = model.theme;
    let Some(input) = &audit.typing else {
        let line = if audit.filter == EventFilter::default() {
            Line::styled("The newest first, in UTC", theme.quiet())
        } else {
            let typed = fitted(&theme.shown(&audit.typed), room.saturating_sub(2));
            Line::styled(format!("/ {}", typed.trim_end()), theme.warning())
        };
        return (line, 0);
    };
    if input.value().is_empty() {
        let example = "/ actor:alice key:acme action:revoked since:7d until:2026-11-01";
        return (
            Line::styled(fitted(example, room).trim_end().to_owned(), theme.quiet()),
            2,
        );
    }
    let (shown, column) = typed(theme, input, room, true);
    let line = Line::from(vec![Span::styled("/ ", theme.focus()), Span::raw(shown)]);
    (line, column)
}

fn row(model: &Model, event: &Event, here: bool, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let draft = &event.draft;
    let style = if here { theme.selected() } else { Style::new() };
    let marker = if here { "▸ " } else { "  " };
    let (at, actor) = (draft.at.date_and_clock(), theme.shown(&draft.actor.name));
    let (change, name) = (draft.change.title(), theme.shown(&draft.subject_name));
    let line = |text: String| {
        Line::from(vec![
            Span::styled(marker, theme.focus()),
            Span::styled(fitted(&text, room.saturating_sub(2)), style),
        ])
    };
    if model.size.0 < TWO_LINE_WIDTH {
        let second = fitted(&format!("{change}  {name}"), room.saturating_sub(4));
        return vec![
            line(format!("{at}  {actor}")),
            Line::raw(format!("    {}", second.trim_end())),
        ];
    }
    vec![line(format!(
        "{at}  {}  {}  {name}",
        fitted(&actor, 14),
        fitted(&change, 17)
    ))]
}

/// ```text
/// ╭ Event 17 · edited ───────────────────────────────────────── Partner: Acme ╮
/// │ When      2026-11-25 22:10 UTC                                            │
/// │ Who       alice, from 10.0.0.9                                            │
/// │ With      SHA256:UCUi…, through keys@gw1                                  │
/// │ Key       Partner: Acme (k7GhT2mQ9xZa)                                    │
/// │                                                                           │
/// │ From      10.0.0.0/24                                                     │
/// │         → Any IP                                                          │
/// ```
fn details(model: &Model, event: &Event, scroll: u16, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let theme = model.theme;
    let mut lines = Vec::new();
    for (label, text) in facts(event) {
        lines.extend(fact(model, label, &text, room));
    }
    let told = differences(event);
    if !told.is_empty() {
        lines.push(Line::default());
    }
    for one in &told {
        lines.extend(difference(model, one, room));
    }
    lines.push(Line::default());
    lines.extend(styled_lines(
        &format!("Hash {}", event.hash),
        room,
        theme.quiet(),
    ));
    let height = usize::from(screen.height).saturating_sub(4);
    let focus = match scroll {
        0 => 0,
        scroll => usize::from(scroll) + height.saturating_sub(3),
    };
    Sheet {
        title: format!("Event {} · {}", event.sequence, event.draft.change.title()).into(),
        corner: fitted(&theme.shown(&event.draft.subject_name), 24)
            .trim_end()
            .to_owned(),
        focus: (focus.min(lines.len().saturating_sub(1)), 0),
        lines,
        hint: footer::border(model),
        ..Sheet::default()
    }
}

fn facts(event: &Event) -> Vec<(&'static str, String)> {
    let draft = &event.draft;
    let actor = &draft.actor;
    let from = actor.from.map(|from| format!(", from {from}"));
    let mut facts = vec![
        ("When", format!("{} UTC", draft.at.date_and_seconds())),
        ("Who", format!("{}{}", actor.name, from.unwrap_or_default())),
    ];
    if let Some(login) = &actor.login {
        let key = login.fingerprint.as_ref();
        let key = key.map_or_else(|| "a key that was not told".to_owned(), ToString::to_string);
        facts.push(("Member", login.member.to_string()));
        facts.push(("With", format!("{key}, through {}", login.account)));
    }
    facts.push(("What", draft.change.word().to_owned()));
    facts.push((
        "Of",
        format!("{} ({})", draft.subject_name, draft.subject_id),
    ));
    if let Some(agent) = &draft.agent {
        facts.push(("Agent", agent.to_string()));
    }
    facts
}

fn fact(model: &Model, label: &str, text: &str, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let parts = wrapped(&theme.shown(text), room.saturating_sub(LABEL));
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    labels
        .zip(parts)
        .map(|(label, part)| {
            Line::from(vec![
                Span::styled(format!("{label:<LABEL$}"), theme.quiet()),
                Span::raw(part),
            ])
        })
        .collect()
}

/// Draws a difference: the previous value, and the current value below it.
fn difference(model: &Model, one: &Difference, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let title = theme.shown(&one.title);
    let wide = title.chars().count() + 2;
    let indent = if wide <= LABEL { LABEL } else { 4 };
    let (first, second) = match (&one.was, &one.is) {
        (Some(was), is) => (was, is.as_ref()),
        (None, Some(is)) => (is, None),
        (None, None) => return Vec::new(),
    };
    let mut lines = Vec::new();
    let parts = wrapped(&theme.shown(first), room.saturating_sub(indent));
    if wide > LABEL {
        lines.push(Line::styled(title.clone(), theme.quiet()));
    }
    for (at, part) in parts.into_iter().enumerate() {
        let label = if at == 0 && wide <= LABEL {
            title.as_str()
        } else {
            ""
        };
        lines.push(Line::from(vec![
            Span::styled(format!("{label:<indent$}"), theme.quiet()),
            Span::raw(part),
        ]));
    }
    if let Some(second) = second {
        for (at, part) in wrapped(&theme.shown(second), room.saturating_sub(indent))
            .into_iter()
            .enumerate()
        {
            let arrow = if at == 0 { "→ " } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{arrow:>indent$}"), theme.focus()),
                Span::styled(part, theme.strong()),
            ]));
        }
    }
    lines
}

pub(super) fn export(model: &Model, form: ExportForm, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let line = |one: ExportForm| {
        let (marker, style) = if one == form {
            ("▸ ", model.theme.focus())
        } else {
            ("  ", Style::new())
        };
        let text = fitted(&format!("{marker}{}", one.title()), room);
        Line::styled(text.trim_end().to_owned(), style)
    };
    Sheet {
        title: "Write what is shown to a file as".to_owned().into(),
        corner: String::new(),
        lines: ExportForm::ALL.map(line).to_vec(),
        focus: (usize::from(form == ExportForm::Csv), 0),
        hint: footer::border(model),
        ..Sheet::default()
    }
}
