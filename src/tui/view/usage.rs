//! The usage screen.
//!
//! ```text
//! ╭ Usage · PROD ──────────────────────────────────────── 30 days, by key ─────╮
//! │                                                       allowed     refused  │
//! │ ▸ Partner: Acme          ██████████████████▌          123,456          12  │
//! │   nightly                ██▌                            9,876           0  │
//! ╰ Tab by area · s 90 days · Enter this key · Esc close ──────────────────────╯
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
        text::{fitted, thousands},
        usage::UsageDimension,
    },
    tui::{
        model::Model,
        read::{MOST_USAGE_LINES, UsageLine},
        usage::UsageDialog,
    },
};

/// The width of the marker in front of a row, in columns.
const MARKER: usize = 2;
/// The narrowest room in which there are bars.
const BARS: usize = 60;
/// The parts of a cell that a bar can end in, from an eighth on.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

pub(super) fn sheet(model: &Model, dialog: &UsageDialog, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let theme = model.theme;
    let rows = &dialog.rows;
    let mut lines = results(model, rows, room);
    let mut focus = (0, 0);
    if rows.are_read() {
        let columns = Columns::of(rows.all(), dialog.by, room);
        if rows.all().is_empty() {
            let none = "No requests in this time: s counts more days. Uses are counted once claviger serve or claviger check decides.";
            lines.extend(styled_lines(none, room, Style::new()));
        } else {
            lines.push(columns.head(theme.quiet()));
        }
        for (at, line) in rows.all().iter().enumerate() {
            let here = at == rows.at();
            if here {
                focus = (lines.len(), 0);
            }
            lines.push(columns.row(model, line, here));
        }
        if rows.all().len() == MOST_USAGE_LINES {
            let more = "… and more: claviger usage prints them all";
            lines.extend(styled_lines(&theme.shown(more), room, theme.quiet()));
        }
    } else if rows.problem.is_none() {
        lines.push(Line::from(theme.shown("counting…")));
    }
    let of = match &dialog.key {
        Some((_, name)) => theme.shown(name),
        None => theme.shown(&model.workspace),
    };
    let days = match dialog.days {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    Sheet {
        title: format!("Usage · {of}").into(),
        corner: format!("{days}, by {}", dialog.by.word()),
        lines,
        focus,
        hint: footer::border(model),
        ..Sheet::default()
    }
}

/// The heads of the two counts, the widths of the columns, and the largest count.
struct Columns {
    heads: [&'static str; 2],
    text: usize,
    bar: usize,
    allowed: usize,
    refused: usize,
    most: i64,
}

impl Columns {
    fn of(lines: &[UsageLine], by: UsageDimension, room: usize) -> Self {
        let widest = |count: fn(&UsageLine) -> i64, head: &str| {
            let widths = lines.iter().map(|line| thousands(count(line)).len());
            widths.max().unwrap_or(0).max(head.len())
        };
        let heads = if room < BARS {
            ["ok", "no"]
        } else {
            ["allowed", "refused"]
        };
        let allowed = widest(|line| line.allowed, heads[0]);
        let refused = widest(|line| line.refused, heads[1]);
        let left = room.saturating_sub(MARKER + allowed + refused + 4);
        let text = match by {
            UsageDimension::Day => 10,
            UsageDimension::Action => 8,
            UsageDimension::Key
            | UsageDimension::Area
            | UsageDimension::Address
            | UsageDimension::Verdict => 28,
        };
        let text = if room < BARS {
            left
        } else {
            text.min(left / 2)
        };
        Self {
            heads,
            text,
            bar: left.saturating_sub(text + 2),
            allowed,
            refused,
            most: lines.iter().map(UsageLine::total).max().unwrap_or(0),
        }
    }

    fn head(&self, style: Style) -> Line<'static> {
        let [allowed, refused] = self.heads;
        let before = MARKER + self.text + if self.bar > 0 { self.bar + 2 } else { 0 };
        let (ok, no) = (self.allowed, self.refused);
        Line::styled(
            format!("{:before$}  {allowed:>ok$}  {refused:>no$}", ""),
            style,
        )
    }

    fn row(&self, model: &Model, line: &UsageLine, here: bool) -> Line<'static> {
        let theme = model.theme;
        let cursor = Span::styled(if here { "▸ " } else { "  " }, theme.focus());
        let style = if here { theme.selected() } else { Style::new() };
        let text = if line.text.is_empty() {
            "-"
        } else {
            &line.text
        };
        let mut spans = vec![
            cursor,
            Span::styled(fitted(&theme.shown(text), self.text), style),
        ];
        if self.bar > 0 {
            let bar = bar(line.total(), self.most, self.bar);
            let width = self.bar;
            spans.push(Span::raw(format!("  {bar:<width$}")));
        }
        let (ok, no) = (self.allowed, self.refused);
        spans.push(Span::raw(format!("  {:>ok$}", thousands(line.allowed))));
        let refused = if line.refused > 0 {
            theme.warning()
        } else {
            theme.quiet()
        };
        spans.push(Span::styled(
            format!("  {:>no$}", thousands(line.refused)),
            refused,
        ));
        Line::from(spans)
    }
}

/// Draws a count as a bar; every count but 0 has at least an eighth of a cell.
fn bar(count: i64, most: i64, width: usize) -> String {
    let (count, most) = (i128::from(count.max(0)), i128::from(most.max(1)));
    let cells = i128::try_from(width).unwrap_or(0);
    let eighths = (count * cells * 8 + most - 1) / most;
    let eighths = usize::try_from(eighths).unwrap_or(0).min(width * 8);
    let mut bar: String = std::iter::repeat_n('█', eighths / 8).collect();
    if let Some(rest) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[rest]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        for (count, most, expected) in [
            (0, 100, ""),
            (1, 1_000_000, "▏"),
            (50, 100, "██"),
            (100, 100, "████"),
            (i64::MAX, i64::MAX, "████"),
            (0, 0, ""),
            (61, 100, "██▌"),
        ] {
            assert_eq!(bar(count, most, 4), expected, "{count} of {most}");
        }
    }
}
