//! The sentences that describe what a key can do, shown before the key is created or changed.
//!
//! They are made from the values that are stored, never from the typed input. They are plain text:
//! names in them are passed through [`super::text::visible`].
use super::{
    access::{Actions, Area, Grants},
    allowlist::{AllowList, DenyList},
    conditions::{Changes, Conditions, MAX_NAMED_ADDRESSES, verbs},
    key::Draft,
    label::Labels,
    moment::Moment,
    owner::Owner,
    quota::Quota,
    rate_limit::RateLimit,
    text::{join, visible},
};

/// Describes what the key will and will not be able to do: "Can read Contact Access from
/// 10.0.0.0/24 until 2027-01-31. Can do nothing else."
#[must_use]
pub fn sentence(conditions: &Conditions, areas: &[Area]) -> String {
    let Conditions {
        allow,
        deny,
        grants,
        not_before,
        expires_at,
        rate_limit,
        quota,
    } = conditions;
    if grants.is_empty() {
        return "No access: can do nothing.".to_owned();
    }
    let full = areas
        .iter()
        .all(|area| grants.of(&area.slug) == Actions::ALL);
    let rest = if full {
        "That is full access."
    } else {
        "Can do nothing else."
    };
    let granted = granted(grants, areas);
    format!(
        "Can {granted} {}{}{}{}. {rest}",
        origin(allow),
        denied(deny),
        times(*not_before, *expires_at),
        limits(*rate_limit, *quota)
    )
}

/// Returns ", beginning 2027-01-01 and until 2027-01-31", or " until 2027-01-31" without a start.
fn times(not_before: Option<Moment>, expires_at: Option<Moment>) -> String {
    match not_before {
        None => format!(" {}", end(expires_at)),
        Some(start) => format!(", beginning {} and {}", start.as_start(), end(expires_at)),
    }
}

/// Returns ", at most 60 requests a minute, 20 at once, and 50,000 requests a month"; empty if there
/// is no limit.
fn limits(rate_limit: Option<RateLimit>, quota: Option<Quota>) -> String {
    let rate = rate_limit.map(RateLimit::words);
    match (rate, quota.map(Quota::words)) {
        (None, None) => String::new(),
        (Some(words), None) | (None, Some(words)) => format!(", at most {words}"),
        (Some(rate), Some(quota)) => format!(", at most {rate}, and {quota}"),
    }
}

/// Returns " except 10.0.0.66 and 10.9.0.0/16", in full: denied entries are never left out.
fn denied(deny: &DenyList) -> String {
    if deny.is_empty() {
        return String::new();
    }
    format!(" except {}", join(&deny.entries()))
}

/// Returns "read Contact Access, and create and read Document Extraction Access"; areas with the
/// same actions are listed together.
fn granted(grants: &Grants, areas: &[Area]) -> String {
    let mut groups: Vec<(Actions, Vec<String>)> = Vec::new();
    for area in areas {
        let actions = grants.of(&area.slug);
        if actions.is_empty() {
            continue;
        }
        let title = visible(&area.title);
        match groups.iter_mut().find(|(known, _)| *known == actions) {
            Some((_, titles)) => titles.push(title),
            None => groups.push((actions, vec![title])),
        }
    }
    let phrases: Vec<String> = groups
        .into_iter()
        .map(|(actions, titles)| format!("{} {}", verbs(actions), join(&titles)))
        .collect();
    phrases.join(", and ")
}

/// Returns "from any IP", "from 10.0.0.0/24 and 192.168.1.1", or "from 1.0.0.0/8, 2.2.2.2, 3.3.3.3
/// and 4 more": a long list is shortened to the entries that allow the most addresses.
fn origin(allow: &AllowList) -> String {
    let entries = allow.entries();
    match entries.len() {
        0 => "from any IP".to_owned(),
        count if count <= MAX_NAMED_ADDRESSES + 1 => format!("from {}", join(&entries)),
        count => {
            let named = allow.widest_first()[..MAX_NAMED_ADDRESSES].join(", ");
            format!("from {named} and {} more", count - MAX_NAMED_ADDRESSES)
        }
    }
}

fn end(expires_at: Option<Moment>) -> String {
    expires_at.map_or_else(
        || "with no end date".to_owned(),
        |end| format!("until {}", end.as_expiry()),
    )
}

