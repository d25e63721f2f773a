//! The environment of a store test: a database of its own on SQLite or on PostgreSQL, a location
//! for the master key, a machine with a fixed clock, and plain SQL access to plant rows that
//! claviger would never write. The database is removed when the test ends, however it ends.
use std::path::PathBuf;

use claviger::domain::key::KeyVersion;
use claviger::{
    domain::{
        allowlist::AllowList,
        key::{Draft, Key},
        location::{DatabaseLocation, MasterKeyLocation},
        moment::Moment,
    },
    keyring::{Created, Keyring, KeyringError, StoreError},
    machine::Machine,
};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, SqliteConnection,
    sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::postgres::Database;

/// The time of every world's clock: 2026-11-23 12:00 UTC, in milliseconds.
pub const NOW: i64 = 1_795_435_200_000;

/// Returns the number of the newest migration: the number of the files in `migrations/`.
pub fn migrations() -> i64 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let files = std::fs::read_dir(folder).expect("the migrations");
    i64::try_from(files.count()).expect("a small number")
}

/// Everything that a test of the store needs.
pub struct World {
    /// The location of its database.
    pub location: DatabaseLocation,
    /// Its machine, whose clock is fixed at [`NOW`].
    pub machine: Machine,
    /// A temporary folder of its own.
    pub folder: TempDir,
}

/// Runs a test on SQLite, then on a real PostgreSQL.
pub fn on_both(story: &impl AsyncFn(&World)) {
    on_sqlite(story);
    on_postgres(story);
}

/// Runs a test on SQLite.
pub fn on_sqlite(story: &impl AsyncFn(&World)) {
    eprintln!("on SQLite:");
    let folder = folder();
    let location = DatabaseLocation::File(folder.path().join("claviger.db"));
    runtime().block_on(story(&World::new(location, folder)));
}

/// Tells the story on PostgreSQL, in a database made for it. `tests/run quick` leaves it out, and
/// says so at its end.
pub fn on_postgres(story: &impl AsyncFn(&World)) {
    if std::env::var_os("CLAVIGER_TEST_QUICK").is_some() {
        return eprintln!("not on PostgreSQL: this is the quick run");
    }
    eprintln!("on PostgreSQL:");
    let database = Database::new();
    let location = DatabaseLocation::Server(SecretString::from(database.url()));
    runtime().block_on(story(&World::new(location, folder())));
}

fn folder() -> TempDir {
    // In memory where the machine has `/dev/shm`, since every commit waits for the disk.
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        TempDir::new_in(memory).expect("a folder")
    } else {
        TempDir::new().expect("a folder")
    }
}

fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

impl World {
    fn new(location: DatabaseLocation, folder: TempDir) -> Self {
        let machine = Machine::fixed(now(), "alice@gw1");
        Self {
            location,
            machine,
            folder,
        }
    }

    /// The path of the database file.
    pub fn file(&self) -> &PathBuf {
        match &self.location {
            DatabaseLocation::File(path) => path,
            DatabaseLocation::Server(_) => panic!("a test of files runs on SQLite only"),
        }
    }

    /// The location of the master key, shared by all keyrings of this world.
    pub fn master_key(&self) -> MasterKeyLocation {
        MasterKeyLocation::File(self.folder.path().join("config/master-key"))
    }

    /// Opens a keyring, even if another one is open already.
    pub async fn keyring(&self) -> Keyring {
        self.keyring_on(self.machine.clone()).await
    }

    /// Opens a keyring on another machine.
    pub async fn keyring_on(&self, machine: Machine) -> Keyring {
        let opened = Keyring::open(&self.location, self.master_key(), machine).await;
        opened.expect("opened")
    }

    /// Tries to open a keyring; returns the store's error.
    pub async fn refusal(&self) -> StoreError {
        match Keyring::open(&self.location, self.master_key(), self.machine.clone()).await {
            Err(KeyringError::Store(error)) => error,
            other => panic!("it should have been refused: {other:?}"),
        }
    }

    /// Opens the database as another program, for plain SQL.
    pub async fn stranger(&self) -> Stranger {
        Stranger::on(&self.location).await
    }

    /// Changes the database by SQL, as another program would.
    pub async fn plant(&self, sql: &str) {
        let mut stranger = self.stranger().await;
        stranger.run(sql).await;
        stranger.close().await;
    }

    /// Lets another program run a statement between the checks of a keyring and its change: it is
    /// run within the change's transaction, right after the epoch was raised.
    pub async fn before_any_change(&self, sql: &str) {
        self.plant(&match self.location {
            DatabaseLocation::File(_) => format!(
                "CREATE TRIGGER before_any_change AFTER UPDATE OF epoch ON workspace \
                 BEGIN {sql}; END"
            ),
            DatabaseLocation::Server(_) => format!(
                "CREATE FUNCTION before_any_change() RETURNS trigger LANGUAGE plpgsql \
                 AS $$ BEGIN {sql}; RETURN NULL; END $$; \
                 CREATE TRIGGER before_any_change AFTER UPDATE OF epoch ON workspace \
                 FOR EACH ROW EXECUTE FUNCTION before_any_change()"
            ),
        })
        .await;
    }

