//! Concurrency: simultaneous first starts, writers, and editors of one key.
use std::{collections::BTreeSet, sync::Arc};

use claviger::domain::{key::KeyVersion, location::DatabaseLocation};
use claviger::{
    domain::key::RevokeReason,
    keyring::{CreateOutcome, Keyring, KeyringError, StoreError},
    machine::Machine,
};
use tokio::{runtime::Builder, task::JoinSet};

use crate::support::{World, draft, make, migrations, now, on_both, read};

#[test]
fn twenty_that_start_at_once_make_one_store() {
    on_both(&async |world: &World| {
        let world_location = world.location.clone();
        let mut starts = JoinSet::new();
        for _ in 0..20 {
            let (location, place) = (world_location.clone(), world.master_key());
            // Each start has a runtime of its own, like separate processes.
            starts.spawn_blocking(move || {
                let runtime = Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    let keyring = Keyring::open(&location, place, Machine::real()).await;
                    keyring.expect("opened").workspace().uuid.clone()
                })
            });
        }
        let uuids: BTreeSet<String> = starts.join_all().await.into_iter().collect();
        assert_eq!(uuids.len(), 1, "{uuids:?}");
        assert_eq!(world.number("SELECT count(*) FROM workspace").await, 1);
        assert_eq!(
            world.number("SELECT count(*) FROM _sqlx_migrations").await,
            migrations()
        );
        if let DatabaseLocation::Server(_) = world.location {
            let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
                         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            assert_eq!(world.number(locks).await, 0, "no lock is left held");
        }
    });
}

#[test]
fn two_writers_lose_nothing_and_the_chain_holds() {
    on_both(&async |world: &World| {
        let mut writers = JoinSet::new();
        for name in ["one", "two"] {
            let keyring = world.keyring_on(Machine::real()).await;
            writers.spawn(async move {
                let mut made = Vec::new();
                for number in 0..200 {
                    let created = keyring
                        .create(None, draft(&format!("{name} {number}")))
                        .await;
                    made.push(created.expect("made").key.id);
                }
                made
            });
        }
        let made: BTreeSet<_> = writers.join_all().await.into_iter().flatten().collect();
        assert_eq!(made.len(), 400);
        let keyring = world.keyring().await;
        for id in &made {
            keyring.key(id).await.expect("not lost");
        }
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 400);
        assert_eq!(
            world
                .number("SELECT count(DISTINCT sequence) FROM keys")
                .await,
            400
        );
    });
}

/// Ten tasks on two keyrings create a key of one name, in five rounds: one creates it, the others
/// get that key, and nothing but it is recorded.
#[test]
fn of_many_who_create_a_key_if_it_is_absent_one_creates_it() {
    on_both(&async |world: &World| {
        let mut keyrings = Vec::new();
        for _ in 0..2 {
            keyrings.push(Arc::new(world.keyring_on(Machine::real()).await));
        }
        for round in 1..=5_i64 {
            let mut creators = JoinSet::new();
            for creator in 0..10 {
                let keyring = keyrings[creator % 2].clone();
                let draft = draft(&format!("key {round}"));
                creators.spawn(async move { keyring.create_if_absent(None, draft).await });
            }
            let (mut created, mut existing) = (Vec::new(), Vec::new());
            for outcome in creators.join_all().await {
                match outcome.expect("nobody fails") {
                    CreateOutcome::Created(made) => created.push(made.key.id),
                    CreateOutcome::Existing(key) => existing.push(key.id),
                }
            }
            assert_eq!((created.len(), existing.len()), (1, 9));
            assert!(existing.iter().all(|id| *id == created[0]));
            let epoch = keyrings[0].epoch().await.expect("an epoch");
            assert_eq!(epoch, round, "those who made nothing raised no epoch");
        }
        assert_eq!(world.number("SELECT count(*) FROM keys").await, 5);
        assert_eq!(world.number("SELECT count(*) FROM tokens").await, 5);
        let verified = keyrings[0].verify(&[]).await.expect("it holds");
        assert_eq!(verified.events, 5);
    });
}

/// Ten tasks edit one key at the same revision, in five rounds: one succeeds, the others get a
/// conflict, and no lock fails.
#[test]
fn of_many_who_edit_one_key_at_one_revision_one_succeeds() {
    on_both(&async |world: &World| {
        let keyring = Arc::new(world.keyring().await);
        let key = read(&keyring, &make(&keyring, "key").await.key).await;
        for round in 0..5_i64 {
            let at = KeyVersion::of(&read(&keyring, &key).await);
            let mut editors = JoinSet::new();
            for editor in 0..10 {
                let (keyring, at) = (keyring.clone(), at.clone());
                editors.spawn(async move {
                    keyring
                        .edit(&at, &draft(&format!("{round} {editor}")))
                        .await
                });
            }
            let answers = editors.join_all().await;
            assert_eq!(
                answers.iter().filter(|answer| answer.is_ok()).count(),
                1,
                "{answers:?}"
            );
            for answer in answers {
                assert!(
                    matches!(
                        answer,
                        Ok(_) | Err(KeyringError::Store(StoreError::Conflict { .. }))
                    ),
                    "{answer:?}"
                );
            }
            assert_eq!(read(&keyring, &key).await.revision.0, 2 + round);
        }
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 6);
    });
}

/// Recording uses locks rows without the epoch's lock, so it must take the rows in the same order
/// as changes do.
#[test]
fn uses_and_changes_of_the_same_keys_do_not_wait_for_each_other() {
    on_both(&async |world: &World| {
        let keyring = Arc::new(world.keyring().await);
        let mut keys = Vec::new();
        for number in 0..30 {
            keys.push(make(&keyring, &number.to_string()).await.key);
        }
        let mut everyone = JoinSet::new();
        for round in 0..20 {
            let uses = keys.iter().map(|key| key.id.clone());
            let usage = claviger::domain::key::LastUse {
                at: now(),
                from: None,
            };
            let mut uses: Vec<_> = uses
                .map(|id| claviger::domain::usage::KeyUse::last(id, Some(usage)))
                .collect();
            if round % 2 == 0 {
                uses.reverse();
            }
            let keyring = keyring.clone();
            everyone.spawn(async move { keyring.record_usage(&uses, &[]).await });
        }
        let mut seen = Vec::new();
        for key in keys.iter().rev() {
            seen.push(KeyVersion::of(&read(&keyring, key).await));
        }
        let changing = keyring.clone();
        everyone.spawn(async move {
            changing.switch(&seen, true).await.map(drop)?;
            let seen: Vec<KeyVersion> = seen
                .into_iter()
                .map(|mut one| {
                    one.revision.0 += 1;
                    one
                })
                .collect();
            changing.revoke(&seen, RevokeReason::Other).await.map(drop)
        });
        for answer in everyone.join_all().await {
            answer.expect("nobody stands in anybody's way");
        }
        assert_eq!(world.number("SELECT count(*) FROM keys").await, 0);
    });
}
