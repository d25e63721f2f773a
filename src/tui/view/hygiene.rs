//! The hygiene screen.
//!
//! ```text
//! ╭ Hygiene · PROD ────────────────────────────────────────────────── 2 marked ╮
//! │ Watching since 2026-08-01, 114 days.                                       │
//! │                                                                            │
//! │ ▸ [x] Partner: Acme       never expires           end 2027-02-21           │
//! │   [ ] Acme staging        idle 120 days           revoke                   │
//! ╰ Space mark · Enter review and apply · Esc close ───────────────────────────╯
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
    domain::{
        hygiene::{HygieneFinding, HygieneRow, WATCHED_DAYS},
        moment::{DAY, Moment},
        text::fitted,
    },
    tui::{hygiene::HygieneDialog, model::Model},
};

/// The width of the marker and the box in front of a row, in columns.
const BOX: usize = 6;

pub(super) fn sheet(model: &Model, hygiene: &HygieneDialog, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let theme = model.theme;
    let rows = &hygiene.rows;
    let mut lines = if rows.are_read() {
        styled_lines(&watching(model, hygiene.since), room, theme.quiet())
    } else {
        styled_lines(&theme.shown("looking at all keys…"), room, Style::new())
    };
    lines.extend(results(model, rows, room));
    let mut focus = (0, 0);
    if rows.are_read() {
        lines.push(Line::default());
        if rows.all().is_empty() {
            lines.push(Line::from("Nothing to put right."));
        }
        for (at, row) in rows.all().iter().enumerate() {
            if at == rows.at() {
                focus = (lines.len(), 0);
            }
            let marked = hygiene.marks.contains(&at);
            lines.extend(drawn(model, row, at == rows.at(), marked, room));
        }
        if hygiene.more {
            lines.push(Line::styled(
                "… and more: put these right first",
                theme.warning(),
            ));
        }
    }
    let corner = match hygiene.marks.len() {
        0 => String::new(),
        count => format!("{count} marked"),
    };
    Sheet {
        title: format!("Hygiene · {}", theme.shown(&model.workspace)).into(),
        corner,
        lines,
        focus,
        hint: footer::border(model),
        ..Sheet::default()
    }
}

fn watching(model: &Model, since: Option<Moment>) -> String {
    let Some(since) = since else {
        return "Nothing was counted yet: uses are counted once the endpoint decides.".to_owned();
    };
    let days = (model.now.millis() - since.millis()) / DAY;
    let soon = if days < WATCHED_DAYS {
        format!("; nothing is proposed before {WATCHED_DAYS}")
    } else {
        String::new()
    };
    format!("Watching since {}, {days} days{soon}.", since.date())
}

/// Draws a row, in one line or in two if the room is narrow: the key and the finding, and the
/// proposed change.
fn drawn(
    model: &Model,
    row: &HygieneRow,
    here: bool,
    marked: bool,
    room: usize,
) -> Vec<Line<'static>> {
    use unicode_width::UnicodeWidthStr as _;
    let theme = model.theme;
    let shown = |text: &str| theme.shown(text);
    // The proposal lists the actions that were never exercised.
    let finding = match &row.finding {
        HygieneFinding::Unexercised(_) => "never exercised".to_owned(),
        finding => shown(&finding.words(&model.areas)),
    };
    let (proposal, style) = match &row.proposal {
        Ok(proposal) => (shown(&proposal.words(&model.areas)), Style::new()),
        Err(why) => (shown(why), theme.quiet()),
    };
    let mark = match (&row.proposal, marked) {
        (Err(_), _) => "    ",
        (_, true) => "[x] ",
        (_, false) => "[ ] ",
    };
    let cursor = Span::styled(if here { "▸ " } else { "  " }, theme.focus());
    let name = shown(row.key.name());
    let left = room.saturating_sub(BOX);
    if room < 60 {
        // The name is cut before the finding, but to no fewer than 6 cells.
        let room_for_name = left.saturating_sub(finding.width() + 1).max(6);
        let name = fitted(&name, room_for_name);
        let first = format!("{} {finding}", name.trim_end());
        return vec![
            Line::from(vec![
                cursor,
                Span::raw(mark),
                Span::raw(fitted(&first, left).trim_end().to_owned()),
            ]),
            Line::styled(
                format!(
                    "      → {}",
                    fitted(&proposal, left.saturating_sub(2)).trim_end()
                ),
                style,
            ),
        ];
    }
    let (names, findings) = (left * 3 / 10, left * 7 / 20);
    let rest = left.saturating_sub(names + findings + 2);
    vec![Line::from(vec![
        cursor,
        Span::raw(mark),
        Span::styled(fitted(&name, names), theme.strong()),
        Span::raw(format!(" {} ", fitted(&finding, findings))),
        Span::styled(fitted(&proposal, rest).trim_end().to_owned(), style),
    ])]
}
