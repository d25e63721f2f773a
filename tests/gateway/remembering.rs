//! State that is remembered: uses, tombstones, and the last known position of the store.
use nix::sys::signal::Signal;

use crate::{
    command::Home,
    endpoint::Endpoint,
    http::{ask, request},
    postgres::Database,
    waiting::until,
};

fn last_use(home: &Home, id: &str) -> Option<String> {
    let keys = home.list();
    let key = keys.iter().find(|key| key["id"] == id).expect("the key");
    key["last_used_at"].as_str().map(str::to_owned)
}

#[test]
fn uses_are_written_in_batches_and_are_no_changes() {
    let database = Database::new();
    for home in [Home::new(), Home::on(database.url())] {
        let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
        let endpoint = Endpoint::start(&home, &[]);
        let asks = |method: &str, from: &str| endpoint.acts(&token, method, from);
        assert_eq!(asks("DELETE", "10.0.0.9"), 403);
        assert_eq!(last_use(&home, &id), None, "a refusal is no use");
        assert_eq!(asks("GET", "10.0.0.9"), 200);
        until("the use is written", || last_use(&home, &id).is_some());
        let first = last_use(&home, &id);
        let shown = home.run(&["show", &id]).done().stdout;
        assert!(shown.contains("from 10.0.0.9"), "{shown}");
        assert_eq!(asks("GET", "10.0.0.10"), 200);
        until("the next one too", || last_use(&home, &id) != first);
        assert_eq!(home.audit(), ["key.created"], "uses are no changes");
        let metrics = ask(endpoint.address(), &request("GET", "/metrics", &[])).body;
        assert!(metrics.contains("\nclaviger_epoch 1\n"), "{metrics}");
    }
}

#[test]
fn an_orderly_end_loses_no_use() {
    let home = Home::new();
    let keys: Vec<(String, String)> = (0..20)
        .map(|n| home.create(&format!("key {n}"), &["--grant", "contacts=read"]))
        .collect();
    let mut endpoint = Endpoint::start(&home, &[]);
    for (_, token) in &keys {
        assert_eq!(endpoint.reads(token), 200);
    }
    assert_eq!(endpoint.end(Signal::SIGTERM), Some(0));
    for (id, _) in &keys {
        assert!(last_use(&home, id).is_some(), "{id}");
    }
    assert!(endpoint.log().last().expect("a line").contains("ended"));
}

#[test]
fn a_revoked_key_is_remembered_without_its_secret() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    let asks = || {
        let headers = [("X-API-Key", token.as_str())];
        endpoint.asks("/authorize", "GET", "/contacts", &headers)
    };
    assert_eq!(asks().status, 200);
    let sealed = home.past("SELECT sealed FROM tokens").expect("a row");
    assert!(sealed.len() > 100);
    let everywhere = || {
        let file = home.database_file();
        let mut bytes = std::fs::read(&file).expect("the database");
        bytes.extend(std::fs::read(file.with_extension("db-wal")).unwrap_or_default());
        bytes
    };
    // Searches for pieces, not for the whole text: a page may end in the middle of it.
    let pieces: Vec<&[u8]> = sealed.as_bytes().chunks(16).collect();
    let holds = |bytes: &[u8], piece: &[u8]| bytes.windows(piece.len()).any(|it| it == piece);
    let before = everywhere();
    assert!(
        pieces.iter().all(|piece| holds(&before, piece)),
        "it was there"
    );
    home.run(&["revoke", &id, "--yes", "--reason", "compromised"])
        .done();
    let after = everywhere();
    assert!(
        !pieces.iter().any(|piece| holds(&after, piece)),
        "the sealed token is still there"
    );
    let refused = asks();
    assert_eq!(refused.status, 401);
    let decision = refused.header("x-claviger-decision-id").expect("an id");
    assert!(endpoint.wait_for(decision).contains("reason=\"revoked\""));
    let stone = home
        .past("SELECT key_id || ' ' || name || ' ' || reason FROM tombstones")
        .expect("a row");
    assert_eq!(stone, format!("{id} acme compromised"));
}

/// Statements that set the store back to an older state, like a restored backup or a standby that
/// took over.
const BACK: [&str; 2] = [
    "UPDATE workspace SET chain_head = (SELECT previous_hash FROM audit_events ORDER BY sequence DESC LIMIT 1)",
    "UPDATE workspace SET epoch = epoch - 1",
];

