//! Creating, reading, editing, switching and revoking keys, each with its event, all or nothing.
use claviger::domain::audit::EventCursor;
use claviger::domain::audit::EventFilter;
use claviger::domain::key::KeyVersion;
use claviger::{
    domain::{
        agent::AgentName,
        audit::Change,
        key::{Key, RevokeReason},
        moment::Moment,
        token::TokenPrefix,
    },
    keyring::{CreateOutcome, Keyring, KeyringError, StoreError},
};

use crate::conditions::draft_with_every_condition;
use crate::support::{
    NOW, World, draft, granting, limited, make, now, on_both, read, seen, store_error,
};

/// Returns the names of the changes of all events, in order.
async fn words(keyring: &Keyring) -> Vec<&'static str> {
    let events = keyring
        .events(&EventFilter::default(), EventCursor::After(0), 1000)
        .await
        .expect("events");
    events
        .iter()
        .map(|event| event.draft.change.word())
        .collect()
}

#[test]
fn a_key_is_read_back_as_it_was_made() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let expires_at = Moment::from_millis(NOW + 1);
        let mut draft = draft_with_every_condition("Partner \u{e9} 👩‍👩‍👧‍👦", expires_at);
        draft.description = "what it is for".parse().expect("a description");
        let created = keyring.create(None, draft.clone()).await.expect("made");
        let key = read(&keyring, &created.key).await;
        let expected = Key {
            sequence: key.sequence,
            ..created.key
        };
        assert_eq!(key, expected);
        assert_eq!((key.draft, key.created_at), (draft, now()));
        assert_eq!(created.token.key_id(), &key.id);
        assert!(keyring.verify(&[]).await.is_ok());
    });
}

#[test]
fn every_change_records_its_event_and_numbers_have_no_gap() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let (one, two) = (make(&keyring, "one").await, make(&keyring, "two").await);
        let renamed = granting(draft("uno"), "documents=read");
        let at = seen(&keyring, &one.key).await;
        keyring.edit(&at, &renamed).await.expect("edited");
        let both = [
            seen(&keyring, &one.key).await,
            seen(&keyring, &two.key).await,
        ];
        keyring.switch(&both, true).await.expect("off");
        let one_off = [seen(&keyring, &one.key).await];
        keyring.switch(&one_off, false).await.expect("on");
        keyring.relabel("PROD").await.expect("relabelled");
        keyring
            .token(&one.key.id, Change::Copied)
            .await
            .expect("copied");
        let both = [
            seen(&keyring, &one.key).await,
            seen(&keyring, &two.key).await,
        ];
        keyring
            .revoke(&both, RevokeReason::Superseded)
            .await
            .expect("gone");

        let expected = [
            "key.created",
            "key.created",
            "key.edited",
            "key.disabled",
            "key.disabled",
            "key.enabled",
            "workspace.relabelled",
            "key.copied",
            "key.revoked",
            "key.revoked",
        ];
        assert_eq!(words(&keyring).await, expected);
        let events = keyring
            .events(&EventFilter::default(), EventCursor::After(0), 1000)
            .await
            .expect("events");
        let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
        assert_eq!(keyring.epoch().await.expect("an epoch"), 10);
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 10);

        let edited = &events[2].draft;
        assert_eq!(edited.actor.name, "alice@gw1");
        assert_eq!(
            (edited.subject_id.as_str(), edited.subject_name.as_str()),
            (one.key.id.as_str(), "one")
        );
        assert_eq!(
            edited.details,
            r#"{"before":{"name":"one","grants":{"contacts":["read"]}},"after":{"name":"uno","grants":{"documents":["read"]}}}"#
        );
        assert!(events[8].draft.details.contains(r#""reason":"superseded""#));
        let reasons = "SELECT count(*) FROM tombstones WHERE reason = 'superseded' \
                       AND actor = 'alice@gw1' AND revoked_at = 1795435200000";
        assert_eq!(world.number(reasons).await, 2);
        for table in ["keys", "tokens", "grants", "allowed_networks"] {
            assert_eq!(
                world.number(&format!("SELECT count(*) FROM {table}")).await,
                0,
                "{table}"
            );
        }
    });
}

