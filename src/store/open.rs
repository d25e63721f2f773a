//! Opens a store: identifies it, then refuses it with one sentence, or creates or updates it.
//!
//! Nothing is written before the store is identified as claviger's or as empty. It is then created,
//! or brought up to date, in one transaction under a lock of our own (sqlx's is a no-op on SQLite,
//! and on PostgreSQL it is left held when a migration fails): readers see all of it or nothing, and
//! of several processes that start together one does it. The parts that are specific to a database
//! are in [`mod@file`] and [`server`].
mod file;
mod server;

use std::{path::Path, time::Duration};

use sqlx::migrate::{MigrateError, Migrator};

use super::{Store, StoreError, StoreLocation};
use crate::domain::{moment::Moment, text::visible};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The time that a writer waits for another one: long enough for a burst of changes, short enough
/// that a user learns soon why nothing happens.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for a connection that must answer soon. Reads are not blocked by writers, so such a
/// connection waits only for a database that is locked as a whole.
pub(super) const DECIDE_BUSY_TIMEOUT: Duration = Duration::from_millis(400);
/// The number of connections that a store has at most.
const CONNECTIONS: u32 = 4;

/// The values that a new store is created with.
#[derive(Debug, Clone)]
pub(crate) struct NewStoreSettings {
    /// The new store's own id.
    pub uuid: String,
    /// The workspace's label.
    pub label: String,
    /// The time of creation.
    pub now: Moment,
}

/// An opened store, and the facts to report about it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The store.
    pub store: Store,
    /// Sentences about permissions that are wider than they should be.
    pub warnings: Vec<String>,
}

/// The state of a database, determined before anything is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DatabaseKind {
    Current,
    Empty,
    Older,
}

impl Store {
    /// Opens a SQLite file, and creates it if there is none.
    ///
    /// # Errors
    /// Returns [`StoreError`], with one clear sentence each, if the file is not claviger's, was
    /// created by a newer version, is damaged or locked, or cannot be opened; nothing is changed
    /// then.
    pub(crate) async fn open_file(
        path: &Path,
        fresh: &NewStoreSettings,
    ) -> Result<Opened, StoreError> {
        file::open(path, fresh).await
    }

    /// Opens a SQLite file to decide on requests and to record uses; faster than
    /// [`Store::open_file`]. Returns `None` if that function must identify, create or update the
    /// file.
    ///
    /// # Errors
    /// Returns the errors of [`Store::open_file`].
    pub(crate) async fn open_file_to_decide(path: &Path) -> Result<Option<Self>, StoreError> {
        file::open_to_decide(path).await
    }

    /// Does the same as [`Store::open_file_to_decide`] for an endpoint, whose commits survive a power
    /// failure.
    ///
    /// # Errors
    /// Returns the errors of [`Store::open_file`].
    pub(crate) async fn open_file_to_serve(path: &Path) -> Result<Option<Self>, StoreError> {
        file::open_to_serve(path).await
    }

    /// Opens a SQLite file read-only; faster than [`Store::open_file`]. Returns `None` if the file
    /// is not created or not up to date. Nothing is ever written.
    ///
    /// # Errors
    /// Returns the errors of [`Store::open_file`].
    pub(crate) async fn open_file_to_look(path: &Path) -> Result<Option<Self>, StoreError> {
        file::open_to_look(path).await
    }

    /// Opens a PostgreSQL database read-only. Returns `None` if its tables are not created or not
    /// up to date. Nothing is ever written.
    ///
    /// # Errors
    /// Returns the errors of [`Store::open_server`].
    pub(crate) async fn open_server_to_look(url: &str) -> Result<Option<Self>, StoreError> {
        server::open_to_look(url).await
    }

    /// Opens a PostgreSQL database, and creates its tables if it is empty.
    ///
    /// # Errors
    /// Returns the same errors as for a file, and [`StoreError::Unreachable`] for a server that is
    /// not on this machine if the URL lacks `sslmode=verify-full`.
    pub(crate) async fn open_server(
        url: &str,
        fresh: &NewStoreSettings,
    ) -> Result<Opened, StoreError> {
        server::open(url, fresh).await
    }
}

fn newest_known() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or(0)
}

/// Returns the state that follows from the number of the newest migration in the store.
fn judge(place: &StoreLocation, found: i64) -> Result<DatabaseKind, StoreError> {
    let known = newest_known();
    if found > known {
        return Err(StoreError::Newer {
            place: place.clone(),
            found,
            known,
        });
    }
    Ok(if found == known {
        DatabaseKind::Current
    } else {
        DatabaseKind::Older
    })
}

const INSERT_WORKSPACE: &str = "INSERT INTO workspace (id, uuid, label, epoch, chain_head, created_at) \
     VALUES (1, $1, $2, 0, $3, $4) ON CONFLICT (id) DO NOTHING";

/// Creates or updates everything in a store, on a connection that is in a transaction: the tables,
/// the statements of the dialect, and the workspace. The text is the same for both databases.
macro_rules! build {
    ($connection:expr, $dialect:expr, $fresh:expr, $place:expr) => {{
        use $crate::store::open::{INSERT_WORKSPACE, MIGRATIONS, migration_fault};
        let fault = |error: sqlx::Error| StoreError::from_sqlx($place, &error);
        MIGRATIONS
            .run(&mut *$connection)
            .await
            .map_err(|error| migration_fault($place, error))?;
        for statement in $dialect {
            sqlx::query(*statement)
                .execute(&mut *$connection)
                .await
                .map_err(fault)?;
        }
        sqlx::query(INSERT_WORKSPACE)
            .bind($fresh.uuid.as_str())
            .bind($fresh.label.as_str())
            .bind($crate::domain::audit::genesis(&$fresh.uuid))
            .bind($fresh.now.millis())
            .execute(&mut *$connection)
            .await
            .map_err(fault)?;
    }};
}
use build;

fn migration_fault(place: &StoreLocation, error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            StoreError::from_sqlx(place, &error)
        }
        other => StoreError::Other {
            place: place.clone(),
            why: visible(&other.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_judged_by_the_newest_migration() {
        let place = StoreLocation::Server("postgres://h:1/d".into());
        let known = newest_known();
        assert_eq!(judge(&place, known), Ok(DatabaseKind::Current));
        assert_eq!(judge(&place, known - 1), Ok(DatabaseKind::Older));
        assert!(matches!(
            judge(&place, known + 1),
            Err(StoreError::Newer { found, .. }) if found == known + 1
        ));
    }
}
