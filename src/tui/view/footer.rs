//! The two lowest lines of the screen: the last message, and the available keys.
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::paint::{draw_text, width, wrapped};
use crate::tui::{
    confirmation::{Confirmation, Verb},
    keymap::{Intent, bindings_in},
    model::Model,
    token::Revealed,
};

/// The maximum number of lines of a message about a failure, or of a long one.
const MOST_LINES: usize = 5;

/// Draws the last message. While a copied token waits to be cleared, the countdown takes its place,
/// unless the message is about a failure.
pub(super) fn notice(model: &Model, buffer: &mut Buffer, area: Rect) {
    let y = area.height.saturating_sub(2);
    let failed = model.notice.as_ref().filter(|notice| notice.failed);
    if let (Some(sentence), None) = (countdown(model), failed) {
        draw_text(buffer, area, 1, y, &sentence, model.theme.success());
    } else if let Some(notice) = &model.notice {
        let style = if notice.failed {
            model.theme.alarm()
        } else {
            model.theme.success()
        };
        let mut text = model.theme.shown(&notice.text);
        if !model.queued_notices.is_empty() {
            text = format!("(1 of {}) {text}", model.queued_notices.len() + 1);
        }
        if notice.failed || width(&text) + 2 > area.width {
            trouble(&text, style, buffer, area);
        } else {
            draw_text(buffer, area, 1, y, &text, style);
        }
    }
}

/// Returns the sentence about how long a copied token stays on the desktop's clipboard. It names
/// the key if the key has a tag, which means that its name alone may be ambiguous.
pub(super) fn countdown(model: &Model) -> Option<String> {
    let left = model.clipboard?;
    let (id, name) = model.copied.as_ref()?;
    let whose = if model.tag(id).is_empty() {
        String::new()
    } else {
        format!(" {}", model.label(id, name))
    };
    Some(format!(
        "copied{whose} · the clipboard is cleared in {left} s · z clears it now"
    ))
}

/// Draws a message about a failure, or one that is too long for a line, over the lowest rows of the
/// list. It is not cut to one line, because it ends with what the user can do.
fn trouble(text: &str, style: Style, buffer: &mut Buffer, area: Rect) {
    let mut lines = wrapped(text, usize::from(area.width.saturating_sub(2)));
    lines.truncate(usize::from(area.height.saturating_sub(4)).clamp(1, MOST_LINES));
    let blank = " ".repeat(usize::from(area.width));
    let count = u16::try_from(lines.len()).unwrap_or(1);
    for (line, above) in lines.iter().zip((0..count).rev()) {
        let y = area.height.saturating_sub(2 + above);
        draw_text(buffer, area, 0, y, &blank, Style::reset());
        let row = Rect {
            y: area.y + y,
            height: 1,
            ..area
        };
        buffer.set_style(row, Style::reset());
        draw_text(buffer, area, 1, y, line, style);
    }
}

/// Draws the most useful keys in this place, as many as fit. The help is always among them.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    // A dialog shows its hints in its own border.
    if !model.modals.is_empty() && model.top::<Revealed>().is_none() {
        return;
    }
    let theme = model.theme;
    let y = area.height - 1;
    let hints = hints(model);
    let help = hints.iter().find(|(_, _, intent)| *intent == Intent::Help);
    let reserved = help.map_or(0, |(key, word, _)| width(key) + 1 + width(word));
    let mut x = 1;
    for (key, word, intent) in hints.iter().filter(|hint| hint.2 != Intent::Help) {
        let wide = width(key) + 1 + width(word);
        if x + wide + 2 + reserved > area.width {
            break;
        }
        // While a filter is on, the footer shows the key that drops it; other layers show their key
        // in their border.
        let style = if *intent == Intent::Close {
            theme.warning()
        } else {
            theme.strong()
        };
        let end = draw_text(buffer, area, x, y, key, style);
        x = draw_text(buffer, area, end + 1, y, word, theme.quiet()) + 2;
    }
    if let Some((key, word, _)) = help {
        let end = draw_text(buffer, area, x, y, key, theme.strong());
        draw_text(buffer, area, end + 1, y, word, theme.quiet());
    }
}

/// Returns the keys that work now with their words and intents, in the order of the table; on the
/// list, dropping the filter comes first, and enabling a disabled key next.
pub(super) fn hints(model: &Model) -> Vec<(String, String, Intent)> {
    let place = model.place();
    let mut hints: Vec<(String, String, Intent)> = bindings_in(place)
        .filter(|binding| model.allows(binding.intent))
        .filter_map(|binding| {
            let chord = binding.chords_in(place).next()?;
            let word = match (binding.intent, binding.footer?) {
                (Intent::Switch, _)
                    if model.targets().iter().all(|key| key.disabled_at.is_some()) =>
                {
                    "enable"
                }
                (Intent::Accept, word) => accept_word(model).unwrap_or(word),
                (Intent::Next, "reason") if has_no_reason(model) => "next",
                (_, word) => word,
            };
            Some((chord.written(), word.to_owned(), binding.intent))
        })
        .collect();
    // A chord with a meaning of its own in this place loses its general meaning.
    let mut known = Vec::new();
    hints.retain(|(chord, ..)| {
        let new = !known.contains(chord);
        known.push(chord.clone());
        new
    });
    // Dropping a filter is more useful than the rest, and so is enabling a disabled key.
    hints.sort_by_key(|(_, word, intent)| match intent {
        Intent::Close if model.modals.is_empty() => 0,
        Intent::Switch if word == "enable" => 1,
        _ => 2,
    });
    hints
}

fn has_no_reason(model: &Model) -> bool {
    let confirmation = model.top::<Confirmation>();
    confirmation.is_some_and(|confirmation| confirmation.verb != Verb::Revoke)
}

fn accept_word(model: &Model) -> Option<&'static str> {
    model.modals.last()?.dialog().accept_word()
}

/// Returns the hints of a dialog for its lower border.
pub(super) fn border(model: &Model) -> String {
    let hints: Vec<String> = hints(model)
        .into_iter()
        .filter(|(_, _, intent)| *intent != Intent::Help)
        .map(|(key, word, _)| format!("{key} {word}"))
        .collect();
    hints.join(" · ")
}
