//! The store: one type for SQLite and PostgreSQL, and the only module that contains SQL.
//!
//! A method contains its SQL once, and [`with_pool!`] runs that same body on the database that is
//! open. Every change first raises the epoch, then writes its audit events, and commits all of it
//! in one transaction ([`change::ChangeTransaction`]). A row becomes a domain value only through
//! the domain's own constructors; a row that they refuse is [`StoreError::Corrupt`], never a panic
//! and never an allow. To add a method, put it into the file of its subject, name the columns, and
//! check the number of affected rows.
mod agents;
mod approvals;
mod areas;
mod audit;
mod change;
mod decisions;
mod dialect;
mod error;
mod identity;
mod keys;
mod members;
mod open;
mod pages;
mod rotation;
mod rows;
mod usage;
mod watch;
mod workspace;

use std::{fmt, path::PathBuf};

pub use areas::DefinedArea;
pub(crate) use areas::routes;
pub(crate) use change::Committed;
pub use error::StoreError;
use identity::{FileIdentity, UnsafeFile};
pub(crate) use keys::{InsertOutcome, NewKey};
pub(crate) use open::NewStoreSettings;
pub use pages::KeyPage;
use sqlx::{PgPool, SqlitePool};
pub use watch::{ChangeMark, KEYS_PER_LOOKUP, KeyRecord, LogHead, Watch};
pub use workspace::Workspace;

/// The location of a store, in a form that may be displayed: it never contains a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL database: `postgres://host:port/name`, without user and password.
    Server(String),
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&crate::domain::text::visible(&path.to_string_lossy())),
            Self::Server(server) => f.write_str(&crate::domain::text::visible(server)),
        }
    }
}

/// An open store. Cloning is cheap; clones share their connections.
#[derive(Clone)]
pub(crate) struct Store {
    pool: Pool,
    place: StoreLocation,
    read_only: bool,
    file: Option<FileIdentity>,
}

#[derive(Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs one body on the pool that is open; the body is the same text for both databases.
macro_rules! with_pool {
    ($store:expr, $pool:ident => $body:expr) => {
        match ($store.still_there(), &$store.pool) {
            (Err(gone), _) => Err(gone),
            (_, $crate::store::Pool::Sqlite($pool)) => $body.map_err(|error| $store.fault(&error)),
            (_, $crate::store::Pool::Postgres($pool)) => {
                $body.map_err(|error| $store.fault(&error))
            }
        }
    };
}
use with_pool;

impl Store {
    /// Returns the location of the store.
    #[must_use]
    pub(crate) fn place(&self) -> &StoreLocation {
        &self.place
    }

    /// Returns `true` if the store was opened from a file or a disk that cannot be written.
    #[must_use]
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Checks before every read and every transaction that the file is still usable; see
    /// [`identity`].
    fn still_there(&self) -> Result<(), StoreError> {
        match &self.file {
            Some(file) => file.holds().map_err(|unfit| match unfit {
                UnsafeFile::Replaced => StoreError::Replaced(self.place.clone()),
                UnsafeFile::NamedTwice => StoreError::NamedTwice(self.place.clone()),
            }),
            None => Ok(()),
        }
    }

    /// Closes the connections; what was committed is on disk already.
    pub(crate) async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    fn fault(&self, error: &sqlx::Error) -> StoreError {
        StoreError::from_sqlx(&self.place, error)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.place)
    }
}
