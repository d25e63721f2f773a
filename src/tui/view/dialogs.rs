//! The other dialogs as sheets: confirmation, new token, copy as, help, palette, details; and the
//! shown token, which stands alone.
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
};
use secrecy::ExposeSecret as _;

use super::{
    detail, footer, put,
    sheet::{self, Sheet},
    width,
    wizard::{buttons, rows_of_buttons},
    wrapped,
};
use crate::{
    domain::{
        hygiene::{Tidying, review},
        key::{Key, RevokeReason},
        text::thousands,
        token::Token,
    },
    tui::{
        dialog::{
            Confirmation, ConfirmationFocus, NewToken, Overlap, Palette, Revealed, TokenButton,
            Verb, palette_entries,
        },
        keymap::{Binding, Place, bindings_in},
        message::CopyForm,
        model::Model,
        update::palette_allows,
    },
};

/// How many of several keys a question names.
const NAMED_KEYS: usize = 5;

fn lines(text: &str, room: usize, style: Style) -> Vec<Line<'static>> {
    wrapped(text, room)
        .into_iter()
        .map(|part| Line::styled(part, style))
        .collect()
}

/// ```text
/// ╭ Revoke Partner: Acme in PROD? ───────────────────────────╮
/// │ The key is permanently deleted.                          │
/// │ Any applications using this key will lose access.        │
/// │ Last used 2026-11-23 14:02 UTC from 10.0.0.9             │
/// │ Reason  ‹ not given ›                                    │
/// │ Type k7Gh to revoke: k7▏              Cancel     Revoke  │
/// ```
pub(super) fn confirmation(model: &Model, confirmation: &Confirmation, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let theme = model.theme;
    let act = confirmation.act();
    let workspace = theme.shown(&model.workspace);
    let subject = match confirmation.keys.as_slice() {
        several if confirmation.verb == Verb::Tidy => {
            let noun = if several.len() == 1 {
                "change"
            } else {
                "changes"
            };
            format!("{} {noun}", several.len())
        }
        [one] => theme.shown(one.name()),
        several => format!("{} keys", several.len()),
    };
    let mut text = consequences(model, confirmation, room);
    let mut focus = (text.len(), 0);
    let choice = match confirmation.verb {
        Verb::Revoke => {
            let reason = confirmation.reason.map_or("not given", RevokeReason::title);
            Some(("Reason  ", reason))
        }
        Verb::Rotate => Some(("Overlap ", confirmation.overlap.title())),
        Verb::Disable | Verb::Enable | Verb::Tidy => None,
    };
    if let Some((label, chosen)) = choice {
        let here = confirmation.focus == ConfirmationFocus::Reason;
        if here {
            focus = (text.len(), 8);
        }
        let style = if here { theme.pressed() } else { Style::new() };
        text.push(Line::from(vec![
            Span::raw(label),
            Span::styled(format!("‹ {chosen} ›"), style),
        ]));
    }
    if let Some(expected) = &confirmation.expected {
        let to = if confirmation.verb == Verb::Tidy {
            "apply"
        } else {
            "revoke"
        };
        let label = format!("Type {expected} to {to}: ");
        if confirmation.focus == ConfirmationFocus::Field {
            let at = width(&label) + u16::try_from(confirmation.typed.visual_cursor()).unwrap_or(0);
            focus = (text.len(), at);
        }
        text.push(Line::from(format!(
            "{label}{}",
            theme.shown(confirmation.typed.value())
        )));
    }
    if let Some(problem) = &confirmation.problem {
        text.extend(lines(&format!("! {problem}"), room, theme.alarm()));
    }
    let focused = match confirmation.focus {
        ConfirmationFocus::Cancel => Some(0),
        ConfirmationFocus::Act => Some(1),
        _ => None,
    };
    let (line, column) = buttons(
        model,
        &["Cancel", act],
        focused,
        room.saturating_sub(act.len() + 12),
    );
    if let Some(column) = column {
        focus = (text.len(), column);
    }
    text.push(line);
    let hint = if confirmation.working {
        "working…".to_owned()
    } else {
        footer::border(model)
    };
    Sheet {
        title: match act {
            "End old token" => format!("End the old token of {subject} in {workspace}?"),
            act => format!("{act} {subject} in {workspace}?"),
        },
        corner: String::new(),
        lines: text,
        focus,
        hint,
    }
}

