//! A sheet: the form in which dialogs are drawn.
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

use super::paint::{draw_text, width, wrapped};
use crate::{
    domain::text::cut_in_the_middle,
    tui::{model::Model, theme::Theme},
};

/// A dialog fills a screen that has at most this many columns or at most this many rows.
const SMALL: (u16, u16) = (60, 20);
const WIDEST: u16 = 78;

/// A dialog, ready to be drawn.
#[derive(Default)]
pub(super) struct Sheet {
    pub title: Title,
    pub corner: String,
    pub lines: Vec<Line<'static>>,
    /// The number of lines at the top that stay in view while the rest is scrolled.
    pub head: usize,
    /// The number of lines at the bottom that stay in view while the rest is scrolled.
    pub foot: usize,
    /// The line and the column of the element that has the focus.
    pub focus: (usize, u16),
    /// The number of lines by which the part between head and foot is scrolled if the focus is not
    /// in it.
    pub scroll: usize,
    pub hint: String,
}

/// A dialog's title. If it does not fit, the name in it is cut in the middle.
#[derive(Default)]
pub(super) struct Title {
    pub before: String,
    pub name: String,
    pub after: String,
}

impl From<String> for Title {
    fn from(text: String) -> Self {
        Self {
            before: text,
            ..Self::default()
        }
    }
}

impl Title {
    fn fitting(&self, room: usize) -> String {
        let Self {
            before,
            name,
            after,
        } = self;
        let taken = usize::from(width(before) + width(after));
        let name = cut_in_the_middle(name, room.saturating_sub(taken));
        format!("{before}{name}{after}")
    }
}

/// Returns the title of a question, its corner, and the lines that stay at the top. Together they
/// name the workspace, the acting user, and what the question is about, with the tag that tells it
/// from others.
pub(super) fn heading(
    model: &Model,
    screen: Rect,
    (before, name, tag): (String, String, String),
    preposition: &str,
) -> (Title, String, Vec<Line<'static>>) {
    let theme = model.theme;
    let room = room(screen);
    let workspace = theme.shown(&model.workspace);
    let actor = cut_in_the_middle(&theme.shown(&model.actor), MOST_ACTOR);
    let ending = format!(" {preposition} {workspace}?");
    let needed = width(&before) + width(&tag) + width(&ending) + width(&actor) + 4;
    let least = usize::from(width(&name)).min(LEAST_NAME);
    if usize::from(needed) + least <= room {
        let after = format!("{tag}{ending}");
        let title = Title {
            before,
            name,
            after,
        };
        return (title, actor, Vec::new());
    }
    let tag = tag.trim().trim_matches(['(', ')']);
    let mut words = vec![format!("as {actor}")];
    if !tag.is_empty() {
        words.insert(0, tag.to_owned());
    }
    // If the title has no room for the name, the name comes first below the title.
    let has_room = usize::from(width(&before) + width(&ending)) + least.min(8) <= room;
    let (before, name) = if has_room {
        (before, name)
    } else {
        words.insert(0, name);
        (before.trim_end().to_owned(), String::new())
    };
    let title = Title {
        before,
        name,
        after: ending,
    };
    let lines = wrapped(&words.join(" · "), room).into_iter();
    let head = lines.map(|line| Line::styled(line, theme.quiet()));
    (title, String::new(), head.collect())
}

/// The minimum width of a name in a title, and the maximum width of the acting user's name beside
/// it.
const LEAST_NAME: usize = 16;
const MOST_ACTOR: usize = 30;

/// The minimum number of lines between head and foot. With fewer, everything is scrolled.
const LEAST_BODY: usize = 1;

/// Whether a dialog fills a screen of this size.
fn fills(screen: Rect) -> bool {
    screen.width <= SMALL.0 || screen.height <= SMALL.1
}

/// The width of a sheet's lines on a screen, in columns.
pub(super) fn room(screen: Rect) -> usize {
    let outer = if fills(screen) {
        screen.width
    } else {
        WIDEST.min(screen.width - 2)
    };
    usize::from(outer.saturating_sub(4))
}

