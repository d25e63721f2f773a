//! The list of keys.
//!
//! ```text
//!  claviger  PROD  alice@gw1                                    UTC · 1,204 keys
//!    Name                  Access                     Created ↓   Attention
//!  ▸ Partner: Acme         Contacts                   2026-11-20  3 refused
//!   *Acme staging          Contacts Documents Any IP  2026-11-12  expires 6d
//!
//!  c copy  e edit  x revoke  n new  / filter  ! attention  ? help
//! ```
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};

use super::{
    access_words, attention_style, detail, footer,
    paint::{draw_text, put_right, scrolled, width},
    thousands,
};
use crate::{
    domain::{
        key::Key,
        listing::SortField,
        moment::Moment,
        text::{cut_in_the_middle, fitted},
    },
    tui::{model::Model, read::ListRow},
};

/// A column of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Agent,
    Access,
    Created,
    LastUsed,
    Expires,
    Addresses,
    Attention,
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Agent => "Agent",
            Self::Access => "Access",
            Self::Created => "Created",
            Self::LastUsed => "Last used",
            Self::Expires => "Expires",
            Self::Addresses => "IPs",
            Self::Attention => "Attention",
        }
    }

    /// The field by which the list is sorted for this column, or `None` if it cannot be sorted by
    /// it.
    fn field(self) -> Option<SortField> {
        Some(match self {
            Self::Agent => return None,
            Self::Name => SortField::Name,
            Self::Access => SortField::Access,
            Self::Created => SortField::Created,
            Self::LastUsed => SortField::LastUsed,
            Self::Expires => SortField::Expires,
            Self::Addresses => SortField::Addresses,
            Self::Attention => SortField::Attention,
        })
    }
}

/// The gap between columns, and the room in front of the first one for the markers, in cells.
const GAP: u16 = 2;
const MARKERS: u16 = 3;
const ATTENTION: u16 = 12;
const LEAST_NAME: u16 = 20;
/// The minimum width of a name in the header, in cells.
const LEAST_OF_A_NAME: u16 = 12;
const AGENT: u16 = 10;
const LEAST_NAME_BESIDE_AGENT: u16 = 8;
/// Below this width badges are drawn as initials.
const FULL_BADGES: u16 = 60;

/// Returns the columns that fit, with their widths. As the room shrinks, columns are dropped in the
/// order IPs, expires, last used, created, agent. The agent column exists only if keys of several
/// agents are shown.
fn columns(room: u16, several_agents: bool) -> Vec<(Column, u16)> {
    let access = if room < FULL_BADGES { 10 } else { 25 };
    let attention = if room < FULL_BADGES { 11 } else { ATTENTION };
    let mut used = MARKERS + GAP + access + GAP + attention;
    let mut chosen = vec![(Column::Access, access)];
    let agent = if several_agents { AGENT } else { 0 };
    if several_agents && used + LEAST_NAME_BESIDE_AGENT + GAP + agent <= room {
        used += GAP + agent;
        chosen.insert(0, (Column::Agent, agent));
    }
    let optional = [
        (Column::Created, 10),
        (Column::LastUsed, 28),
        (Column::Expires, 10),
        (Column::Addresses, 20),
    ];
    for (column, wide) in optional {
        if used + LEAST_NAME + GAP + wide > room {
            break;
        }
        used += GAP + wide;
        chosen.push((column, wide));
    }
    chosen.push((Column::Attention, attention));
    chosen.insert(0, (Column::Name, room.saturating_sub(used).clamp(8, 60)));
    chosen
}

fn columns_at_most(several_agents: bool) -> usize {
    7 + usize::from(several_agents)
}

pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    let pane = detail::pane_width(area.width);
    let table = Rect {
        width: area.width - pane.unwrap_or(0),
        ..area
    };
    let several_agents = model.agents.len() > 1 && model.list.agent.is_none();
    let columns = columns(table.width, several_agents);
    let all = columns_at_most(several_agents);
    header(model, buffer, area, all.saturating_sub(columns.len()));
    let mut y = 1;
    let mut cursor = None;
    if model.filter_line() {
        cursor = filter(model, buffer, table, y);
        y += 1;
    }
    heads(model, buffer, table, y, &columns);
    y += 1;
    let rows = model.visible_rows();
    if model.list.rows.is_empty() {
        empty(model, buffer, table, y + 1);
    }
    for (row, at) in model
        .list
        .rows
        .iter()
        .skip(model.list.top)
        .take(rows)
        .zip(y..)
    {
        let selected = model.list.selected.as_ref() == Some(row.id());
        draw_row(model, buffer, table, at, row, selected, &columns);
        if selected && model.list.typing.is_none() {
            cursor = Some(Position::new(area.x + 1, area.y + at));
        }
    }
    if let Some(pane) = pane {
        let pane = Rect {
            x: area.x + table.width,
            width: pane,
            y: area.y + 1,
            height: area.height.saturating_sub(3),
        };
        detail::pane(model, buffer, pane);
    }
    footer::notice(model, buffer, area);
    footer::draw(model, buffer, area);
    cursor.or(Some(Position::new(area.x, area.y + area.height - 1)))
}