/// What will happen, and to whom, in plain words.
fn consequences(model: &Model, confirmation: &Confirmation, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let keys = &confirmation.keys;
    let mut text = Vec::new();
    if confirmation.verb == Verb::Tidy {
        return changes(model, confirmation, room);
    }
    if keys.len() > 1 {
        for key in keys.iter().take(NAMED_KEYS) {
            let line = format!("{}: {}", theme.shown(key.name()), key.last_use_sentence());
            text.push(Line::from(crate::domain::text::fitted(&line, room)));
        }
        if keys.len() > NAMED_KEYS {
            text.push(Line::from(format!("and {} more", keys.len() - NAMED_KEYS)));
        }
        let hidden = keys
            .iter()
            .filter(|key| !model.list.filter.admits(key, model.now))
            .count();
        if hidden > 0 {
            text.extend(lines(
                &format!("{hidden} of them are hidden by the filter."),
                room,
                theme.warning(),
            ));
        }
    }
    let one = keys.len() == 1;
    match confirmation.verb {
        Verb::Revoke => {
            let sentence = if one {
                "The key is permanently deleted."
            } else {
                "The keys are permanently deleted."
            };
            text.extend(lines(sentence, room, Style::new()));
            let loss = if one {
                "Any applications using this key will lose access."
            } else {
                "Any applications using these keys will lose access."
            };
            text.extend(lines(loss, room, theme.alarm()));
        }
        Verb::Disable => {
            let sentence = "It is refused from the next request on, until it is enabled again.";
            let sentence = if one {
                sentence.to_owned()
            } else {
                sentence
                    .replace("It is", "They are")
                    .replace("it is", "they are")
            };
            text.extend(lines(&sentence, room, theme.warning()));
        }
        Verb::Rotate => {
            let sentence = if confirmation.overlap == Overlap::Finish {
                "Clients that still use the old token are refused from the next request on."
            } else {
                "The key gets a new token now. The old one stays good for the overlap, so that its clients can change over."
            };
            text.extend(lines(sentence, room, Style::new()));
            for former in model.activity(&keys[0].id).iter().flat_map(|it| &it.former) {
                if former.is_good(&keys[0], model.now) {
                    let sentence =
                        format!("An old token is {}", former.sentence(&keys[0], model.now));
                    text.extend(lines(&sentence, room, theme.warning()));
                }
            }
        }
        Verb::Tidy => {}
        Verb::Enable => {
            let sentence = "They are let in again from the next request on.";
            text.extend(lines(sentence, room, theme.warning()));
        }
    }
    if one {
        let sentence = last_use(model, &keys[0]);
        let mut words = sentence.chars();
        let sentence = words
            .next()
            .map(|c| c.to_ascii_uppercase().to_string() + words.as_str());
        text.extend(lines(&sentence.unwrap_or_default(), room, Style::new()));
    }
    text
}

/// When the key was used last, and how often of late where that is known.
fn last_use(model: &Model, key: &Key) -> String {
    let sentence = key.last_use_sentence();
    let allowed = model
        .activity(&key.id)
        .map_or(0, |activity| activity.hours.totals().0);
    if allowed == 0 {
        return sentence;
    }
    format!("{sentence}; {} uses in 48 hours", thousands(allowed))
}

