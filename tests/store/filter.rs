//! The keys that a filter lets through, and their number.
use claviger::domain::agent::AgentScope;
use claviger::domain::key::KeyVersion;
use claviger::domain::listing::{Direction, Filter, PageRequest, Sort, SortField};
use claviger::{
    domain::{
        attention::Attention,
        key::{Key, LastUse},
        moment::{DAY, Moment},
        text::folded,
    },
    keyring::Keyring,
};
use proptest::{
    prelude::{Strategy, prop},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};

use crate::support::{NOW, World, draft, make, now, on_both, read};

/// Returns the names of the keys that a search lets through, oldest first.
async fn found(keyring: &Keyring, search: &str) -> Vec<String> {
    let filter = Filter {
        search: search.to_owned(),
        attention: false,
        facets: Vec::new(),
    };
    let rows = filtered(keyring, filter.clone()).await;
    let count = keyring
        .count(&filter, &AgentScope::Everything)
        .await
        .expect("a count");
    assert_eq!(
        count.matching,
        i64::try_from(rows.len()).expect("few"),
        "{search}"
    );
    rows.iter().map(|key| key.name().to_owned()).collect()
}

pub async fn filtered(keyring: &Keyring, filter: Filter) -> Vec<Key> {
    let request = PageRequest {
        scope: AgentScope::Everything,
        filter,
        sort: Sort {
            field: SortField::Created,
            descending: false,
        },
        direction: Direction::First,
        limit: 1000,
        now: now(),
        damaged: Vec::new(),
    };
    let rows = keyring.page(&request).await.expect("a page");
    rows.rows.into_iter().map(|row| row.key).collect()
}

#[test]
fn a_search_finds_names_descriptions_and_ids_and_takes_every_character_for_itself() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        for name in [
            "100% sure",
            "1000 sure",
            "snake_case",
            "snakeXcase",
            r"back\slash",
            "backslash",
            "\u{c9}cole",
            "ecole",
        ] {
            make(&keyring, name).await;
        }
        let mut described = draft("plain");
        described.description = "Nightly EXPORT of the ledger"
            .parse()
            .expect("a description");
        let described = keyring.create(None, described).await.expect("made").key;

        assert_eq!(found(&keyring, "%").await, ["100% sure"]);
        assert_eq!(found(&keyring, "0% s").await, ["100% sure"]);
        assert_eq!(found(&keyring, "_").await, ["snake_case"]);
        assert_eq!(found(&keyring, r"\").await, [r"back\slash"]);
        assert_eq!(found(&keyring, r"k\s").await, [r"back\slash"]);
        assert_eq!(found(&keyring, "SNAKE").await, ["snake_case", "snakeXcase"]);
        assert_eq!(found(&keyring, "e\u{301}COLE").await, ["\u{c9}cole"]);
        assert_eq!(found(&keyring, "\u{e9}").await, ["\u{c9}cole"]);
        assert_eq!(found(&keyring, "ecole").await, ["ecole"]);
        assert_eq!(found(&keyring, "export of").await, ["plain"]);
        assert_eq!(
            found(&keyring, &described.id.as_str()[3..9].to_uppercase()).await,
            ["plain"]
        );
        assert_eq!(found(&keyring, "").await.len(), 9);
        let total = keyring
            .count(&Filter::default(), &AgentScope::Everything)
            .await
            .expect("a count");
        assert_eq!((total.matching, total.total), (9, 9));
        for nothing in [
            "absent",
            "\0",
            "a\0b",
            &"x".repeat(100_000),
            "%%",
            "' OR 1=1 --",
        ] {
            assert_eq!(found(&keyring, nothing).await, Vec::<String>::new());
        }
    });
}

#[test]
fn an_edited_key_is_found_by_its_new_words_only() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = read(&keyring, &make(&keyring, "before").await.key).await;
        keyring
            .edit(&KeyVersion::of(&key), &draft("after"))
            .await
            .expect("edited");
        assert_eq!(found(&keyring, "before").await, Vec::<String>::new());
        assert_eq!(found(&keyring, "after").await, ["after"]);
    });
}

