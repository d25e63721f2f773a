//! The details of the selected key: a dialog, and on wide terminals also a pane beside the list.
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    attention_style,
    paint::{draw_text, styled_lines, wrapped},
};
use crate::{
    domain::{
        access::{Action, Actions, Grants},
        conditions::Conditions,
        key::Key,
        moment::{DAY, Moment},
        rate_limit::RateLimit,
        text::thousands,
    },
    tui::model::{Model, PANE_WIDTH},
};

const PANE: u16 = 44;
/// The maximum number of lines of a description that is listed first. A longer one is listed last,
/// so that it does not push the key's access off the screen.
const SHORT: usize = 2;
/// The width of the badges of areas in front of the matrix, in columns.
const BADGE: usize = 10;

/// Returns the width of the pane, or `None` if the screen is too narrow for one.
pub(super) fn pane_width(width: u16) -> Option<u16> {
    (width >= PANE_WIDTH).then_some(PANE)
}

pub(super) fn pane(model: &Model, buffer: &mut Buffer, area: Rect) {
    for y in 0..area.height {
        draw_text(buffer, area, 0, y, "│", model.theme.quiet());
    }
    let Some(key) = model.selected() else { return };
    let inner = Rect {
        x: area.x + 2,
        width: area.width - 3,
        ..area
    };
    let mut lines = lines(model, key, usize::from(inner.width));
    if lines.len() > usize::from(inner.height) {
        lines.truncate(usize::from(inner.height).saturating_sub(1));
        lines.push(Line::styled("… Enter shows all", model.theme.warning()));
    }
    for (line, y) in lines.into_iter().zip(0..inner.height) {
        buffer.set_line(inner.x, inner.y + y, &line, inner.width);
    }
}

/// The lines with all facts about a key, one fact after the other.
pub(super) fn lines(model: &Model, key: &Key, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let mut lines = styled_lines(&theme.shown(key.name()), room, theme.strong());
    let description = theme.shown(key.draft.description.as_str());
    let mut description: Vec<Line<'static>> = wrapped(&description, room)
        .into_iter()
        .filter(|line| !line.is_empty())
        .map(Line::from)
        .collect();
    if description.len() <= SHORT {
        lines.append(&mut description);
    }
    if let Some(attention) = model.attention(key) {
        lines.push(Line::styled(
            attention.to_string(),
            attention_style(theme, attention),
        ));
    }
    lines.push(Line::default());
    let Conditions {
        allow,
        deny,
        grants,
        not_before,
        expires_at: _, // `expires` shows it
        rate_limit,
        quota,
    } = &key.draft.conditions;
    lines.extend(matrix(model, grants, room));
    lines.push(Line::default());
    lines.extend(fact(model, "From", &allow.to_string(), room));
    let mut rule = |title, words: Option<String>| {
        lines.extend(
            words
                .into_iter()
                .flat_map(|words| fact(model, title, &words, room)),
        );
    };
    rule(
        "Not from",
        Some(deny.entries().join(", ")).filter(|text| !text.is_empty()),
    );
    rule("Begins", not_before.map(Moment::as_start));
    rule("Limit", rate_limit.map(RateLimit::words));
    rule(
        "Quota",
        quota.map(|quota| match model.activity(&key.id) {
            Some(activity) => activity.quota_words(quota, model.now),
            None => quota.words(),
        }),
    );
    rule(
        "Owner",
        key.draft
            .owner
            .as_ref()
            .map(|owner| theme.shown(owner.as_str())),
    );
    let labels = key.draft.labels.written();
    rule(
        "Labels",
        Some(theme.shown(&labels)).filter(|text| !text.is_empty()),
    );
    lines.extend(fact(model, "Expires", &expires(model, key), room));
    lines.extend(fact(model, "Last used", &key.last_used_words(), room));
    lines.extend(activity(model, key, room));
    lines.extend(fact(
        model,
        "Created",
        &format!("{} UTC", key.created_at.date_and_clock()),
        room,
    ));
    if let Some(since) = key.disabled_at {
        let by = model
            .activity(&key.id)
            .and_then(|it| it.disabled_by.as_ref());
        let by = by.map_or_else(String::new, |by| format!(" by {}", theme.shown(by)));
        let words = format!("since {} UTC{by}", since.date_and_clock());
        lines.extend(fact(model, "Disabled", &words, room));
    }
    if let Some(since) = key.pending_at {
        let words = format!("needs approval since {} UTC (W)", since.date_and_clock());
        lines.extend(fact(model, "Pending", &words, room));
    }
    if let Some(waits) = model.activity(&key.id).and_then(|it| it.waits.as_ref()) {
        lines.extend(fact(
            model,
            "Waits",
            &format!("{} (W)", theme.shown(waits)),
            room,
        ));
    }
    if model.agents.len() > 1 {
        lines.extend(fact(model, "Agent", key.agent.as_str(), room));
    }
    lines.extend(fact(model, "Id", key.id.as_str(), room));
    if !description.is_empty() {
        lines.push(Line::default());
        lines.append(&mut description);
    }
    lines
}