#[test]
fn an_edit_sets_and_clears_every_condition() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let mut key = make(&keyring, "key").await.key;
        let unset = key.draft.clone();
        let set = draft_with_every_condition("key", Moment::from_millis(NOW + 1));
        for edited in [set, unset] {
            let version = KeyVersion::of(&key);
            keyring.edit(&version, &edited).await.expect("edited");
            key = read(&keyring, &key).await;
            assert_eq!(key.draft, edited);
        }
    });
}

#[test]
fn an_edit_replaces_networks_and_grants_and_raises_the_revision() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let first = limited(
            granting(draft("key"), "contacts=all"),
            "10.0.0.1, 10.0.0.2, 10.0.0.3",
        );
        let created = keyring.create(None, first).await.expect("made");
        let before = read(&keyring, &created.key).await;
        let second = limited(granting(draft("key"), "documents=read"), "10.0.0.9");
        keyring
            .edit(&KeyVersion::of(&before), &second)
            .await
            .expect("edited");
        let after = read(&keyring, &created.key).await;
        assert_eq!(after.draft, second);
        assert_eq!(after.revision.0, before.revision.0 + 1);
        assert_eq!(after.sequence, before.sequence);

        // An edit or a switch without a difference changes nothing.
        keyring
            .edit(&KeyVersion::of(&after), &second)
            .await
            .expect("nothing");
        keyring
            .switch(&[KeyVersion::of(&after)], false)
            .await
            .expect("nothing");
        assert_eq!(read(&keyring, &created.key).await, after);
        assert_eq!(keyring.epoch().await.expect("an epoch"), 2);
    });
}

#[test]
fn a_stale_revision_changes_nothing() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let (one, two) = (make(&keyring, "one").await, make(&keyring, "two").await);
        let stale = seen(&keyring, &one.key).await;
        let fresh = seen(&keyring, &two.key).await;
        keyring.edit(&stale, &draft("uno")).await.expect("edited");
        let conflict = StoreError::Conflict {
            id: one.key.id.to_string(),
        };
        let before = (
            read(&keyring, &one.key).await,
            read(&keyring, &two.key).await,
        );

        assert_eq!(
            store_error(keyring.edit(&stale, &draft("eins")).await),
            conflict
        );
        let both = [fresh, stale];
        assert_eq!(store_error(keyring.switch(&both, true).await), conflict);
        assert_eq!(
            store_error(keyring.revoke(&both, RevokeReason::Other).await),
            conflict
        );

        assert_eq!(
            (
                read(&keyring, &one.key).await,
                read(&keyring, &two.key).await
            ),
            before
        );
        assert_eq!(keyring.epoch().await.expect("an epoch"), 3);
        assert_eq!(world.number("SELECT count(*) FROM tombstones").await, 0);
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 3);
    });
}

/// The keyring reads before it writes; here another process changes a key after that read.
#[test]
fn a_revision_that_goes_stale_between_the_look_and_the_change_rolls_all_of_it_back() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let mut seen = Vec::new();
        for name in ["one", "two", "three"] {
            let key = read(&keyring, &make(&keyring, name).await.key).await;
            seen.push(KeyVersion::of(&key));
        }
        let stale = seen.iter().map(|version| version.id.clone());
        let stale = stale.max().expect("the last in order");
        let changed = format!("UPDATE keys SET revision = 7 WHERE id = '{stale}'");
        world.before_any_change(&changed).await;
        let conflict = StoreError::Conflict {
            id: stale.to_string(),
        };
        let revoked = keyring.revoke(&seen, RevokeReason::Other).await;
        assert_eq!(store_error(revoked), conflict);
        let disabled = keyring.switch(&seen, true).await;
        assert_eq!(store_error(disabled), conflict);
        assert_eq!(
            world
                .number("SELECT count(*) FROM keys WHERE disabled_at IS NULL")
                .await,
            3
        );
        assert_eq!(world.number("SELECT count(*) FROM tombstones").await, 0);
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 3);
    });
}

