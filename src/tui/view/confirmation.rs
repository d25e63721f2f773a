//! The confirmation of a change to keys, as a sheet: the effects, the keys, and the fields that
//! belong to the action.
use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    footer,
    paint::{buttons, styled_lines, width},
    sheet::{self, Sheet},
};
use crate::{
    domain::{
        conditions::Validity,
        hygiene::{HygieneChange, review},
        key::{Key, RevokeReason},
        moment::Moment,
        text::{cut_in_the_middle, thousands},
    },
    tui::{
        confirmation::{Confirmation, ConfirmationFocus, Overlap, Verb},
        model::Model,
    },
};

/// The maximum number of keys that a confirmation names.
const NAMED_KEYS: usize = 5;
/// The minimum width of each of these names, in columns.
const LEAST_NAME: usize = 12;

/// ```text
/// ╭ Revoke Partner: Acme in PROD? ───────────────────────────╮
/// │ The key is permanently deleted.                          │
/// │ Any applications using this key will lose access.        │
/// │ Last used 2026-11-23 14:02 UTC from 10.0.0.9             │
/// │ Reason  ‹ not given ›                                    │
/// │ Type k7Gh to revoke: k7▏              Cancel     Revoke  │
/// ```
pub(super) fn sheet(model: &Model, confirmation: &Confirmation, screen: Rect) -> Sheet {
    let room = sheet::room(screen);
    let theme = model.theme;
    let act = confirmation.act();
    let (name, tag) = subject(model, confirmation);
    let before = match act {
        "End old token" => "End the old token of ".to_owned(),
        act => format!("{act} "),
    };
    let (title, corner, mut text) = sheet::heading(model, screen, (before, name, tag), "in");
    let head = text.len();
    text.extend(consequences(model, confirmation, room));
    let body = text.len();
    text.extend(evidence(model, confirmation, room));
    let mut focus = (text.len(), 0);
    let choice = match confirmation.verb {
        Verb::Revoke => {
            let reason = confirmation.reason.map_or("not given", RevokeReason::title);
            Some(("Reason  ", reason))
        }
        Verb::Rotate => Some(("Overlap ", confirmation.overlap.title())),
        Verb::Disable | Verb::Enable | Verb::ApplyHygiene => None,
    };
    if let Some((label, chosen)) = choice {
        let here = confirmation.focus == ConfirmationFocus::Reason;
        if here {
            focus = (text.len(), 8);
        }
        let style = if here { theme.pressed() } else { Style::new() };
        text.push(Line::from(vec![
            Span::raw(label),
            Span::styled(
                format!("{}‹ {chosen} ›", if here { "▸ " } else { "" }),
                style,
            ),
        ]));
    }
    if let Some(expected) = &confirmation.expected {
        let to = if confirmation.verb == Verb::ApplyHygiene {
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
    if confirmation.pressed {
        text.extend(styled_lines(
            "Looking when it was used last…",
            room,
            theme.quiet(),
        ));
    }
    if let Some(problem) = &confirmation.problem {
        text.extend(styled_lines(&format!("! {problem}"), room, theme.alarm()));
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
        title,
        corner,
        head,
        foot: text.len() - body,
        lines: text,
        focus,
        scroll: confirmation.scroll.into(),
        hint,
    }
}

/// Returns the name of the key (the id if it is damaged), or the number of keys or changes, and
/// the tag that follows it.
fn subject(model: &Model, confirmation: &Confirmation) -> (String, String) {
    if let Some(damaged) = &confirmation.damaged {
        return (damaged.id.to_string(), String::new());
    }
    match confirmation.keys.as_slice() {
        [_] if confirmation.verb == Verb::ApplyHygiene => ("1 change".to_owned(), String::new()),
        several if confirmation.verb == Verb::ApplyHygiene => {
            (format!("{} changes", several.len()), String::new())
        }
        [one] => (model.theme.shown(one.name()), model.tag(&one.id)),
        several => (format!("{} keys", several.len()), String::new()),
    }
}

/// The lines about the key's last use, and, when it is to be enabled, about who disabled it: they
/// show whether the action would do harm. Empty for several keys and for hygiene changes.
fn evidence(model: &Model, confirmation: &Confirmation, room: usize) -> Vec<Line<'static>> {
    if confirmation.damaged.is_some() {
        let sentence = "When it was used last cannot be read.";
        return styled_lines(sentence, room, Style::new());
    }
    let [key] = confirmation.keys.as_slice() else {
        return Vec::new();
    };
    if confirmation.verb == Verb::ApplyHygiene {
        return Vec::new();
    }
    let mut text = Vec::new();
    if confirmation.verb == Verb::Enable {
        text.extend(styled_lines(&disabled(model, key), room, Style::new()));
    }
    let sentence = last_use(model, key);
    let mut words = sentence.chars();
    let first = words.next().map(|c| c.to_ascii_uppercase().to_string());
    let sentence = first.unwrap_or_default() + words.as_str();
    text.extend(styled_lines(&sentence, room, Style::new()));
    text
}

/// The lines that say in plain words what the action does and to which keys.
fn consequences(model: &Model, confirmation: &Confirmation, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let keys = &confirmation.keys;
    let mut text = Vec::new();
    if confirmation.verb == Verb::ApplyHygiene {
        return changes(model, confirmation, room);
    }
    if keys.len() > 1 {
        text.extend(named_keys(model, keys, room));
    }
    let one = keys.len() < 2;
    match confirmation.verb {
        Verb::Revoke => {
            let sentence = if one {
                "The key is permanently deleted."
            } else {
                "The keys are permanently deleted."
            };
            text.extend(styled_lines(sentence, room, Style::new()));
            let loss = if one {
                "Any applications using this key will lose access."
            } else {
                "Any applications using these keys will lose access."
            };
            text.extend(styled_lines(loss, room, theme.alarm()));
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
            text.extend(styled_lines(&sentence, room, theme.warning()));
        }
        Verb::Rotate => text.extend(rotation(model, confirmation, room)),
        Verb::ApplyHygiene => {}
        Verb::Enable => {
            let sentence = enabled(keys, model.now);
            text.extend(styled_lines(&sentence, room, theme.warning()));
        }
    }
    if let Some(damaged) = &confirmation.damaged {
        let sentence = format!("It is damaged: {}.", damaged.why);
        text.extend(styled_lines(&sentence, room, theme.warning()));
    }
    text
}

/// The sentence that says which of the keys are let in again when they are enabled.
fn enabled(keys: &[Key], now: Moment) -> String {
    let (mut expired, mut early) = (0, 0);
    for key in keys {
        match key.validity(now) {
            Validity::Expired(_) => expired += 1,
            Validity::NotYet(_) => early += 1,
            Validity::Valid => {}
        }
    }
    if early > 0 && keys.len() > 1 {
        let ended = if expired > 0 {
            format!(" and {expired} that ended before")
        } else {
            String::new()
        };
        return format!(
            "They are let in again from the next request on, except {early} that begin later{ended}."
        );
    }
    if let [key] = keys
        && let Validity::NotYet(start) = key.validity(now)
    {
        let start = start.as_start();
        return format!("It begins {start}, and stays refused until then.");
    }
    match (keys.len(), expired) {
        (1, 0) => "It is let in again from the next request on.".to_owned(),
        (1, _) => "It has ended, and stays refused until it gets a new end.".to_owned(),
        (_, 0) => "They are let in again from the next request on.".to_owned(),
        (all, expired) if all == expired => {
            "They have ended, and stay refused until they get a new end.".to_owned()
        }
        (_, expired) => format!(
            "They are let in again from the next request on, except {expired} that ended before."
        ),
    }
}

/// The lines that name the keys of an action on several of them.
fn named_keys(model: &Model, keys: &[Key], room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let mut text = Vec::new();
    for key in keys.iter().take(NAMED_KEYS) {
        let tag = model.tag(&key.id);
        let use_ = key.last_use_sentence();
        let taken = usize::from(width(&tag) + width(&use_) + 2);
        let name = theme.shown(key.name());
        let name = cut_in_the_middle(&name, room.saturating_sub(taken).max(LEAST_NAME));
        text.extend(styled_lines(
            &format!("{name}{tag}: {use_}"),
            room,
            Style::new(),
        ));
    }
    if keys.len() > NAMED_KEYS {
        text.push(Line::from(format!("and {} more", keys.len() - NAMED_KEYS)));
    }
    let hidden = keys
        .iter()
        .filter(|key| !model.list.filter.matches(key, model.now))
        .count();
    if hidden > 0 {
        text.extend(styled_lines(
            &format!("{hidden} of them are hidden by the filter."),
            room,
            theme.warning(),
        ));
    }
    text
}

/// The lines that say what a rotation does, and which old tokens are still good.
fn rotation(model: &Model, confirmation: &Confirmation, room: usize) -> Vec<Line<'static>> {
    let (theme, key) = (model.theme, &confirmation.keys[0]);
    let mut text = Vec::new();
    let expired = match key.validity(model.now) {
        Validity::Expired(_) => true,
        Validity::Valid | Validity::NotYet(_) => false,
    };
    let (sentence, style) = if confirmation.overlap == Overlap::Finish {
        (
            "Clients that still use the old token are refused from the next request on.",
            Style::new(),
        )
    } else if expired {
        (
            "The key has ended: its old token ends for good, and the new one is refused until the key gets a new end.",
            theme.warning(),
        )
    } else if key.disabled_at.is_some() {
        (
            "The key gets a new token now. Both tokens are refused until the key is enabled.",
            theme.warning(),
        )
    } else {
        (
            "The key gets a new token now. The old one stays good for the overlap, so that its clients can change over.",
            Style::new(),
        )
    };
    text.extend(styled_lines(sentence, room, style));
    for previous in model
        .activity(&key.id)
        .iter()
        .flat_map(|it| &it.previous_tokens)
    {
        if previous.is_good(key, model.now) {
            let sentence = format!("An old token is {}", previous.sentence(key, model.now));
            text.extend(styled_lines(&sentence, room, theme.warning()));
        }
    }
    text
}

