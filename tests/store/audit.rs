//! The audit log: append-only, chained, and verification names the first event that does not hold.
use std::{fs, path::PathBuf};

use claviger::{
    domain::{
        audit::{Checkpoint, EventCursor, EventFilter, chain, checkpoints_in, genesis},
        key::RevokeReason,
        location::{CheckpointTarget, DatabaseLocation},
    },
    keyring::{Keyring, KeyringError},
    machine::Machine,
};

use secrecy::ExposeSecret as _;

use crate::support::{Stranger, World, make, now, on_both, on_postgres, on_sqlite, seen};

/// Records five events about two keys.
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
                        hash, member, fingerprint, account, agent, program FROM audit_events WHERE sequence = 2";
        match world.location {
            DatabaseLocation::File(_) => attempts.push(replaced),
            DatabaseLocation::Server(_) => attempts.push("TRUNCATE audit_events"),
        }
        for attempt in attempts {
            let error = stranger
                .try_run(attempt)
                .await
                .expect_err(attempt)
                .to_string();
            assert!(error.contains("append-only"), "{attempt}: {error}");
        }
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 5);
    });
}

/// Statements that change the log, and the first event that does not hold afterwards.
const ATTACKS: [(&str, i64); 16] = [
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
        "UPDATE audit_events SET member = 'm-1', account = 'x' WHERE sequence = 3",
        3,
    ),
    (
        "UPDATE audit_events SET agent = 'other' WHERE sequence = 3",
        3,
    ),
    ("UPDATE audit_events SET program = '' WHERE sequence = 3", 3),
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
            match keyring.verify(&[]).await {
                Err(
                    KeyringError::BrokenChain { sequence, .. }
                    | KeyringError::Unreadable { sequence, .. },
                ) => {
                    assert_eq!(sequence, first, "{attack}");
                }
                other => panic!("{attack}: {other:?}"),
            }
            world
                .plant("DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept")
                .await;
            assert_eq!(keyring.verify(&[]).await.expect("it holds again").events, 5);
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
            (
                "UPDATE audit_events SET account = 'x' WHERE sequence = 3",
                "member",
            ),
            (
                "UPDATE audit_events SET member = 'M' WHERE sequence = 3",
                "member",
            ),
            (
                "UPDATE audit_events SET member = 'm', fingerprint = 'x' WHERE sequence = 3",
                "fingerprint",
            ),
            (
                "UPDATE audit_events SET agent = 'A' WHERE sequence = 3",
                "agent",
            ),
        ] {
            world
                .plant("CREATE TABLE kept AS SELECT * FROM audit_events")
                .await;
            world.plant(attack).await;
            let error = keyring.verify(&[]).await.expect_err(attack).to_string();
            let column = format!("audit_events.{column} of 3 ");
            assert!(
                error.contains("does not hold at event 3") && error.contains(&column),
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
        let verified = keyring.verify(&[]).await.expect("it holds");
        assert_eq!(verified.events, 1101);
        world.lift_triggers().await;
        world
            .plant("UPDATE audit_events SET actor = 'mallory' WHERE sequence = 1077")
            .await;
        let error = keyring.verify(&[]).await.expect_err("broken").to_string();
        assert!(error.contains("event 1077"), "{error}");
    });
}

/// Rewrites the chain from an event on, so that it holds by itself: the attack that any client with
/// write access to the database can make and that the chain alone does not show.
async fn restamp(world: &World, keyring: &Keyring, from: i64) {
    let uuid = &keyring.workspace().uuid;
    let events = keyring
        .events(&EventFilter::default(), EventCursor::After(0), 1000)
        .await
        .expect("events");
    let mut head = genesis(uuid);
    for mut event in events {
        if event.sequence >= from {
            event.draft.actor.name = "mallory".into();
        }
        let hash = chain(&head, event.sequence, &event.draft);
        world
            .plant(&format!(
                "UPDATE audit_events SET actor = '{}', previous_hash = '{head}', hash = '{hash}' \
                 WHERE sequence = {}",
                event.draft.actor.name, event.sequence
            ))
            .await;
        head = hash;
    }
    world
        .plant(&format!("UPDATE workspace SET chain_head = '{head}'"))
        .await;
}