/// What several changes do, each under the name of its key.
fn changes(model: &Model, confirmation: &Confirmation, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let mut text = Vec::new();
    for (key, tidying) in confirmation.keys.iter().zip(&confirmation.tidyings) {
        // Two names may be cut to the same; ids are not.
        let named = format!("{} {}", key.id, theme.shown(key.name()));
        text.extend(lines(&named, room, theme.strong()));
        let style = if *tidying == Tidying::Revoke {
            theme.alarm()
        } else {
            Style::new()
        };
        for sentence in review(key, tidying, &model.areas) {
            text.extend(lines(&format!("  {sentence}"), room, style));
        }
    }
    text
}

pub(super) fn withdrawn(model: &Model, why: &str, screen: Rect) -> Sheet {
    let why = model.theme.shown(why);
    Sheet {
        title: "Nothing was done".to_owned(),
        corner: String::new(),
        lines: lines(&why, sheet::room(screen), model.theme.alarm()),
        focus: (0, 0),
        hint: footer::border(model),
    }
}

pub(super) fn new_token(model: &Model, dialog: &NewToken, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let dot = if model.theme.ascii { '*' } else { '•' };
    let mut text = lines(&Token::masked(&dialog.id, dot), room, Style::new());
    if let Some(old) = &dialog.old {
        text.extend(lines(old, room, Style::new()));
    }
    text.extend(lines(
        "You can copy it again from its row at any time.",
        room,
        model.theme.quiet(),
    ));
    if let Some(notice) = said(model) {
        text.extend(lines(&notice, room, model.theme.success()));
    }
    let titles = TokenButton::ALL.map(TokenButton::title);
    let at = TokenButton::ALL
        .iter()
        .position(|button| *button == dialog.focus);
    let mut focus = (0, 0);
    for (line, column) in rows_of_buttons(model, &titles, at, room) {
        if let Some(column) = column {
            focus = (text.len(), column);
        }
        text.push(line);
    }
    Sheet {
        title: dialog.title.to_owned(),
        corner: String::new(),
        lines: text,
        focus,
        hint: footer::border(model),
    }
}

/// What was said since the dialog opened: the dialog may lie over the line where it is said.
fn said(model: &Model) -> Option<String> {
    if let Some(left) = model.clipboard {
        return Some(format!(
            "copied · the clipboard is cleared in {left} s · z clears it now"
        ));
    }
    let notice = model.notice.as_ref()?;
    (!notice.text.starts_with("API key created")).then(|| model.theme.shown(&notice.text))
}

pub(super) fn copy_as(model: &Model, name: &str, choice: usize, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let text = CopyForm::ALL
        .iter()
        .enumerate()
        .map(|(at, form)| {
            let sample = form.filled("clv_…");
            let marker = if at == choice { "▸" } else { " " };
            let line = format!("{marker} {:<18}{sample}", form.title());
            let style = if at == choice {
                model.theme.focus()
            } else {
                Style::new()
            };
            Line::styled(crate::domain::text::fitted(&line, room), style)
        })
        .collect();
    Sheet {
        title: format!("Copy {} as", model.theme.shown(name)),
        corner: String::new(),
        lines: text,
        focus: (choice, 0),
        hint: footer::border(model),
    }
}

pub(super) fn details(model: &Model, scroll: u16, screen: Rect) -> Option<Sheet> {
    let key = model.selected()?;
    let lines = detail::lines(model, key, sheet::room(screen));
    Some(Sheet {
        title: "Details".to_owned(),
        corner: model.theme.shown(&model.workspace),
        focus: (scrolled(scroll, lines.len(), screen), 0),
        lines,
        hint: footer::border(model),
    })
}

/// The line to focus for so many lines scrolled: the last visible one, so that each step scrolls.
fn scrolled(scroll: u16, lines: usize, screen: Rect) -> usize {
    if scroll == 0 {
        return 0;
    }
    let height = usize::from(screen.height).saturating_sub(4);
    (usize::from(scroll) + height.saturating_sub(3)).min(lines.saturating_sub(1))
}

