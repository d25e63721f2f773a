//! A sheet: what every dialog is drawn as.
//!
//! ```text
//! ╭ title ──────────────────────────────────────────────────── corner ─╮
//! │ lines, of which the focused one is always in view                  │
//! ╰ hints ─────────────────────────────────────────────────────────────╯
//! ```
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::Line,
};

use super::{put, width};
use crate::tui::theme::Theme;

/// A screen of this size and below is filled by a dialog.
const SMALL: (u16, u16) = (60, 20);
const WIDEST: u16 = 78;

/// A dialog, ready to be drawn.
pub(super) struct Sheet {
    pub title: String,
    pub corner: String,
    pub lines: Vec<Line<'static>>,
    /// The line and the column of what has the keys.
    pub focus: (usize, u16),
    pub hint: String,
}

/// Whether dialogs fill a screen of this size.
fn fills(screen: Rect) -> bool {
    screen.width <= SMALL.0 || screen.height <= SMALL.1
}

/// The room that a sheet's lines have on a screen.
pub(super) fn room(screen: Rect) -> usize {
    let outer = if fills(screen) {
        screen.width
    } else {
        WIDEST.min(screen.width - 2)
    };
    usize::from(outer.saturating_sub(4))
}

impl Sheet {
    pub fn draw(&self, theme: Theme, buffer: &mut Buffer, screen: Rect) -> Position {
        let area = self.area(screen);
        let inner = Rect {
            x: area.x + 2,
            y: area.y + 1,
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(2),
        };
        let scroll = self.scroll(inner.height);
        let below = self.lines.len().saturating_sub(scroll) > usize::from(inner.height);
        border(self, below, theme, buffer, area);
        for (line, y) in self.lines.iter().skip(scroll).zip(0..inner.height) {
            buffer.set_line(inner.x, inner.y + y, line, inner.width);
        }
        let (line, column) = self.focus;
        let y = u16::try_from(line.saturating_sub(scroll))
            .unwrap_or(0)
            .min(inner.height.saturating_sub(1));
        Position::new(
            inner.x + column.min(inner.width.saturating_sub(1)),
            inner.y + y,
        )
    }

    fn area(&self, screen: Rect) -> Rect {
        if fills(screen) {
            return screen;
        }
        let wide = WIDEST.min(screen.width - 2);
        let high = u16::try_from(self.lines.len() + 2)
            .unwrap_or(u16::MAX)
            .min(screen.height - 2);
        Rect {
            x: screen.x + (screen.width - wide) / 2,
            y: screen.y + (screen.height - high) / 2,
            width: wide,
            height: high,
        }
    }

    /// Scrolls just so far that the focused line, and what stands under it, is in view.
    fn scroll(&self, height: u16) -> usize {
        let height = usize::from(height);
        let most = self.lines.len().saturating_sub(height);
        (self.focus.0 + 3)
            .saturating_sub(height)
            .min(self.focus.0)
            .min(most)
    }
}

/// What stands in the border where lines are left below: the first that fits.
const MORE: [&str; 2] = [" ↓ more ", " ↓ "];

fn border(sheet: &Sheet, below: bool, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let quiet = theme.quiet();
    let blank = " ".repeat(usize::from(area.width));
    let rule = "─".repeat(usize::from(area.width.saturating_sub(2)));
    for y in 1..area.height.saturating_sub(1) {
        // Whatever lay below is gone, its colours too.
        buffer.set_style(
            Rect {
                y: area.y + y,
                height: 1,
                ..area
            },
            Style::reset(),
        );
        put(buffer, area, 0, y, &blank, Style::reset());
        put(buffer, area, 0, y, "│", quiet);
        put(buffer, area, area.width - 1, y, "│", quiet);
    }
    let last = area.height - 1;
    for (y, line) in [(0, format!("╭{rule}╮")), (last, format!("╰{rule}╯"))] {
        buffer.set_style(
            Rect {
                y: area.y + y,
                height: 1,
                ..area
            },
            Style::reset(),
        );
        put(buffer, area, 0, y, &line, quiet);
    }
    let within = Rect {
        width: area.width.saturating_sub(2),
        ..area
    };
    let corner = if sheet.corner.is_empty() {
        0
    } else {
        width(&sheet.corner) + 2
    };
    let for_title = Rect {
        width: within.width.saturating_sub(corner + 1),
        ..within
    };
    put(
        buffer,
        for_title,
        1,
        0,
        &format!(" {} ", sheet.title),
        theme.strong(),
    );
    if corner > 0 {
        let x = area.width.saturating_sub(corner + 2);
        put(buffer, within, x, 0, &format!(" {} ", sheet.corner), quiet);
    }
    let room = usize::from(within.width.saturating_sub(4));
    let hints = whole_hints(&sheet.hint, room);
    if !hints.is_empty() {
        put(buffer, within, 1, last, &format!(" {hints} "), quiet);
    }
    let free = area.width.saturating_sub(width(&hints) + 5);
    if let Some(mark) = MORE.iter().find(|mark| below && width(mark) <= free) {
        let x = area.width - width(mark) - 2;
        put(buffer, within, x, last, mark, theme.warning());
    }
}

/// As many whole hints as fit. The first two say what the dialog is for; after them the last one,
/// the way out, comes before the rest.
fn whole_hints(hints: &str, room: usize) -> String {
    let parts: Vec<&str> = hints.split(" · ").collect();
    let wide = |parts: &[&str]| {
        parts
            .iter()
            .map(|p| usize::from(width(p)) + 3)
            .sum::<usize>()
    };
    let mut kept: Vec<&str> = parts.iter().copied().take(2).collect();
    while kept.len() > 1 && wide(&kept) > room + 3 {
        kept.pop();
    }
    let Some(way_out) = parts.get(2..).and_then(<[&str]>::last) else {
        return kept.join(" · ");
    };
    if wide(&kept) + wide(&[way_out]) <= room + 3 {
        for part in &parts[2..parts.len() - 1] {
            if wide(&kept) + wide(&[part, way_out]) > room + 3 {
                break;
            }
            kept.push(part);
        }
        kept.push(way_out);
    }
    kept.join(" · ")
}
