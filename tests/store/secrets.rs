//! The master key, the data key, sealed tokens, and the traces of a secret on the disk.
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use claviger::domain::key::KeyVersion;
use claviger::{
    domain::{
        audit::Change,
        decision::Decision,
        key::RevokeReason,
        location::{DatabaseLocation, MasterKeyLocation},
    },
    keyring::{Keyring, KeyringError, VaultError},
    machine::Machine,
};
use secrecy::ExposeSecret as _;

use crate::{
    decisions::decide,
    support::{World, draft, make, on_both, on_sqlite, read},
};

fn master_key_file(world: &World) -> PathBuf {
    match world.master_key() {
        MasterKeyLocation::File(path) => path,
        other => panic!("a file was expected: {other:?}"),
    }
}

fn vault_error<T: std::fmt::Debug>(result: Result<T, KeyringError>) -> VaultError {
    match result {
        Err(KeyringError::Vault(error)) => error,
        other => panic!("an error of the vault was expected: {other:?}"),
    }
}

async fn revealed(
    keyring: &Keyring,
    key: &claviger::domain::key::Key,
) -> Result<String, KeyringError> {
    let opened = keyring.token(&key.id, Change::Revealed).await?;
    Ok(opened.token.expose().expose_secret().to_owned())
}

#[test]
fn a_token_is_opened_again_and_that_is_recorded() {
    on_both(&async |world: &World| {
        let created = {
            let keyring = world.keyring().await;
            assert!(
                !master_key_file(world).exists(),
                "opening alone makes no master key"
            );
            make(&keyring, "key").await
        };
        let keyring = world.keyring().await;
        let token = created.token.expose().expose_secret().to_owned();
        assert_eq!(
            revealed(&keyring, &created.key).await.expect("opened"),
            token
        );
        assert_eq!(keyring.epoch().await.expect("an epoch"), 2);
        let master_key = fs::metadata(master_key_file(world)).expect("made");
        assert_eq!(master_key.permissions().mode() & 0o777, 0o600);
        assert!(
            keyring
                .health(&[])
                .await
                .expect("looked at")
                .master_key
                .is_none()
        );
    });
}

#[test]
fn two_that_make_the_first_key_at_once_share_one_data_key() {
    on_both(&async |world: &World| {
        let (one, two) = (
            world.keyring_on(Machine::real()).await,
            world.keyring_on(Machine::real()).await,
        );
        let (a, b) = tokio::join!(make(&one, "a"), make(&two, "b"));
        assert_eq!(world.number("SELECT count(*) FROM data_keys").await, 1);
        for keyring in [&one, &two, &world.keyring().await] {
            for created in [&a, &b] {
                let token = created.token.expose().expose_secret();
                assert_eq!(
                    revealed(keyring, &created.key).await.expect("opened"),
                    token
                );
            }
        }
        assert_eq!(one.verify(&[]).await.expect("it holds").events, 8);
    });
}

#[test]
fn without_the_master_key_all_works_that_needs_none() {
    on_both(&async |world: &World| {
        let created = make(&world.keyring().await, "key").await;
        let other = make(&world.keyring().await, "other").await;
        let file = master_key_file(world);
        fs::remove_file(&file).expect("removed");
        let keyring = world.keyring().await;

        let missing = VaultError::Missing {
            path: file.to_string_lossy().into_owned(),
        };
        assert_eq!(
            vault_error(keyring.create(None, draft("new")).await),
            missing
        );
        assert_eq!(vault_error(revealed(&keyring, &created.key).await), missing);
        assert!(!file.exists(), "it is never made anew");
        assert_eq!(
            keyring.health(&[]).await.expect("looked at").master_key,
            Some(missing)
        );
        assert_eq!(
            keyring.epoch().await.expect("an epoch"),
            2,
            "and nothing was recorded"
        );

        let token = created.token.expose().expose_secret();
        assert!(matches!(
            decide(&keyring, token, None).await,
            Ok(Decision::Allow { .. })
        ));
        let key = read(&keyring, &created.key).await;
        keyring
            .edit(&KeyVersion::of(&key), &draft("renamed"))
            .await
            .expect("edited");
        let key = read(&keyring, &created.key).await;
        keyring
            .switch(&[KeyVersion::of(&key)], true)
            .await
            .expect("off");
        let both = [
            KeyVersion::of(&read(&keyring, &created.key).await),
            KeyVersion::of(&other.key),
        ];
        keyring
            .revoke(&both, RevokeReason::Other)
            .await
            .expect("gone");
    });
}

#[test]
fn another_master_key_is_told_by_its_file_and_opens_nothing() {
    on_both(&async |world: &World| {
        let created = make(&world.keyring().await, "key").await;
        let elsewhere = MasterKeyLocation::File(world.folder.path().join("elsewhere/master-key"));
        // Another database gets a master key of its own there.
        let another = DatabaseLocation::File(world.folder.path().join("another.db"));
        let another = Keyring::open(&another, elsewhere.clone(), Machine::real()).await;
        make(&another.expect("opened"), "key").await;
        let keyring = Keyring::open(&world.location, elsewhere.clone(), world.machine.clone())
            .await
            .expect("opened");
        let wrong = VaultError::WrongKey {
            path: elsewhere.shown(),
        };
        assert_eq!(vault_error(revealed(&keyring, &created.key).await), wrong);
        assert_eq!(vault_error(keyring.create(None, draft("new")).await), wrong);
        assert_eq!(
            keyring.health(&[]).await.expect("looked at").master_key,
            Some(wrong)
        );
        assert_eq!(keyring.epoch().await.expect("an epoch"), 1);
    });
}

