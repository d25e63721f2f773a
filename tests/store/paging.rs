//! Pages: every sort order, both directions, forwards, backwards and from the middle, compared with
//! a list that is sorted in memory. Both databases are compared with the same list, so they agree
//! with each other.
use claviger::domain::agent::AgentScope;
use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    mem::discriminant,
};

use claviger::domain::key::KeyVersion;
use claviger::domain::listing::{Direction, Filter, PageRequest, Row, Sort, SortField};
use claviger::{
    domain::{
        attention::Attention,
        key::{Key, LastUse, RevokeReason},
        moment::{DAY, Moment},
        text::folded,
        usage::KeyUse,
    },
    keyring::Keyring,
};
use strum::EnumCount as _;

use crate::support::{NOW, World, draft, granting, limited, now, on_both};

const FIELDS: [SortField; 7] = [
    SortField::Created,
    SortField::Name,
    SortField::Access,
    SortField::Attention,
    SortField::LastUsed,
    SortField::Expires,
    SortField::Addresses,
];

/// Names that sort differently by bytes, by the rules of a language, and before folding.
const NAMES: [&str; 14] = [
    "alpha",
    "Alpha",
    "beta",
    "Émile",
    "emile",
    "E\u{301}mile",
    "zeta",
    "_under",
    "10",
    "9",
    "a b",
    "ab",
    "Ωmega",
    "дом",
];
const ACCESS: [&[&str]; 4] = [
    &[],
    &["contacts=read"],
    &["contacts=all", "documents=read"],
    &["documents=create"],
];
const ADDRESSES: [&str; 3] = ["any", "10.0.0.0/24", "10.0.0.1, 10.0.0.2, 2001:db8::/32"];

/// Creates keys of every kind, with many ties.
async fn fill(world: &World, keyring: &Keyring) -> Vec<Key> {
    let mut uses = Vec::new();
    let mut off = Vec::new();
    for number in 0..72_usize {
        let mut draft = limited(draft(NAMES[number % NAMES.len()]), ADDRESSES[number % 3]);
        for grant in ACCESS[number % 4] {
            draft = granting(draft, grant);
        }
        let day = i64::try_from(number % 5).expect("small") * DAY;
        draft.conditions.expires_at =
            (number % 3 != 0).then(|| Moment::from_millis(NOW - DAY + 5 * day));
        let id = keyring.create(None, draft).await.expect("made").key.id;
        let last = (number % 4 != 0).then_some(LastUse {
            at: Moment::from_millis(NOW - 30 * day),
            from: None,
        });
        let refused = (number % 3 == 1).then_some((2, Moment::from_millis(NOW - day / 2)));
        uses.push(KeyUse {
            refused,
            ..KeyUse::last(id.clone(), last)
        });
        if number % 11 == 0 {
            off.push(id);
        }
    }
    // The refusals may be dated before the keys were created: creation is no change of the rules.
    keyring.record_usage(&uses, &[]).await.expect("used");
    world
        .plant("UPDATE keys SET former_until = created_at + 1 - 2 * (sequence % 2) WHERE sequence % 5 = 0")
        .await;
    world
        .plant("UPDATE keys SET created_at = created_at - 8000000000 WHERE sequence % 8 = 1")
        .await;
    world
        .plant("UPDATE keys SET not_before = created_at + 900000000 + sequence % 5 WHERE sequence % 11 = 3")
        .await;
    world
        .plant("UPDATE keys SET pending_at = created_at - sequence % 7 WHERE sequence % 13 = 5")
        .await;
    let mut seen = Vec::new();
    for id in off {
        seen.push(KeyVersion::of(&keyring.key(&id).await.expect("a key")));
    }
    keyring.switch(&seen, true).await.expect("off");
    // Revokes some keys, to leave gaps in the order of creation.
    let all = walk(keyring, &Filter::default(), Sort::NEWEST, 1000, true).await;
    let holes: Vec<KeyVersion> = all
        .iter()
        .step_by(9)
        .map(|row| KeyVersion::of(&row.key))
        .collect();
    keyring
        .revoke(&holes, RevokeReason::Other)
        .await
        .expect("gone");
    let left = walk(keyring, &Filter::default(), Sort::NEWEST, 1000, true).await;
    assert!(left.len() > 60);
    left.into_iter().map(|row| row.key).collect()
}