    /// Drops the constraints that PostgreSQL checks, so that anything can be planted.
    pub async fn lift_constraints(&self) {
        if let DatabaseLocation::Server(_) = self.location {
            self.plant(
                "DO $$ DECLARE c record; BEGIN \
                 FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint \
                 WHERE contype IN ('c', 'f') AND connamespace = current_schema()::regnamespace \
                 LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); \
                 END LOOP; END $$",
            )
            .await;
        }
    }

    /// Drops the triggers that keep the audit log append-only.
    pub async fn lift_triggers(&self) {
        self.plant(match self.location {
            DatabaseLocation::File(_) => {
                "DROP TRIGGER audit_events_keep; DROP TRIGGER audit_events_stay; \
                 DROP TRIGGER audit_events_follow"
            }
            DatabaseLocation::Server(_) => "DROP TRIGGER audit_events_keep ON audit_events",
        })
        .await;
    }

    /// Returns the number that a query yields.
    pub async fn number(&self, sql: &str) -> i64 {
        self.stranger().await.number(sql).await
    }
}

/// A database connection of a program other than claviger.
pub enum Stranger {
    /// To a file.
    Sqlite(SqliteConnection),
    /// To a server.
    Postgres(PgConnection),
}

impl Stranger {
    /// Connects to a database.
    pub async fn on(location: &DatabaseLocation) -> Self {
        match location {
            DatabaseLocation::File(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .foreign_keys(false);
                let options = options.pragma("ignore_check_constraints", "ON");
                Self::Sqlite(options.connect().await.expect("the file"))
            }
            DatabaseLocation::Server(url) => {
                let connected = PgConnection::connect(url.expose_secret()).await;
                Self::Postgres(connected.expect("the server"))
            }
        }
    }

    /// Runs statements; panics if one fails.
    pub async fn run(&mut self, sql: &str) {
        let done = self.try_run(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs statements; returns the database's error, if there is one.
    pub async fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => statement.execute(connection).await.map(drop),
            Self::Postgres(connection) => statement.execute(connection).await.map(drop),
        }
    }

    /// Closes the connection.
    async fn close(self) {
        use sqlx::Connection as _;
        match self {
            Self::Sqlite(connection) => connection.close().await.expect("closed"),
            Self::Postgres(connection) => connection.close().await.expect("closed"),
        }
    }

    /// Returns the number that a query yields.
    pub async fn number(&mut self, sql: &str) -> i64 {
        let query = AssertSqlSafe(sql.to_owned());
        let answer = match self {
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_one(connection).await,
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_one(connection).await,
        };
        answer.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Returns the text that a query yields.
    pub async fn text(&mut self, sql: &str) -> String {
        let query = AssertSqlSafe(sql.to_owned());
        let answer = match self {
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_one(connection).await,
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_one(connection).await,
        };
        answer.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

/// The fixed time of every world's clock.
pub fn now() -> Moment {
    Moment::from_millis(NOW)
}

/// A draft with this name, valid from anywhere, without grants.
pub fn draft(name: &str) -> Draft {
    crate::draft::draft(name, "", &[])
}

/// Limits the draft to these addresses.
pub fn limited(mut draft: Draft, addresses: &str) -> Draft {
    draft.conditions.allow = AllowList::parse(addresses).expect("a list").list;
    draft
}

/// Adds a grant to the draft, such as `contacts=read,create`.
pub fn granting(mut draft: Draft, grant: &str) -> Draft {
    let (area, actions) = claviger::domain::access::parse_grant(grant).expect("a grant");
    draft.conditions.grants.set(area, actions);
    draft
}

/// Creates a key that may read contacts.
pub async fn make(keyring: &Keyring, name: &str) -> Created {
    let draft = granting(draft(name), "contacts=read");
    keyring.create(None, draft).await.expect("made")
}

/// Reads the current state of the key.
pub async fn read(keyring: &Keyring, key: &Key) -> Key {
    keyring.key(&key.id).await.expect("the key")
}

/// Returns the current version of the key.
pub async fn seen(keyring: &Keyring, key: &Key) -> KeyVersion {
    KeyVersion::of(&read(keyring, key).await)
}

/// Takes the store's error out of a keyring's error.
pub fn store_error<T: std::fmt::Debug>(result: Result<T, KeyringError>) -> StoreError {
    match result {
        Err(KeyringError::Store(error)) => error,
        other => panic!("an error of the store was expected: {other:?}"),
    }
}
