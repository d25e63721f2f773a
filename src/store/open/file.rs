//! Opens a SQLite file.
//!
//! A new file is created with mode 0600, in a folder created with mode 0700, before SQLite opens it
//! (SQLite's own default is 0644). A file of another program is not even opened for writing: SQLite
//! would clean up after that program's crash. No code here may open and close the file other than
//! through SQLite: closing it would drop the locks that this process holds on it.
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    BUSY_TIMEOUT, CONNECTIONS, DECIDE_BUSY_TIMEOUT, DatabaseKind, NewStoreSettings, Opened, build,
    judge,
};
use crate::{
    domain::text::visible,
    store::{
        Pool, Store, StoreError, StoreLocation, dialect,
        identity::{Companions, FileIdentity, companion, demand_one_name},
    },
};

/// The oldest SQLite that keeps every committed write: before 3.51.3, two connections that write
/// and checkpoint a WAL at once could lose some (<https://sqlite.org/wal.html>).
const OLDEST_SQLITE: &str = "3.51.3";
/// The time to wait before the switch to WAL mode is tried again.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) async fn open(path: &Path, fresh: &NewStoreSettings) -> Result<Opened, StoreError> {
    let place = StoreLocation::File(path.to_owned());
    let place = &place;
    // An absolute path, because SQLite would take one that begins with `file:` for a URI.
    let path = std::path::absolute(path).map_err(|error| cannot_open(place, &error))?;
    make_file(&path).map_err(|error| cannot_open(place, &error))?;
    demand_one_name(&path, place)?;
    if let Some(refusal) = refuse_foreign_file(&path, place).await {
        return Err(refusal);
    }
    let fault = |error: sqlx::Error| StoreError::from_sqlx(place, &error);
    let read_only = !writable(&path);
    let (pool, file) = connect(&path, read_only, ConnectionPurpose::Keep)
        .await
        .map_err(fault)?;
    let mut connection = pool.acquire().await.map_err(fault)?;
    let (recognised, settled) = recognise(&mut connection, place).await?;
    match recognised {
        DatabaseKind::Current => {}
        _ if read_only => return Err(StoreError::ReadOnly(place.clone())),
        DatabaseKind::Empty | DatabaseKind::Older => make(&mut connection, place, fresh).await?,
    }
    if !settled && !read_only {
        write_ahead(&mut connection, place).await?;
    }
    drop(connection);
    Ok(Opened {
        store: Store {
            pool: Pool::Sqlite(pool),
            place: place.clone(),
            read_only,
            file: Some(file),
        },
        warnings: permission_warnings(&path),
    })
}

/// Opens a file that is certainly claviger's and up to date on one connection, for a fast decision.
/// Returns `None` for any other file, which [`open`] must identify, create or update.
pub(super) async fn open_to_decide(path: &Path) -> Result<Option<Store>, StoreError> {
    open_as_it_is(path, !writable(path), ConnectionPurpose::Decide).await
}

/// Does the same as [`open_to_decide`] for an endpoint, which reserves shares of quotas.
pub(super) async fn open_to_serve(path: &Path) -> Result<Option<Store>, StoreError> {
    open_as_it_is(path, !writable(path), ConnectionPurpose::Serve).await
}

/// Does the same as [`open_to_decide`] on a read-only connection.
pub(super) async fn open_to_look(path: &Path) -> Result<Option<Store>, StoreError> {
    open_as_it_is(path, true, ConnectionPurpose::Look).await
}

async fn open_as_it_is(
    path: &Path,
    read_only: bool,
    purpose: ConnectionPurpose,
) -> Result<Option<Store>, StoreError> {
    let place = StoreLocation::File(path.to_owned());
    let path = std::path::absolute(path).map_err(|error| cannot_open(&place, &error))?;
    if !is_marked(&path) {
        return Ok(None);
    }
    demand_one_name(&path, &place)?;
    let fault = |error: sqlx::Error| StoreError::from_sqlx(&place, &error);
    let (pool, file) = connect(&path, read_only, purpose).await.map_err(fault)?;
    let mut connection = pool.acquire().await.map_err(fault)?;
    let (recognised, _) = recognise(&mut connection, &place).await?;
    drop(connection);
    Ok((recognised == DatabaseKind::Current).then_some(Store {
        pool: Pool::Sqlite(pool),
        place,
        read_only,
        file: Some(file),
    }))
}

/// Returns `true` if the file's header has our application id
/// (<https://sqlite.org/fileformat.html>, 1.3).
fn is_marked(path: &Path) -> bool {
    use std::io::Read as _;
    let mut header = [0; 72];
    let Ok(mut file) = fs::File::open(path) else {
        return false;
    };
    let read = file.read_exact(&mut header);
    // Never closed: that would drop the locks that this process may hold on the file already.
    std::mem::forget(file);
    let mark = i64::from(i32::from_be_bytes([
        header[68], header[69], header[70], header[71],
    ]));
    read.is_ok() && mark == dialect::APPLICATION_ID
}