#[test]
fn a_sealed_token_that_was_moved_swapped_or_bent_opens_as_an_error() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let (one, two) = (
            make(&keyring, "one").await.key,
            make(&keyring, "two").await.key,
        );
        let tampered = VaultError::Tampered(one.id.to_string());
        let from_two = |column: &str| {
            format!(
                "UPDATE tokens SET {column} = (SELECT {column} FROM spare WHERE key_id = '{}') WHERE key_id = '{}'",
                two.id, one.id
            )
        };
        world
            .plant("CREATE TABLE spare AS SELECT * FROM tokens")
            .await;
        // Digests are unique, so the other row gets another digest first.
        let room = format!(
            "UPDATE tokens SET digest = 'taken' WHERE key_id = '{}'",
            two.id
        );
        let bent =
            "UPDATE tokens SET sealed = substr(sealed, 1, 79) || CASE substr(sealed, 80, 1) \
             WHEN 'A' THEN 'B' ELSE 'A' END || substr(sealed, 81)"
                .to_owned();
        let cut = "UPDATE tokens SET sealed = substr(sealed, 1, 40)".to_owned();
        for plant in [
            from_two("sealed"),
            format!("{room}; {}", from_two("digest")),
            bent,
            cut,
            "UPDATE tokens SET sealed = ''".to_owned(),
        ] {
            world.plant(&plant).await;
            assert_eq!(
                vault_error(revealed(&keyring, &one).await),
                tampered,
                "{plant}"
            );
            world.plant(
                "UPDATE tokens SET digest = key_id; \
                 UPDATE tokens SET sealed = (SELECT sealed FROM spare WHERE spare.key_id = tokens.key_id), \
                 digest = (SELECT digest FROM spare WHERE spare.key_id = tokens.key_id)",
            )
            .await;
            assert!(revealed(&keyring, &one).await.is_ok());
        }
    });
}

#[test]
fn a_data_key_that_was_bent_or_comes_from_another_store_is_told() {
    on_both(&async |world: &World| {
        let created = make(&world.keyring().await, "key").await;
        for plant in [
            "UPDATE data_keys SET wrapped = substr(wrapped, 1, 39) || CASE substr(wrapped, 40, 1) \
             WHEN 'A' THEN 'B' ELSE 'A' END || substr(wrapped, 41)",
            "UPDATE data_keys SET wrapped = ''",
            "UPDATE workspace SET uuid = 'another'",
        ] {
            world.plant("CREATE TABLE k AS SELECT * FROM data_keys; CREATE TABLE w AS SELECT * FROM workspace").await;
            world.plant(plant).await;
            let keyring = world.keyring().await;
            let error = vault_error(revealed(&keyring, &created.key).await);
            assert!(
                matches!(error, VaultError::DataKeyTampered { .. }),
                "{plant}: {error}"
            );
            world
                .plant(
                    "UPDATE data_keys SET wrapped = (SELECT wrapped FROM k); \
                 UPDATE workspace SET uuid = (SELECT uuid FROM w); DROP TABLE k; DROP TABLE w",
                )
                .await;
        }
        assert!(revealed(&world.keyring().await, &created.key).await.is_ok());
    });
}

#[test]
fn what_cannot_be_recorded_is_not_revealed() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "key").await;
        world
            .plant(match world.location {
                DatabaseLocation::File(_) => {
                    "CREATE TRIGGER refuse BEFORE INSERT ON audit_events \
                     WHEN NEW.change IN ('key.revealed', 'key.copied') \
                     BEGIN SELECT RAISE(ABORT, 'no room'); END"
                }
                DatabaseLocation::Server(_) => {
                    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                     IF NEW.change IN ('key.revealed', 'key.copied') \
                     THEN RAISE EXCEPTION 'no room'; END IF; RETURN NEW; END $$; \
                     CREATE TRIGGER refuse BEFORE INSERT ON audit_events \
                     FOR EACH ROW EXECUTE FUNCTION refuse()"
                }
            })
            .await;
        for purpose in [Change::Revealed, Change::Copied] {
            let error = keyring
                .token(&created.key.id, purpose)
                .await
                .expect_err("no token");
            assert!(error.to_string().contains("no room"), "{error}");
        }
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 1);
        make(&keyring, "other").await;
    });
}

/// After a revoke neither the token nor its sealed form is left in the file or beside it.
#[test]
fn nothing_of_a_revoked_secret_stays_in_the_file() {
    on_sqlite(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "gone").await;
        let kept = make(&keyring, "kept").await;
        let mut stranger = world.stranger().await;
        let sealed = |id: String| format!("SELECT sealed FROM tokens WHERE key_id = '{id}'");
        let gone = stranger.text(&sealed(created.key.id.to_string())).await;
        let stays = stranger.text(&sealed(kept.key.id.to_string())).await;
        let clear = created.token.expose().expose_secret().to_owned();
        assert!(on_disk(world, &gone), "the test can find it");
        keyring
            .revoke(&[KeyVersion::of(&created.key)], RevokeReason::Compromised)
            .await
            .expect("gone");
        assert!(on_disk(world, &stays));
        assert!(!on_disk(world, &gone));
        assert!(!on_disk(world, &clear) && !on_disk(world, &clear[17..60]));
    });
}

fn on_disk(world: &World, text: &str) -> bool {
    let files = fs::read_dir(world.folder.path()).expect("a folder");
    let mut contents = files.filter_map(|file| fs::read(file.expect("a file").path()).ok());
    contents.any(|bytes| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}