/// The time at which the key was disabled, and by whom if that is known.
fn disabled(model: &Model, key: &Key) -> String {
    let since = key
        .disabled_at
        .map_or_else(String::new, |at| format!(" {} UTC", at.date_and_clock()));
    let by = match model.activity(&key.id) {
        None => " by …".to_owned(),
        Some(activity) => activity
            .disabled_by
            .as_ref()
            .map_or_else(String::new, |by| format!(" by {}", model.theme.shown(by))),
    };
    format!("Disabled{since}{by}")
}

/// The key's last use, and the number of uses in 48 hours if that is known.
fn last_use(model: &Model, key: &Key) -> String {
    let sentence = key.last_use_sentence();
    let allowed = model
        .activity(&key.id)
        .map_or(0, |activity| activity.hours.totals().0);
    if allowed == 0 {
        return sentence;
    }
    let uses = if allowed == 1 { "use" } else { "uses" };
    format!("{sentence}; {} {uses} in 48 hours", thousands(allowed))
}

/// The effects of several changes, each below the id and name of its key.
fn changes(model: &Model, confirmation: &Confirmation, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let mut text = Vec::new();
    for (key, hygiene_change) in confirmation.keys.iter().zip(&confirmation.hygiene_changes) {
        // Two shortened names may be equal; ids are not.
        let named = format!("{} {}", key.id, theme.shown(key.name()));
        text.extend(styled_lines(&named, room, theme.strong()));
        let style = if *hygiene_change == HygieneChange::Revoke {
            theme.alarm()
        } else {
            Style::new()
        };
        for sentence in review(key, hygiene_change, &model.areas) {
            text.extend(styled_lines(&format!("  {sentence}"), room, style));
        }
    }
    text
}