/// A keyring whose checkpoints are written to a file, and the path of that file.
async fn keeping(world: &World) -> (Keyring, PathBuf) {
    let file = world.folder.path().join("checkpoints");
    let target = CheckpointTarget::File(file.clone());
    let mut keyring = world.keyring().await;
    keyring.keep_checkpoints(&target).expect("opened");
    (keyring, file)
}

async fn broken_at(keyring: &Keyring, checkpoints: &[Checkpoint]) -> Option<i64> {
    match keyring.verify(checkpoints).await {
        Ok(_) => None,
        Err(KeyringError::BrokenChain { sequence, .. }) => Some(sequence),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn checkpoints_show_an_end_that_was_cut_off_and_a_chain_that_was_made_anew() {
    on_both(&async |world: &World| {
        let (keyring, file) = keeping(world).await;
        history(&keyring).await;
        let log = fs::read_to_string(&file).expect("checkpoints");
        let checkpoints = checkpoints_in(&log, &keyring.workspace().uuid);
        let numbers: Vec<i64> = checkpoints.iter().map(|it| it.sequence).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5], "one for each event");
        let verified = keyring.verify(&checkpoints).await.expect("it holds");
        assert_eq!((verified.events, verified.checkpoints), (5, 5));
        world.lift_triggers().await;
        world
            .plant(
                "CREATE TABLE kept AS SELECT * FROM audit_events; \
                 CREATE TABLE kept_workspace AS SELECT epoch, chain_head FROM workspace",
            )
            .await;
        for from in [1, 3, 5] {
            restamp(world, &keyring, from).await;
            assert_eq!(
                broken_at(&keyring, &[]).await,
                None,
                "the chain alone holds"
            );
            assert_eq!(broken_at(&keyring, &checkpoints).await, Some(from));
            // One old checkpoint is enough to show that events before it were rewritten.
            let last = std::slice::from_ref(checkpoints.last().expect("one"));
            assert_eq!(broken_at(&keyring, last).await, Some(5));
            put_back(world).await;
        }
        for keep in [4, 2, 0] {
            let head = if keep == 0 {
                format!("'{}'", genesis(&keyring.workspace().uuid))
            } else {
                format!("(SELECT hash FROM kept WHERE sequence = {keep})")
            };
            world
                .plant(&format!(
                    "DELETE FROM audit_events WHERE sequence > {keep}; \
                     UPDATE workspace SET epoch = {keep}, chain_head = {head}"
                ))
                .await;
            assert_eq!(
                broken_at(&keyring, &[]).await,
                None,
                "the chain alone holds"
            );
            assert_eq!(broken_at(&keyring, &checkpoints).await, Some(keep + 1));
            put_back(world).await;
        }
        // Two events swap their places.
        world
            .plant(
                "UPDATE audit_events SET sequence = 99 WHERE sequence = 2; \
                 UPDATE audit_events SET sequence = 2 WHERE sequence = 3; \
                 UPDATE audit_events SET sequence = 3 WHERE sequence = 99",
            )
            .await;
        assert_eq!(broken_at(&keyring, &[]).await, Some(2));
        put_back(world).await;
        assert_eq!(broken_at(&keyring, &checkpoints).await, None);
        // Checkpoints of another workspace are ignored.
        let mut foreign = checkpoints.clone();
        for checkpoint in &mut foreign {
            checkpoint.workspace = "another".into();
            checkpoint.sequence += 100;
        }
        let verified = keyring.verify(&foreign).await.expect("it holds");
        assert_eq!(verified.checkpoints, 0);
    });
}

async fn put_back(world: &World) {
    world
        .plant(
            "DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept; \
             UPDATE workspace SET epoch = (SELECT epoch FROM kept_workspace), \
             chain_head = (SELECT chain_head FROM kept_workspace)",
        )
        .await;
}