/// Draws the workspace and the acting user, the number of keys, and the time zone of the dates.
/// What does not fit is dropped in the order: the program's name, the time zone, the number of
/// missing columns; names are shortened.
fn header(model: &Model, buffer: &mut Buffer, area: Rect, missing: usize) {
    let theme = model.theme;
    let room = area.width.saturating_sub(2);
    let narrow = area.width < 60;
    let workspace = theme.shown(&model.workspace);
    // The agent whose keys are shown, if there are several agents.
    let agent = match &model.list.agent {
        _ if model.agents.len() < 2 => String::new(),
        Some(agent) => format!(" / {agent}"),
        None => " / all agents".to_owned(),
    };
    let mut actor = theme.shown(&model.actor);
    if model.is_member && !narrow {
        actor = format!("{actor}, {}", model.role);
    }
    let count = counted(model, area.width);
    let columns = if missing > 0 {
        format!("+{missing} cols · ")
    } else {
        String::new()
    };
    let zone = if narrow { "" } else { "UTC · " };
    let gap = if narrow { 1 } else { 2 };
    let names = [&workspace, &agent, &actor].map(|text| width(text));
    let whole: u16 = names.iter().sum();
    let least: u16 = names.iter().map(|wide| wide.min(&LEAST_OF_A_NAME)).sum();
    let choices = [
        ("claviger", format!("{columns}{zone}{count}"), whole),
        ("", format!("{columns}{zone}{count}"), least),
        ("", format!("{columns}{count}"), least),
        ("", count, 0),
    ];
    let fitting = choices.into_iter().find(|(program, right, names)| {
        let program = width(program) + if program.is_empty() { 0 } else { gap };
        program + names + gap + 1 + width(right) <= room
    });
    let (program, right, _) = fitting.unwrap_or_default();
    let bounds = Rect {
        width: area.width - 1,
        ..area
    };
    let right = put_right(buffer, bounds, 0, &right, theme.quiet());
    let left = Rect {
        width: right.saturating_sub(1),
        ..area
    };
    let mut x = 1;
    if !program.is_empty() {
        x = draw_text(buffer, left, x, 0, program, theme.strong()) + gap;
    }
    let room = usize::from(left.width.saturating_sub(x + gap));
    let mut wanted = names.map(usize::from);
    // The longest text is shortened first.
    while wanted.iter().sum::<usize>() > room {
        if let Some(longest) = wanted.iter_mut().max() {
            *longest -= 1;
        }
    }
    let [workspace, agent, actor] = [
        cut_in_the_middle(&workspace, wanted[0]),
        cut_in_the_middle(&agent, wanted[1]),
        cut_in_the_middle(&actor, wanted[2]),
    ];
    x = draw_text(buffer, left, x, 0, &workspace, theme.focus());
    x = draw_text(buffer, left, x, 0, &agent, theme.focus());
    draw_text(buffer, left, x + gap, 0, &actor, Style::new());
}

fn counted(model: &Model, wide: u16) -> String {
    let list = &model.list;
    let total = thousands(list.count.total);
    let filtered = list.filter != crate::domain::listing::Filter::default();
    let noun = if list.count.total == 1 { "key" } else { "keys" };
    let mut words = match (filtered, wide < 60) {
        (false, false) => format!("{total} {noun}"),
        (false, true) => total,
        (true, false) => format!("{} of {total} {noun}", thousands(list.count.matching)),
        (true, true) => format!("{} of {total}", thousands(list.count.matching)),
    };
    if !list.marks.is_empty() {
        let hidden = model.hidden_marks();
        words = format!("{} marked, {hidden} hidden · {words}", list.marks.len());
    }
    words
}

fn filter(model: &Model, buffer: &mut Buffer, area: Rect, y: u16) -> Option<Position> {
    let theme = model.theme;
    let mut x = draw_text(buffer, area, 1, y, "/", theme.focus()) + 1;
    if model.list.filter.attention {
        x = draw_text(
            buffer,
            area,
            x,
            y,
            "only what needs attention ",
            theme.warning(),
        );
    }
    let Some(input) = &model.list.typing else {
        draw_text(
            buffer,
            area,
            x,
            y,
            &theme.shown(&model.list.filter.search),
            Style::new(),
        );
        return None;
    };
    let before: String = input.value().chars().take(input.cursor()).collect();
    let shown = theme.shown(input.value());
    let at = width(&theme.shown(&before));
    let room = area.width.saturating_sub(x + 1);
    let scroll = at.saturating_sub(room);
    draw_text(buffer, area, x, y, &scrolled(&shown, scroll), Style::new());
    Some(Position::new(area.x + x + at - scroll, area.y + y))
}

