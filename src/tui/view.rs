//! Draws the model: `view(model)`. It changes nothing and fetches nothing.
//!
//! Text entered by people goes through the theme's `shown` before it is drawn, because ratatui lets
//! U+202E through in lists and tables. Dialogs are [`sheet::Sheet`]s: lines with a focus that is
//! always scrolled into view, so that every field can be reached on the smallest screen. After
//! every draw the terminal's cursor is on the element that has the focus.
mod agents;
mod approvals;
mod audit;
mod confirmation;
mod detail;
mod dialogs;
mod explain;
mod footer;
mod hygiene;
mod list;
mod members;
mod paint;
mod sheet;
mod usage;
mod wizard;

use paint::draw_text;
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};

use super::{
    modal::{InModal as _, Modal},
    model::Model,
    theme::{Theme, ascii_for},
    token::Revealed,
    wizard::Wizard,
};
use crate::domain::text::thousands;

/// The smallest screen, in columns and rows, that is drawn in full. A smaller one shows only a
/// sentence.
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
    // A revealed token is shown alone, without a border, so that it can be selected.
    if let Some(revealed) = model.top::<Revealed>() {
        return Some(dialogs::revealed(model, revealed, buffer, area));
    }
    let mut cursor = list::draw(model, buffer, area);
    // A wizard is as wide as the dialog it was opened from. The dialogs below it are not drawn, so
    // that no part of them is visible around it.
    let is_wizard = |modal: &Modal| Wizard::of(modal).is_some();
    let first = model.modals.iter().rposition(is_wizard).unwrap_or(0);
    for (place, modal) in model.modals.iter().enumerate().skip(first) {
        let sheet = match modal {
            Modal::Details(it) => dialogs::details(model, it.scroll, area),
            Modal::Wizard(wizard) => Some(self::wizard::sheet(model, wizard, area)),
            Modal::Confirmation(confirmation) => {
                Some(confirmation::sheet(model, confirmation, area))
            }
            Modal::Explain(test) => Some(explain::sheet(model, test, area)),
            Modal::Hygiene(it) => Some(hygiene::sheet(model, it, area)),
            Modal::Approvals(it) => Some(approvals::sheet(model, it, area)),
            Modal::Usage(it) => Some(usage::sheet(model, it, area)),
            Modal::Audit(it) => Some(audit::sheet(model, it, area)),
            Modal::Export(it) => Some(audit::export(model, it.form, area)),
            Modal::Members(it) => Some(members::members(model, it, area)),
            Modal::MemberForm(form) => Some(members::form(model, form, area)),
            Modal::Removal(removal) => Some(members::removal(model, removal, area)),
            Modal::Agents(choice) => Some(agents::agents(model, choice, area)),
            Modal::Withdrawn(it) => Some(dialogs::withdrawn(model, &it.why, area)),
            Modal::NewToken(dialog) => Some(dialogs::new_token(model, dialog, area)),
            Modal::CopyAs(it) => Some(dialogs::copy_as(model, it, area)),
            Modal::Help(it) => Some(dialogs::help(model, it.place, it.scroll, area)),
            Modal::Palette(palette) => Some(dialogs::palette(model, palette, area)),
            Modal::Revealed(_) => None,
        };
        if let Some(mut sheet) = sheet {
            // Only the topmost dialog shows its hints.
            if place + 1 < model.modals.len() {
                sheet.hint.clear();
            }
            cursor = Some(sheet.draw(model.theme, buffer, area));
        }
    }
    cursor
}

fn only_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let plain = ascii_for(cell.symbol());
            cell.set_symbol(plain);
        }
    }
}

/// The badges of a key's access, as initials if there is no room for more.
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

/// The style of the word in the attention column.
fn attention_style(theme: Theme, attention: crate::domain::attention::Attention) -> Style {
    use crate::domain::attention::Attention;
    match attention {
        Attention::Disabled | Attention::Waits | Attention::Expired => theme.alarm(),
        Attention::Expires(_)
        | Attention::Begins(_)
        | Attention::Refused(_)
        | Attention::Rotating(_)
        | Attention::Unused(_) => theme.warning(),
    }
}
