//! A separate connection from which an endpoint decides: it reads the changes and the key records.
//!
//! The pool would cost more than the read itself. The holder of a [`Watch`] runs one query at a
//! time. A future that is dropped halfway leaves the connection in an unknown state; then the watch
//! must be dropped, too, and a new one opened.
use std::sync::Arc;

use sqlx::{
    ConnectOptions as _, FromRow as _, PgConnection, Row as _, SqliteConnection,
    postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

use super::{
    Pool, Store, StoreError,
    agents::{PREFIXES, prefixes_of},
    areas::{AREAS, AreaRow, ROUTES, RouteRow, defined, routes},
    rows::{CredentialRow, credentials, digests_of, tombstones},
};
use crate::domain::{
    audit::Change,
    decision::{Credential, Rules},
    route::Routes,
    token::{Digest, KeyId, Prefixes, Token},
};

/// The number of keys that one statement looks up.
pub const KEYS_PER_LOOKUP: usize = 32;

/// A connection from which requests are decided.
pub struct Watch {
    store: Store,
    connection: AnyConnection,
}

enum AnyConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Runs one body on the connection that the watch holds.
macro_rules! on_connection {
    ($watch:expr, $connection:ident => $body:expr) => {{
        let store = &$watch.store;
        match &mut $watch.connection {
            AnyConnection::Sqlite($connection) => $body.map_err(|error| store.fault(&error)),
            AnyConnection::Postgres($connection) => $body.map_err(|error| store.fault(&error)),
        }
    }};
}

/// The head of the audit log: the number and the hash of the newest event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// The number of the newest event.
    pub epoch: i64,
    /// Its hash, in hexadecimal.
    pub head: String,
}

/// The part of a change that a cache needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeMark {
    /// The change's number.
    pub sequence: i64,
    /// `true` if the change may alter the routes of requests.
    pub about_areas: bool,
    /// `true` if the change may add a prefix of tokens.
    pub about_agents: bool,
    /// The subject of the change, usually a key's id.
    pub subject: String,
    /// The hash of the previous change.
    pub previous: String,
    /// The change's own hash.
    pub hash: String,
}

/// The record that the store has for a key's id.
#[derive(Debug, Clone)]
pub enum KeyRecord {
    /// There is no record.
    Absent,
    /// An existing key: the digest of its token, and its rules.
    Key(Digest, Arc<Rules>),
    /// The tombstone of a revoked key: the digests of all its tokens.
    Revoked(Arc<[Digest]>),
}

impl KeyRecord {
    /// Returns what a token with this key id is.
    #[must_use]
    pub fn credential(self, token: &Token) -> Credential {
        self.with(token.key_id(), token.digest())
    }

    /// Returns what the token with this key id and digest is. Digests are compared in constant
    /// time.
    #[must_use]
    pub fn with(self, id: &KeyId, presented: Digest) -> Credential {
        match self {
            Self::Key(digest, rules) if digest == presented => Credential::Known(rules),
            Self::Key(_, rules) => {
                let previous = rules
                    .previous_tokens
                    .iter()
                    .find(|one| one.digest == presented);
                match previous.copied() {
                    Some(previous) => Credential::Previous(rules, previous),
                    None => Credential::Unknown,
                }
            }
            Self::Revoked(digests) if digests.contains(&presented) => {
                Credential::Revoked(id.clone())
            }
            Self::Absent | Self::Revoked(_) => Credential::Unknown,
        }
    }
}

const LOG_HEAD: &str = "SELECT epoch, chain_head FROM workspace WHERE id = 1";
const CHANGES: &str = "SELECT sequence, change, subject_id, previous_hash, hash FROM audit_events \
     WHERE sequence > $1 ORDER BY sequence LIMIT $2";
/// A condition with [`KEYS_PER_LOOKUP`] values; unused ones are bound to the empty text.
macro_rules! one_of_them {
    () => {
        " IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
         $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)"
    };
}
const CREDENTIALS: &str = concat!(credentials!(), one_of_them!());
const TOMBSTONES: &str = concat!(tombstones!(), one_of_them!());

impl Store {
    /// Opens a connection from which requests are decided.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the connection cannot be opened.
    pub(crate) async fn watch(&self) -> Result<Watch, StoreError> {
        self.still_there()?;
        let fault = |error: sqlx::Error| self.fault(&error);
        let connection = match &self.pool {
            Pool::Sqlite(pool) => {
                let options = SqliteConnectOptions::clone(&pool.connect_options());
                let connected = options
                    .busy_timeout(super::open::DECIDE_BUSY_TIMEOUT)
                    .connect()
                    .await;
                AnyConnection::Sqlite(connected.map_err(fault)?)
            }
            Pool::Postgres(pool) => {
                let options = PgConnectOptions::clone(&pool.connect_options());
                // The decision has timed out by then, and abandoned statements must not pile up on
                // the server.
                let options = options.options([("statement_timeout", "1s")]);
                AnyConnection::Postgres(options.connect().await.map_err(fault)?)
            }
        };
        Ok(Watch {
            store: self.clone(),
            connection,
        })
    }
}