/// The urgency of a key: waiting for approval, refused requests, expired, about to expire, in rotation, disabled, unused,
/// about to begin, and last no attention at all.
fn urgency(key: &Key) -> (u8, i64) {
    let soonest = |at: Option<Moment>| at.expect("a moment").millis();
    let newest = |at: Option<Moment>| -soonest(at);
    match Attention::of(key, now()) {
        Some(Attention::Waits) => (0, soonest(key.pending_at)),
        Some(Attention::Refused(_)) => (1, newest(key.refused.map(|refused| refused.at))),
        Some(Attention::Expired) => (2, newest(key.draft.conditions.expires_at)),
        Some(Attention::Expires(_)) => (3, soonest(key.draft.conditions.expires_at)),
        Some(Attention::Rotating(_)) => (4, soonest(key.previous_until)),
        Some(Attention::Disabled) => (5, newest(key.disabled_at)),
        Some(Attention::Unused(_)) => {
            let seen = key.last_use.map_or(key.created_at, |usage| usage.at);
            (6, soonest(Some(seen)))
        }
        Some(Attention::Begins(_)) => (7, soonest(key.draft.conditions.not_before)),
        None => (8, 0),
    }
}

fn compare(field: SortField, one: &Key, other: &Key) -> Ordering {
    let name = |key: &Key| folded(key.name());
    let access = |key: &Key| {
        key.draft
            .conditions
            .grants
            .iter()
            .map(|(area, _)| area.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let used = |key: &Key| key.last_use.map_or(0, |usage| usage.at.millis());
    let end = |key: &Key| {
        key.draft
            .conditions
            .expires_at
            .map_or(i64::MAX, Moment::millis)
    };
    let addresses = |key: &Key| key.draft.conditions.allow.entries().len();
    let by_value = match field {
        SortField::Created => Ordering::Equal,
        SortField::Name => name(one).cmp(&name(other)),
        SortField::Access => access(one).cmp(&access(other)),
        SortField::Attention => urgency(one).cmp(&urgency(other)),
        SortField::LastUsed => used(one).cmp(&used(other)),
        SortField::Expires => end(one).cmp(&end(other)),
        SortField::Addresses => addresses(one).cmp(&addresses(other)),
    };
    by_value.then(one.sequence.cmp(&other.sequence))
}

fn sorted(keys: &[Key], sort: Sort) -> Vec<Key> {
    let mut keys = keys.to_vec();
    keys.sort_by(|one, other| compare(sort.field, one, other));
    if sort.descending {
        keys.reverse();
    }
    keys
}

async fn page(
    keyring: &Keyring,
    filter: &Filter,
    sort: Sort,
    direction: Direction,
    limit: u32,
) -> Vec<Row> {
    let request = PageRequest {
        scope: AgentScope::Everything,
        filter: filter.clone(),
        sort,
        direction,
        limit,
        now: now(),
        damaged: Vec::new(),
    };
    keyring.page(&request).await.expect("a page").rows
}

/// Returns all rows in the list's order, page by page.
async fn walk(
    keyring: &Keyring,
    filter: &Filter,
    sort: Sort,
    limit: u32,
    forwards: bool,
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let direction = match (forwards, rows.first(), rows.last()) {
            (true, _, None) => Direction::First,
            (true, _, Some(last)) => Direction::After(last.cursor.clone()),
            (false, None, _) => Direction::Last,
            (false, Some(first), _) => Direction::Before(first.cursor.clone()),
        };
        let mut more = page(keyring, filter, sort, direction, limit).await;
        if more.is_empty() {
            return rows;
        }
        assert!(more.len() <= limit as usize);
        if forwards {
            rows.extend(more);
        } else {
            more.extend(rows);
            rows = more;
        }
    }
}

fn sorts() -> impl Iterator<Item = Sort> {
    let both = |field| [false, true].map(|descending| Sort { field, descending });
    FIELDS.into_iter().flat_map(both)
}

fn ids(keys: &[Key]) -> Vec<String> {
    keys.iter()
        .map(|key| format!("{} {}", key.sequence, key.name()))
        .collect()
}

fn row_ids(rows: &[Row]) -> Vec<String> {
    let keys: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
    ids(&keys)
}

#[test]
fn every_order_visits_each_key_once_forwards_and_backwards() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let keys = fill(world, &keyring).await;
        let attention = keys.iter().filter_map(|key| Attention::of(key, now()));
        let kinds: HashSet<_> = attention.map(|one| discriminant(&one)).collect();
        assert_eq!(kinds.len(), Attention::COUNT, "a key of every kind");
        let all = Filter::default();
        for sort in sorts() {
            let expected = ids(&sorted(&keys, sort));
            for limit in [1, 7, 50, 1000] {
                for forwards in [true, false] {
                    let rows = walk(&keyring, &all, sort, limit, forwards).await;
                    assert_eq!(row_ids(&rows), expected, "{sort:?} {limit} {forwards}");
                }
            }
        }
    });
}