#[test]
fn events_from_before_members_came_are_followed_as_they_were_written() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        world.lift_triggers().await;
        let mut events = keyring
            .events(&EventFilter::default(), EventCursor::After(0), 10)
            .await
            .expect("events");
        let mut event = events.remove(0);
        event.draft.program = String::new();
        event.draft.agent = None;
        let hash = chain(&event.previous_hash, 1, &event.draft);
        world
            .plant(&format!(
                "UPDATE audit_events SET program = '', agent = '', hash = '{hash}'; \
                 UPDATE workspace SET chain_head = '{hash}'"
            ))
            .await;
        let at = seen(&keyring, &key).await;
        keyring.switch(&[at], true).await.expect("off");
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 2);
        // Columns that the event's hash does not cover must be empty.
        for planted in ["agent = 'prod'", "member = 'm-1', account = 'x'"] {
            let planted = format!("UPDATE audit_events SET {planted} WHERE sequence = 1");
            world.plant(&planted).await;
            assert!(matches!(
                keyring.verify(&[]).await,
                Err(KeyringError::Unreadable { sequence: 1, .. })
            ));
            world
                .plant(
                    "UPDATE audit_events SET agent = '', member = '', account = '' \
                     WHERE sequence = 1",
                )
                .await;
        }
        assert!(keyring.verify(&[]).await.is_ok());
    });
}

#[test]
fn events_are_found_by_who_what_key_and_when_and_read_page_by_page() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        history(&keyring).await;
        let bob = world.keyring_on(Machine::fixed(now(), "bob@gw2")).await;
        make(&bob, "50%_'three").await;
        let found = async |change: &dyn Fn(&mut EventFilter)| {
            let mut filter = EventFilter::default();
            change(&mut filter);
            let before = EventCursor::Before(i64::MAX);
            let events = keyring.events(&filter, before, 10).await.expect("events");
            events
                .iter()
                .map(|event| event.sequence)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&|_| ()).await, [6, 5, 4, 3, 2, 1]);
        assert_eq!(found(&|f| f.actor = "bob".into()).await, [6]);
        assert_eq!(found(&|f| f.actor_is = "bob".into()).await, [0; 0]);
        assert_eq!(found(&|f| f.actor_is = "bob@gw2".into()).await, [6]);
        assert_eq!(found(&|f| f.change = "revoked".into()).await, [5, 4]);
        assert_eq!(found(&|f| f.subject = "two".into()).await.len(), 2);
        assert_eq!(found(&|f| f.subject = "%_'".into()).await, [6]);
        assert_eq!(found(&|f| f.subject = "a\0b".into()).await, [0; 0]);
        assert_eq!(found(&|f| f.since = Some(now())).await.len(), 6);
        assert_eq!(found(&|f| f.since = Some(now().plus(1))).await, [0; 0]);
        assert_eq!(found(&|f| f.until = Some(now().plus(-1))).await, [0; 0]);
        let page = keyring
            .events(&EventFilter::default(), EventCursor::Before(4), 2)
            .await
            .expect("events");
        assert_eq!(
            page.iter().map(|it| it.sequence).collect::<Vec<_>>(),
            [3, 2]
        );
    });
}

#[test]
fn on_postgresql_not_even_the_owner_of_the_tables_has_the_privilege() {
    on_postgres(&async |world: &World| {
        // claviger as it is usually run: with a database user of its own that is no superuser.
        let name = format!("owner_{}", std::process::id());
        world
            .plant(&format!(
                "CREATE ROLE {name} LOGIN PASSWORD 'x'; \
                 CREATE SCHEMA theirs AUTHORIZATION {name}; \
                 ALTER ROLE {name} SET search_path = theirs"
            ))
            .await;
        let DatabaseLocation::Server(url) = &world.location else {
            panic!("a server");
        };
        let (before, after) = url.expose_secret().split_once("://").expect("a URL");
        let (_, host) = after.rsplit_once('@').expect("a user");
        let theirs = DatabaseLocation::Server(format!("{before}://{name}:x@{host}").into());
        let keyring = Keyring::open(&theirs, world.master_key(), world.machine.clone()).await;
        let keyring = keyring.expect("opened");
        history(&keyring).await;
        let mut owner = Stranger::on(&theirs).await;
        owner
            .run("DROP TRIGGER audit_events_keep ON audit_events")
            .await;
        for attempt in [
            "UPDATE audit_events SET actor = 'mallory'",
            "DELETE FROM audit_events",
            "TRUNCATE audit_events",
        ] {
            let refused = owner.try_run(attempt).await.expect_err(attempt).to_string();
            assert!(
                refused.contains("permission denied"),
                "{attempt}: {refused}"
            );
        }
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 5);
        drop(owner);
        keyring.close().await;
        world
            .plant(&format!("DROP SCHEMA theirs CASCADE; DROP ROLE {name}"))
            .await;
    });
}
