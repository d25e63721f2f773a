//! Opening a store: recognise it, refuse it with one sentence, or make it.
//!
//! Nothing is written before the store is recognised as ours, or as empty. It is then made, or
//! brought up to date, in one transaction under a lock of our own (sqlx's is a no-op on SQLite,
//! and on PostgreSQL it is left held when a migration fails): whoever looks sees all of it or
//! nothing, and of several processes that start together one does it. What each database needs
//! of its own stands in [`file`] and [`server`].
mod file;
mod server;

use std::{path::Path, time::Duration};

use sqlx::migrate::{MigrateError, Migrator};

use super::{Store, StoreError, StoreLocation};
use crate::domain::{moment::Moment, text::visible};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a writer waits for another one. Long enough for a burst of changes, short enough
/// that a person learns why nothing happens.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long somebody waits who has to answer soon: deciding goes on reading while others write, so
/// only a database that is locked as a whole is ever waited for.
pub(super) const DECIDE_BUSY_TIMEOUT: Duration = Duration::from_millis(400);
/// How many connections a store holds at most.
const CONNECTIONS: u32 = 4;

/// What a store that does not exist yet is made with.
#[derive(Debug, Clone)]
pub struct NewStoreSettings {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DatabaseKind {
    Current,
    Empty,
    Older,
}

impl Store {
    /// Opens a SQLite file, making it if there is none.
    ///
    /// # Errors
    /// [`StoreError`]: one clear sentence each for a file that is not ours, newer, damaged,
    /// locked, or cannot be opened; nothing is changed then.
    pub async fn open_file(path: &Path, fresh: &NewStoreSettings) -> Result<Opened, StoreError> {
        file::open(path, fresh).await
    }

    /// Opens a SQLite file to decide on requests and to leave uses, and faster; `None` if
    /// [`Store::open_file`] has to judge it, make it, or bring it up to date.
    ///
    /// # Errors
    /// As for [`Store::open_file`].
    pub async fn open_file_to_decide(path: &Path) -> Result<Option<Self>, StoreError> {
        file::open_to_decide(path).await
    }

    /// Opens a SQLite file only to look at it, and faster; `None` for one that is not made or not up
    /// to date. Nothing is ever written.
    ///
    /// # Errors
    /// As for [`Store::open_file`].
    pub async fn open_file_to_look(path: &Path) -> Result<Option<Self>, StoreError> {
        file::open_to_look(path).await
    }

    /// Opens a PostgreSQL database only to look at it; `None` for one that is not made or not up to
    /// date. Nothing is ever written.
    ///
    /// # Errors
    /// As for [`Store::open_server`].
    pub async fn open_server_to_look(url: &str) -> Result<Option<Self>, StoreError> {
        server::open_to_look(url).await
    }

    /// Opens a PostgreSQL database, making its tables if it is empty.
    ///
    /// # Errors
    /// As for a file; a server that is not on this machine is refused without `sslmode=verify-full`.
    pub async fn open_server(url: &str, fresh: &NewStoreSettings) -> Result<Opened, StoreError> {
        server::open(url, fresh).await
    }
}

fn newest_known() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or(0)
}

/// What the number of a store's newest migration makes of it.
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

/// Makes or updates all that a store is made of, on a connection that is in a transaction: the
/// tables, what the dialect adds, the workspace. The same text for both databases.
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
