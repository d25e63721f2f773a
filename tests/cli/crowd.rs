//! Several processes that write to one database at the same time.
use std::process::{Command, Stdio};

use claviger::{
    domain::location::{DatabaseLocation, MasterKeyLocation},
    keyring::Keyring,
    machine::Machine,
};

use crate::{
    command::{Home, finished},
    draft::draft,
};

/// The environment variable that makes this test program act as one of the writing processes. It
/// holds the process's name and the home, separated by a space.
const ONE_OF_US: &str = "CLAVIGER_TEST_ONE_OF_THE_CROWD";

/// Writes 1,000 keys as one of the processes; does nothing when run as an ordinary test.
#[test]
fn one_of_the_crowd() {
    let Ok(who) = std::env::var(ONE_OF_US) else {
        return;
    };
    let (name, home) = who.split_once(' ').expect("a name and a home");
    let home = std::path::Path::new(home);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let location = DatabaseLocation::File(home.join(".local/share/claviger/claviger.db"));
        let master_key = MasterKeyLocation::File(home.join(".config/claviger/master-key"));
        let keyring = Keyring::open(&location, master_key, Machine::real())
            .await
            .expect("opened");
        for at in 0..1000 {
            let draft = draft(&format!("{name} {at}"), "", &[]);
            keyring.create(None, draft).await.expect("created");
        }
        keyring.close().await;
    });
}

#[test]
fn two_processes_that_write_a_thousand_keys_each_lose_none() {
    let home = Home::new();
    let crowd: Vec<_> = ["one", "two"]
        .map(|name| {
            Command::new(std::env::current_exe().expect("this program"))
                .args(["--exact", "crowd::one_of_the_crowd"])
                .env(ONE_OF_US, format!("{name} {}", home.path().display()))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("started")
        })
        .into();
    for one in crowd {
        let output = one.wait_with_output().expect("an end");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    let verified = home.run(&["audit", "verify", "--json"]).done().json();
    assert_eq!(verified["events"], 2000);
    let keys = home.list();
    for name in ["one", "two"] {
        let of_one = |at: &usize| {
            let name = format!("{name} {at}");
            keys.iter().filter(|key| key["name"] == name).count() == 1
        };
        assert_eq!((0..1000).filter(of_one).count(), 1000);
    }
    assert_eq!(keys.len(), 2000);
    for pipe in ["list | head -1", "list --json | head -c 10"] {
        let line = format!("{} {pipe}", env!("CARGO_BIN_EXE_claviger"));
        let mut shell = Command::new("bash");
        shell
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin")
            .args(["-o", "pipefail", "-c", &line]);
        let ended = crate::command::ended(&mut shell).done();
        assert!(
            !ended.stdout.is_empty() && ended.stderr.is_empty(),
            "{pipe}: {}",
            ended.stderr
        );
    }
}

#[test]
fn of_two_processes_that_create_a_key_if_it_is_absent_one_makes_it() {
    let home = Home::new();
    for round in 0..10 {
        let name = format!("key {round}");
        let started: Vec<_> = (0..2)
            .map(|_| {
                home.command(&["create", &name, "--if-absent", "--json"])
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .expect("started")
            })
            .collect();
        let told: Vec<_> = started
            .into_iter()
            .map(|one| {
                finished(one.wait_with_output().expect("an end"))
                    .done()
                    .json()
            })
            .collect();
        let created = told.iter().filter(|key| key["created"] == true);
        assert_eq!(created.count(), 1, "{name}");
        assert_eq!(told[0]["id"], told[1]["id"], "{name}");
        let tokens = told.iter().filter(|key| key.get("token").is_some());
        assert_eq!(tokens.count(), 1, "{name}");
    }
    assert_eq!(home.list().len(), 10);
    let verified = home.run(&["audit", "verify", "--json"]).done().json();
    assert_eq!(verified["events"], 10);
}

#[test]
fn two_shells_that_run_create_at_once_lose_no_key() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for name in ["one", "two"] {
            let home = &home;
            scope.spawn(move || {
                for at in 0..50 {
                    home.run(&["create", &format!("{name} {at}")]).done();
                }
            });
        }
    });
    assert_eq!(home.list().len(), 100);
    let verified = home.run(&["audit", "verify", "--json"]).done().json();
    assert_eq!(verified["events"], 100);
}