/// Reads the file without a lock and without leaving a trace, and refuses it only if it certainly
/// belongs to another program or to a newer claviger. Everything else (it may be half written now)
/// is left to [`recognise`].
async fn refuse_foreign_file(path: &Path, place: &StoreLocation) -> Option<StoreError> {
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return None;
    }
    let options = SqliteConnectOptions::new().filename(path);
    let options = options.read_only(true).immutable(true);
    let mut connection = options.connect().await.ok()?;
    let (application, version): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), \
         (SELECT user_version FROM pragma_user_version)",
    )
    .fetch_one(&mut connection)
    .await
    .ok()?;
    match application {
        dialect::APPLICATION_ID => {
            let newest = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
            let (migration,): (i64,) = sqlx::query_as(newest)
                .fetch_one(&mut connection)
                .await
                .ok()?;
            judge(place, version.max(migration)).err()
        }
        // A store of ours gets its application id before it has a log beside it.
        0 if fs::metadata(companion(path, "-wal")).is_ok_and(|log| log.len() > 0) => {
            Some(StoreError::NotOurs(place.clone()))
        }
        0 => {
            let tables = "SELECT count(*) FROM sqlite_schema";
            let (tables,): (i64,) = sqlx::query_as(tables)
                .fetch_one(&mut connection)
                .await
                .ok()?;
            (tables > 0).then(|| StoreError::NotOurs(place.clone()))
        }
        _ => Some(StoreError::NotOurs(place.clone())),
    }
}

