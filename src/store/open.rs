//! Opening a store: recognise it, refuse it with one sentence, or make it.
//!
//! Nothing is written before the store is recognised as ours, or as empty. A new SQLite file is
//! made 0600 in a folder made 0700 before SQLite sees it (its own default is 0644). Migrations
//! run under a lock of our own: sqlx's is a no-op on SQLite, and on PostgreSQL it is left held
//! when a migration fails, so there they run on a connection that is closed afterwards.
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, PgPool, SqlitePool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Place, Pool, Store, StoreError, dialect};
use crate::domain::{audit, moment::Moment, text::visible};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a writer waits for another one. Long enough for a burst of changes, short enough
/// that a person learns why nothing happens.
const PATIENCE: Duration = Duration::from_secs(5);

/// The oldest SQLite that keeps every committed write: before 3.51.3 a WAL that is written and
/// checkpointed by two connections at once could lose some (<https://sqlite.org/wal.html>).
const OLDEST_SQLITE: &str = "3.51.3";

/// What a store that does not exist yet is made with.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// The new store's own id.
    pub uuid: String,
    /// Its label.
    pub label: String,
    /// When it is made.
    pub now: Moment,
}

/// An opened store, and what deserves to be said about it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Whether it was made just now.
    pub created: bool,
    /// Sentences about permissions that are wider than they should be.
    pub warnings: Vec<String>,
}

/// What a database turned out to be, before anything is written to it.
enum Recognised {
    Current,
    Empty,
    Older,
}

fn newest_known() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

impl Store {
    /// Opens a SQLite file, making it if there is none.
    ///
    /// # Errors
    /// [`StoreError`]: one clear sentence each for a file that is not ours, newer, damaged,
    /// locked, or cannot be opened; nothing is changed then.
    pub async fn open_file(path: &Path, fresh: &Fresh) -> Result<Opened, StoreError> {
        let place = Place::File(path.to_owned());
        make_file(path).map_err(|error| cannot_open(&place, &error))?;
        let read_only = !writable(path);
        let pool = connect_file(path, read_only)
            .await
            .map_err(|error| StoreError::from_sqlx(&place, &error))?;
        let mut store = Self {
            pool: Pool::Sqlite(pool),
            place,
            read_only,
        };
        let recognised = store.recognise_file().await?;
        let created = matches!(recognised, Recognised::Empty);
        match recognised {
            Recognised::Current => {}
            _ if read_only => return Err(StoreError::ReadOnly(store.place.to_string())),
            Recognised::Empty | Recognised::Older => {
                store.initialise_file(path, fresh).await?;
                store.read_only = false;
            }
        }
        Ok(Opened {
            store,
            created,
            warnings: permission_warnings(path),
        })
    }