/// The other process gives its key the name after this one looked and before it creates the key.
#[test]
fn a_key_that_appears_between_the_look_and_the_change_is_not_made_twice() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let other = make(&keyring, "other").await.key.id;
        let renamed = "UPDATE keys SET name = 'acme', name_sort = 'acme'";
        world.before_any_change(renamed).await;
        let outcome = keyring.create_if_absent(None, draft("acme")).await;
        let Ok(CreateOutcome::Existing(existing)) = outcome else {
            panic!("the other one is there: {outcome:?}");
        };
        assert_eq!((existing.id, existing.draft.name.as_str()), (other, "acme"));
        assert_eq!(words(&keyring).await, ["key.created"]);
        assert_eq!(keyring.epoch().await.expect("an epoch"), 1);
        assert_eq!(world.number("SELECT count(*) FROM keys").await, 1);
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 1);
    });
}

#[test]
fn a_key_is_absent_if_its_agent_has_none_of_exactly_its_name() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let prod: AgentName = "prod".parse().expect("an agent");
        let _ = keyring
            .add_agent(&prod, &TokenPrefix::default())
            .await
            .expect("added");
        let create = async |agent: Option<&AgentName>, name: &str| match keyring
            .create_if_absent(agent, draft(name))
            .await
        {
            Ok(CreateOutcome::Created(created)) => (true, created.key.id),
            Ok(CreateOutcome::Existing(key)) => (false, key.id),
            Err(error) => panic!("{name}: {error}"),
        };
        let (created, first) = create(None, "acme").await;
        assert!(created);
        assert_eq!(create(None, "acme").await, (false, first.clone()));
        for (agent, name) in [(Some(&prod), "acme"), (None, "Acme"), (None, "acme ")] {
            assert!(create(agent, name).await.0, "{name:?}");
        }
        let seen = [KeyVersion::of(&keyring.key(&first).await.expect("a key"))];
        let _ = keyring.revoke(&seen, RevokeReason::Other).await;
        assert!(create(None, "acme").await.0, "a revoked key is absent");
        make(&keyring, "acme").await;
        let several = keyring.create_if_absent(None, draft("acme")).await;
        assert!(
            matches!(&several, Err(KeyringError::SameName { name, keys })
                if name == "acme" && keys.len() == 2),
            "{several:?}"
        );
        assert!(!create(Some(&prod), "acme").await.0);
        assert_eq!(world.number("SELECT count(*) FROM keys").await, 5);
    });
}

#[test]
fn a_revoked_key_is_gone_and_its_place_in_the_order_is_not_given_again() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let first = read(&keyring, &make(&keyring, "first").await.key).await;
        keyring
            .revoke(&[KeyVersion::of(&first)], RevokeReason::Unused)
            .await
            .expect("gone");
        let gone = StoreError::Gone {
            id: first.id.to_string(),
        };
        assert_eq!(store_error(keyring.key(&first.id).await), gone);
        assert_eq!(
            store_error(keyring.edit(&KeyVersion::of(&first), &draft("again")).await),
            gone
        );
        assert_eq!(
            store_error(keyring.token(&first.id, Change::Copied).await),
            gone
        );
        let second = read(&keyring, &make(&keyring, "second").await.key).await;
        assert!(second.sequence > first.sequence, "{second:?}");
    });
}

#[test]
fn an_unknown_area_is_refused_before_anything_is_written() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let error = keyring
            .create(None, granting(draft("key"), "invoices=read"))
            .await
            .expect_err("refused");
        assert_eq!(
            error.to_string(),
            "there is no access area invoices: the areas are contacts, documents"
        );
        assert_eq!(keyring.epoch().await.expect("an epoch"), 0);
        world.plant("INSERT INTO areas (slug, sequence, title, badge) VALUES ('invoices', 3, 'Invoice Access', 'Invoices')").await;
        keyring
            .create(None, granting(draft("key"), "invoices=read"))
            .await
            .expect("made");
    });
}

#[test]
fn the_last_change_of_a_key_is_named_and_looking_at_it_is_none() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        let at = seen(&keyring, &key).await;
        keyring.switch(&[at], true).await.expect("off");
        keyring
            .token(&key.id, Change::Revealed)
            .await
            .expect("revealed");
        make(&keyring, "other").await;
        let last = keyring
            .last_change(&key.id)
            .await
            .expect("events")
            .expect("one");
        assert_eq!((last.sequence, last.draft.change), (2, Change::Disabled));
    });
}