/// SQL and Rust find the same keys for any name and any search text.
#[test]
fn a_search_is_a_substring_of_what_is_folded() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let mut runner = TestRunner::deterministic();
        let characters = r"[ab%_\\AÀ-ɏΑ-ωа-я'\u{300}-\u{303}ﬁＡ-Ｚßİſ ]{1,8}";
        let pattern = || prop::string::string_regex(characters).expect("a pattern");
        let text = pattern();
        let name = pattern().prop_filter("a name", |name| {
            name.parse::<claviger::domain::key::KeyName>().is_ok()
        });
        let mut names = Vec::new();
        for _ in 0..150 {
            let name = name.new_tree(&mut runner).expect("a name").current();
            keyring.create(None, draft(&name)).await.expect("made");
            names.push(name);
        }
        let keys = filtered(&keyring, Filter::default()).await;
        for round in 0..200 {
            let needle = if round % 2 == 0 {
                text.new_tree(&mut runner).expect("a needle").current()
            } else {
                let name: Vec<char> = names[round % names.len()].chars().collect();
                name[name.len() / 2..].iter().collect()
            };
            let expected: Vec<&str> = keys
                .iter()
                .filter(|key| {
                    let all = format!("{}\n\n{}", folded(key.name()), folded(key.id.as_str()));
                    all.contains(&folded(&needle))
                })
                .map(Key::name)
                .collect();
            assert_eq!(found(&keyring, &needle).await, expected, "{needle:?}");
        }
    });
}

/// Offsets from now, in milliseconds, around the points at which a key's attention changes.
const TURNS: [i64; 9] = [
    -91 * DAY,
    -90 * DAY - 1,
    -90 * DAY,
    -90 * DAY + 1,
    -1,
    0,
    14 * DAY - 1,
    14 * DAY,
    14 * DAY + 1,
];

#[test]
fn sql_and_domain_agree_on_what_deserves_attention() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        for expires in TURNS.iter().map(Some).chain([None]) {
            for seen in TURNS.iter().filter(|turn| **turn <= 0) {
                for used in [false, true] {
                    let mut draft = draft("key");
                    draft.conditions.expires_at =
                        expires.map(|turn| Moment::from_millis(NOW + turn));
                    let id = keyring.create(None, draft).await.expect("made").key.id;
                    let at = Moment::from_millis(NOW + seen);
                    if used {
                        keyring
                            .record_usage(
                                &[claviger::domain::usage::KeyUse::last(
                                    id,
                                    Some(LastUse { at, from: None }),
                                )],
                                &[],
                            )
                            .await
                            .expect("used");
                    } else {
                        world
                            .plant(&format!(
                                "UPDATE keys SET created_at = {} WHERE id = '{id}'",
                                at.millis()
                            ))
                            .await;
                    }
                }
            }
        }
        let all = filtered(&keyring, Filter::default()).await;
        let some: Vec<KeyVersion> = all.iter().step_by(7).map(KeyVersion::of).collect();
        keyring.switch(&some, true).await.expect("off");

        let all = filtered(&keyring, Filter::default()).await;
        let calling: Vec<Key> = all
            .iter()
            .filter(|key| Attention::of(key, now()).is_some())
            .cloned()
            .collect();
        assert!(
            calling.len() > 20 && calling.len() < all.len(),
            "{} of {}",
            calling.len(),
            all.len()
        );
        let filter = Filter {
            search: String::new(),
            attention: true,
            facets: Vec::new(),
        };
        assert_eq!(filtered(&keyring, filter.clone()).await, calling);
        let count = keyring
            .count(&filter, &AgentScope::Everything)
            .await
            .expect("a count");
        assert_eq!(
            (count.matching, count.total),
            (
                i64::try_from(calling.len()).expect("few"),
                i64::try_from(all.len()).expect("few")
            )
        );
        let both = Filter {
            search: calling[3].id.to_string(),
            attention: true,
            facets: Vec::new(),
        };
        assert_eq!(filtered(&keyring, both).await, [calling[3].clone()]);
        let quiet = all
            .iter()
            .find(|key| Attention::of(key, now()).is_none())
            .expect("a quiet one");
        let neither = Filter {
            search: quiet.id.to_string(),
            attention: true,
            facets: Vec::new(),
        };
        assert_eq!(filtered(&keyring, neither).await, []);
    });
}