pub(super) fn help(model: &Model, place: Place, scroll: u16, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let written = |binding: &Binding| {
        let chords: Vec<String> = binding
            .chords_in(place)
            .map(super::super::keymap::Chord::written)
            .collect();
        chords.join(" ")
    };
    let text: Vec<Line<'static>> = bindings_in(place)
        .flat_map(|binding| {
            let keys = crate::domain::text::fitted(&written(binding), 14);
            wrapped(binding.help, room.saturating_sub(15))
                .into_iter()
                .enumerate()
                .map(move |(at, part)| {
                    let keys = if at == 0 {
                        keys.clone()
                    } else {
                        " ".repeat(14)
                    };
                    (keys, part)
                })
        })
        .map(|(keys, part)| {
            Line::from(vec![
                Span::styled(keys, model.theme.strong()),
                Span::raw(" "),
                Span::raw(part),
            ])
        })
        .collect();
    let focus = scrolled(scroll, text.len(), screen);
    Sheet {
        title: format!("Help: {}", place.title()),
        corner: format!("claviger {}", env!("CARGO_PKG_VERSION")),
        lines: text,
        focus: (focus, 0),
        hint: "↑ ↓ scroll · Esc close".to_owned(),
    }
}

pub(super) fn palette(model: &Model, palette: &Palette, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let on_list = model.modals.len() == 1;
    let entries = palette_entries(palette.input.value(), |intent| {
        palette_allows(model, intent, on_list)
    });
    let mut text = vec![Line::from(format!(
        ": {}",
        model.theme.shown(palette.input.value())
    ))];
    let typed = 2 + u16::try_from(palette.input.visual_cursor()).unwrap_or(0);
    if let Some(id) = palette.decision() {
        let line = format!("▸ explain {id}");
        text.push(Line::styled(line, model.theme.focus()));
    } else if entries.is_empty() {
        text.push(Line::styled(
            "  nothing is called that",
            model.theme.quiet(),
        ));
    }
    // The typed text stays in view: the list is scrolled under it.
    let shown = usize::from(screen.height).saturating_sub(6).max(1);
    let first = (palette.selected + 1).saturating_sub(shown);
    for (at, (name, _)) in entries.iter().enumerate().skip(first).take(shown) {
        let here = at == palette.selected;
        let style = if here {
            model.theme.focus()
        } else {
            Style::new()
        };
        let marker = if here { "▸" } else { " " };
        text.push(Line::styled(
            crate::domain::text::fitted(&format!("{marker} {name}"), room),
            style,
        ));
    }
    Sheet {
        title: "Do".to_owned(),
        corner: String::new(),
        lines: text,
        focus: (0, typed),
        hint: footer::border(model),
    }
}

/// The token alone on its line, at the first column and without a border, so that a mouse selects
/// it and nothing else.
pub(super) fn revealed(
    model: &Model,
    revealed: &Revealed,
    buffer: &mut Buffer,
    area: Rect,
) -> Position {
    let theme = model.theme;
    let room = usize::from(area.width);
    let name = format!("The token of {}", theme.shown(&revealed.shown.name));
    put(buffer, area, 0, 0, &name, theme.strong());
    let mut y = 2;
    for part in wrapped(revealed.shown.text.expose_secret(), room) {
        put(buffer, area, 0, y, &part, Style::new());
        y += 1;
    }
    y += 1;
    let mut sentences = vec![format!("Hidden again in {} s, or with Esc.", revealed.left)];
    sentences.extend(revealed.note.clone());
    if let Some(notice) = said(model) {
        sentences.push(notice);
    }
    for sentence in sentences {
        for part in wrapped(&sentence, room) {
            put(buffer, area, 0, y, &part, theme.quiet());
            y += 1;
        }
    }
    footer::draw(model, buffer, area);
    Position::new(area.x, area.y + 2)
}
