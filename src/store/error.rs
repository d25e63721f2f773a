//! The errors of a store; each message is a sentence that names the store and says what to do.
//!
//! The database's own message is shown only if nothing better is known, and its connection string
//! is never shown. To distinguish another case, add its code to [`StoreError::from_sqlx`].
use super::StoreLocation;
use crate::domain::{
    access::AccessError,
    agent::{AgentError, AgentName},
    member::{Denied, MemberError},
    route::RouteError,
    text::visible,
    token::KeyId,
};

/// The reason why a store operation failed. Unless the variant says otherwise, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database belongs to another program.
    #[error("{0} is a database of another program: nothing was changed. {another}", another = another(.0))]
    NotOurs(StoreLocation),
    /// The file is not a database, or its pages are inconsistent.
    #[error(
        "{0} is damaged or no database at all: nothing was changed. Restore it from a backup. {another}", another = another(.0)
    )]
    Damaged(StoreLocation),
    /// The store was created by a newer claviger.
    #[error(
        "{place} was made by a newer claviger (its schema is {found}, this one knows {known}): nothing was changed. Use that newer claviger"
    )]
    Newer {
        /// The location of the store.
        place: StoreLocation,
        /// The number of the schema in the store.
        found: i64,
        /// The newest number that this binary knows.
        known: i64,
    },
    /// The store cannot be written.
    #[error(
        "{0} is read-only: nothing was changed. Checking, listing and showing still work; for the rest {way_out}", way_out = way_out(.0)
    )]
    ReadOnly(StoreLocation),
    /// The open file is no longer at its path: another file is there, or none.
    #[error(
        "{0}, or a file that belongs beside it, was replaced, removed or changed by another program while claviger had it open: nothing was done. Find out why, then start claviger again"
    )]
    Replaced(StoreLocation),
    /// The file has a second name.
    #[error(
        "{0} has another name: it is hard-linked, or mounted alone. Changes through one name are not seen through the other and can be lost, so nothing was done. Remove the other hard link (`find DIR -samefile {0}` shows it), or mount the folder instead of the file"
    )]
    NamedTwice(StoreLocation),
    /// Another process holds the lock.
    #[error(
        "{0} is locked by another program that is writing to it: nothing was changed. Try again; if it stays so, find the program {with} and end it", with = find(.0)
    )]
    Busy(StoreLocation),
    /// No space is left on the disk.
    #[error("there is no space left for {0}: nothing was changed. Free some space and try again")]
    Full(StoreLocation),
    /// The file or its folder cannot be opened or created.
    #[error(
        "{place} cannot be opened ({why}): check the path and its permissions, or name another with --database"
    )]
    CannotOpen {
        /// The location of the store.
        place: StoreLocation,
        /// The operating system's reason.
        why: String,
    },
    /// The server does not answer, or refuses this user.
    #[error(
        "{place} cannot be reached ({why}): check that the server runs, and the host, port, user and name in the database URL"
    )]
    Unreachable {
        /// The location of the store.
        place: StoreLocation,
        /// The reason.
        why: String,
    },
    /// The connection broke while a change was being committed.
    #[error(
        "the connection to {0} broke during the commit: it is unknown whether the change was made. Look before you repeat it"
    )]
    Uncertain(StoreLocation),
    /// A row that no claviger would have written.
    #[error(
        "{table}.{column} of {id} holds a value that cannot be right: it is refused everywhere. `claviger doctor` says more; restore it from a backup"
    )]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The id of the row.
        id: String,
    },
    /// The key was edited, disabled, enabled or revoked since it was read.
    #[error(
        "the key {id} was changed meanwhile: nothing was changed now. Look at it again and repeat what you want"
    )]
    Conflict {
        /// The key's id.
        id: String,
    },
    /// The workspace's policy was changed since it was read.
    #[error(
        "the workspace's policy was changed meanwhile: nothing was changed now. Look at it with `claviger workspace` and repeat what you want"
    )]
    PolicyConflict,
    /// The change widens, and the policy wants it approved: it must be requested.
    #[error(
        "this change needs approval since a moment ago: nothing was changed. Repeat it to request the approval"
    )]
    NeedsApproval,
    /// The actor has requested the change, or a part of it.
    #[error(
        "you requested this, or a part of it, and nobody approves their own: nothing was done. Another manager or owner can approve it; to take it back, reject it"
    )]
    OwnRequest,
    /// Nothing waits for approval there with this revision.
    #[error(
        "{0} does not wait for approval, or was changed since you looked: nothing was done. `claviger list --pending` tells what waits"
    )]
    NotPending(String),
    /// Somebody else has requested the same change.
    #[error(
        "{by} has requested the same already: nothing was changed. Approve it with `claviger approve {subject}`, or with W on the screen"
    )]
    AlreadyRequested {
        /// The subject.
        subject: String,
        /// The name of the person who requested it.
        by: String,
    },
    /// What a request changes is not as it was when the change was requested.
    #[error(
        "{0} is not as it was when this was requested: nothing was done. Reject the request, and let it be made again"
    )]
    OutOfDate(String),
    /// An area with this slug exists already.
    #[error(
        "there is an access area {slug} already: choose another name, or change it with `claviger area edit {slug}`"
    )]
    AreaExists {
        /// The slug.
        slug: String,
    },
    /// Another area has the same title or badge.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The actor does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The agent does not exist, or its name is invalid.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The member does not exist, or the change to it is refused.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// An agent with this name exists already.
    #[error("there is an agent {0} already")]
    AgentExists(AgentName),
    /// The agent has keys.
    #[error("{agent} has {}: nothing was changed. Revoke them first: {}", counted_keys(*.keys), revoke_command(agent, .ids, *.keys))]
    AgentInUse {
        /// The agent.
        agent: AgentName,
        /// The number of its keys.
        keys: i64,
        /// The ids of some of them.
        ids: Vec<String>,
    },
    /// The agent is the only one, and keys must belong to an agent.
    #[error(
        "{0} is the only agent: nothing was changed. Every key belongs to one, so add another first"
    )]
    LastAgent(AgentName),
    /// The area was changed or removed since it was read.
    #[error(
        "the access area {slug} was changed meanwhile: nothing was changed now. Look at it with `claviger area list` and repeat what you want"
    )]
    AreaConflict {
        /// The area's slug.
        slug: String,
    },
    /// Keys have grants in the area that is to be removed.
    #[error("{} {verb} grants in {slug}: nothing was changed. Remove them first, with `claviger edit KEY --grant {slug}=none`", counted_keys(*.keys), verb = if *.keys == 1 { "has" } else { "have" })]
    AreaInUse {
        /// The area's slug.
        slug: String,
        /// The number of these keys.
        keys: i64,
    },
    /// A route does not fit beside the other routes.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The key does not exist (any more).
    #[error("the key {id} does not exist any more: it was revoked meanwhile")]
    Gone {
        /// The key's id.
        id: String,
    },
    /// Any other error that the database reported.
    #[error("{place} could not do that: {why}. Nothing was changed")]
    Other {
        /// The location of the store.
        place: StoreLocation,
        /// The database's message.
        why: String,
    },
}

