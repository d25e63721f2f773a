//! No stale answers: clients of two endpoints, while a third process changes keys.
use claviger::domain::location::{DatabaseLocation, MasterKeyLocation};
use std::sync::{Mutex, MutexGuard, PoisonError};

use claviger::{keyring::Keyring, machine::Machine};
use secrecy::SecretString;

use crate::{checker::play, command::Home, endpoint::Endpoint, postgres::Database};

const ROUNDS: usize = 50;

/// A lock for tests that put full load on the machine, and for tests that start endpoints at the
/// same time: a server on two cores with thirty-two clients that never pause can take longer over a
/// new connection than a test waits for one.
static WHOLE_MACHINE: Mutex<()> = Mutex::new(());

/// Reserves the whole machine for as long as the returned guard lives.
pub fn whole_machine() -> MutexGuard<'static, ()> {
    WHOLE_MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn never_stale(home: &Home, location: &DatabaseLocation) {
    let _alone = whole_machine();
    // Creates the database before the endpoints start.
    home.run(&["workspace", "--label", "HISTORY"]).done();
    let (one, other) = (Endpoint::start(home, &[]), Endpoint::start(home, &[]));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let master_key = MasterKeyLocation::File(home.master_key());
    let keyring = runtime.block_on(Keyring::open(location, master_key, Machine::real()));
    let keyring = keyring.expect("opened");
    let endpoints = [one.address(), other.address()];
    let played = play(&runtime, &keyring, &endpoints, ROUNDS);
    runtime.block_on(keyring.close());
    let checked = played.unwrap_or_else(|violations| {
        let logs = [one.log(), other.log()].concat().join("\n");
        panic!("answers that are not right: {violations:#?}\n{logs}")
    });
    // Thirty-two clients, three answers each, at least two states per round.
    assert!(checked >= (ROUNDS * 32 * 3 * 2) as u64, "{checked}");
}

#[test]
fn no_answer_is_older_than_a_change_on_sqlite() {
    let home = Home::new();
    never_stale(&home, &DatabaseLocation::File(home.database_file()));
}

#[test]
fn no_answer_is_older_than_a_change_on_postgresql() {
    let database = Database::new();
    let home = Home::on(database.url());
    never_stale(
        &home,
        &DatabaseLocation::Server(SecretString::from(database.url())),
    );
}