impl Watch {
    /// Returns the current head of the audit log.
    ///
    /// # Errors
    /// Returns [`StoreError::Replaced`] if the file was replaced, and another [`StoreError`] if the
    /// database fails.
    pub async fn log_head(&mut self) -> Result<LogHead, StoreError> {
        self.store.still_there()?;
        let (epoch, head): (i64, String) = on_connection!(self, connection => {
            sqlx::query_as(LOG_HEAD).fetch_one(connection).await
        })?;
        Ok(LogHead { epoch, head })
    }

    /// Returns the changes after a number, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a change is invalid, and another [`StoreError`] if the
    /// database fails.
    pub async fn changes_after(
        &mut self,
        sequence: i64,
        limit: i64,
    ) -> Result<Vec<ChangeMark>, StoreError> {
        let rows: Vec<(i64, String, String, String, String)> = on_connection!(self, connection => {
            sqlx::query_as(CHANGES).bind(sequence).bind(limit).fetch_all(connection).await
        })?;
        let mark = |(sequence, change, subject, previous, hash): (i64, String, _, _, _)| {
            let change = Change::from_word(&change).ok_or_else(|| {
                StoreError::corrupt("audit_events", "change", &sequence.to_string())
            })?;
            Ok(ChangeMark {
                sequence,
                about_areas: change.is_about_areas(),
                about_agents: change.is_about_agents(),
                subject,
                previous,
                hash,
            })
        };
        rows.into_iter().map(mark).collect()
    }

    /// Returns all areas and their routes.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a row is invalid, and another [`StoreError`] if the
    /// database fails.
    pub async fn routes(&mut self) -> Result<Routes, StoreError> {
        let areas: Vec<AreaRow> = on_connection!(self, connection => {
            sqlx::query_as(AREAS).fetch_all(connection).await
        })?;
        let rows: Vec<RouteRow> = on_connection!(self, connection => {
            sqlx::query_as(ROUTES).fetch_all(connection).await
        })?;
        Ok(routes(&defined(areas, &rows)?))
    }

    /// Returns the prefixes of tokens that are or were in use.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if one is invalid, and another [`StoreError`] if the database
    /// fails.
    pub async fn prefixes(&mut self) -> Result<Prefixes, StoreError> {
        let texts: Vec<String> = on_connection!(self, connection => {
            sqlx::query_scalar(PREFIXES).fetch_all(connection).await
        })?;
        prefixes_of(texts.iter().map(String::as_str))
    }

    /// Returns the records of the first [`KEYS_PER_LOOKUP`] of these ids. A row that cannot be read
    /// is an error for its own id only.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub async fn key_records(
        &mut self,
        ids: &[KeyId],
    ) -> Result<Vec<(KeyId, Result<KeyRecord, StoreError>)>, StoreError> {
        let ids = &ids[..ids.len().min(KEYS_PER_LOOKUP)];
        let mut found = self.keys(ids).await?;
        if found.iter().any(|(_, key_record)| is_absent(key_record)) {
            let missing: Vec<KeyId> = found
                .iter()
                .filter(|(_, key_record)| is_absent(key_record))
                .map(|(id, _)| id.clone())
                .collect();
            for (id, digests) in self.tombstones(&missing).await? {
                let stone = digests_of(&digests, &id).map(KeyRecord::Revoked);
                if let Some(place) = found.iter_mut().find(|(of, _)| of.as_str() == id) {
                    place.1 = stone;
                }
            }
        }
        Ok(found)
    }

    async fn keys(
        &mut self,
        ids: &[KeyId],
    ) -> Result<Vec<(KeyId, Result<KeyRecord, StoreError>)>, StoreError> {
        let mut found: Vec<_> = ids
            .iter()
            .map(|id| (id.clone(), Ok(KeyRecord::Absent)))
            .collect();
        // Row by row, so that a row that cannot be decoded does not affect the others.
        let rows: Vec<(String, Result<CredentialRow, sqlx::Error>)> = on_connection!(self, connection => {
            let query = (0..KEYS_PER_LOOKUP).fold(sqlx::query(CREDENTIALS), |query, at| {
                query.bind(ids.get(at).map_or("", KeyId::as_str))
            });
            query.fetch_all(connection).await.and_then(|rows| {
                let each = rows.iter().map(|row| Ok((row.try_get("id")?, CredentialRow::from_row(row))));
                each.collect()
            })
        })?;
        for (id, row) in rows {
            let key_record = match row {
                Ok(row) => row
                    .read()
                    .map(|(digest, rules)| KeyRecord::Key(digest, Arc::new(rules))),
                Err(error) => Err(self.store.fault(&error)),
            };
            if let Some(place) = found.iter_mut().find(|(of, _)| of.as_str() == id) {
                place.1 = key_record;
            }
        }
        Ok(found)
    }

    async fn tombstones(&mut self, ids: &[KeyId]) -> Result<Vec<(String, String)>, StoreError> {
        on_connection!(self, connection => {
            let query = (0..KEYS_PER_LOOKUP).fold(sqlx::query_as(TOMBSTONES), |query, at| {
                query.bind(ids.get(at).map_or("", KeyId::as_str))
            });
            query.fetch_all(connection).await
        })
    }
}

fn is_absent(key_record: &Result<KeyRecord, StoreError>) -> bool {
    matches!(key_record, Ok(KeyRecord::Absent))
}
