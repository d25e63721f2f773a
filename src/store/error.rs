//! What can go wrong with a store, each as a sentence that names the place and the way out.
//!
//! The database's own words are shown only where nothing better is known, and never its
//! connection string. To tell a further case apart, add its code to [`StoreError::from_sqlx`].
use super::Place;
use crate::domain::text::visible;

/// Why the store could not do what was asked. Unless it says otherwise, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A SQLite file of some other program.
    #[error(
        "{0} is a database of another program: nothing was changed. Name another file with --database sqlite:PATH"
    )]
    NotOurs(String),
    /// Not a database, or one whose pages do not hold together.
    #[error(
        "{0} is damaged or no database at all: nothing was changed. Restore it from a backup, or name another file with --database sqlite:PATH"
    )]
    Damaged(String),
    /// Made by a newer claviger.
    #[error(
        "{place} was made by a newer claviger (its schema is {found}, this one knows {known}): nothing was changed. Use that newer claviger"
    )]
    Newer {
        /// The store.
        place: String,
        /// The schema's number there.
        found: i64,
        /// The newest number that this binary knows.
        known: i64,
    },
    /// The file or the disk cannot be written.
    #[error(
        "{0} is read-only: nothing was changed. Checking, listing and showing still work; for the rest make the file and its folder writable for you"
    )]
    ReadOnly(String),
    /// Somebody else holds the lock.
    #[error(
        "{0} is locked by another program that is writing to it: nothing was changed. Try again; if it stays so, find the program with `fuser` and end it"
    )]
    Busy(String),
    /// No space left.
    #[error("there is no space left for {0}: nothing was changed. Free some space and try again")]
    Full(String),
    /// The file or its folder cannot be opened or made.
    #[error(
        "{place} cannot be opened ({why}): check the path and its permissions, or name another with --database"
    )]
    CannotOpen {
        /// The store.
        place: String,
        /// The operating system's reason.
        why: String,
    },
    /// The server does not answer, or refuses this user.
    #[error(
        "{place} cannot be reached ({why}): check that the server runs and that --database names it and its user rightly"
    )]
    Unreachable {
        /// The store.
        place: String,
        /// The reason.
        why: String,
    },
    /// The connection broke while a change was being committed.
    #[error(
        "the connection to {0} broke during the commit: it is unknown whether the change was made. Look before you repeat it"
    )]
    Uncertain(String),
    /// A row that no claviger would have written.
    #[error(
        "{table}.{column} of {id} holds a value that cannot be right: it is refused everywhere. `claviger doctor` says more; restore it from a backup"
    )]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        id: String,
    },
    /// The key was edited, switched or revoked since it was read.
    #[error(
        "the key {id} was changed meanwhile: nothing was changed now. Look at it again and repeat what you want"
    )]
    Conflict {
        /// The key.
        id: String,
    },
    /// There is no such key (any more).
    #[error("the key {id} does not exist any more: it was revoked meanwhile")]
    Gone {
        /// The key.
        id: String,
    },
    /// Anything else that the database said.
    #[error("{place} could not do that: {why}. Nothing was changed")]
    Other {
        /// The store.
        place: String,
        /// The database's words.
        why: String,
    },
}

impl StoreError {
    pub(super) fn corrupt(table: &'static str, column: &'static str, id: &str) -> Self {
        Self::Corrupt {
            table,
            column,
            id: visible(id),
        }
    }

    /// Names what the database reported.
    pub(super) fn from_sqlx(place: &Place, error: &sqlx::Error) -> Self {
        let at = place.to_string();
        let why = || visible(&error.to_string());
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                let known = match place {
                    Place::File(_) => Self::from_sqlite_code(&code, &at),
                    Place::Server(_) => Self::from_postgres_code(&code, &at, database.message()),
                };
                let said = visible(database.message());
                known.unwrap_or(Self::Other {
                    place: at,
                    why: said,
                })
            }
            sqlx::Error::ColumnDecode { index, .. } => Self::Other {
                place: at,
                why: format!("column {} holds the wrong type", visible(index)),
            },
            sqlx::Error::PoolTimedOut if matches!(place, Place::File(_)) => Self::Busy(at),
            sqlx::Error::PoolTimedOut => Self::Unreachable {
                place: at,
                why: "it did not answer in time".to_owned(),
            },
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => {
                Self::Unreachable {
                    place: at,
                    why: why(),
                }
            }
            _ => Self::Other {
                place: at,
                why: why(),
            },
        }
    }

    fn from_sqlite_code(code: &str, at: &str) -> Option<Self> {
        let code: i32 = code.parse().ok()?;
        let at = at.to_owned();
        // The low byte is the primary result code: https://www.sqlite.org/rescode.html
        Some(match code & 0xff {
            5 | 6 => Self::Busy(at),
            8 => Self::ReadOnly(at),
            11 | 26 => Self::Damaged(at),
            13 => Self::Full(at),
            // A write, sync or truncate that the disk refused.
            10 if matches!(code >> 8, 3..=6) => Self::Full(at),
            14 => Self::CannotOpen {
                place: at,
                why: "the file cannot be opened".to_owned(),
            },
            3 | 23 => Self::CannotOpen {
                place: at,
                why: "permission denied".to_owned(),
            },
            _ => return None,
        })
    }

    fn from_postgres_code(code: &str, at: &str, message: &str) -> Option<Self> {
        let at = at.to_owned();
        // https://www.postgresql.org/docs/15/errcodes-appendix.html
        Some(match code {
            "55P03" | "57014" | "40001" | "40P01" => Self::Busy(at),
            "25006" => Self::ReadOnly(at),
            "53100" => Self::Full(at),
            "XX001" | "XX002" => Self::Damaged(at),
            "28000" | "28P01" | "3D000" | "42501" | "53300" | "57P01" | "57P02" | "57P03" => {
                Self::Unreachable {
                    place: at,
                    why: visible(message),
                }
            }
            _ => return None,
        })
    }
}
