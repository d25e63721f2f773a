//! The sentences about a change of conditions: what becomes wider, and what becomes narrower.
use super::{MAX_NAMED_ADDRESSES, verbs};
use crate::domain::{
    access::{Area, Grants},
    allowlist::{AddressChange, AllowList, DenyList},
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

impl Changes {
    /// Adds a sentence about something that becomes wider, or else narrower.
    fn tell(&mut self, widens: bool, change: &str) {
        if widens {
            self.widens.push(format!("Widens: {change}"));
        } else {
            self.others.push(format!("Narrows: {change}"));
        }
    }
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
            changes.tell(true, &format!("{title} gains {}", verbs(gained)));
        }
        if !lost.is_empty() {
            changes.tell(false, &format!("{title} loses {}", verbs(lost)));
        }
    }
}

/// Adds the sentence about a change of a rule that a key may be without; without it, it is widest.
/// `none` and `words` are the words for no value and for a value.
pub(super) fn describe_optional<T: Copy + PartialEq>(
    (before, after): (Option<T>, Option<T>),
    (none, words): (&str, impl Fn(T) -> String),
    widens: impl Fn(T, T) -> bool,
    changes: &mut Changes,
) {
    if before == after {
        return;
    }
    let widens = match (before, after) {
        (Some(_), None) => true,
        (None, _) => false,
        (Some(before), Some(after)) => widens(before, after),
    };
    let [before, after] =
        [before, after].map(|value| value.map_or_else(|| none.to_owned(), &words));
    changes.tell(widens, &format!("{before} → {after}"));
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
        let dropped = but_for(&dropped, &kept);
        changes.tell(true, &format!("no longer denies {dropped}"));
    }
    if !added.is_empty() {
        changes.tell(false, &format!("denies {}", added.join(", ")));
    }
    if added.is_empty() && dropped.is_empty() {
        let same = "Writes the same denied addresses in another way";
        changes.others.push(same.to_owned());
    }
}

/// Returns the dropped entries, with the parts of them that stay.
fn but_for(dropped: &[String], kept: &[String]) -> String {
    let dropped = dropped.join(", ");
    if kept.is_empty() {
        dropped
    } else {
        format!("{dropped} but for {}", kept.join(", "))
    }
}

/// Adds the sentences about a change of the networks from which a key may be used.
pub(super) fn describe_networks(before: &AllowList, after: &AllowList, changes: &mut Changes) {
    if before == after {
        return;
    }
    match (before, after) {
        (_, AllowList::Anywhere) => changes.tell(true, &format!("{} → Any IP", shortened(before))),
        (AllowList::Anywhere, _) => changes.tell(false, &format!("Any IP → {after}")),
        (AllowList::Only(_), AllowList::Only(_)) => {
            let AddressChange {
                added,
                dropped,
                kept,
            } = after.difference(before);
            if !added.is_empty() {
                changes.tell(true, &format!("adds {}", added.join(", ")));
            }
            if !dropped.is_empty() {
                changes.tell(false, &format!("drops {}", but_for(&dropped, &kept)));
            }
            if added.is_empty() && dropped.is_empty() {
                let same = "Writes the same addresses in another way";
                changes.others.push(same.to_owned());
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
