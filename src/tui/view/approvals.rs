//! The screen of the requests for approval.
//!
//! ```text
//! ╭ Waiting for approval · PROD ───────────────────────────────────────────────╮
//! │ ▸ key edited, Partner: Acme         2026-11-23 07:00 alice (m-0123456789ab)│
//! │     Widens: adds 99.0.0.0/8                                                │
//! │   key created, nightly                  2026-11-23 07:10 root@gw1 (local)  │
//! ╰ Enter approve · x reject · Esc close ──────────────────────────────────────╯
//! ```
use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    footer,
    paint::{results, styled_lines},
    sheet::{self, Sheet},
};
use crate::{
    domain::{approval::PendingChange, audit::Change, text::fitted},
    tui::{
        approvals::{ApprovalQuestion, ApprovalsDialog},
        model::Model,
    },
};

/// The width of the marker in front of a row, in columns.
const MARKER: usize = 2;
/// The narrowest room in which a row has one line.
const ONE_LINE: usize = 60;

pub(super) fn sheet(model: &Model, dialog: &ApprovalsDialog, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let theme = model.theme;
    let rows = &dialog.rows;
    let mut lines = results(model, rows, room);
    let mut focus = (0, 0);
    if let Some(asked) = &dialog.asked {
        lines.extend(question(model, asked, room));
        focus = (lines.len() - 1, 0);
    } else if !rows.are_read() {
        lines.extend(styled_lines(&theme.shown("looking…"), room, Style::new()));
    } else if rows.all().is_empty() {
        let none = if model.policy.approve_widening {
            "Nothing waits for approval."
        } else {
            "Nothing waits for approval: what widens needs none here. An owner can change that with claviger workspace --approve-widening yes."
        };
        lines.extend(styled_lines(none, room, Style::new()));
    } else {
        for (at, request) in rows.all().iter().enumerate() {
            if at == rows.at() {
                focus = (lines.len(), 0);
            }
            lines.extend(row(model, request, at == rows.at(), room));
        }
    }
    let corner = match rows.all().len() {
        0 => String::new(),
        count => format!("{count}"),
    };
    Sheet {
        title: format!("Waiting for approval · {}", theme.shown(&model.workspace)).into(),
        corner,
        lines,
        focus,
        hint: footer::border(model),
        ..Sheet::default()
    }
}

fn question(model: &Model, asked: &ApprovalQuestion, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let request = &asked.request;
    let name = theme.shown(&request.name);
    let sentence = match (asked.approve, request.change) {
        (true, _) => format!("Approve: {}, {name}?", request.title()),
        (false, Change::Created) => format!("Reject and revoke the new key {name}?"),
        (false, _) => format!("Reject: {}, {name}? It stays as it is.", request.title()),
    };
    let mut lines = styled_lines(&sentence, room, theme.strong());
    let who = format!(
        "{}, requested {} UTC by {}",
        request.subject,
        request.at.date_and_clock(),
        theme.shown(&request.requester())
    );
    lines.extend(styled_lines(&who, room, theme.quiet()));
    lines.extend(details(model, request, room));
    let act = if asked.approve { "Approve" } else { "Reject" };
    let button = |title: &str, focused: bool| {
        if focused {
            Span::styled(format!("[ {title} ]"), theme.focus())
        } else {
            Span::raw(format!("  {title}  "))
        }
    };
    lines.push(Line::from(vec![
        button("Cancel", !asked.acts),
        Span::raw("  "),
        button(act, asked.acts),
    ]));
    lines
}

/// Draws a row; the selected one with its changes.
fn row(model: &Model, request: &PendingChange, here: bool, room: usize) -> Vec<Line<'static>> {
    use unicode_width::UnicodeWidthStr as _;
    let theme = model.theme;
    let cursor = Span::styled(if here { "▸ " } else { "  " }, theme.focus());
    let left = room.saturating_sub(MARKER);
    let what = format!("{}, {}", request.title(), theme.shown(&request.name));
    let who = format!(
        "{} {}",
        request.at.date_and_clock(),
        theme.shown(&request.requester())
    );
    let mut lines = if room < ONE_LINE {
        vec![
            Line::from(vec![
                cursor,
                Span::styled(fitted(&what, left).trim_end().to_owned(), theme.strong()),
            ]),
            Line::styled(
                format!("    {}", fitted(&who, left.saturating_sub(2)).trim_end()),
                theme.quiet(),
            ),
        ]
    } else {
        let half = left - (who.width() + 1).min(left / 2);
        vec![Line::from(vec![
            cursor,
            Span::styled(fitted(&what, half), theme.strong()),
            Span::styled(
                format!(" {}", fitted(&who, left - half - 1).trim_end()),
                theme.quiet(),
            ),
        ])]
    };
    if here {
        lines.extend(details(model, request, room));
    }
    lines
}

/// Draws the changes of a request, indented.
fn details(model: &Model, request: &PendingChange, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let each = request.lines(&model.areas).into_iter();
    let each = each.flat_map(|line| {
        let style = if line.starts_with("Widens") {
            theme.warning()
        } else {
            Style::new()
        };
        styled_lines(&theme.shown(&line), room.saturating_sub(4), style)
    });
    each.map(|mut line| {
        line.spans.insert(0, Span::raw("    "));
        line
    })
    .collect()
}
