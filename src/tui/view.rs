//! `view(model)`: draws and nothing else. It changes nothing and fetches nothing.
//!
//! Text from people goes through the theme's `shown` before it is drawn: ratatui lets U+202E
//! through in lists and tables. Dialogs are [`sheet::Sheet`]s: lines with a focus that is always
//! scrolled into view, so that every field can be reached on the smallest screen. After every
//! draw the terminal's cursor stands on what has the keys.
mod audit;
mod confirmation;
mod detail;
mod dialogs;
mod explain;
mod footer;
mod hygiene;
mod list;
mod people;
mod sheet;
mod wizard;

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::Line,
};
use tui_input::Input;

use super::{
    dialog::Modal,
    model::Model,
    theme::{Theme, ascii_for},
};
use crate::domain::text::{fitted, thousands};

/// The smallest screen that more than a sentence fits on.
const SMALLEST: (u16, u16) = (20, 6);

/// Draws the whole screen.
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let cursor = if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        Some(too_small(frame.buffer_mut(), area))
    } else {
        draw(model, frame.buffer_mut(), area)
    };
    if model.theme.ascii {
        only_ascii(frame.buffer_mut());
    }
    if let Some(cursor) = cursor
        && area.contains(cursor)
    {
        frame.set_cursor_position(cursor);
    }
}

fn too_small(buffer: &mut Buffer, area: Rect) -> Position {
    let sentence = format!("needs {}x{}, q quits", SMALLEST.0, SMALLEST.1);
    draw_text(buffer, area, 0, 0, &sentence, Style::new());
    Position::new(area.x, area.y)
}

fn draw(model: &Model, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    // A token that could not be copied stands alone, without a border, to be selected.
    if let Some(Modal::Revealed(revealed)) = model.modals.last() {
        return Some(dialogs::revealed(model, revealed, buffer, area));
    }
    let mut cursor = list::draw(model, buffer, area);
    // A wizard is as wide as what it was opened from: nothing of that looks out from behind it.
    let is_wizard = |modal: &Modal| matches!(modal, Modal::Wizard(_));
    let first = model.modals.iter().rposition(is_wizard).unwrap_or(0);
    for (place, modal) in model.modals.iter().enumerate().skip(first) {
        let sheet = match modal {
            Modal::Details { scroll } => dialogs::details(model, *scroll, area),
            Modal::Wizard(wizard) => Some(self::wizard::sheet(model, wizard, area)),
            Modal::Confirmation(confirmation) => {
                Some(confirmation::sheet(model, confirmation, area))
            }
            Modal::Explain(test) => Some(explain::sheet(model, test, area)),
            Modal::Hygiene(it) => Some(hygiene::sheet(model, it, area)),
            Modal::Audit(it) => Some(audit::sheet(model, it, area)),
            Modal::Export(form) => Some(audit::export(model, *form, area)),
            Modal::Members(it) => Some(people::members(model, it, area)),
            Modal::MemberForm(form) => Some(people::form(model, form, area)),
            Modal::Removal(removal) => Some(people::removal(model, removal, area)),
            Modal::Agents(choice) => Some(people::agents(model, choice, area)),
            Modal::Withdrawn(why) => Some(dialogs::withdrawn(model, why, area)),
            Modal::NewToken(dialog) => Some(dialogs::new_token(model, dialog, area)),
            Modal::CopyAs { id, name, choice } => {
                Some(dialogs::copy_as(model, (id, name), *choice, area))
            }
            Modal::Help { place, scroll } => Some(dialogs::help(model, *place, *scroll, area)),
            Modal::Palette(palette) => Some(dialogs::palette(model, palette, area)),
            Modal::Revealed(_) => None,
        };
        if let Some(mut sheet) = sheet {
            // The hints are those of the uppermost one.
            if place + 1 < model.modals.len() {
                sheet.hint.clear();
            }
            cursor = Some(sheet.draw(model.theme, buffer, area));
        }
    }
    cursor
}

/// Writes a text within an area, cut to what fits; answers the column after it.
fn draw_text(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
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

/// Writes a text that ends at the right edge of an area.
fn put_right(buffer: &mut Buffer, area: Rect, y: u16, text: &str, style: Style) -> u16 {
    let x = area.width.saturating_sub(width(text));
    draw_text(buffer, area, x, y, text, style);
    x
}

/// The width of a text in cells.
fn width(text: &str) -> u16 {
    use unicode_width::UnicodeWidthStr as _;
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// What is seen of a text that is typed in a line of a sheet, and the column of its cursor there: it
/// is scrolled so far that the cursor is in view, where that has the keys. Two cells stand before it.
fn typed(theme: Theme, input: &Input, room: usize, has_keys: bool) -> (String, u16) {
    let room = u16::try_from(room.saturating_sub(3)).unwrap_or(u16::MAX);
    let before: String = input.value().chars().take(input.cursor()).collect();
    let at = width(&theme.shown(&before));
    let scroll = if has_keys { at.saturating_sub(room) } else { 0 };
    let shown = list::scrolled(&theme.shown(input.value()), scroll);
    let shown = fitted(&shown, usize::from(room) + 1);
    (shown.trim_end().to_owned(), 2 + at - scroll)
}

/// Words wrapped to a width, as lines of a style.
fn lines(text: &str, room: usize, style: Style) -> Vec<Line<'static>> {
    wrapped(text, room)
        .into_iter()
        .map(|part| Line::styled(part, style))
        .collect()
}

/// Words wrapped to a width; a word that is wider than that is cut into pieces.
fn wrapped(text: &str, room: usize) -> Vec<String> {
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

fn only_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let plain = ascii_for(cell.symbol());
            cell.set_symbol(plain);
        }
    }
}

/// The badge row of a key; initials where there is no room for more.
fn access_words(model: &Model, key: &crate::domain::key::Key, initials: bool) -> String {
    let word = |badge: &str| {
        let badge = model.theme.shown(badge);
        if initials {
            badge.chars().take(1).collect()
        } else {
            badge
        }
    };
    crate::domain::review::access_words(&key.draft.conditions, &model.areas, word)
}

/// The style of the word that tells what deserves a look.
fn attention_style(theme: Theme, attention: crate::domain::attention::Attention) -> Style {
    use crate::domain::attention::Attention;
    match attention {
        Attention::Disabled | Attention::Expired => theme.alarm(),
        Attention::Expires(_)
        | Attention::Refused(_)
        | Attention::Rotating(_)
        | Attention::Unused(_) => theme.warning(),
    }
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