#[test]
fn a_filtered_list_keeps_the_order() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let keys = fill(world, &keyring).await;
        let filters = [
            Filter {
                search: "a".into(),
                attention: false,
                facets: Vec::new(),
            },
            Filter {
                search: String::new(),
                attention: true,
                facets: Vec::new(),
            },
            Filter {
                search: "e".into(),
                attention: true,
                facets: Vec::new(),
            },
            Filter {
                search: "absent".into(),
                attention: false,
                facets: Vec::new(),
            },
        ];
        for filter in filters {
            let passes = |key: &&Key| {
                let texts = [folded(key.name()), folded(key.id.as_str())];
                texts.iter().any(|text| text.contains(&filter.search))
                    && (!filter.attention || Attention::of(key, now()).is_some())
            };
            let kept: Vec<Key> = keys.iter().filter(passes).cloned().collect();
            for sort in sorts() {
                let expected = ids(&sorted(&kept, sort));
                for forwards in [true, false] {
                    let rows = walk(&keyring, &filter, sort, 7, forwards).await;
                    assert_eq!(row_ids(&rows), expected, "{filter:?} {sort:?} {forwards}");
                }
            }
        }
    });
}

#[test]
fn from_a_row_the_page_begins_with_it_or_with_what_follows_when_it_is_gone() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let keys = fill(world, &keyring).await;
        let all = Filter::default();
        let mut cursors = HashMap::new();
        for sort in sorts() {
            let expected = ids(&sorted(&keys, sort));
            let rows = walk(&keyring, &all, sort, 1000, true).await;
            for (at, row) in rows.iter().enumerate() {
                let from = page(&keyring, &all, sort, Direction::From(row.cursor.clone()), 5).await;
                let end = (at + 5).min(expected.len());
                assert_eq!(row_ids(&from), expected[at..end], "{sort:?} {at}");
            }
            cursors.insert(format!("{sort:?}"), rows[10].clone());
        }
        // Revokes row 10 (counted from 0) of each order: every cursor still points to the rows
        // behind it.
        let mut gone: Vec<Key> = cursors.values().map(|row| row.key.clone()).collect();
        gone.sort_by_key(|key| key.sequence);
        gone.dedup();
        let seen: Vec<KeyVersion> = gone.iter().map(KeyVersion::of).collect();
        keyring
            .revoke(&seen, RevokeReason::Other)
            .await
            .expect("gone");
        for sort in sorts() {
            let before = sorted(&keys, sort);
            let following: Vec<Key> = before[11..]
                .iter()
                .filter(|key| !gone.contains(key))
                .take(5)
                .cloned()
                .collect();
            let cursor = cursors[&format!("{sort:?}")].cursor.clone();
            let from = page(&keyring, &all, sort, Direction::From(cursor.clone()), 5).await;
            assert_eq!(row_ids(&from), ids(&following), "{sort:?}");
            let after = page(&keyring, &all, sort, Direction::After(cursor), 5).await;
            assert_eq!(after, from, "{sort:?}");
        }
    });
}

#[test]
fn an_empty_list_has_empty_pages() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        for sort in sorts() {
            for direction in [Direction::First, Direction::Last] {
                assert_eq!(
                    page(&keyring, &Filter::default(), sort, direction, 50).await,
                    []
                );
            }
        }
        let count = keyring
            .count(&Filter::default(), &AgentScope::Everything)
            .await
            .expect("a count");
        assert_eq!((count.matching, count.total), (0, 0));
    });
}
