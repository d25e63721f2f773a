//! Hygiene: finds keys that are not used, never expire, or have rights that they never used, and
//! proposes the change that fixes each finding.
//!
//! The use of keys is known only from their counts, so every finding is about the time since
//! counting began, and no change is proposed after less than [`WATCHED_DAYS`]. A proposal only
//! narrows what a key may do, and never widens it.
use std::{collections::BTreeSet, net::IpAddr};

use super::{
    access::{Action, Area, AreaSlug, Grants},
    allowlist::{AllowList, MAX_ENTRIES},
    attention::UNUSED_DAYS,
    conditions::Validity,
    key::{Draft, Key},
    moment::{DAY, Moment},
    owner::Owner,
    policy::Policy,
    review,
    usage::Source,
};

/// The number of days for which a key must have been watched before a change is proposed.
pub const WATCHED_DAYS: i64 = 30;
/// The number of days after which a disabled key counts as long disabled.
pub const DISABLED_DAYS: i64 = 90;
/// The lifetime that is proposed for a key without an expiry, in days from now.
const PROPOSED_LIFE: i64 = 90;

/// A finding about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HygieneFinding {
    /// The key was not used since it was created, or since it has been watched.
    NeverUsed,
    /// The key was not used for this number of days.
    Idle(i64),
    /// The key was disabled this number of days ago.
    LongDisabled(i64),
    /// The key has no expiry.
    NeverExpires,
    /// The key may be used from any address.
    AnyAddress,
    /// The key has these grants and never used them.
    Unexercised(Grants),
    /// The key's owner was a member, and is none any more.
    OwnerGone(Owner),
}

impl HygieneFinding {
    /// Returns the word in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NeverUsed => "never_used",
            Self::Idle(_) => "idle",
            Self::LongDisabled(_) => "long_disabled",
            Self::NeverExpires => "never_expires",
            Self::AnyAddress => "any_address",
            Self::Unexercised(_) => "unexercised",
            Self::OwnerGone(_) => "owner_gone",
        }
    }

    /// Returns the finding in a few words.
    #[must_use]
    pub fn words(&self, areas: &[Area]) -> String {
        match self {
            Self::NeverUsed => "never used".to_owned(),
            Self::Idle(days) => format!("idle {days} days"),
            Self::LongDisabled(days) => format!("disabled {days} days"),
            Self::NeverExpires => "never expires".to_owned(),
            Self::AnyAddress => "open to any address".to_owned(),
            Self::Unexercised(grants) => format!("never exercised: {}", listed(grants, areas)),
            Self::OwnerGone(owner) => {
                let owner = super::text::visible(owner.as_str());
                format!("owner {owner} is no member any more")
            }
        }
    }
}

/// A change that fixes a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// Revoke the key.
    Revoke,
    /// Set the key's expiry to this time.
    End(Moment),
    /// Replace the allow-list with the addresses from which the key was used.
    Narrow(AllowList),
    /// Remove these grants.
    Drop(Grants),
}

impl Proposal {
    /// Returns the proposal in a few words.
    #[must_use]
    pub fn words(&self, areas: &[Area]) -> String {
        match self {
            Self::Revoke => "revoke".to_owned(),
            Self::End(end) => format!("end {}", end.as_expiry()),
            Self::Narrow(allow) => match allow.entries().as_slice() {
                [one] => format!("only from {one}"),
                several => format!("only from the {} addresses seen", several.len()),
            },
            Self::Drop(grants) => format!("drop {}", listed(grants, areas)),
        }
    }
}

