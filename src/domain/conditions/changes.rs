//! The sentences about a change of conditions: what becomes wider, and what becomes narrower.
use super::{MAX_NAMED_ADDRESSES, verbs};
use crate::domain::{
    access::{Area, Grants},
    allowlist::{AddressChange, AllowList, DenyList},
    moment::Moment,
    text::visible,
};

/// The sentences about a change, with those about widening kept separate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Changes that allow more requests.
    pub widens: Vec<String>,
    /// Changes that allow fewer requests, or the same.
    pub others: Vec<String>,
}

pub(super) fn describe_grants(
    before: &Grants,
    after: &Grants,
    areas: &[Area],
    changes: &mut Changes,
) {
    for area in areas {
        let (old, new) = (before.of(&area.slug), after.of(&area.slug));
        let title = visible(&area.title);
        let (gained, lost) = (new.without(old), old.without(new));
        if !gained.is_empty() {
            let gained = verbs(gained);
            changes
                .widens
                .push(format!("Widens: {title} gains {gained}"));
        }
        if !lost.is_empty() {
            let lost = verbs(lost);
            changes
                .others
                .push(format!("Narrows: {title} loses {lost}"));
        }
    }
}

pub(super) fn describe_expiry(
    before: Option<Moment>,
    after: Option<Moment>,
    changes: &mut Changes,
) {
    if before == after {
        return;
    }
    let words = |end: Option<Moment>| end.map_or("no end date".to_owned(), Moment::as_expiry);
    let change = format!("{} → {}", words(before), words(after));
    let widens = after.is_none_or(|new| before.is_some_and(|old| old < new));
    if widens {
        changes.widens.push(format!("Widens: {change}"));
    } else {
        changes.others.push(format!("Narrows: {change}"));
    }
}

pub(super) fn describe_start(before: Option<Moment>, after: Option<Moment>, changes: &mut Changes) {
    if before == after {
        return;
    }
    let words = |start: Option<Moment>| {
        start.map_or("begins at once".to_owned(), |start| {
            format!("begins {}", start.as_start())
        })
    };
    let change = format!("{} → {}", words(before), words(after));
    let widens = after.is_none_or(|new| before.is_some_and(|old| new < old));
    if widens {
        changes.widens.push(format!("Widens: {change}"));
    } else {
        changes.others.push(format!("Narrows: {change}"));
    }
}

/// Adds the sentence about a change of a limit; no limit is the widest.
pub(super) fn describe_limit<T: Copy + PartialEq + std::fmt::Display>(
    (before, after): (Option<T>, Option<T>),
    none: &str,
    widens: impl Fn(T, T) -> bool,
    changes: &mut Changes,
) {
    if before == after {
        return;
    }
    let words = |limit: Option<T>| limit.map_or_else(|| none.to_owned(), |it| it.to_string());
    let change = format!("{} → {}", words(before), words(after));
    let widens = match (before, after) {
        (Some(_), None) => true,
        (None, _) => false,
        (Some(before), Some(after)) => widens(before, after),
    };
    if widens {
        changes.widens.push(format!("Widens: {change}"));
    } else {
        changes.others.push(format!("Narrows: {change}"));
    }
}

/// Adds the sentences about a change of the networks from which a key may not be used.
pub(super) fn describe_denied(before: &DenyList, after: &DenyList, changes: &mut Changes) {
    if before == after {
        return;
    }
    let AddressChange {
        added,
        dropped,
        kept,
    } = after.difference(before);
    if !dropped.is_empty() {
        let rest = if kept.is_empty() {
            String::new()
        } else {
            format!(" but for {}", kept.join(", "))
        };
        let dropped = dropped.join(", ");
        changes
            .widens
            .push(format!("Widens: no longer denies {dropped}{rest}"));
    }
    if !added.is_empty() {
        changes
            .others
            .push(format!("Narrows: denies {}", added.join(", ")));
    }
    if added.is_empty() && dropped.is_empty() {
        changes
            .others
            .push("Writes the same denied addresses in another way".to_owned());
    }
}

/// Adds the sentences about a change of the networks from which a key may be used.
pub(super) fn describe_networks(before: &AllowList, after: &AllowList, changes: &mut Changes) {
    if before == after {
        return;
    }
    match (before, after) {
        (_, AllowList::Anywhere) => changes
            .widens
            .push(format!("Widens: {} → Any IP", shortened(before))),
        (AllowList::Anywhere, _) => changes.others.push(format!("Narrows: Any IP → {after}")),
        (AllowList::Only(_), AllowList::Only(_)) => {
            let AddressChange {
                added,
                dropped,
                kept,
            } = after.difference(before);
            if !added.is_empty() {
                changes
                    .widens
                    .push(format!("Widens: adds {}", added.join(", ")));
            }
            if !dropped.is_empty() {
                let rest = if kept.is_empty() {
                    String::new()
                } else {
                    format!(" but for {}", kept.join(", "))
                };
                changes
                    .others
                    .push(format!("Narrows: drops {}{rest}", dropped.join(", ")));
            }
            if added.is_empty() && dropped.is_empty() {
                changes
                    .others
                    .push("Writes the same addresses in another way".to_owned());
            }
        }
    }
}

fn shortened(allow: &AllowList) -> String {
    let entries = allow.entries();
    match entries.len() {
        0 => "Any IP".to_owned(),
        count if count <= MAX_NAMED_ADDRESSES + 1 => entries.join(", "),
        count => format!(
            "{} and {} more",
            allow.widest_first()[..MAX_NAMED_ADDRESSES].join(", "),
            count - MAX_NAMED_ADDRESSES
        ),
    }
}
