//! The other dialogs as sheets: a withdrawn confirmation, the new token, the choice of a form to
//! copy, the help, the palette and the details; and the revealed token, which is drawn without a
//! sheet.
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
};
use secrecy::ExposeSecret as _;

use super::{
    detail, footer,
    paint::{draw_text, rows_of_buttons, styled_lines, wrapped},
    sheet::{self, Sheet, Title},
};
use crate::{
    domain::token::Token,
    tui::{
        keymap::{Binding, Intent, Place, bindings_in},
        message::CopyForm,
        model::{Model, TWO_LINE_WIDTH},
        palette::{Palette, palette_entries},
        token::{CopyAs, NewToken, Revealed, TokenButton},
        update::palette_allows,
    },
};

pub(super) fn withdrawn(model: &Model, why: &str, screen: Rect) -> Sheet {
    let why = model.theme.shown(why);
    Sheet {
        title: "Nothing was done".to_owned().into(),
        corner: String::new(),
        lines: styled_lines(&why, sheet::room(screen), model.theme.alarm()),
        focus: (0, 0),
        hint: footer::border(model),
        ..Sheet::default()
    }
}

pub(super) fn new_token(model: &Model, dialog: &NewToken, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let dot = if model.theme.ascii { '*' } else { '•' };
    let mut text = styled_lines(
        &Token::masked(&dialog.prefix, &dialog.id, dot),
        room,
        Style::new(),
    );
    if let Some(old) = &dialog.old {
        text.extend(styled_lines(old, room, Style::new()));
    }
    text.extend(styled_lines(
        "You can copy it again from its row at any time.",
        room,
        model.theme.quiet(),
    ));
    if let Some(notice) = said(model) {
        text.extend(styled_lines(&notice, room, model.theme.success()));
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
        title: dialog.title.to_owned().into(),
        corner: String::new(),
        lines: text,
        focus,
        hint: footer::border(model),
        ..Sheet::default()
    }
}

/// The message to repeat in the dialog, because the dialog may cover the line that shows it. The
/// message about the created key is left out.
fn said(model: &Model) -> Option<String> {
    if let Some(sentence) = footer::countdown(model) {
        return Some(sentence);
    }
    let notice = model.notice.as_ref()?;
    (!notice.text.starts_with("API key created")).then(|| model.theme.shown(&notice.text))
}

pub(super) fn copy_as(model: &Model, choice: &CopyAs, screen: Rect) -> Sheet {
    let CopyAs {
        id,
        name,
        form: chosen,
    } = choice;
    let room = sheet::room(screen);
    let tag = model.tag(id);
    let is_narrow = room < TWO_LINE_WIDTH.into();
    let mut text = Vec::new();
    if is_narrow && !tag.is_empty() {
        let tag = tag.trim().trim_matches(['(', ')']).to_owned();
        text.push(Line::styled(tag, model.theme.quiet()));
    }
    let head = text.len();
    for form in CopyForm::ALL {
        let sample = form.filled("clv_…");
        let marker = if form == *chosen { "▸" } else { " " };
        let line = format!("{marker} {:<18}{sample}", form.title());
        let style = if form == *chosen {
            model.theme.focus()
        } else {
            Style::new()
        };
        let line = crate::domain::text::fitted(&line, room);
        text.push(Line::styled(line, style));
    }
    Sheet {
        title: Title {
            before: "Copy ".to_owned(),
            name: model.theme.shown(name),
            after: if is_narrow {
                " as".to_owned()
            } else {
                format!("{tag} as")
            },
        },
        lines: text,
        head,
        focus: (head + *chosen as usize, 0),
        hint: footer::border(model),
        ..Sheet::default()
    }
}

pub(super) fn details(model: &Model, scroll: u16, screen: Rect) -> Option<Sheet> {
    let key = model.selected()?;
    let lines = detail::lines(model, key, sheet::room(screen));
    Some(Sheet {
        title: "Details".to_owned().into(),
        corner: model.theme.shown(&model.workspace),
        focus: (scrolled(scroll, lines.len(), screen), 0),
        lines,
        hint: footer::border(model),
        ..Sheet::default()
    })
}

/// Returns the index of the line to focus when the text is scrolled by `scroll` lines: the last
/// visible line, so that each step scrolls.
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
    // The help leaves out what the user is not permitted to do, and the choice of an agent if there
    // is only one.
    let told = |binding: &&Binding| {
        let of_agents = binding.intent == Intent::Agents && model.agents.len() < 2;
        !of_agents && model.demand_in(place, binding.intent).is_ok()
    };
    let text: Vec<Line<'static>> = bindings_in(place)
        .filter(told)
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
        title: format!("Help: {}", place.title()).into(),
        corner: format!("claviger {}", env!("CARGO_PKG_VERSION")),
        lines: text,
        focus: (focus, 0),
        hint: "↑ ↓ scroll · Esc close".to_owned(),
        ..Sheet::default()
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
    // The typed text stays in view; the list below it is scrolled.
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
        title: "Do".to_owned().into(),
        corner: String::new(),
        lines: text,
        focus: (0, typed),
        hint: footer::border(model),
        ..Sheet::default()
    }
}

/// Draws the token alone on its line, at the first column and without a border, so that a mouse
/// selects the token and nothing else.
pub(super) fn revealed(
    model: &Model,
    revealed: &Revealed,
    buffer: &mut Buffer,
    area: Rect,
) -> Position {
    let theme = model.theme;
    let room = usize::from(area.width);
    let name = model.label(&revealed.shown.id, &revealed.shown.name);
    let name = format!("The token of {name}");
    draw_text(buffer, area, 0, 0, &name, theme.strong());
    let mut y = 2;
    for part in wrapped(revealed.shown.text.expose_secret(), room) {
        draw_text(buffer, area, 0, y, &part, Style::new());
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
            draw_text(buffer, area, 0, y, &part, theme.quiet());
            y += 1;
        }
    }
    footer::draw(model, buffer, area);
    Position::new(area.x, area.y + 2)
}
