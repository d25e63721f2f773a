//! SQLite files: created private, recognised, and left unchanged when they are refused.
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use claviger::domain::location::DatabaseLocation;
use claviger::keyring::{Decider, Keyring, StoreError, StoreLocation};
use nix::sys::stat::{Mode, umask};
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};

use crate::support::{Stranger, World, draft, make, migrations, on_sqlite, read, store_error};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

/// Returns every file of the world's folder with its content.
fn contents(world: &World) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(world.folder.path()).expect("a folder");
    files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.is_file())
        .map(|path| {
            (
                path.display().to_string(),
                fs::read(path).expect("readable"),
            )
        })
        .collect()
}

#[test]
fn everything_is_made_private_whatever_the_umask() {
    // This applies to the whole process: no test of this suite may rely on the umask for its files.
    umask(Mode::empty());
    on_sqlite(&async |world: &World| {
        let folder = world.folder.path().join("data/claviger");
        let file = folder.join("claviger.db");
        let location = DatabaseLocation::File(file.clone());
        let keyring = Keyring::open(&location, world.master_key(), world.machine.clone())
            .await
            .expect("made");
        make(&keyring, "key").await;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(folder.parent().expect("a folder")), 0o700);
        for name in ["claviger.db", "claviger.db-wal", "claviger.db-shm"] {
            assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
        }
        assert_eq!(keyring.warnings(), [] as [&str; 0]);
        keyring.close().await;
        assert_eq!(
            fs::read_dir(&folder).expect("a folder").count(),
            1,
            "closed, it is one file"
        );
    });
}

#[test]
fn wide_permissions_are_told_and_left_alone() {
    on_sqlite(&async |world: &World| {
        world.keyring().await.close().await;
        fs::set_permissions(world.file(), fs::Permissions::from_mode(0o644)).expect("chmod");
        let keyring = world.keyring().await;
        let warning = keyring.warnings().first().expect("a warning");
        assert!(
            warning.contains("mode 0644") && warning.contains("chmod 600"),
            "{warning}"
        );
        assert_eq!(mode(world.file()), 0o644);
    });
}

#[test]
fn a_new_file_is_told_from_one_that_was_there_and_an_empty_one_is_used() {
    on_sqlite(&async |world: &World| {
        fs::write(world.file(), "").expect("an empty file");
        let created = world.keyring().await;
        created.close().await;
        let opened = world.keyring().await;
        assert_eq!(opened.workspace(), created.workspace());
        assert!(opened.is_writable());
        let place = StoreLocation::File(world.file().clone());
        assert_eq!(opened.place(), &place);
    });
}

#[test]
fn every_connection_writes_ahead_and_overwrites_what_it_deletes() {
    on_sqlite(&async |world: &World| {
        let keyring = world.keyring().await;
        make(&keyring, "key").await;
        let mut stranger = world.stranger().await;
        assert_eq!(stranger.text("PRAGMA journal_mode").await, "wal");
        assert_eq!(
            stranger
                .number("SELECT application_id FROM pragma_application_id")
                .await,
            0x636c_7667
        );
        assert_eq!(
            stranger
                .number("SELECT user_version FROM pragma_user_version")
                .await,
            migrations()
        );
    });
}

/// A restored backup is not in WAL mode: opening it switches the mode, and all its keys are there.
#[test]
fn a_copy_made_by_vacuum_is_opened_like_the_original() {
    on_sqlite(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        let copy = world.folder.path().join("copy.db");
        world
            .plant(&format!("VACUUM INTO '{}'", copy.display()))
            .await;
        let location = DatabaseLocation::File(copy.clone());
        let restored = Keyring::open(&location, world.master_key(), world.machine.clone())
            .await
            .expect("opened");
        assert_eq!(read(&restored, &key).await, read(&keyring, &key).await);
        make(&restored, "other").await;
        assert!(copy.with_extension("db-wal").exists());
        assert_eq!(restored.verify(&[]).await.expect("it holds").events, 2);
        let mut stranger = world.stranger().await;
        let refused = stranger
            .try_run("UPDATE audit_events SET actor = 'mallory'")
            .await;
        assert!(refused.is_err(), "the triggers came along");
    });
}

