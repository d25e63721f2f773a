//! The list.
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

use super::{access_words, attention_style, detail, footer, put, put_right, thousands, width};
use crate::{
    domain::{key::Key, listing::SortField, moment::Moment, text::fitted},
    tui::model::Model,
};

/// A column of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
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
            Self::Access => "Access",
            Self::Created => "Created",
            Self::LastUsed => "Last used",
            Self::Expires => "Expires",
            Self::Addresses => "IPs",
            Self::Attention => "Attention",
        }
    }

    fn field(self) -> SortField {
        match self {
            Self::Name => SortField::Name,
            Self::Access => SortField::Access,
            Self::Created => SortField::Created,
            Self::LastUsed => SortField::LastUsed,
            Self::Expires => SortField::Expires,
            Self::Addresses => SortField::Addresses,
            Self::Attention => SortField::Attention,
        }
    }
}

/// Two cells between columns, three before the first for the markers.
const GAP: u16 = 2;
const MARKERS: u16 = 3;
const ATTENTION: u16 = 12;
const LEAST_NAME: u16 = 20;
const ALL_COLUMNS: usize = 7;
/// Below this badges are initials.
const FULL_BADGES: u16 = 60;

/// What the width has room for: columns vanish in the order IPs, expires, last used, created.
fn columns(room: u16) -> Vec<(Column, u16)> {
    let access = if room < FULL_BADGES { 10 } else { 25 };
    let attention = if room < FULL_BADGES { 11 } else { ATTENTION };
    let mut used = MARKERS + GAP + access + GAP + attention;
    let mut chosen = vec![(Column::Access, access)];
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

pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    let pane = detail::pane_width(area.width);
    let table = Rect {
        width: area.width - pane.unwrap_or(0),
        ..area
    };
    let columns = columns(table.width);
    header(model, buffer, area, ALL_COLUMNS - columns.len());
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
        let selected = model.list.selected.as_ref() == Some(&row.key.id);
        draw_row(model, buffer, table, at, &row.key, selected, &columns);
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

/// Where one is, and as whom; how many keys there are, and of which time zone the dates.
fn header(model: &Model, buffer: &mut Buffer, area: Rect, missing: usize) {
    let theme = model.theme;
    let mut count = counted(model, area.width);
    if missing > 0 {
        count = format!("+{missing} cols · {count}");
    }
    let right = put_right(
        buffer,
        Rect {
            width: area.width - 1,
            ..area
        },
        0,
        &count,
        theme.quiet(),
    );
    let left = Rect {
        width: right.saturating_sub(1),
        ..area
    };
    let mut x = put(buffer, left, 1, 0, "claviger", theme.strong());
    x = put(
        buffer,
        left,
        x + if area.width < 60 { 1 } else { 2 },
        0,
        &theme.shown(&model.workspace),
        theme.focus(),
    );
    // Whose keys these are, once there is more than one agent.
    if model.agents.len() > 1 {
        let agent = model.list.agent.as_ref();
        let agent = agent.map_or("all agents", |agent| agent.as_str());
        let agent = format!(" / {agent}");
        x = put(buffer, left, x, 0, &agent, theme.focus());
    }
    if area.width >= 60 {
        let actor = theme.shown(&model.actor);
        let actor = if model.is_member {
            format!("{actor}, {}", model.role)
        } else {
            actor
        };
        put(buffer, left, x + 2, 0, &actor, Style::new());
    }
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
    if wide < 60 {
        words
    } else {
        format!("UTC · {words}")
    }
}

fn filter(model: &Model, buffer: &mut Buffer, area: Rect, y: u16) -> Option<Position> {
    let theme = model.theme;
    let mut x = put(buffer, area, 1, y, "/", theme.focus()) + 1;
    if model.list.filter.attention {
        x = put(
            buffer,
            area,
            x,
            y,
            "only what needs attention ",
            theme.warning(),
        );
    }
    let Some(input) = &model.list.typing else {
        put(
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
    put(buffer, area, x, y, &scrolled(&shown, scroll), Style::new());
    Some(Position::new(area.x + x + at - scroll, area.y + y))
}

/// The text without its first so many cells.
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

fn heads(model: &Model, buffer: &mut Buffer, area: Rect, y: u16, columns: &[(Column, u16)]) {
    let theme = model.theme;
    let mut x = MARKERS;
    for (column, wide) in columns {
        let sorted = column.field() == model.list.sort.field;
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
        put(
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
        put(buffer, area, MARKERS, at, line, Style::new());
    }
}

fn draw_row(
    model: &Model,
    buffer: &mut Buffer,
    area: Rect,
    y: u16,
    key: &Key,
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
        put(buffer, area, 1, y, "▸", row.patch(theme.focus()));
    }
    if model.list.marks.contains_key(&key.id) {
        put(buffer, area, 2, y, "*", row.patch(theme.warning()));
    }
    let mut x = MARKERS;
    let has_addresses = columns
        .iter()
        .any(|(column, _)| *column == Column::Addresses);
    for (column, wide) in columns {
        let mut style = row;
        let text = match column {
            Column::Name => theme.shown(key.name()),
            Column::Access => {
                let words = access_words(model, key, area.width < FULL_BADGES);
                // With a column of its own, `Any IP` need not stand here too.
                if has_addresses {
                    words.trim_end_matches(" Any IP").to_owned()
                } else {
                    words
                }
            }
            Column::Created => key.created_at.date(),
            Column::LastUsed => last_used(key),
            Column::Expires => key
                .draft
                .expires_at
                .map_or_else(|| "never".to_owned(), Moment::date),
            Column::Addresses => key.draft.allow.to_string(),
            Column::Attention => match model.attention(key) {
                None => String::new(),
                Some(attention) => {
                    style = row.patch(attention_style(theme, attention));
                    attention.to_string()
                }
            },
        };
        if !text.is_empty() {
            put(
                buffer,
                area,
                x,
                y,
                fitted(&text, usize::from(*wide)).trim_end(),
                style,
            );
        }
        x += wide + GAP;
    }
}

fn last_used(key: &Key) -> String {
    key.last_use.map_or_else(
        || format!("no use seen since {}", key.created_at.date()),
        |usage| usage.at.date_and_clock(),
    )
}
