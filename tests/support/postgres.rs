//! A separate database for a test, on the PostgreSQL that `tests/run` has started. It is dropped
//! with the value, however the test ends.
use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::runtime::Builder;

/// An empty database. Its collation follows the rules of a language, as is common, so that no test
/// depends on byte order.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Creates a database.
    pub fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let server = env::var("CLAVIGER_TEST_POSTGRES").expect(
            "CLAVIGER_TEST_POSTGRES is not set: run tests/run, which starts a PostgreSQL for the tests",
        );
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", process::id());
        let database = Self { server, name };
        database.admin(&format!(
            "CREATE DATABASE {} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
            database.name
        ));
        database
    }

    /// The URL of the database, with the password.
    pub fn url(&self) -> String {
        let (server, _) = self
            .server
            .rsplit_once('/')
            .expect("a URL names a database");
        format!("{server}/{}", self.name)
    }

    fn admin(&self, statement: &str) {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut admin = PgConnection::connect(&self.server)
                .await
                .expect("the test server");
            let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
                .execute(&mut admin)
                .await;
            done.expect("a database for the test");
        });
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.admin(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}
