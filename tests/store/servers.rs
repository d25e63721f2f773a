//! PostgreSQL: recognised, refused with one sentence, and every wait has a limit.
use claviger::domain::{key::KeyVersion, location::DatabaseLocation};
use claviger::{
    domain::key::RevokeReason,
    keyring::{Keyring, StoreError},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::support::{World, draft, make, migrations, on_postgres, read, store_error};

fn url(world: &World) -> String {
    match &world.location {
        DatabaseLocation::Server(url) => url.expose_secret().to_owned(),
        DatabaseLocation::File(_) => panic!("a test of servers runs on PostgreSQL only"),
    }
}

async fn refusal(world: &World, url: String) -> StoreError {
    let location = DatabaseLocation::Server(SecretString::from(url));
    store_error(Keyring::open(&location, world.master_key(), world.machine.clone()).await)
}

#[test]
fn a_database_of_another_program_is_refused_and_not_touched() {
    on_postgres(&async |world: &World| {
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        world.plant("CREATE TABLE workspace (id BIGINT)").await;
        let error = world.refusal().await;
        assert!(matches!(error, StoreError::NotOurs(_)), "{error}");
        assert!(
            error.to_string().contains("postgres://USER@HOST:PORT/NAME"),
            "{error}"
        );
        assert_eq!(world.number(tables).await, 1);
    });
}

#[test]
fn a_newer_schema_is_refused() {
    on_postgres(&async |world: &World| {
        world.keyring().await.close().await;
        let newer = migrations() + 2;
        world
            .plant(&format!(
                "INSERT INTO _sqlx_migrations \
                 (version, description, success, checksum, execution_time) \
                 VALUES ({newer}, 'newer', TRUE, '\\x00', 1)"
            ))
            .await;
        let error = world.refusal().await;
        let StoreError::Newer { found, known, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((found, known), (newer, migrations()));
    });
}

#[test]
fn a_making_that_fails_leaves_nothing_behind() {
    on_postgres(&async |world: &World| {
        // The last statement of the setup is refused, so everything before it is rolled back.
        world
            .plant(
                "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'no triggers here'; END $$; \
                 CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER') \
                 EXECUTE FUNCTION refuse()",
            )
            .await;
        let error = world.refusal().await;
        assert!(error.to_string().contains("no triggers here"), "{error}");
        assert_eq!(
            world
                .number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
                .await,
            0
        );
        // The server releases the lock once it notices that the connection is gone.
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = \
                     (SELECT oid FROM pg_database WHERE datname = current_database())";
        let mut tries = 0;
        while world.number(locks).await > 0 {
            tries += 1;
            assert!(tries < 1000, "the lock is still held");
        }
        world.plant("DROP EVENT TRIGGER refuse").await;
        let opened = world.keyring().await;
        assert!(opened.is_writable());
    });
}

#[test]
fn a_server_that_is_not_there_is_told_at_once_and_no_password_is_shown() {
    on_postgres(&async |world: &World| {
        let (server, database) = (url(world), url(world));
        let database = database.rsplit_once('/').expect("a name").0;
        let address = server.rsplit_once('@').expect("a user").1;
        let as_nobody = format!("postgres://nobody:hunter2@{address}");
        for (url, why) in [
            (
                "postgres://claviger:hunter2@127.0.0.1:1/x".to_owned(),
                "refused",
            ),
            (
                "postgres://claviger:hunter2@127.0.0.1:port/x".to_owned(),
                "cannot be read",
            ),
            (format!("{database}/no_such_database"), "no_such_database"),
            (as_nobody, "nobody"),
            (
                "postgres://claviger:hunter2@192.0.2.1/x".to_owned(),
                "verify-full",
            ),
        ] {
            let error = refusal(world, url).await;
            assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
            let sentence = error.to_string();
            assert!(sentence.contains(why), "{sentence}");
            assert!(
                !sentence.contains("hunter2") && !format!("{error:?}").contains("hunter2"),
                "{sentence}"
            );
        }
    });
}

#[test]
fn a_held_lock_is_busy_for_writers_and_open_for_readers() {
    on_postgres(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = read(&keyring, &make(&keyring, "key").await.key).await;
        let mut stranger = world.stranger().await;
        stranger
            .run("BEGIN; SELECT 1 FROM workspace FOR UPDATE")
            .await;
        let at = [KeyVersion::of(&key)];
        let (made, revoked, read_meanwhile) = tokio::join!(
            keyring.create(None, draft("other")),
            keyring.revoke(&at, RevokeReason::Other),
            keyring.key(&key.id),
        );
        assert!(matches!(store_error(made), StoreError::Busy(_)));
        let busy = store_error(revoked);
        assert!(busy.to_string().contains("pg_stat_activity"), "{busy}");
        assert_eq!(read_meanwhile.expect("readable"), key);
        stranger.run("ROLLBACK").await;
        make(&keyring, "other").await;
        assert_eq!(keyring.verify(&[]).await.expect("it holds").events, 2);
    });
}

#[test]
fn a_database_that_takes_no_writes_is_read_only() {
    on_postgres(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        keyring.close().await;
        world
            .plant(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
                 current_database()); END $$",
            )
            .await;
        let keyring = world.keyring().await;
        assert_eq!(read(&keyring, &key).await.name(), "key");
        let error = store_error(keyring.create(None, draft("other")).await);
        assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
    });
}

#[test]
fn a_lost_connection_is_replaced() {
    on_postgres(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(world.number(ended).await > 0);
        assert_eq!(read(&keyring, &key).await.name(), "key");
        make(&keyring, "other").await;
    });
}