fn heads(model: &Model, buffer: &mut Buffer, area: Rect, y: u16, columns: &[(Column, u16)]) {
    let theme = model.theme;
    let mut x = MARKERS;
    for (column, wide) in columns {
        let sorted = column.field() == Some(model.list.sort.field);
        let arrow = if model.list.sort.descending {
            " ↓"
        } else {
            " ↑"
        };
        let title = format!("{}{}", column.title(), if sorted { arrow } else { "" });
        let style = if sorted {
            theme.strong()
        } else {
            theme.quiet()
        };
        draw_text(
            buffer,
            area,
            x,
            y,
            &fitted(&title, usize::from(*wide)),
            style,
        );
        x += wide + GAP;
    }
}

fn empty(model: &Model, buffer: &mut Buffer, area: Rect, y: u16) {
    let lines: &[&str] = if !model.list.loaded {
        &[]
    } else if model.list.count.total == 0 {
        &[
            "There are no API keys yet.",
            "",
            "Press n to make the first one.",
            "Press ? for help, q to quit.",
        ]
    } else if model.list.filter.search.is_empty() {
        &["Nothing needs attention.", "", "Esc shows all keys."]
    } else {
        &["No key matches.", "", "Esc drops the filter."]
    };
    for (line, at) in lines.iter().zip(y..area.height.saturating_sub(2)) {
        draw_text(buffer, area, MARKERS, at, line, Style::new());
    }
}

fn draw_row(
    model: &Model,
    buffer: &mut Buffer,
    area: Rect,
    y: u16,
    listed: &ListRow,
    selected: bool,
    columns: &[(Column, u16)],
) {
    let theme = model.theme;
    let row = if selected {
        theme.selected()
    } else {
        Style::new()
    };
    if selected {
        buffer.set_style(
            Rect {
                y: area.y + y,
                height: 1,
                ..area
            },
            row,
        );
        draw_text(buffer, area, 1, y, "▸", row.patch(theme.focus()));
    }
    if model.list.marks.contains_key(listed.id()) {
        draw_text(buffer, area, 2, y, "*", row.patch(theme.warning()));
    }
    let mut x = MARKERS;
    for (column, wide) in columns {
        let (text, style) = match listed {
            ListRow::Key(listed) => cell(model, &listed.key, *column, area, columns),
            ListRow::Damaged(damaged, _) => match column {
                Column::Name => (damaged.id.to_string(), None),
                Column::Attention => ("damaged".to_owned(), Some(theme.alarm())),
                _ => (String::new(), None),
            },
        };
        let style = style.map_or(row, |style| row.patch(style));
        if !text.is_empty() {
            let wide = usize::from(*wide);
            let text = if *column == Column::Name {
                cut_in_the_middle(&text, wide)
            } else {
                fitted(&text, wide).trim_end().to_owned()
            };
            draw_text(buffer, area, x, y, &text, style);
        }
        x += wide + GAP;
    }
}

/// The text of a key's cell, and its style if it differs from the row's.
fn cell(
    model: &Model,
    key: &Key,
    column: Column,
    area: Rect,
    columns: &[(Column, u16)],
) -> (String, Option<Style>) {
    let has = |column| columns.iter().any(|(shown, _)| *shown == column);
    let text = match column {
        Column::Name => model.theme.shown(key.name()),
        Column::Agent => key.agent.to_string(),
        Column::Access => {
            let words = access_words(model, key, area.width < FULL_BADGES);
            // If addresses have their own column, `Any IP` is not needed here.
            if has(Column::Addresses) {
                words.trim_end_matches(" Any IP").to_owned()
            } else {
                words
            }
        }
        Column::Created => key.created_at.date(),
        Column::LastUsed => last_used(key),
        Column::Expires => key
            .draft
            .conditions
            .expires_at
            .map_or_else(|| "never".to_owned(), Moment::date),
        Column::Addresses => key.draft.conditions.allow.to_string(),
        Column::Attention => {
            let attention = model.attention(key);
            let style = attention.map(|it| attention_style(model.theme, it));
            let words = attention.map_or_else(String::new, |it| it.to_string());
            return (words, style);
        }
    };
    (text, None)
}

fn last_used(key: &Key) -> String {
    key.last_use.map_or_else(
        || format!("no use seen since {}", key.created_at.date()),
        |usage| usage.at.date_and_clock(),
    )
}