    /// Opens a PostgreSQL database, making its tables if it is empty.
    ///
    /// # Errors
    /// As for a file; a server that is not on this machine is refused without `sslmode=verify-full`.
    pub async fn open_server(url: &str, fresh: &Fresh) -> Result<Opened, StoreError> {
        let unreadable = || StoreError::Unreachable {
            place: "the PostgreSQL database".to_owned(),
            why:
                "the URL given with --database cannot be read; write postgres://USER@HOST:PORT/NAME"
                    .to_owned(),
        };
        let options = PgConnectOptions::from_str(url).map_err(|_| unreadable())?;
        let place = Place::Server(format!(
            "postgres://{}:{}/{}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or("")
        ));
        demand_tls(&options, &place)?;
        let options = options.application_name("claviger").options([
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options.clone())
            .await
            .map_err(|error| StoreError::from_sqlx(&place, &error))?;
        let store = Self {
            pool: Pool::Postgres(pool),
            place,
            read_only: false,
        };
        let recognised = store.recognise_server().await?;
        let created = matches!(recognised, Recognised::Empty);
        if !matches!(recognised, Recognised::Current) {
            store.initialise_server(&options, fresh).await?;
        }
        Ok(Opened {
            store,
            created,
            warnings: Vec::new(),
        })
    }

    fn sqlite(&self) -> &SqlitePool {
        match &self.pool {
            Pool::Sqlite(pool) => pool,
            Pool::Postgres(_) => unreachable!("a file is opened with SQLite"),
        }
    }

    fn postgres(&self) -> &PgPool {
        match &self.pool {
            Pool::Postgres(pool) => pool,
            Pool::Sqlite(_) => unreachable!("a server is opened with PostgreSQL"),
        }
    }

    async fn recognise_file(&self) -> Result<Recognised, StoreError> {
        let fault = |error: sqlx::Error| self.fault(&error);
        let (application, version, tables, sqlite): (i64, i64, i64, String) = sqlx::query_as(
            "SELECT (SELECT application_id FROM pragma_application_id), \
             (SELECT user_version FROM pragma_user_version), \
             (SELECT count(*) FROM sqlite_schema), sqlite_version()",
        )
        .fetch_one(self.sqlite())
        .await
        .map_err(fault)?;
        if !at_least(&sqlite, OLDEST_SQLITE) {
            return Err(StoreError::Other {
                place: self.place.to_string(),
                why: format!(
                    "this claviger is built with SQLite {sqlite}, which can lose writes; it needs {OLDEST_SQLITE} or newer"
                ),
            });
        }
        match (application, tables) {
            (0, 0) => return Ok(Recognised::Empty),
            (dialect::APPLICATION_ID, _) => {}
            _ => return Err(StoreError::NotOurs(self.place.to_string())),
        }
        self.judge(version)
    }

    async fn recognise_server(&self) -> Result<Recognised, StoreError> {
        let fault = |error: sqlx::Error| self.fault(&error);
        let (ours, tables): (bool, i64) = sqlx::query_as(
            "SELECT to_regclass('workspace') IS NOT NULL AND to_regclass('_sqlx_migrations') IS NOT NULL, \
             (SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
              AND relkind IN ('r', 'p', 'v', 'm'))",
        )
        .fetch_one(self.postgres())
        .await
        .map_err(fault)?;
        match (ours, tables) {
            (false, 0) => return Ok(Recognised::Empty),
            (false, _) if !self.half_made().await => {
                return Err(StoreError::NotOurs(self.place.to_string()));
            }
            (false, _) => return Ok(Recognised::Older),
            (true, _) => {}
        }
        let (version,): (i64,) =
            sqlx::query_as("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
                .fetch_one(self.postgres())
                .await
                .map_err(fault)?;
        let (rows,): (i64,) = sqlx::query_as("SELECT count(*) FROM workspace")
            .fetch_one(self.postgres())
            .await
            .map_err(fault)?;
        if rows == 0 {
            Ok(Recognised::Older)
        } else {
            self.judge(version)
        }
    }

    /// Whether only sqlx's own table is there: another process is just making the store, or one
    /// died doing it.
    async fn half_made(&self) -> bool {
        sqlx::query_as::<_, (i64,)>(
            "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
             AND relkind IN ('r', 'p', 'v', 'm') AND relname <> '_sqlx_migrations'",
        )
        .fetch_one(self.postgres())
        .await
        .is_ok_and(|(others,)| others == 0)
    }

    fn judge(&self, version: i64) -> Result<Recognised, StoreError> {
        let known = newest_known();
        match version {
            found if found > known => Err(StoreError::Newer {
                place: self.place.to_string(),
                found,
                known,
            }),
            found if found == known => Ok(Recognised::Current),
            _ => Ok(Recognised::Older),
        }
    }

    async fn initialise_file(&self, path: &Path, fresh: &Fresh) -> Result<(), StoreError> {
        let _lock = lock_folder(path)
            .await
            .map_err(|error| cannot_open(&self.place, &error))?;
        if matches!(self.recognise_file().await?, Recognised::Current) {
            return Ok(());
        }
        let fault = |error: sqlx::Error| self.fault(&error);
        let mut connection = self.sqlite().acquire().await.map_err(fault)?;
        sqlx::query("PRAGMA application_id = 1668052583")
            .execute(&mut *connection)
            .await
            .map_err(fault)?;
        sqlx::query("PRAGMA journal_mode = WAL")
            .execute(&mut *connection)
            .await
            .map_err(fault)?;
        MIGRATIONS
            .run(&mut *connection)
            .await
            .map_err(|error| self.migration_fault(error))?;
        for statement in dialect::SQLITE {
            sqlx::query(*statement)
                .execute(&mut *connection)
                .await
                .map_err(fault)?;
        }
        let (uuid, genesis) = (fresh.uuid.as_str(), audit::genesis(&fresh.uuid));
        sqlx::query(INSERT_WORKSPACE)
            .bind(uuid)
            .bind(fresh.label.as_str())
            .bind(genesis)
            .bind(fresh.now.millis())
            .execute(&mut *connection)
            .await
            .map_err(fault)?;
        // Last of all: from here on the file counts as whole.
        sqlx::query("PRAGMA user_version = 1")
            .execute(&mut *connection)
            .await
            .map_err(fault)?;
        Ok(())
    }

    async fn initialise_server(
        &self,
        options: &PgConnectOptions,
        fresh: &Fresh,
    ) -> Result<(), StoreError> {
        let fault = |error: sqlx::Error| self.fault(&error);
        let mut connection = options.connect().await.map_err(fault)?;
        sqlx::query("SELECT pg_advisory_lock(7812765)")
            .execute(&mut connection)
            .await
            .map_err(fault)?;
        MIGRATIONS
            .run(&mut connection)
            .await
            .map_err(|error| self.migration_fault(error))?;
        for statement in dialect::POSTGRES {
            sqlx::query(*statement)
                .execute(&mut connection)
                .await
                .map_err(fault)?;
        }
        sqlx::query(INSERT_WORKSPACE)
            .bind(fresh.uuid.as_str())
            .bind(fresh.label.as_str())
            .bind(audit::genesis(&fresh.uuid))
            .bind(fresh.now.millis())
            .execute(&mut connection)
            .await
            .map_err(fault)?;
        connection.close().await.map_err(fault)
    }

    fn migration_fault(&self, error: sqlx::migrate::MigrateError) -> StoreError {
        match error {
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => self.fault(&error),
            other => StoreError::Other {
                place: self.place.to_string(),
                why: visible(&other.to_string()),
            },
        }
    }
}

const INSERT_WORKSPACE: &str = "INSERT INTO workspace (id, uuid, label, epoch, chain_head, created_at) \
     VALUES (1, $1, $2, 0, $3, $4) ON CONFLICT (id) DO NOTHING";

async fn connect_file(path: &Path, read_only: bool) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(read_only)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON");
    let pool = |options| {
        SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE * 2)
            .test_before_acquire(false)
            .connect_with(options)
    };
    let connected = pool(options.clone()).await;
    // A WAL database needs its -shm file even to be read; where the folder cannot be written
    // and nothing waits in a WAL, the file can be read as what it is: unchanging.
    let settled = !wal_path(path).metadata().is_ok_and(|wal| wal.len() > 0);
    match connected {
        Err(_) if read_only && settled => pool(options.immutable(true)).await,
        other => other,
    }
}

fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Makes the folder (0700) and the file (0600) where they are missing; never changes others.
fn make_file(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        // Another process was faster: then it is there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

/// Whether this process may write the file and make files beside it. Asking the system, not the
/// mode bits, gets read-only disks and root right; opening the file would not do (closing it
/// would drop SQLite's locks of the same process).
fn writable(path: &Path) -> bool {
    use nix::unistd::{AccessFlags, access};
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    access(path, AccessFlags::W_OK).is_ok()
        && access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

fn permission_warnings(path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    let shown = |path: &Path| visible(&path.to_string_lossy());
    if let Ok(file) = fs::metadata(path)
        && file.permissions().mode() & 0o077 != 0
    {
        let mode = file.permissions().mode() & 0o777;
        warnings.push(format!(
            "{} may be read by others (mode {mode:04o}): run `chmod 600` on it",
            shown(path)
        ));
    }
    warnings
}

/// Held while a store is being made or migrated, so that of several processes that start
/// together one does it. The lock is on the folder: it needs no file of its own, and closing it
/// cannot touch SQLite's locks.
async fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let folder = folder.to_owned();
    let locked = tokio::task::spawn_blocking(move || {
        let lock = File::open(folder)?;
        lock.lock()?;
        Ok(lock)
    });
    locked.await.map_err(io::Error::other)?
}

fn cannot_open(place: &Place, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full(place.to_string()),
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly(place.to_string()),
        _ => StoreError::CannotOpen {
            place: place.to_string(),
            why: error.to_string(),
        },
    }
}

/// sqlx prefers TLS and goes on without it: on a network that would hand tokens' digests and the
/// power to change rules to whoever stands in between.
fn demand_tls(options: &PgConnectOptions, place: &Place) -> Result<(), StoreError> {
    let host = options.get_host();
    let local = host.starts_with('/')
        || host == "localhost"
        || options.get_socket().is_some()
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    if local || matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        return Ok(());
    }
    Err(StoreError::Unreachable {
        place: place.to_string(),
        why: "it is not on this machine, and the connection would not be verified; add sslmode=verify-full to its URL".to_owned(),
    })
}

fn at_least(version: &str, oldest: &str) -> bool {
    let numbers =
        |text: &str| -> Vec<u32> { text.split('.').map(|n| n.parse().unwrap_or(0)).collect() };
    numbers(version) >= numbers(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(at_least("3.51.3", OLDEST_SQLITE));
        assert!(at_least("3.100.0", OLDEST_SQLITE));
        assert!(!at_least("3.51.2", OLDEST_SQLITE));
        assert!(!at_least("3.9.9", OLDEST_SQLITE));
    }

    #[test]
    fn the_statement_names_our_application_id() {
        assert_eq!(dialect::APPLICATION_ID, 1_668_052_583);
    }

    #[test]
    fn a_server_elsewhere_needs_verified_tls() {
        let check = |url: &str| {
            let options = PgConnectOptions::from_str(url).expect("a URL");
            demand_tls(&options, &Place::Server("db".into())).is_ok()
        };
        assert!(check("postgres://u@127.0.0.1/x"));
        assert!(check("postgres://u@localhost/x"));
        assert!(!check("postgres://u@db.example.com/x"));
        assert!(!check("postgres://u@db.example.com/x?sslmode=require"));
        assert!(check("postgres://u@db.example.com/x?sslmode=verify-full"));
    }
}
