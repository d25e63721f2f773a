//! Quotas in the store, and the rules and facets that the rows of keys hold.
use claviger::{
    domain::{
        agent::AgentScope,
        facet::Facet,
        key::KeyVersion,
        label::Labels,
        listing::Filter,
        moment::{DAY, Moment},
        quota::Quota,
    },
    keyring::Decider,
};

use crate::{
    conditions, draft,
    support::{NOW, World, make, now, on_both, read},
    usage::decider,
};

fn quota(text: &str) -> Quota {
    text.parse().expect(text)
}

#[test]
fn what_is_reserved_never_exceeds_the_quota_however_many_reserve_at_once() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        let quota = quota("1050/month");
        let decider = decider(world, NOW).await;
        let asked = (0..150).map(|_| decider.reserve_quota(&key.id, quota, now()));
        let given = futures_util::future::join_all(asked).await;
        let given: Vec<i64> = given
            .into_iter()
            .map(|one| one.expect("reserved"))
            .collect();
        assert_eq!(given.iter().sum::<i64>(), 1050);
        assert!(
            given.iter().all(|share| (0..=10).contains(share)),
            "{given:?}"
        );
        assert_eq!(given.iter().filter(|share| **share == 0).count(), 45);
        // The next month, and a day of the same month, are counted by themselves.
        let later = Moment::from_millis(NOW + 40 * DAY);
        assert_eq!(decider.reserve_quota(&key.id, quota, later).await, Ok(10));
        let daily = self::quota("5/day");
        assert_eq!(decider.reserve_quota(&key.id, daily, now()).await, Ok(1));
        // A larger quota has room again; what was not spent is given back.
        let larger = self::quota("1051/month");
        assert_eq!(decider.reserve_quota(&key.id, larger, now()).await, Ok(1));
        assert_eq!(decider.reserve_quota(&key.id, larger, now()).await, Ok(0));
        let given = decider.give_back_quota(&key.id, larger, 3, now()).await;
        assert_eq!(given, Ok(()));
        assert_eq!(decider.reserve_quota(&key.id, larger, now()).await, Ok(3));
        assert_eq!(reserved(&keyring, &key, larger).await, Some(1051));
        decider.close().await;
    });
}

/// Returns what is reserved of the quota, as people are told.
async fn reserved(
    keyring: &claviger::keyring::Keyring,
    key: &claviger::domain::key::Key,
    quota: Quota,
) -> Option<i64> {
    let key = read(keyring, key).await;
    let mut changed = key.draft.clone();
    changed.conditions.quota = Some(quota);
    let edited = keyring.edit(&KeyVersion::of(&key), &changed).await;
    edited.expect("edited");
    keyring
        .activity(&key.id)
        .await
        .expect("activity")
        .quota_reserved
}

#[test]
fn a_quota_of_a_time_that_came_before_is_forgotten_after_a_while() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        let decider = decider(world, NOW).await;
        for at in [NOW, NOW + 90 * DAY] {
            let at = Moment::from_millis(at);
            let given = decider.reserve_quota(&key.id, quota("9/day"), at).await;
            assert_eq!(given, Ok(1));
        }
        decider.close().await;
        let decider: Decider = self::decider(world, NOW + 110 * DAY).await;
        while decider.tidy_usage().await.expect("tidy") {}
        // A clock that was set back finds the count that is kept, and none of the other one.
        let kept = Moment::from_millis(NOW + 90 * DAY);
        let larger = quota("2/day");
        assert_eq!(decider.reserve_quota(&key.id, larger, kept).await, Ok(1));
        assert_eq!(decider.reserve_quota(&key.id, larger, kept).await, Ok(0));
        assert_eq!(decider.reserve_quota(&key.id, larger, now()).await, Ok(1));
        assert_eq!(decider.reserve_quota(&key.id, larger, now()).await, Ok(1));
        decider.close().await;
    });
}

#[test]
fn rows_keep_every_rule_and_a_bent_one_is_named() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let end = Moment::from_millis(NOW + 30 * DAY);
        let draft = conditions::draft_with_every_condition("full", end);
        let key = keyring.create(None, draft.clone()).await.expect("made").key;
        assert_eq!(read(&keyring, &key).await.draft, draft);
        for (column, value) in [
            ("denied", "'10.0.0.7/24'"),
            ("denied", "'x'"),
            ("rate_limit", "'60'"),
            ("quota", "'5/year'"),
            ("owner", "' '"),
            ("labels", "'team'"),
            ("labels", "'team=a,team=b'"),
            ("not_before", "-5"),
        ] {
            world
                .plant(&format!("UPDATE keys SET {column} = {value}"))
                .await;
            let error = keyring.key(&key.id).await.expect_err(column).to_string();
            assert!(error.contains(column), "{column} {value}: {error}");
            let mended = [
                ("denied", "'10.0.0.66/32,10.0.0.128/25'".to_owned()),
                ("rate_limit", "'60/minute:20'".to_owned()),
                ("quota", "'50000/month'".to_owned()),
                ("owner", "'alice'".to_owned()),
                ("labels", "'env=prod,team=billing'".to_owned()),
                ("not_before", (end.millis() - DAY).to_string()),
            ];
            let (_, right) = mended
                .iter()
                .find(|(name, _)| *name == column)
                .expect("known");
            world
                .plant(&format!("UPDATE keys SET {column} = {right}"))
                .await;
        }
        assert_eq!(read(&keyring, &key).await.draft, draft);
    });
}

#[test]
fn a_list_is_filtered_by_facets_as_in_memory() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        for (name, owner, labels) in [
            ("one", Some("alice"), "team=billing"),
            ("two", Some("al,ice"), "team=sales, env=prod"),
            ("three", None, ""),
        ] {
            let mut draft = draft::draft(name, "", &[]);
            draft.owner = owner.map(|owner| owner.parse().expect("owner"));
            draft.labels = Labels::read(labels).expect("labels");
            keyring.create(None, draft).await.expect("made");
        }
        for (facets, names) in [
            (
                vec![Facet::Owner("alice".parse().expect("owner"))],
                vec!["one"],
            ),
            (
                vec![Facet::Owner("al,ice".parse().expect("owner"))],
                vec!["two"],
            ),
            (
                vec![Facet::of_label("team").expect("label")],
                vec!["two", "one"],
            ),
            (
                vec![
                    Facet::of_label("team").expect("label"),
                    Facet::With("owner".parse().expect("rule")),
                    Facet::of_label("env=prod").expect("label"),
                ],
                vec!["two"],
            ),
            (vec![Facet::With("quota".parse().expect("rule"))], vec![]),
        ] {
            let filter = Filter {
                facets,
                ..Filter::default()
            };
            let count = keyring
                .count(&filter, &AgentScope::Everything)
                .await
                .expect("count");
            assert_eq!(count.matching, i64::try_from(names.len()).expect("few"));
            let found = crate::filter::filtered(&keyring, filter.clone()).await;
            let found: Vec<&str> = found.iter().map(claviger::domain::key::Key::name).collect();
            assert_eq!(
                found.iter().rev().copied().collect::<Vec<_>>(),
                names,
                "{filter:?}"
            );
        }
    });
}