/// Returns the badges of the areas that a key has access to, or `No access`. `Any IP` is added if
/// there is no allow-list, because its absence would look like a restriction. `shown` makes a badge
/// fit to be displayed.
#[must_use]
pub fn access_words(
    conditions: &Conditions,
    areas: &[Area],
    shown: impl Fn(&str) -> String,
) -> String {
    let reached = areas
        .iter()
        .filter(|area| !conditions.grants.of(&area.slug).is_empty());
    let mut words: Vec<String> = reached.map(|area| shown(&area.badge)).collect();
    if words.is_empty() {
        words.push("No access".to_owned());
    }
    if conditions.allow == AllowList::Anywhere {
        words.push("Any IP".to_owned());
    }
    words.join(" ")
}

/// Returns the changes of an edit, each as a sentence, with those that widen access first: "Widens:
/// adds 99.0.0.0/8.", "Narrows: drops 10.1.59.0/24." The list of added entries is never shortened.
#[must_use]
pub fn changes(before: &Draft, after: &Draft, areas: &[Area]) -> Vec<String> {
    let Changes {
        mut widens,
        mut others,
    } = before.conditions.changes(&after.conditions, areas);
    if before.name != after.name {
        others.push(format!(
            "Renames: {} → {}",
            visible(before.name.as_str()),
            visible(after.name.as_str())
        ));
    }
    if before.description != after.description {
        others.push("Changes the description".to_owned());
    }
    if before.owner != after.owner {
        let name = |owner: &Option<Owner>| {
            let owner = owner.as_ref();
            owner.map_or_else(|| "none".to_owned(), |owner| visible(owner.as_str()))
        };
        let (old, new) = (name(&before.owner), name(&after.owner));
        others.push(format!("Owner: {old} → {new}"));
    }
    if before.labels != after.labels {
        let words = |labels: &Labels| match visible(&labels.written()) {
            none if none.is_empty() => "none".to_owned(),
            some => some,
        };
        let (old, new) = (words(&before.labels), words(&after.labels));
        others.push(format!("Labels: {old} → {new}"));
    }
    widens.append(&mut others);
    widens.iter().map(|change| format!("{change}.")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas() -> Vec<Area> {
        let area = |slug: &str, title: &str, badge: &str| Area {
            slug: slug.parse().expect("slug"),
            title: title.into(),
            badge: badge.into(),
        };
        vec![
            area("contacts", "Contact Access", "Contacts"),
            area("documents", "Document Extraction Access", "Documents"),
        ]
    }

    fn draft(grants: &[(&str, &str)], allow: &str, expires_at: Option<Moment>) -> Draft {
        let mut draft = Draft::named("Partner".parse().expect("name"));
        for (area, actions) in grants {
            draft.conditions.grants.set(
                area.parse().expect("slug"),
                actions.parse().expect("actions"),
            );
        }
        draft.conditions.allow = AllowList::parse(allow).expect("list").list;
        draft.conditions.expires_at = expires_at;
        draft
    }

    /// A key with a value for each condition.
    fn with_every_rule() -> Draft {
        let end = Moment::from_millis(1_801_439_999_999);
        let mut draft = draft(&[("contacts", "read")], "10.0.0.0/24", Some(end));
        let conditions = &mut draft.conditions;
        let deny = DenyList::parse("10.0.0.66, 10.0.0.128/25");
        conditions.deny = deny.expect("list").0;
        conditions.not_before = Some(Moment::from_millis(1_798_761_600_000));
        conditions.rate_limit = Some("60/minute:20".parse().expect("limit"));
        conditions.quota = Some("50000/month".parse().expect("quota"));
        draft
    }

    #[test]
    fn every_rule_that_opens_is_told_first() {
        let full = with_every_rule();
        let mut none = draft(
            &[("contacts", "read")],
            "10.0.0.0/24",
            full.conditions.expires_at,
        );
        none.owner = Some("alice".parse().expect("owner"));
        none.labels = Labels::read("team=billing").expect("labels");
        assert_eq!(
            changes(&full, &none, &areas()),
            [
                "Widens: no longer denies 10.0.0.66, 10.0.0.128/25.",
                "Widens: begins 2027-01-01 → begins at once.",
                "Widens: 60/minute:20 → no rate limit.",
                "Widens: 50000/month → no quota.",
                "Owner: none → alice.",
                "Labels: none → team=billing.",
            ]
        );
        none.owner = None;
        none.labels = Labels::default();
        assert_eq!(
            changes(&none, &full, &areas()),
            [
                "Narrows: denies 10.0.0.66, 10.0.0.128/25.",
                "Narrows: begins at once → begins 2027-01-01.",
                "Narrows: no rate limit → 60/minute:20.",
                "Narrows: no quota → 50000/month.",
            ]
        );
    }

    #[test]
    fn what_a_key_can_do_in_one_sentence() {
        let january = Some(Moment::from_millis(1_801_439_999_999));
        for (key, expected) in [
            (
                draft(&[("contacts", "read")], "10.0.0.0/24", january),
                "Can read Contact Access from 10.0.0.0/24 until 2027-01-31. Can do nothing else.",
            ),
            (
                draft(&[("contacts", "read,create")], "", None),
                "Can create and read Contact Access from any IP with no end date. Can do nothing else.",
            ),
            (
                draft(
                    &[("contacts", "read"), ("documents", "all")],
                    "1.1.1.1, 1.1.1.2",
                    None,
                ),
                "Can read Contact Access, and create, read, update and delete Document Extraction \
                 Access from 1.1.1.1 and 1.1.1.2 with no end date. Can do nothing else.",
            ),
            (
                draft(&[("contacts", "all"), ("documents", "all")], "", None),
                "Can create, read, update and delete Contact Access and Document Extraction Access \
                 from any IP with no end date. That is full access.",
            ),
            (draft(&[], "", None), "No access: can do nothing."),
            (
                with_every_rule(),
                "Can read Contact Access from 10.0.0.0/24 except 10.0.0.66 and 10.0.0.128/25, beginning \
                 2027-01-01 and until 2027-01-31, at most 60 requests a minute, 20 at once, and 50,000 \
                 requests a month. Can do nothing else.",
            ),
        ] {
            assert_eq!(sentence(&key.conditions, &areas()), expected);
        }
    }

    #[test]
    fn what_widens_comes_first() {
        let before = draft(&[("contacts", "read,delete")], "10.0.0.0/24", None);
        let mut after = draft(&[("contacts", "read"), ("documents", "read")], "", None);
        after.name = "Acme".parse().expect("name");
        assert_eq!(
            changes(&before, &after, &areas()),
            [
                "Widens: 10.0.0.0/24 → Any IP.",
                "Widens: Document Extraction Access gains read.",
                "Narrows: Contact Access loses delete.",
                "Renames: Partner → Acme.",
            ]
        );
        assert!(changes(&before, &before, &areas()).is_empty());
    }

    #[test]
    fn of_a_long_list_the_difference_is_told_whole() {
        let sixty = |last: &str| {
            let networks = (1..60).map(|at| format!("10.1.{at}.0/24, "));
            networks.collect::<String>() + last
        };
        for (before, after, expected) in [
            (
                sixty("10.1.0.0/24"),
                sixty("99.0.0.0/8"),
                vec!["Widens: adds 99.0.0.0/8.", "Narrows: drops 10.1.0.0/24."],
            ),
            (
                sixty("10.1.0.0/24"),
                sixty("10.1.0.0/24, 10.1.77.7"),
                vec!["Widens: adds 10.1.77.7."],
            ),
            (
                "10.1.0.0/16".to_owned(),
                "10.0.0.0/8".to_owned(),
                vec!["Widens: adds 10.0.0.0/8."],
            ),
            (
                "10.0.0.0/8, 1.1.1.1".to_owned(),
                "10.1.0.0/16, 1.1.1.1".to_owned(),
                vec!["Narrows: drops 10.0.0.0/8 but for 10.1.0.0/16."],
            ),
            (
                "10.0.0.0/9, 10.128.0.0/9".to_owned(),
                "10.0.0.0/8".to_owned(),
                vec!["Writes the same addresses in another way."],
            ),
            (
                "1.1.1.1, 2.2.2.2, 3.3.3.3, 4.4.4.4, 5.5.5.5, 6.6.6.6".to_owned(),
                String::new(),
                vec!["Widens: 1.1.1.1, 2.2.2.2, 3.3.3.3 and 3 more → Any IP."],
            ),
            (
                String::new(),
                "1.1.1.1, 2.2.2.2, 3.3.3.3, 4.4.4.4, 5.5.5.5".to_owned(),
                vec!["Narrows: Any IP → 1.1.1.1, 2.2.2.2, 3.3.3.3, 4.4.4.4, 5.5.5.5."],
            ),
        ] {
            let (before, after) = (draft(&[], &before, None), draft(&[], &after, None));
            assert_eq!(changes(&before, &after, &areas()), expected);
        }
    }
}