#[test]
fn what_is_not_ours_is_refused_and_not_touched() {
    on_sqlite(&async |world: &World| {
        let text = "# shopping list\n".repeat(400);
        let place = StoreLocation::File(world.file().clone());
        fs::write(world.file(), &text).expect("written");
        let before = contents(world);
        assert_eq!(world.refusal().await, StoreError::Damaged(place.clone()));
        assert_eq!(contents(world), before);

        // Another program's database, as a crash of that program leaves it: with a WAL, and once
        // with a rollback journal. SQLite would remove both if it opened the database for writing.
        fs::remove_file(world.file()).expect("removed");
        for journal in ["WAL", "PERSIST"] {
            foreign(world, journal).await;
            let before = contents(world);
            assert_eq!(before.len(), 2, "{journal}: {:?}", before.keys());
            let error = world.refusal().await;
            assert_eq!(error, StoreError::NotOurs(place.clone()));
            assert!(
                error.to_string().contains("--database sqlite:PATH"),
                "{error}"
            );
            assert!(contents(world) == before, "{journal}: it was touched");
            for file in before.keys() {
                fs::remove_file(file).expect("removed");
            }
        }
    });
}

/// Makes a database of another program, copied while that program is in the middle of a change.
async fn foreign(world: &World, journal: &str) {
    let path = world.folder.path().join("original/other.db");
    let _ = fs::remove_dir_all(path.parent().expect("a folder"));
    fs::create_dir(path.parent().expect("a folder")).expect("a folder");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut other = Stranger::Sqlite(options.connect().await.expect("made"));
    other
        .run(&format!(
            "PRAGMA journal_mode = {journal}; PRAGMA cache_size = 1; CREATE TABLE a (b)"
        ))
        .await;
    other
        .run(
            "BEGIN; INSERT INTO a WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
             WHERE i < 50) SELECT hex(randomblob(2000)) FROM n",
        )
        .await;
    let suffix = if journal == "WAL" { "-wal" } else { "-journal" };
    fs::copy(&path, world.file()).expect("copied");
    let beside = |path: &Path| format!("{}{suffix}", path.display());
    fs::copy(beside(&path), beside(world.file())).expect("copied");
}

#[test]
fn a_newer_schema_is_refused_and_not_touched() {
    on_sqlite(&async |world: &World| {
        let keyring = world.keyring().await;
        make(&keyring, "key").await;
        keyring.close().await;
        let (known_one, newer_one) = (migrations(), migrations() + 2);
        for newer in [
            format!("PRAGMA user_version = {newer_one}"),
            format!(
                "PRAGMA user_version = {known_one}; INSERT INTO _sqlx_migrations \
                 (version, description, success, checksum, execution_time) \
                 VALUES ({newer_one}, 'newer', TRUE, x'00', 1)"
            ),
        ] {
            world.plant(&newer).await;
            let before = contents(world);
            match world.refusal().await {
                StoreError::Newer { found, known, .. }
                    if (found, known) == (newer_one, known_one) => {}
                other => panic!("{newer}: {other}"),
            }
            assert!(contents(world) == before, "{newer}: it was touched");
        }
    });
}

#[test]
fn a_damaged_file_is_refused_and_not_touched() {
    on_sqlite(&async |world: &World| {
        let keyring = world.keyring().await;
        make(&keyring, "key").await;
        keyring.close().await;
        let sound = fs::read(world.file()).expect("readable");
        let place = StoreLocation::File(world.file().clone());

        let mut no_header = sound.clone();
        no_header[..100].fill(b'x');
        let mut no_schema = sound.clone();
        no_schema[100..4096].fill(0xff);
        for damaged in [no_header, no_schema, sound[..6000].to_vec()] {
            fs::write(world.file(), &damaged).expect("written");
            assert_eq!(world.refusal().await, StoreError::Damaged(place.clone()));
            assert_eq!(fs::read(world.file()).expect("readable"), damaged);
        }

        // The header is intact, another page is not: opening fails, or the health check reports an
        // error or a complaint.
        for page in 1..sound.len() / 4096 {
            let mut damaged = sound.clone();
            damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
            fs::write(world.file(), &damaged).expect("written");
            let Ok(keyring) =
                Keyring::open(&world.location, world.master_key(), world.machine.clone()).await
            else {
                continue;
            };
            let health = keyring.health(&[]).await;
            assert!(
                health.is_err() || health.is_ok_and(|health| !health.complaints.is_empty()),
                "page {page}"
            );
            keyring.close().await;
        }
    });
}