#[test]
fn a_store_that_went_back_is_refused_loudly() {
    let _alone = crate::history::whole_machine();
    let database = Database::new();
    for home in [Home::new(), Home::on(database.url())] {
        let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
        home.create("another", &[]);
        let endpoint = Endpoint::start(&home, &[]);
        let asks = || endpoint.reads(&token);
        assert_eq!(asks(), 200, "{:#?}", endpoint.log());
        let trigger = if database.url() == home.url() {
            "ALTER TABLE audit_events DISABLE TRIGGER audit_events_keep"
        } else {
            "DROP TRIGGER audit_events_stay"
        };
        home.tamper(&BACK);
        home.tamper(&[trigger, "DELETE FROM audit_events WHERE sequence = 2"]);
        assert_eq!(asks(), 503);
        let said = endpoint.wait_for("went back");
        assert!(
            said.contains("change 1") && said.contains("change 2"),
            "{said}"
        );
        assert!(said.contains("revoke again"), "{said}");
        let ready = ask(endpoint.address(), &request("GET", "/readyz", &[]));
        assert_eq!(ready.status, 503);
        assert!(ready.body.contains("went back"), "{}", ready.body);
        // Further changes do not make the store the original one again.
        home.run(&["disable", &id]).done();
        assert_eq!(asks(), 503, "as far as before, by another way");
        home.run(&["enable", &id]).done();
        assert_eq!(asks(), 503, "and beyond it");
        // After an administrator has looked at the store, the endpoint is started again.
        drop(endpoint);
        let again = Endpoint::start(&home, &[]);
        assert_eq!(again.reads(&token), 200);
    }
}

#[test]
fn a_file_that_was_replaced_decides_nothing() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    let backup = std::fs::read(home.database_file()).expect("a backup");
    let endpoint = Endpoint::start(&home, &[]);
    let asks = || endpoint.reads(&token);
    assert_eq!(asks(), 200);
    home.run(&["revoke", &id, "--yes"]).done();
    assert_eq!(asks(), 401);
    let beside = home.path().join("restored.db");
    std::fs::write(&beside, &backup).expect("written");
    std::fs::rename(&beside, home.database_file()).expect("replaced");
    assert_eq!(asks(), 503, "a backup brings no key back to life");
    endpoint.wait_for("was replaced, removed or changed");
    std::fs::remove_file(home.database_file()).expect("removed");
    assert_eq!(asks(), 503);
}

/// Other programs remove or overwrite files of the database while an endpoint has it open, and then
/// a key is revoked. The revoke may work or fail; if it worked, the key must not be allowed any
/// more.
#[test]
fn without_its_log_or_index_nothing_is_decided_from_what_was_open() {
    for away in [&["-wal", "-shm"][..], &["-shm"], &["-wal"]] {
        for restored in [false, true] {
            let home = Home::new();
            let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
            let backup = std::fs::read(home.database_file()).expect("a backup");
            let endpoint = Endpoint::start(&home, &[]);
            let asks = || endpoint.reads(&token);
            assert_eq!(asks(), 200);
            home.run(&["edit", &id, "--description", "so that there is a log"])
                .done();
            assert_eq!(asks(), 200);
            if restored {
                std::fs::write(home.database_file(), &backup).expect("copied over it");
            }
            for ending in away {
                let file = home.database_file().with_extension(format!("db{ending}"));
                std::fs::remove_file(file).expect("removed");
            }
            let revoked = home.run(&["revoke", &id, "--yes"]).status == 0;
            assert_eq!(
                asks(),
                503,
                "{away:?}, restored: {restored}, revoked: {revoked}"
            );
            let ready = ask(endpoint.address(), &request("GET", "/readyz", &[]));
            assert_eq!(ready.status, 503);
            assert!(
                ready.body.contains("start claviger again"),
                "{}",
                ready.body
            );
            drop(endpoint);
            if revoked {
                let again = Endpoint::start(&home, &[]);
                assert_eq!(again.reads(&token), 401, "{away:?}, restored: {restored}");
            }
        }
    }
}

#[test]
fn a_file_that_was_opened_as_unchanging_is_not_believed_once_it_changes() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    let folder = home.database_file().parent().expect("a folder").to_owned();
    let modes = |folder_mode: u32, file_mode: u32| {
        let mode = std::fs::Permissions::from_mode;
        std::fs::set_permissions(home.path(), mode(0o755)).expect("chmod");
        for open in [".local", ".local/share"] {
            std::fs::set_permissions(home.path().join(open), mode(0o755)).expect("chmod");
        }
        std::fs::set_permissions(&folder, mode(folder_mode)).expect("chmod");
        std::fs::set_permissions(home.database_file(), mode(file_mode)).expect("chmod");
    };
    modes(0o555, 0o444);
    // Root may write whatever the mode says, so as root the endpoint runs as the user nobody.
    let root = nix::unistd::Uid::effective().is_root();
    let program = home.command(&[]).get_program().to_owned();
    let mut command = std::process::Command::new(if root {
        "setpriv".into()
    } else {
        program.clone()
    });
    if root {
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(program);
    }
    command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--trusted-proxy",
            "127.0.0.1",
        ])
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin");
    let endpoint = Endpoint::spawn(command);
    let asks = || endpoint.reads(&token);
    assert_eq!(asks(), 200);
    modes(0o755, 0o644);
    home.run(&["revoke", &id, "--yes"]).done();
    assert_eq!(
        asks(),
        503,
        "it cannot see the change, and knows that there was one"
    );
}
