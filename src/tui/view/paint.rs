//! The drawing functions that all views share: text in a buffer, wrapped lines, text fields,
//! buttons.
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tui_input::Input;

use crate::{
    domain::text::fitted,
    tui::{model::Model, rows::Rows, theme::Theme},
};

/// Draws a text within an area, cut to fit. Returns the column after it.
pub(super) fn draw_text(
    buffer: &mut Buffer,
    area: Rect,
    x: u16,
    y: u16,
    text: &str,
    style: Style,
) -> u16 {
    if y >= area.height || x >= area.width {
        return x;
    }
    let room = usize::from(area.width - x);
    let text = fitted_if_longer(text, room);
    let (end, _) = buffer.set_stringn(area.x + x, area.y + y, text, room, style);
    end - area.x
}

fn fitted_if_longer(text: &str, room: usize) -> String {
    use unicode_width::UnicodeWidthStr as _;
    if text.width() > room {
        fitted(text, room)
    } else {
        text.to_owned()
    }
}

/// Draws a text that ends at the right edge of an area. Returns its first column.
pub(super) fn put_right(buffer: &mut Buffer, area: Rect, y: u16, text: &str, style: Style) -> u16 {
    let x = area.width.saturating_sub(width(text));
    draw_text(buffer, area, x, y, text, style);
    x
}

/// Returns the width of a text in cells.
pub(super) fn width(text: &str) -> u16 {
    use unicode_width::UnicodeWidthStr as _;
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Returns the visible part of a text field in a line of a sheet, and the column of its cursor. A
/// field with the focus is scrolled so that the cursor is visible. Two cells precede the text.
pub(super) fn typed(theme: Theme, input: &Input, room: usize, has_keys: bool) -> (String, u16) {
    let room = u16::try_from(room.saturating_sub(3)).unwrap_or(u16::MAX);
    let before: String = input.value().chars().take(input.cursor()).collect();
    let at = width(&theme.shown(&before));
    let scroll = if has_keys { at.saturating_sub(room) } else { 0 };
    let shown = scrolled(&theme.shown(input.value()), scroll);
    let shown = fitted(&shown, usize::from(room) + 1);
    (shown.trim_end().to_owned(), 2 + at - scroll)
}

/// Wraps words to a width and returns them as styled lines.
pub(super) fn styled_lines(text: &str, room: usize, style: Style) -> Vec<Line<'static>> {
    wrapped(text, room)
        .into_iter()
        .map(|part| Line::styled(part, style))
        .collect()
}

/// The sentences above rows: the result of the last action, and why it or a read failed.
pub(super) fn results<T>(model: &Model, rows: &Rows<T>, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let mut lines = Vec::new();
    if let Some(said) = &rows.said {
        lines.extend(styled_lines(&theme.shown(said), room, theme.success()));
    }
    if let Some(problem) = &rows.problem {
        let text = format!("! {}", theme.shown(problem));
        lines.extend(styled_lines(&text, room, theme.alarm()));
    }
    lines
}

/// Wraps words to a width. A wider word is split between grapheme clusters, which textwrap does not
/// promise.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    use unicode_segmentation::UnicodeSegmentation as _;
    use unicode_width::UnicodeWidthStr as _;
    let room = room.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        if line.is_empty() || line.width() + 1 + word.width() <= room {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
        while lines.last().is_some_and(|line| line.width() > room) {
            let long = lines.pop().unwrap_or_default();
            let (mut kept, mut rest) = (String::new(), String::new());
            for cluster in long.graphemes(true) {
                let fits = rest.is_empty() && kept.width() + cluster.width() <= room;
                if fits || kept.is_empty() {
                    kept.push_str(cluster);
                } else {
                    rest.push_str(cluster);
                }
            }
            lines.push(kept);
            if rest.is_empty() {
                break;
            }
            lines.push(rest);
        }
    }
    lines
}

/// Returns the text without its first `cells` cells.
pub(super) fn scrolled(text: &str, cells: u16) -> String {
    use unicode_segmentation::UnicodeSegmentation as _;
    let mut left = cells;
    text.graphemes(true)
        .skip_while(|cluster| {
            let skip = left > 0;
            left = left.saturating_sub(width(cluster));
            skip
        })
        .collect()
}

/// Returns a row of buttons that begins at a column, and the column of the focused button.
pub(super) fn buttons(
    model: &Model,
    titles: &[&str],
    focused: Option<usize>,
    begin: usize,
) -> (Line<'static>, Option<u16>) {
    let theme = model.theme;
    let mut spans = vec![Span::raw(" ".repeat(begin))];
    let mut at = begin;
    let mut column = None;
    for (index, title) in titles.iter().enumerate() {
        let here = focused == Some(index);
        if here {
            column = u16::try_from(at).ok();
        }
        let (text, style) = if here {
            (format!("▸ {title}"), theme.pressed())
        } else {
            (format!("  {title}"), Style::new())
        };
        at += usize::from(width(&text)) + 1;
        spans.push(Span::styled(text, style));
        spans.push(Span::raw(" "));
    }
    (Line::from(spans), column)
}

/// Returns buttons in as many rows as they need, each as [`buttons`] does.
pub(super) fn rows_of_buttons(
    model: &Model,
    titles: &[&str],
    focused: Option<usize>,
    room: usize,
) -> Vec<(Line<'static>, Option<u16>)> {
    let mut rows: Vec<(usize, usize)> = Vec::new();
    let mut used = room + 1;
    for (at, title) in titles.iter().enumerate() {
        let wide = usize::from(width(title)) + 3;
        if used + wide > room + 1 {
            rows.push((at, at));
            used = 0;
        }
        used += wide;
        if let Some(row) = rows.last_mut() {
            row.1 = at + 1;
        }
    }
    let row = |(from, to): (usize, usize)| {
        let here = focused
            .filter(|at| (from..to).contains(at))
            .map(|at| at - from);
        buttons(model, &titles[from..to], here, 0)
    };
    rows.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_and_long_ones_are_cut() {
        assert_eq!(wrapped("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("界界界", 3), ["界", "界", "界"]);
    }
}