#[test]
fn a_locked_file_is_busy_for_writers_and_open_for_readers() {
    on_sqlite(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        let mut stranger = world.stranger().await;
        stranger.run("BEGIN IMMEDIATE").await;
        let busy = StoreError::Busy(StoreLocation::File(world.file().clone()));
        let (made, read_meanwhile, opened) = tokio::join!(
            keyring.create(None, draft("other")),
            keyring.key(&key.id),
            world.keyring(),
        );
        assert_eq!(store_error(made), busy);
        assert!(read_meanwhile.is_ok());
        assert_eq!(opened.epoch().await.expect("an epoch"), 1);
        stranger.run("ROLLBACK").await;
        make(&keyring, "other").await;
    });
}

#[test]
fn a_path_is_a_path_whatever_is_in_it() {
    on_sqlite(&async |world: &World| {
        for name in [
            "a b.db",
            "50%3f.db",
            "what?.db",
            "#1.db",
            "é.db",
            "file:x.db",
        ] {
            let location = DatabaseLocation::File(world.folder.path().join(name));
            for _ in 0..2 {
                let keyring = Keyring::open(&location, world.master_key(), world.machine.clone())
                    .await
                    .expect(name);
                make(&keyring, "key").await;
                keyring.close().await;
            }
            assert!(world.folder.path().join(name).exists(), "{name}");
        }
    });
}

#[test]
fn what_cannot_be_opened_is_told_with_its_reason() {
    on_sqlite(&async |world: &World| {
        let folder = world.folder.path();
        fs::create_dir(folder.join("folder.db")).expect("a folder");
        fs::write(folder.join("file"), "x").expect("a file");
        symlink(folder.join("nowhere"), folder.join("dangling.db")).expect("a link");
        for name in ["folder.db", "file/below.db", "dangling.db", "nul\0.db"] {
            let location = DatabaseLocation::File(folder.join(name));
            let error = store_error(
                Keyring::open(&location, world.master_key(), world.machine.clone()).await,
            );
            assert!(
                matches!(error, StoreError::CannotOpen { .. }),
                "{name}: {error:?}"
            );
        }
        assert!(!folder.join("nowhere").exists());
    });
}

#[test]
fn a_file_with_two_names_is_refused_through_both_until_one_is_gone() {
    on_sqlite(&async |world: &World| {
        let path = world.folder.path().join("claviger.db");
        let keyring = world.keyring().await;
        let made = make(&keyring, "before").await;
        let second = world.folder.path().join("second.db");
        fs::hard_link(&path, &second).expect("linked");
        let twice =
            |path: &std::path::Path| StoreError::NamedTwice(StoreLocation::File(path.to_owned()));
        assert_eq!(
            store_error(keyring.create(None, draft("after")).await),
            twice(&path)
        );
        assert_eq!(store_error(keyring.epoch().await), twice(&path));
        let other = DatabaseLocation::File(second.clone());
        let place = world.master_key();
        let opened = Keyring::open(&other, place, claviger::machine::Machine::real()).await;
        assert_eq!(store_error(opened.map(drop)), twice(&second));
        let decider = Decider::open(&other, claviger::machine::Machine::real()).await;
        assert_eq!(store_error(decider.map(drop)), twice(&second));
        fs::remove_file(&second).expect("removed");
        read(&keyring, &made.key).await;
        keyring.close().await;
    });
}

#[test]
fn a_file_that_was_replaced_or_removed_takes_no_change_and_says_so() {
    on_sqlite(&async |world: &World| {
        let path = world.folder.path().join("claviger.db");
        let keyring = world.keyring().await;
        let before = make(&keyring, "before").await;
        keyring.close().await;
        let backup = world.folder.path().join("backup.db");
        fs::copy(&path, &backup).expect("copied");
        for swap in [&backup, &world.folder.path().join("nothing.db")] {
            let keyring = world.keyring().await;
            let seen = [claviger::domain::key::KeyVersion::of(
                &read(&keyring, &before.key).await,
            )];
            if swap.exists() {
                fs::rename(swap, &path).expect("replaced");
            } else {
                fs::remove_file(&path).expect("removed");
            }
            let replaced = StoreError::Replaced(StoreLocation::File(path.clone()));
            assert_eq!(
                store_error(keyring.create(None, draft("after")).await),
                replaced
            );
            assert_eq!(store_error(keyring.epoch().await), replaced);
            let revoked = keyring.revoke(&seen, claviger::domain::key::RevokeReason::Other);
            assert_eq!(store_error(revoked.await), replaced);
            keyring.close().await;
        }
    });
}
