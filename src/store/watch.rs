//! A connection of its own from which an endpoint decides: what changed, and what keys may do.
//!
//! The pool would cost more than the read itself. Whoever holds a [`Watch`] asks one thing at a
//! time; a future that is dropped halfway leaves the connection in an unknown state, so then the
//! watch is dropped too and another one is begun.
use std::sync::Arc;

use sqlx::{
    ConnectOptions as _, FromRow as _, PgConnection, Row as _, SqliteConnection,
    postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

use super::{
    Pool, Store, StoreError,
    areas::{ROUTES, RouteRow, route, slug_of},
    rows::{CredentialRow, credentials, digests_of, tombstones},
};
use crate::domain::{
    audit::Change,
    decision::{Credential, Rules},
    route::Routes,
    token::{Digest, KeyId, Token},
};

/// How many keys are looked up in one statement.
pub const KEYS_PER_LOOKUP: usize = 32;

/// A connection to decide from.
pub struct Watch {
    store: Store,
    connection: AnyConnection,
}

enum AnyConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Runs one body on whichever connection the watch holds.
macro_rules! on_connection {
    ($watch:expr, $connection:ident => $body:expr) => {{
        let store = &$watch.store;
        match &mut $watch.connection {
            AnyConnection::Sqlite($connection) => $body.map_err(|error| store.fault(&error)),
            AnyConnection::Postgres($connection) => $body.map_err(|error| store.fault(&error)),
        }
    }};
}

/// Where the store stands: the number and the hash of its newest change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// The number.
    pub epoch: i64,
    /// The hash, in hexadecimal.
    pub head: String,
}

/// One change, as far as a cache has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeMark {
    /// Its number.
    pub sequence: i64,
    /// Whether it may change where requests lead.
    pub about_areas: bool,
    /// What it changed: a key's id, mostly.
    pub subject: String,
    /// The hash of the change before it.
    pub previous: String,
    /// Its own hash.
    pub hash: String,
}

/// What the store holds under a key's id.
#[derive(Debug, Clone)]
pub enum KeyRecord {
    /// Nothing.
    Absent,
    /// A key that is there, and the digest of its token.
    Key(Digest, Arc<Rules>),
    /// The tombstone of a revoked one, and the digests of all its tokens.
    Revoked(Arc<[Digest]>),
}

impl KeyRecord {
    /// What a token with this id turns out to be.
    #[must_use]
    pub fn credential(self, token: &Token) -> Credential {
        self.with(token.key_id(), token.digest())
    }

    /// What the token with this id and digest turns out to be; digests are compared in constant
    /// time.
    #[must_use]
    pub fn with(self, id: &KeyId, presented: Digest) -> Credential {
        match self {
            Self::Key(digest, rules) if digest == presented => Credential::Known(rules),
            Self::Key(_, rules) => {
                let former = rules.former.iter().find(|one| one.digest == presented);
                match former.copied() {
                    Some(former) => Credential::Previous(rules, former),
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

const PULSE: &str = "SELECT epoch, chain_head FROM workspace WHERE id = 1";
const CHANGES: &str = "SELECT sequence, change, subject_id, previous_hash, hash FROM audit_events \
     WHERE sequence > $1 ORDER BY sequence LIMIT $2";
/// As many as [`KEYS_PER_LOOKUP`]; those that are not needed are bound to the empty text.
macro_rules! one_of_them {
    () => {
        " IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
         $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)"
    };
}
const CREDENTIALS: &str = concat!(credentials!(), one_of_them!());
const TOMBSTONES: &str = concat!(tombstones!(), one_of_them!());

impl Store {
    /// Opens a connection to decide from.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn watch(&self) -> Result<Watch, StoreError> {
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
                // Whoever decides has given up by then: what is left behind must not pile up there.
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
    /// Where the store stands now.
    ///
    /// # Errors
    /// The store's faults, [`StoreError::Replaced`] above all.
    pub async fn log_head(&mut self) -> Result<LogHead, StoreError> {
        self.store.still_there()?;
        let (epoch, head): (i64, String) = on_connection!(self, connection => {
            sqlx::query_as(PULSE).fetch_one(connection).await
        })?;
        Ok(LogHead { epoch, head })
    }

    /// The changes after a number, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store's faults, and [`StoreError::Corrupt`].
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
                subject,
                previous,
                hash,
            })
        };
        rows.into_iter().map(mark).collect()
    }

    /// Where requests lead.
    ///
    /// # Errors
    /// The store's faults, and [`StoreError::Corrupt`].
    pub async fn routes(&mut self) -> Result<Routes, StoreError> {
        let areas: Vec<(String,)> = on_connection!(self, connection => {
            sqlx::query_as("SELECT slug FROM areas ORDER BY sequence").fetch_all(connection).await
        })?;
        let rows: Vec<RouteRow> = on_connection!(self, connection => {
            sqlx::query_as(ROUTES).fetch_all(connection).await
        })?;
        let areas: Result<Vec<_>, _> = areas.iter().map(|(slug,)| slug_of(slug)).collect();
        let routes: Result<Vec<_>, _> = rows.iter().map(route).collect();
        Ok(Routes::new(areas?, routes?))
    }

    /// What stands under the first [`KEYS_PER_LOOKUP`] of these ids. A row that cannot be read is an
    /// error of its own, and keeps nobody else from an answer.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn key_records(
        &mut self,
        ids: &[KeyId],
    ) -> Result<Vec<(KeyId, Result<KeyRecord, StoreError>)>, StoreError> {
        let ids = &ids[..ids.len().min(KEYS_PER_LOOKUP)];
        let mut found = self.keys(ids).await?;
        if found.iter().any(|(_, key_record)| is_nobody(key_record)) {
            let missing: Vec<KeyId> = found
                .iter()
                .filter(|(_, key_record)| is_nobody(key_record))
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
        // Row by row: one that does not even decode must not take the others with it.
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

fn is_nobody(key_record: &Result<KeyRecord, StoreError>) -> bool {
    matches!(key_record, Ok(KeyRecord::Absent))
}