/// The lines about two days of use (each bar is three hours), a month of it (each bar is a day), the last refusal, and old tokens.
fn activity(model: &Model, key: &Key, room: usize) -> Vec<Line<'static>> {
    let Some(activity) = model.activity(&key.id) else {
        // These lines reserve the room of the bar lines that are being read, so that the
        // lines below do not jump.
        let mut lines = fact(model, "48 hours", "…", room);
        lines.push(Line::default());
        lines.extend(fact(model, "30 days", "…", room));
        return lines;
    };
    let hours = &activity.hours;
    let (allowed, refused) = hours.totals();
    let most = bars(&hours.allowed)
        .into_iter()
        .chain(bars(&hours.refused))
        .max();
    let spark = |hours: &[i64; 48]| drawn(&bars(hours), most.unwrap_or(0));
    let counted = |hours, count, word| format!("{} {} {word}", spark(hours), thousands(count));
    let mut lines = fact(
        model,
        "48 hours",
        &counted(&hours.allowed, allowed, "allowed"),
        room,
    );
    lines.extend(fact(
        model,
        "",
        &counted(&hours.refused, refused, "refused"),
        room,
    ));
    let most = activity.month.iter().copied().max().unwrap_or(0);
    let month = drawn(&activity.month, most);
    lines.extend(fact(model, "30 days", &month, room));
    if let Some(last) = activity.refusals.first() {
        let words = format!(
            "{} UTC, {} from {}: t tells why",
            last.at.date_and_clock(),
            last.reason_words(),
            last.address
        );
        lines.extend(fact(model, "Refused", &words, room));
    }
    let news = activity
        .previous_tokens
        .iter()
        .filter(|it| it.until > model.now);
    for previous in news {
        lines.extend(fact(
            model,
            "Old token",
            &previous.sentence(key, model.now),
            room,
        ));
    }
    lines
}

/// Returns the sums of three hours each.
fn bars(hours: &[i64; 48]) -> Vec<i64> {
    hours.chunks(3).map(|three| three.iter().sum()).collect()
}

/// Draws one cell for each number. Zero is a point, to distinguish it from a small number.
fn drawn(bars: &[i64], most: i64) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let level = |count: i64| {
        usize::try_from((count * 8 - 1) / most.max(1))
            .unwrap_or(0)
            .min(7)
    };
    bars.iter()
        .map(|count| {
            if *count == 0 {
                '·'
            } else {
                LEVELS[level(*count)]
            }
        })
        .collect()
}

/// Draws the matrix of the grants, in which `●` marks a granted action. If the room is narrow, the
/// column titles are cut, and no column is dropped.
fn matrix(model: &Model, grants: &Grants, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let cell = (room.saturating_sub(BADGE) / Action::ALL.len()).clamp(2, 7);
    let heads = Action::ALL
        .map(|action| {
            let head: String = action.title().chars().take(cell - 1).collect();
            format!("{head:>cell$}")
        })
        .concat();
    let mut lines = vec![Line::styled(
        format!("{:<BADGE$}{heads}", ""),
        theme.quiet(),
    )];
    for area in &model.areas {
        let actions: Actions = grants.of(&area.slug);
        let badge = crate::domain::text::fitted(&theme.shown(&area.badge), BADGE);
        let mut spans = vec![Span::raw(badge)];
        for action in Action::ALL {
            let granted = actions.contains(action);
            let style = if granted {
                theme.strong()
            } else {
                theme.quiet()
            };
            spans.push(Span::styled(
                format!("{:>cell$}", if granted { "●" } else { "·" }),
                style,
            ));
        }
        lines.push(Line::from(spans));
    }
    lines
}

fn fact(model: &Model, label: &str, value: &str, room: usize) -> Vec<Line<'static>> {
    const LABEL: usize = 11;
    let mut lines = Vec::new();
    for (at, part) in wrapped(value, room.saturating_sub(LABEL))
        .into_iter()
        .enumerate()
    {
        let label = if at == 0 { label } else { "" };
        lines.push(Line::from(vec![
            Span::styled(format!("{label:<LABEL$}"), model.theme.quiet()),
            Span::styled(part, Style::new()),
        ]));
    }
    lines
}

fn expires(model: &Model, key: &Key) -> String {
    let Some(end) = key.draft.conditions.expires_at else {
        return "never".to_owned();
    };
    let days = (end.millis() - model.now.millis()).div_euclid(DAY);
    match days {
        ..0 => format!("{}, ended", end.as_expiry()),
        0 => format!("{}, today", end.as_expiry()),
        1 => format!("{}, in 1 day", end.as_expiry()),
        days => format!("{}, in {days} days", end.as_expiry()),
    }
}