fn listed(grants: &Grants, areas: &[Area]) -> String {
    let each = areas.iter().filter_map(|area| {
        let actions = grants.of(&area.slug);
        let words = actions.words().replace(',', " ");
        (!actions.is_empty()).then(|| format!("{} {words}", super::text::visible(&area.badge)))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// One finding about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HygieneRow {
    /// The key at the time of the finding.
    pub key: Key,
    /// The finding.
    pub finding: HygieneFinding,
    /// The proposed change, or the reason why none is proposed.
    pub proposal: Result<Proposal, String>,
}

/// The recorded use of a key since it has been watched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservedUse {
    /// The areas and actions of the key's allowed requests.
    pub done: BTreeSet<(AreaSlug, Action)>,
    /// The sources of the key's allowed requests.
    pub sources: BTreeSet<Source>,
    /// The last change of the key's grants, if that was within the last [`WATCHED_DAYS`].
    pub granted_at: Option<Moment>,
    /// The last time that the key was enabled, if that was within the last [`WATCHED_DAYS`].
    pub enabled_at: Option<Moment>,
}

/// Returns the findings about a key. `since` is the time at which counting began, or `None` if it
/// never did.
#[must_use]
pub fn findings(
    key: &Key,
    exercised: &ObservedUse,
    since: Option<Moment>,
    policy: Policy,
    now: Moment,
) -> Vec<HygieneRow> {
    // Only the time since it was last enabled counts: a disabled key cannot be used.
    let begun = match key.validity(now) {
        Validity::Valid | Validity::Expired(_) => exercised.enabled_at.unwrap_or(key.created_at),
        // Nothing can be said about a key that could not be used so far.
        Validity::NotYet(_) => return Vec::new(),
    };
    // Nor does the time before it began.
    let begun = key
        .draft
        .conditions
        .not_before
        .map_or(begun, |start| begun.max(start));
    let watched = since.map(|since| since.max(key.created_at).max(begun));
    let days_since = |since: Moment| (now.millis() - since.millis()) / DAY;
    let days = watched.map(days_since);
    let long_enough = days.is_some_and(|days| days >= WATCHED_DAYS);
    // Recent grants had no time to be used.
    let granted_long_enough = exercised
        .granted_at
        .is_none_or(|at| days_since(at) >= WATCHED_DAYS);
    let mut rows = Vec::new();
    let mut found = |finding, proposal: Result<Proposal, String>| {
        let proposal = if long_enough {
            proposal
        } else {
            let days = days.unwrap_or(0);
            Err(format!("watched {days} of {WATCHED_DAYS} days"))
        };
        rows.push(HygieneRow {
            key: key.clone(),
            finding,
            proposal,
        });
    };
    if let Some(since) = key.disabled_at {
        let days = days_since(since);
        if days >= DISABLED_DAYS {
            found(HygieneFinding::LongDisabled(days), Ok(Proposal::Revoke));
        }
        return rows;
    }
    match key.last_use {
        None if long_enough => {
            found(HygieneFinding::NeverUsed, Ok(Proposal::Revoke));
            // Other findings do not matter for a key that is not used.
            return rows;
        }
        Some(usage) => {
            let days = days_since(usage.at);
            if days >= UNUSED_DAYS {
                found(HygieneFinding::Idle(days), Ok(Proposal::Revoke));
                return rows;
            }
        }
        None => {}
    }
    if key.draft.conditions.expires_at.is_none() {
        let end = now.plus(PROPOSED_LIFE * DAY).end_of_day();
        let end = policy.latest(now).map_or(end, |latest| end.min(latest));
        found(HygieneFinding::NeverExpires, Ok(Proposal::End(end)));
    }
    if key.draft.conditions.allow == AllowList::Anywhere {
        found(HygieneFinding::AnyAddress, narrowed(&exercised.sources));
    }
    let unused = unexercised(&key.draft.conditions.grants, exercised);
    if !unused.is_empty() && long_enough && granted_long_enough {
        found(
            HygieneFinding::Unexercised(unused.clone()),
            Ok(Proposal::Drop(unused)),
        );
    }
    rows
}

/// Returns the finding about a key whose owner is no member any more. What is to become of the key is
/// for people to say.
#[must_use]
pub fn owner_is_gone(key: &Key) -> Option<HygieneRow> {
    let owner = key.draft.owner.clone()?;
    Some(HygieneRow {
        key: key.clone(),
        finding: HygieneFinding::OwnerGone(owner),
        proposal: Err("give it another owner, or revoke it".to_owned()),
    })
}

/// Proposes an allow-list of the recorded addresses, if the sources are complete and all known.
fn narrowed(sources: &BTreeSet<Source>) -> Result<Proposal, String> {
    let mut addresses = Vec::new();
    for source in sources {
        match source {
            Source::Address(address) => addresses.push(*address),
            Source::Unknown | Source::Unreadable => {
                return Err("it was used without a known address".to_owned());
            }
            Source::Rest => {
                return Err("it was used from more addresses than are told apart".to_owned());
            }
        }
    }
    if addresses.is_empty() {
        return Err("no use from an address was counted".to_owned());
    }
    if addresses.len() > MAX_ENTRIES {
        let count = addresses.len();
        return Err(format!(
            "it was used from {count} addresses, and a list holds {MAX_ENTRIES}"
        ));
    }
    let text: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    let parsed = AllowList::parse(&text.join(","));
    parsed
        .map(|parsed| Proposal::Narrow(parsed.list))
        .map_err(|error| error.to_string())
}

fn unexercised(grants: &Grants, exercised: &ObservedUse) -> Grants {
    let mut unused = Grants::none();
    for (area, actions) in grants.iter() {
        for action in actions.iter() {
            if !exercised.done.contains(&(area.clone(), action)) {
                unused.set(area.clone(), unused.of(area).with(action));
            }
        }
    }
    unused
}

/// The change to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HygieneChange {
    /// Revoke the key.
    Revoke,
    /// Replace the key's draft.
    Edit(Box<Draft>),
}