impl StoreError {
    pub(crate) fn corrupt(table: &'static str, column: &'static str, id: &str) -> Self {
        Self::Corrupt {
            table,
            column,
            id: visible(id),
        }
    }

    /// Converts an error that the database reported.
    pub(super) fn from_sqlx(place: &StoreLocation, error: &sqlx::Error) -> Self {
        let other = |why: &str| Self::Other {
            place: place.clone(),
            why: visible(why),
        };
        match (error, place) {
            (sqlx::Error::Database(database), _) => {
                let code = database.code().unwrap_or_default();
                let known = match place {
                    StoreLocation::File(_) => Self::from_sqlite_code(&code, place),
                    StoreLocation::Server(_) => {
                        Self::from_postgres_code(&code, place, database.message())
                    }
                };
                known.unwrap_or_else(|| other(database.message()))
            }
            (sqlx::Error::ColumnDecode { index, .. }, _) => {
                other(&format!("column {index} holds a value of the wrong type"))
            }
            (sqlx::Error::PoolTimedOut, StoreLocation::File(_)) => Self::Busy(place.clone()),
            (sqlx::Error::PoolTimedOut, StoreLocation::Server(_)) => {
                Self::unreachable(place, "it did not answer in time")
            }
            (sqlx::Error::Io(why), StoreLocation::File(_)) => {
                Self::cannot_open(place, &why.to_string())
            }
            (
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Configuration(_),
                StoreLocation::Server(_),
            ) => Self::unreachable(place, &error.to_string()),
            _ => other(&error.to_string()),
        }
    }