/// The number of lines of a sheet that fit on a screen.
pub(super) fn height(screen: Rect) -> usize {
    let taken = if fills(screen) { 2 } else { 4 };
    usize::from(screen.height.saturating_sub(taken))
}

impl Sheet {
    pub(super) fn draw(&self, theme: Theme, buffer: &mut Buffer, screen: Rect) -> Position {
        let area = self.area(screen);
        let inner = Rect {
            x: area.x + 2,
            y: area.y + 1,
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(2),
        };
        let (shown, below) = self.shown(usize::from(inner.height));
        border(self, below, theme, buffer, area);
        for (at, y) in shown.iter().zip(0..inner.height) {
            buffer.set_line(inner.x, inner.y + y, &self.lines[*at], inner.width);
        }
        let (line, column) = self.focus;
        let y = shown.iter().rposition(|at| *at <= line).unwrap_or(0);
        let y = u16::try_from(y).unwrap_or(0);
        Position::new(
            inner.x + column.min(inner.width.saturating_sub(1)),
            inner.y + y.min(inner.height.saturating_sub(1)),
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

    /// Returns the indexes of the lines in view: the head, the foot, and between them a window. If
    /// the focus is between them, the window contains the focused line and, if they fit, the two
    /// lines below it. Also returns whether there are more lines below the window.
    fn shown(&self, height: usize) -> (Vec<usize>, bool) {
        let count = self.lines.len();
        let (mut head, mut foot) = (self.head, self.foot);
        if head + foot + LEAST_BODY > height {
            (head, foot) = (0, 0);
        }
        let room = height.saturating_sub(head + foot);
        let body = head..count.saturating_sub(foot);
        let most = body.len().saturating_sub(room);
        let scroll = if body.contains(&self.focus.0) {
            let focus = self.focus.0 - head;
            (focus + 3).saturating_sub(room).min(focus).min(most)
        } else {
            self.scroll.min(most)
        };
        let from = head + scroll;
        let to = (from + room).min(body.end);
        let shown = (0..head).chain(from..to).chain(body.end..count);
        (shown.collect(), to < body.end)
    }
}

/// The mark in the lower border if there are more lines below.
const MORE: &str = " ↓ more ";

fn border(sheet: &Sheet, below: bool, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let quiet = theme.quiet();
    let blank = " ".repeat(usize::from(area.width));
    let rule = "─".repeat(usize::from(area.width.saturating_sub(2)));
    for y in 1..area.height.saturating_sub(1) {
        // This clears what was drawn below the dialog, including colours.
        buffer.set_style(
            Rect {
                y: area.y + y,
                height: 1,
                ..area
            },
            Style::reset(),
        );
        draw_text(buffer, area, 0, y, &blank, Style::reset());
        draw_text(buffer, area, 0, y, "│", quiet);
        draw_text(buffer, area, area.width - 1, y, "│", quiet);
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
        draw_text(buffer, area, 0, y, &line, quiet);
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
    let title = sheet
        .title
        .fitting(usize::from(for_title.width.saturating_sub(3)));
    draw_text(
        buffer,
        for_title,
        1,
        0,
        &format!(" {title} "),
        theme.strong(),
    );
    if corner > 0 {
        let x = area.width.saturating_sub(corner + 2);
        draw_text(buffer, within, x, 0, &format!(" {} ", sheet.corner), quiet);
    }
    // The mark that there is more to read takes precedence over hints.
    let mark = if below { MORE } else { "" };
    let room = usize::from(within.width.saturating_sub(4 + width(mark)));
    let hints = whole_hints(&sheet.hint, room);
    if !hints.is_empty() {
        draw_text(buffer, within, 1, last, &format!(" {hints} "), quiet);
    }
    let x = area.width.saturating_sub(width(mark) + 2);
    draw_text(buffer, within, x, last, mark, theme.warning());
}

/// Returns as many whole hints as fit. The first two say what the dialog is for; after them, the
/// last one, which closes the dialog, takes precedence over the rest.
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
