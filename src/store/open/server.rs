//! Opens a PostgreSQL database.
//!
//! The database is identified through a separate connection: the pool would retry a server that
//! refuses for seconds, and then not know the reason. The tables are created through that
//! connection, too, and it is closed afterwards.
use std::{str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use super::{BUSY_TIMEOUT, CONNECTIONS, DatabaseKind, NewStoreSettings, Opened, build, judge};
use crate::store::{Pool, Store, StoreError, StoreLocation, dialect};

/// Returns the connection options of a URL, and the location that it points to.
fn target(url: &str) -> Result<(PgConnectOptions, StoreLocation), StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Unreachable {
        place: StoreLocation::Server("the PostgreSQL database".to_owned()),
        why: "the database URL cannot be read; write postgres://USER@HOST:PORT/NAME".to_owned(),
    })?;
    let place = StoreLocation::Server(format!(
        "postgres://{}:{}/{}",
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or("")
    ));
    demand_tls(&options, &place)?;
    let options = options.application_name("claviger").options([
        // The longest time to wait for another client's change, and to hold up another client.
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ]);
    Ok((options, place))
}

async fn connected(
    options: &PgConnectOptions,
    place: &StoreLocation,
) -> Result<PgConnection, StoreError> {
    tokio::time::timeout(BUSY_TIMEOUT, options.connect())
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(|error| StoreError::from_sqlx(place, &error))
}

fn store(options: PgConnectOptions, place: StoreLocation, read_only: bool) -> Store {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(BUSY_TIMEOUT)
        .idle_timeout(Duration::from_mins(10))
        .connect_lazy_with(options);
    Store {
        pool: Pool::Postgres(pool),
        place,
        read_only,
        file: None,
    }
}

/// Opens a database that is up to date, read-only; returns `None` for any other.
pub(super) async fn open_to_look(url: &str) -> Result<Option<Store>, StoreError> {
    let (options, place) = target(url)?;
    let options = options.options([("default_transaction_read_only", "on")]);
    let mut connection = connected(&options, &place).await?;
    let recognised = recognise(&mut connection, &place).await?;
    drop(connection);
    Ok((recognised == DatabaseKind::Current).then(|| store(options, place, true)))
}

pub(super) async fn open(url: &str, fresh: &NewStoreSettings) -> Result<Opened, StoreError> {
    let (options, place) = target(url)?;
    let place = &place;
    let fault = |error: sqlx::Error| StoreError::from_sqlx(place, &error);
    let mut connection = connected(&options, place).await?;
    match recognise(&mut connection, place).await? {
        DatabaseKind::Current => {}
        DatabaseKind::Empty | DatabaseKind::Older => make(&mut connection, place, fresh).await?,
    }
    connection.close().await.map_err(fault)?;
    Ok(Opened {
        store: store(options, place.clone(), false),
        warnings: Vec::new(),
    })
}

async fn recognise(
    connection: &mut PgConnection,
    place: &StoreLocation,
) -> Result<DatabaseKind, StoreError> {
    let fault = |error: sqlx::Error| StoreError::from_sqlx(place, &error);
    let (ours, tables): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE relname IN \
         ('workspace', 'audit_events', 'tombstones', 'data_keys', '_sqlx_migrations')), count(*) \
         FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
         AND relkind IN ('r', 'p', 'v', 'm')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(fault)?;
    match (ours, tables) {
        (_, 0) => return Ok(DatabaseKind::Empty),
        (5, _) => {}
        _ => return Err(StoreError::NotOurs(place.clone())),
    }
    let (version,): (i64,) =
        sqlx::query_as("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
            .fetch_one(connection)
            .await
            .map_err(fault)?;
    judge(place, version)
}

/// Creates the tables or brings them up to date.
async fn make(
    connection: &mut PgConnection,
    place: &StoreLocation,
    fresh: &NewStoreSettings,
) -> Result<(), StoreError> {
    let fault = |error: sqlx::Error| StoreError::from_sqlx(place, &error);
    let mut transaction = connection.begin().await.map_err(fault)?;
    sqlx::query("SELECT pg_advisory_xact_lock(7812765)")
        .execute(&mut *transaction)
        .await
        .map_err(fault)?;
    // Another process may have been faster.
    let found = recognise(&mut transaction, place).await?;
    if found == DatabaseKind::Current {
        return Ok(());
    }
    build!(transaction, dialect::POSTGRES, fresh, place);
    transaction.commit().await.map_err(fault)
}

/// Refuses a connection to another machine that is not verified. sqlx prefers TLS but connects
/// without it, too: on a network, that would let an attacker in between read the tokens' digests
/// and change rules.
fn demand_tls(options: &PgConnectOptions, place: &StoreLocation) -> Result<(), StoreError> {
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
        place: place.clone(),
        why: "it is not on this machine, and claviger connects to another one only with a verified certificate; set sslmode=verify-full in its URL".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_needs_verified_tls() {
        let check = |url: &str| {
            let options = PgConnectOptions::from_str(url).expect("a URL");
            demand_tls(&options, &StoreLocation::Server("db".into())).is_ok()
        };
        assert!(check("postgres://u@127.0.0.1/x"));
        assert!(check("postgres://u@localhost/x"));
        assert!(!check("postgres://u@db.example.com/x"));
        assert!(!check("postgres://u@db.example.com/x?sslmode=require"));
        assert!(check("postgres://u@db.example.com/x?sslmode=verify-full"));
    }
}