    fn unreachable(place: &StoreLocation, why: &str) -> Self {
        Self::Unreachable {
            place: place.clone(),
            why: visible(why),
        }
    }

    fn cannot_open(place: &StoreLocation, why: &str) -> Self {
        Self::CannotOpen {
            place: place.clone(),
            why: visible(why),
        }
    }

    fn from_sqlite_code(code: &str, place: &StoreLocation) -> Option<Self> {
        let code: i32 = code.parse().ok()?;
        let at = place.clone();
        // The low byte is the primary result code: https://www.sqlite.org/rescode.html
        Some(match (code & 0xff, code >> 8) {
            (5 | 6 | 15, _) => Self::Busy(at),
            (8, _) => Self::ReadOnly(at),
            (11 | 26, _) => Self::Damaged(at),
            // The shared-memory file of the WAL's readers could not grow: that is a lack of space,
            // too.
            (13, _) | (10, 19) => Self::Full(at),
            (14, _) => Self::cannot_open(
                place,
                "the file, or one that belongs beside it, cannot be opened",
            ),
            (3 | 23, _) => Self::cannot_open(place, "permission denied"),
            _ => return None,
        })
    }

    fn from_postgres_code(code: &str, place: &StoreLocation, message: &str) -> Option<Self> {
        let at = place.clone();
        // https://www.postgresql.org/docs/15/errcodes-appendix.html
        Some(match code {
            "55P03" | "57014" | "40001" | "40P01" => Self::Busy(at),
            "25006" => Self::ReadOnly(at),
            "53100" => Self::Full(at),
            "XX001" | "XX002" => Self::Damaged(at),
            "28000" | "28P01" | "3D000" | "42501" | "53300" | "57P01" | "57P02" | "57P03" => {
                Self::unreachable(place, message)
            }
            _ => return None,
        })
    }
}

fn counted_keys(keys: i64) -> String {
    if keys == 1 {
        "1 key".to_owned()
    } else {
        format!("{keys} keys")
    }
}

/// Returns the command that revokes these keys. If there are more keys than ids, or an id is
/// damaged, returns the command that lists them.
fn revoke_command(agent: &AgentName, ids: &[String], keys: i64) -> String {
    let all = i64::try_from(ids.len()) == Ok(keys);
    if all && ids.iter().all(|id| id.parse::<KeyId>().is_ok()) {
        format!("`claviger revoke {}`", ids.join(" "))
    } else {
        format!("`claviger list --agent {agent}` lists them")
    }
}

fn another(place: &StoreLocation) -> &'static str {
    match place {
        StoreLocation::File(_) => "Name another file with --database sqlite:PATH",
        StoreLocation::Server(_) => {
            "Name another database with --database postgres://USER@HOST:PORT/NAME"
        }
    }
}

fn way_out(place: &StoreLocation) -> &'static str {
    match place {
        StoreLocation::File(_) => "make the file and its folder writable for you",
        StoreLocation::Server(_) => "name the primary with --database, not a standby",
    }
}

fn find(place: &StoreLocation) -> &'static str {
    match place {
        StoreLocation::File(_) => "with `fuser`",
        StoreLocation::Server(_) => "in pg_stat_activity",
    }
}
