//! The audit log: append-only, chained, and the first event that does not hold is named.
use claviger::{
    domain::key::RevokeReason,
    keyring::{Keyring, KeyringError, Location},
};

use crate::support::{World, make, on_both, on_sqlite, seen};

/// Five events about two keys.
async fn history(keyring: &Keyring) {
    let one = make(keyring, "one").await.key;
    let two = make(keyring, "two").await.key;
    let seen_one = seen(keyring, &one).await;
    keyring.switch(&[seen_one], true).await.expect("off");
    let both = [seen(keyring, &one).await, seen(keyring, &two).await];
    keyring
        .revoke(&both, RevokeReason::Other)
        .await
        .expect("gone");
}

#[test]
fn the_database_itself_refuses_to_change_or_remove_an_event() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        history(&keyring).await;
        let mut stranger = world.stranger().await;
        let mut attempts = vec![
            "UPDATE audit_events SET actor = 'mallory' WHERE sequence = 2",
            "UPDATE audit_events SET sequence = 9 WHERE sequence = 2",
            "DELETE FROM audit_events WHERE sequence = 5",
            "DELETE FROM audit_events",
        ];
        let replaced = "INSERT OR REPLACE INTO audit_events SELECT sequence, at, 'mallory', \
                        actor_from, change, subject_id, subject_name, details, previous_hash, \
                        hash FROM audit_events WHERE sequence = 2";
        match world.location {
            Location::File(_) => attempts.push(replaced),
            Location::Server(_) => attempts.push("TRUNCATE audit_events"),
        }
        for attempt in attempts {
            let error = stranger
                .try_run(attempt)
                .await
                .expect_err(attempt)
                .to_string();
            assert!(error.contains("append-only"), "{attempt}: {error}");
        }
        assert_eq!(keyring.verify().await.expect("it holds").events, 5);
    });
}

/// What is done to the log, and the first event that then does not hold.
const ATTACKS: [(&str, i64); 13] = [
    (
        "UPDATE audit_events SET actor = 'mallory' WHERE sequence = 3",
        3,
    ),
    (
        "UPDATE audit_events SET actor_from = '10.0.0.9' WHERE sequence = 1",
        1,
    ),
    ("UPDATE audit_events SET at = at + 1 WHERE sequence = 4", 4),
    (
        "UPDATE audit_events SET change = 'key.enabled' WHERE sequence = 3",
        3,
    ),
    (
        "UPDATE audit_events SET subject_id = '000000000000' WHERE sequence = 2",
        2,
    ),
    (
        "UPDATE audit_events SET subject_name = 'x' WHERE sequence = 5",
        5,
    ),
    (
        "UPDATE audit_events SET details = '{}' WHERE sequence = 5",
        5,
    ),
    (
        "UPDATE audit_events SET hash = previous_hash WHERE sequence = 2",
        2,
    ),
    (
        "UPDATE audit_events SET previous_hash = hash WHERE sequence = 2",
        2,
    ),
    ("DELETE FROM audit_events WHERE sequence = 2", 2),
    ("DELETE FROM audit_events WHERE sequence = 5", 5),
    ("DELETE FROM audit_events WHERE sequence > 2", 3),
    ("DELETE FROM audit_events", 1),
];

#[test]
fn verify_names_the_first_event_that_was_changed_or_removed() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        history(&keyring).await;
        world.lift_triggers().await;
        world
            .plant("CREATE TABLE kept AS SELECT * FROM audit_events")
            .await;
        for (attack, first) in ATTACKS {
            world.plant(attack).await;
            match keyring.verify().await {
                Err(KeyringError::BrokenChain { sequence, .. }) => {
                    assert_eq!(sequence, first, "{attack}");
                }
                other => panic!("{attack}: {other:?}"),
            }
            world
                .plant("DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept")
                .await;
            assert_eq!(keyring.verify().await.expect("it holds again").events, 5);
        }
    });
}

#[test]
fn an_event_that_cannot_be_read_is_named() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        history(&keyring).await;
        world.lift_triggers().await;
        for (attack, column) in [
            (
                "UPDATE audit_events SET change = 'key.stolen' WHERE sequence = 3",
                "change",
            ),
            (
                "UPDATE audit_events SET actor_from = 'home' WHERE sequence = 3",
                "actor_from",
            ),
            ("UPDATE audit_events SET at = -1 WHERE sequence = 3", "at"),
        ] {
            world
                .plant("CREATE TABLE kept AS SELECT * FROM audit_events")
                .await;
            world.plant(attack).await;
            let error = keyring.verify().await.expect_err(attack).to_string();
            assert!(
                error.starts_with(&format!("audit_events.{column} of 3 ")),
                "{error}"
            );
            world.plant("DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept; DROP TABLE kept").await;
        }
    });
}

#[test]
fn a_chain_longer_than_one_batch_is_followed_to_its_end() {
    on_sqlite(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        for round in 0..1100 {
            let at = seen(&keyring, &key).await;
            keyring
                .switch(&[at], round % 2 == 0)
                .await
                .expect("switched");
        }
        let verified = keyring.verify().await.expect("it holds");
        assert_eq!(verified.events, 1101);
        world.lift_triggers().await;
        world
            .plant("UPDATE audit_events SET actor = 'mallory' WHERE sequence = 1077")
            .await;
        let error = keyring.verify().await.expect_err("broken").to_string();
        assert!(error.contains("event 1077"), "{error}");
    });
}