/// Returns the state of the file, and whether it is in WAL mode already.
async fn recognise(
    connection: &mut SqliteConnection,
    place: &StoreLocation,
) -> Result<(DatabaseKind, bool), StoreError> {
    let fault = |error: sqlx::Error| StoreError::from_sqlx(place, &error);
    let (application, version, tables, journal, sqlite): (i64, i64, i64, String, String) =
        sqlx::query_as(
            "SELECT (SELECT application_id FROM pragma_application_id), \
             (SELECT user_version FROM pragma_user_version), \
             (SELECT count(*) FROM sqlite_schema), \
             (SELECT journal_mode FROM pragma_journal_mode), sqlite_version()",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(fault)?;
    if !at_least(&sqlite, OLDEST_SQLITE) {
        return Err(StoreError::Other {
            place: place.clone(),
            why: format!(
                "this claviger is built with SQLite {sqlite}, which can lose writes; it needs {OLDEST_SQLITE} or newer"
            ),
        });
    }
    let recognised = match (application, tables) {
        (0, 0) => DatabaseKind::Empty,
        (dialect::APPLICATION_ID, _) => {
            let (migration,): (i64,) =
                sqlx::query_as("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
                    .fetch_one(connection)
                    .await
                    .map_err(fault)?;
            judge(place, version.max(migration))?
        }
        _ => return Err(StoreError::NotOurs(place.clone())),
    };
    Ok((recognised, journal == "wal"))
}

/// Creates the store or brings it up to date.
async fn make(
    connection: &mut SqliteConnection,
    place: &StoreLocation,
    fresh: &NewStoreSettings,
) -> Result<(), StoreError> {
    let fault = |error: sqlx::Error| StoreError::from_sqlx(place, &error);
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(fault)?;
    // Another process may have been faster.
    let (found, _) = recognise(&mut transaction, place).await?;
    if found == DatabaseKind::Current {
        return Ok(());
    }
    build!(transaction, dialect::SQLITE, fresh, place);
    transaction.commit().await.map_err(fault)
}

/// Switches the file to WAL mode: a new one, or one from a backup. The switch needs exclusive
/// access to the file for a short time, and SQLite does not wait for that by itself.
async fn write_ahead(
    connection: &mut SqliteConnection,
    place: &StoreLocation,
) -> Result<(), StoreError> {
    let switched = tokio::time::timeout(BUSY_TIMEOUT, async {
        loop {
            let tried: Result<(String,), sqlx::Error> = sqlx::query_as("PRAGMA journal_mode = WAL")
                .fetch_one(&mut *connection)
                .await;
            match tried.map_err(|error| StoreError::from_sqlx(place, &error)) {
                Err(StoreError::Busy(_)) => tokio::time::sleep(PAUSE).await,
                other => return other,
            }
        }
    });
    match switched.await {
        Ok(Ok((mode,))) if mode == "wal" => Ok(()),
        Ok(Ok(_)) => Err(StoreError::CannotOpen {
            place: place.clone(),
            why: "its file system cannot be shared by several programs; put it on a local disk"
                .to_owned(),
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(StoreError::Busy(place.clone())),
    }
}

/// The purpose of a connection.
#[derive(Clone, Copy)]
enum ConnectionPurpose {
    /// All operations.
    Keep,
    /// Decisions and the recording of uses. Uses may be lost in a power failure, so a commit does
    /// not wait for the disk. A decision needs only one connection.
    Decide,
    /// Decisions of an endpoint, and the recording of uses. A share of a quota is spent once it is
    /// reserved, so that must survive a power failure: a commit waits for the disk.
    Serve,
    /// One read, for a caller that waits for it.
    Look,
}

async fn connect(
    path: &Path,
    read_only: bool,
    purpose: ConnectionPurpose,
) -> Result<(SqlitePool, FileIdentity), sqlx::Error> {
    let companions = Companions::default();
    // Taken before the file is opened, so that the first check detects a file that is replaced in
    // between.
    let shared = FileIdentity::shared(path, companions.clone())?;
    let (connections, synchronous, patience) = match purpose {
        ConnectionPurpose::Keep => (CONNECTIONS, SqliteSynchronous::Full, BUSY_TIMEOUT),
        ConnectionPurpose::Decide => (1, SqliteSynchronous::Normal, BUSY_TIMEOUT),
        ConnectionPurpose::Serve => (1, SqliteSynchronous::Full, BUSY_TIMEOUT),
        ConnectionPurpose::Look => (1, SqliteSynchronous::Normal, DECIDE_BUSY_TIMEOUT),
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(read_only)
        .foreign_keys(true)
        .synchronous(synchronous)
        .busy_timeout(patience)
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        // 12 MB instead of 2 MB: a filter reads all rows, and should find them in memory.
        .pragma("cache_size", "-12000");
    // Connections to a file do not become stale; without these two settings the pool wakes up
    // regularly to check them.
    let pool = |options| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(BUSY_TIMEOUT * 2)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            // A full disk ends a transaction without the driver noticing. The driver would consider
            // the connection busy from then on, and could never write with it again, so it is
            // replaced.
            .before_acquire({
                let companions = companions.clone();
                move |connection, _| {
                    let fit = !connection.is_in_transaction();
                    if !fit {
                        companions.forget();
                    }
                    Box::pin(async move { Ok(fit) })
                }
            })
            .connect_with(options)
    };
    let connected = pool(options.clone()).await;
    // A WAL database needs its -shm file even to be read. If that file cannot be created and no
    // other program has the database open, the database can be read as immutable.
    match connected {
        Err(_) if read_only && !companion(path, "-wal").exists() => {
            let file = FileIdentity::frozen(path)?;
            Ok((pool(options.immutable(true)).await?, file))
        }
        other => Ok((other?, shared)),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Creates the folder (0700) and the file (0600) if they are missing; never changes existing ones.
fn make_file(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder_of(path))?;
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        // Another process created the file first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

/// Returns `true` if this process may write the file and create files beside it. Asking the system
/// instead of the mode bits gives the right answer for read-only disks and for root.
fn writable(path: &Path) -> bool {
    use nix::unistd::{AccessFlags, access};
    access(path, AccessFlags::W_OK).is_ok()
        && access(folder_of(path), AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

fn permission_warnings(path: &Path) -> Vec<String> {
    let mode = |path: &Path| Some(fs::metadata(path).ok()?.permissions().mode() & 0o777);
    let warning = |path: &Path| {
        let mode = mode(path).filter(|mode| mode & 0o077 != 0)?;
        Some(format!(
            "{} may be read by others (mode {mode:04o}): run `chmod 600` on it",
            visible(&path.to_string_lossy())
        ))
    };
    [path.to_owned(), companion(path, "-wal")]
        .iter()
        .filter_map(|path| warning(path))
        .collect()
}

fn cannot_open(place: &StoreLocation, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full(place.clone()),
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly(place.clone()),
        _ => StoreError::CannotOpen {
            place: place.clone(),
            why: error.to_string(),
        },
    }
}

fn at_least(version: &str, oldest: &str) -> bool {
    let numbers =
        |text: &str| -> Vec<u32> { text.split('.').map(|n| n.parse().unwrap_or(0)).collect() };
    numbers(version) >= numbers(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::newest_known;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(at_least("3.51.3", OLDEST_SQLITE));
        assert!(at_least("3.100.0", OLDEST_SQLITE));
        assert!(!at_least("3.51.2", OLDEST_SQLITE));
        assert!(!at_least("3.9.9", OLDEST_SQLITE));
    }

    #[test]
    fn a_file_is_marked_with_our_id_and_the_newest_migration() {
        let marks = [
            format!("PRAGMA application_id = {}", dialect::APPLICATION_ID),
            format!("PRAGMA user_version = {}", newest_known()),
        ];
        for mark in marks {
            assert!(dialect::SQLITE.contains(&mark.as_str()), "{mark}");
        }
    }
}