/// Combines the chosen proposals about one key into one change. Returns `None` if there are no rows
/// or if a row before any revocation has no proposal.
#[must_use]
pub fn together(rows: &[&HygieneRow]) -> Option<HygieneChange> {
    let first = rows.first()?;
    let mut draft = first.key.draft.clone();
    for row in rows {
        match row.proposal.as_ref().ok()? {
            Proposal::Revoke => return Some(HygieneChange::Revoke),
            Proposal::End(end) => draft.conditions.expires_at = Some(*end),
            Proposal::Narrow(allow) => draft.conditions.allow = allow.clone(),
            Proposal::Drop(grants) => {
                for (area, actions) in grants.iter() {
                    let left = draft.conditions.grants.of(area).without(actions);
                    draft.conditions.grants.set(area.clone(), left);
                }
            }
        }
    }
    Some(HygieneChange::Edit(Box::new(draft)))
}

/// Returns the lines that describe a change, for the review before it is made.
#[must_use]
pub fn review(key: &Key, hygiene_change: &HygieneChange, areas: &[Area]) -> Vec<String> {
    match hygiene_change {
        HygieneChange::Revoke => vec![format!("Revoke: {}", key.last_use_sentence())],
        HygieneChange::Edit(draft) => {
            let mut lines = review::changes(&key.draft, draft, areas);
            lines.push(review::sentence(&draft.conditions, areas));
            lines
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        access::Actions,
        key::{LastUse, Revision},
    };

    const NOW: i64 = 1_795_435_200_000;

    fn now() -> Moment {
        Moment::from_millis(NOW)
    }

    fn days_ago(days: i64) -> Moment {
        now().plus(-days * DAY)
    }

    /// Returns a key without findings: used today from one address, with an expiry, and all grants
    /// used.
    fn well() -> (Key, ObservedUse) {
        let area: AreaSlug = "contacts".parse().expect("a slug");
        let mut draft = Draft::named("acme".parse().expect("a name"));
        draft.conditions.allow = AllowList::parse("10.0.0.1").expect("a list").list;
        draft.conditions.grants.set(area.clone(), Actions::READ);
        draft.conditions.expires_at = Some(now().plus(DAY));
        let key = Key {
            id: "0123456789AB".parse().expect("an id"),
            sequence: 1,
            agent: crate::domain::agent::AgentName::default_agent(),
            draft,
            created_at: days_ago(365),
            disabled_at: None,
            pending_at: None,
            last_use: Some(LastUse {
                at: now(),
                from: None,
            }),
            refused: None,
            previous_until: None,
            revision: Revision(1),
        };
        let exercised = ObservedUse {
            done: [(area, Action::Read)].into(),
            sources: [Source::Address([10, 0, 0, 1].into())].into(),
            granted_at: None,
            enabled_at: None,
        };
        (key, exercised)
    }

    /// Returns the same key without an expiry, open to any address, and with grants that it never
    /// used.
    fn careless() -> (Key, ObservedUse) {
        let (mut key, exercised) = well();
        key.draft.conditions.expires_at = None;
        key.draft.conditions.allow = AllowList::Anywhere;
        key.draft
            .conditions
            .grants
            .set("documents".parse().expect("a slug"), Actions::ALL);
        (key, exercised)
    }

    fn found(
        change: impl FnOnce(&mut Key, &mut ObservedUse),
    ) -> Vec<(HygieneFinding, Result<Proposal, String>)> {
        let (mut key, mut exercised) = well();
        change(&mut key, &mut exercised);
        let rows = findings(
            &key,
            &exercised,
            Some(days_ago(100)),
            Policy::default(),
            now(),
        );
        rows.into_iter()
            .map(|row| (row.finding, row.proposal))
            .collect()
    }

    #[test]
    fn each_finding_comes_with_the_change_that_puts_it_right() {
        assert_eq!(found(|_, _| ()), []);
        let revoke = Ok(Proposal::Revoke);
        assert_eq!(
            found(|key, _| key.last_use = None),
            [(HygieneFinding::NeverUsed, revoke.clone())]
        );
        assert_eq!(
            found(|key, _| key.last_use = Some(LastUse {
                at: days_ago(90),
                from: None
            })),
            [(HygieneFinding::Idle(90), revoke.clone())]
        );
        assert_eq!(
            found(|key, _| key.last_use = Some(LastUse {
                at: days_ago(89),
                from: None
            })),
            []
        );
        assert_eq!(
            found(|key, _| key.disabled_at = Some(days_ago(90))),
            [(HygieneFinding::LongDisabled(90), revoke)]
        );
        assert_eq!(found(|key, _| key.disabled_at = Some(days_ago(89))), []);
        let end = Proposal::End(now().plus(90 * DAY).end_of_day());
        assert_eq!(
            found(|key, _| key.draft.conditions.expires_at = None),
            [(HygieneFinding::NeverExpires, Ok(end))]
        );
        let seen = AllowList::parse("10.0.0.1").expect("a list").list;
        assert_eq!(
            found(|key, _| key.draft.conditions.allow = AllowList::Anywhere),
            [(HygieneFinding::AnyAddress, Ok(Proposal::Narrow(seen)))]
        );
        let mut unused = Grants::none();
        unused.set(
            "contacts".parse().expect("a slug"),
            Actions::ALL.without(Actions::READ),
        );
        assert_eq!(
            found(|key, _| key
                .draft
                .conditions
                .grants
                .set("contacts".parse().expect("a slug"), Actions::ALL)),
            [(
                HygieneFinding::Unexercised(unused.clone()),
                Ok(Proposal::Drop(unused))
            )]
        );
    }

    #[test]
    fn where_not_all_addresses_are_known_none_are_proposed() {
        for source in [Source::Unknown, Source::Rest, Source::Unreadable] {
            let rows = found(|key, exercised| {
                key.draft.conditions.allow = AllowList::Anywhere;
                exercised.sources.insert(source);
            });
            assert!(
                matches!(&rows[..], [(HygieneFinding::AnyAddress, Err(_))]),
                "{rows:?}"
            );
        }
    }

    #[test]
    fn nothing_is_proposed_on_less_than_thirty_days() {
        let (mut key, exercised) = careless();
        let at = |since: Option<Moment>, key: &Key| {
            findings(key, &exercised, since, Policy::default(), now())
        };
        for since in [None, Some(days_ago(29))] {
            let rows = at(since, &key);
            assert_eq!(rows.len(), 2);
            assert!(rows.iter().all(|row| row.proposal.is_err()));
        }
        assert_eq!(at(Some(days_ago(30)), &key).len(), 3);
        // A young key was watched only since it was created.
        key.created_at = days_ago(3);
        assert!(
            at(Some(days_ago(300)), &key)
                .iter()
                .all(|row| row.proposal.is_err())
        );
        key.last_use = None;
        let rows = at(Some(days_ago(300)), &key);
        assert!(
            rows.iter()
                .all(|row| row.finding != HygieneFinding::NeverUsed)
        );
    }

    #[test]
    fn what_was_granted_lately_is_not_called_unexercised() {
        for (days, count) in [(0, 0), (29, 0), (30, 1)] {
            let rows = found(|key, exercised| {
                let documents = "documents".parse().expect("a slug");
                key.draft.conditions.grants.set(documents, Actions::READ);
                exercised.granted_at = Some(days_ago(days));
            });
            assert_eq!(rows.len(), count, "{days} days: {rows:?}");
        }
    }

    #[test]
    fn a_key_that_was_switched_on_lately_is_not_to_be_revoked_as_idle() {
        let rows = found(|key, exercised| {
            key.last_use = Some(LastUse {
                at: days_ago(200),
                from: None,
            });
            exercised.enabled_at = Some(days_ago(1));
        });
        let why = "watched 1 of 30 days".to_owned();
        assert_eq!(rows, [(HygieneFinding::Idle(200), Err(why))]);
    }

    #[test]
    fn several_changes_of_one_key_are_one_edit() {
        let (key, exercised) = careless();
        let rows = findings(
            &key,
            &exercised,
            Some(days_ago(100)),
            Policy::default(),
            now(),
        );
        let chosen: Vec<&HygieneRow> = rows.iter().collect();
        let Some(HygieneChange::Edit(draft)) = together(&chosen) else {
            panic!("an edit: {rows:?}")
        };
        assert_eq!(draft.conditions.allow.to_string(), "10.0.0.1");
        assert_eq!(draft.conditions.grants.iter().count(), 1);
        assert!(draft.conditions.expires_at.is_some());
        assert_eq!(together(&[]), None);
    }
}
