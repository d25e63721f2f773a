//! doctor, audit, workspace, completions, the manual page.
use std::os::unix::fs::PermissionsExt as _;

use sqlx::{Connection as _, SqliteConnection};

use crate::command::Home;

/// Does something to the database past claviger.
fn tamper(home: &Home, statements: &'static [&'static str]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let url = format!("sqlite:{}", home.database_file().display());
        let mut connection = SqliteConnection::connect(&url).await.expect("connected");
        for statement in statements {
            sqlx::query(*statement)
                .execute(&mut connection)
                .await
                .expect("done");
        }
        connection.close().await.expect("closed");
    });
}

fn mode(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn doctor_is_content_with_a_healthy_home_and_names_each_defect() {
    let home = Home::new();
    home.create("acme", &[]);
    let healthy = home.run(&["doctor"]);
    assert_eq!(healthy.status, 0, "{}", healthy.stdout);
    for subject in [
        "workspace",
        "database",
        "keys",
        "master key",
        "audit log",
        "clock",
        "clipboard",
        "terminal",
        "core dumps",
    ] {
        assert!(healthy.stdout.contains(subject), "{subject}");
    }
    let named = |words: &str| {
        let sick = home.run(&["doctor"]);
        assert_eq!(sick.status, 1, "{words}: {}", sick.stdout);
        assert!(
            sick.stdout.contains(words)
                && sick.stdout.contains("FAILS")
                && sick.stdout.contains('→'),
            "{}",
            sick.stdout
        );
        let json = home.run(&["doctor", "--json"]).json();
        assert!(
            json.as_array()
                .expect("an array")
                .iter()
                .any(|finding| finding["ok"] == false)
        );
    };
    mode(&home.database_file(), 0o644);
    named("may be read by others (mode 0644)");
    assert!(
        home.run(&["list"]).done().stderr.contains("chmod 600"),
        "every command reports it"
    );
    mode(&home.database_file(), 0o600);
    mode(&home.master_key(), 0o640);
    named("others may read it (mode 0640)");
    mode(&home.master_key(), 0o600);
    let aside = home.path().join("aside");
    std::fs::rename(home.master_key(), &aside).expect("moved");
    named("is missing, and tokens are sealed with it");
    std::fs::rename(&aside, home.master_key()).expect("moved back");
    mode(home.database_file().parent().expect("a folder"), 0o777);
    named("can be written by others");
    mode(home.database_file().parent().expect("a folder"), 0o700);
    tamper(
        &home,
        &["UPDATE keys SET origin = 'listed', network_count = 1"],
    );
    named("allowed_networks.network");
    home.create("another", &[]);
    let listed = home.run(&["list", "--json"]);
    assert_eq!(
        (listed.status, listed.json().as_array().map(Vec::len)),
        (1, Some(1)),
        "one bad row hides no other"
    );
    assert!(
        listed.stderr.contains("allowed_networks.network"),
        "{}",
        listed.stderr
    );
}

#[test]
fn without_the_master_key_what_needs_none_still_works() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    std::fs::remove_file(home.master_key()).expect("removed");
    home.run(&["create", "other"])
        .refused(1, "is missing, and tokens are sealed with it");
    home.run(&["reveal", &id])
        .refused(1, "master-key is missing");
    assert!(!home.master_key().exists(), "never silently made anew");
    assert_eq!(home.check(&token, "contacts", "read", None).0, 0);
    home.run(&["list"]).done();
    home.run(&["edit", &id, "--name", "b"]).done();
    home.run(&["revoke", &id, "--yes"]).done();
}

#[test]
fn the_audit_log_holds_until_somebody_writes_past_it() {
    let home = Home::new();
    home.create("acme", &[]);
    home.run(&["edit", "acme", "--description", "x"]).done();
    home.run(&["reveal", "acme"]).done();
    let held = home.run(&["audit", "verify"]).done();
    assert!(
        held.stdout.contains("The audit log holds: 3 events"),
        "{}",
        held.stdout
    );
    let lines = home.run(&["audit", "--json"]).done().stdout;
    let event: serde_json::Value =
        serde_json::from_str(lines.lines().nth(1).expect("a line")).expect("JSON");
    assert_eq!(event["before"]["description"], "");
    assert_eq!(event["after"]["description"], "x");
    assert!(event["actor"].as_str().expect("an actor").contains('@'));
    tamper(
        &home,
        &[
            "DROP TRIGGER audit_events_keep",
            "UPDATE audit_events SET actor = 'mallory' WHERE sequence = 2",
        ],
    );
    home.run(&["audit", "verify"])
        .refused(1, "does not hold at event 2: it was changed");
}

#[test]
fn hostile_names_from_elsewhere_are_shown_as_code_points() {
    let home = Home::new();
    home.create("acme", &[]);
    tamper(
        &home,
        &["UPDATE areas SET badge = 'Con' || char(8238) || 'tacts' || char(27)"],
    );
    home.run(&["edit", "acme", "--grant", "contacts=read"])
        .done();
    for arguments in [vec!["list"], vec!["show", "acme"]] {
        let shown = home.run(&arguments).done().stdout;
        assert!(
            shown.contains("<U+202E>") && !shown.contains('\u{202e}') && !shown.contains('\u{1b}'),
            "{shown:?}"
        );
    }
}

#[test]
fn a_workspace_has_a_label() {
    let home = Home::new();
    let shown = home.run(&["workspace"]).done().stdout;
    assert!(shown.starts_with("local in "), "{shown}");
    home.run(&["workspace", "--label", "PROD"]).done();
    assert!(
        home.run(&["workspace"])
            .done()
            .stdout
            .starts_with("PROD in ")
    );
    home.run(&["workspace", "--label", "a\u{202e}"])
        .refused(2, "U+202E");
    assert_eq!(home.audit(), ["workspace.relabelled"]);
    home.run(&["audit", "verify"]).done();
}

#[test]
fn completions_and_the_manual_page() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completions", shell]).done().stdout;
        assert!(
            script.contains("claviger") && script.contains("revoke"),
            "{shell}"
        );
    }
    let page = home.run(&["man"]).done().stdout;
    assert!(page.contains(".TH claviger") && page.contains("revoke"));
    for verb in [
        "create",
        "list",
        "show",
        "copy",
        "reveal",
        "edit",
        "disable",
        "enable",
        "revoke",
        "check",
        "audit",
        "doctor",
        "workspace",
    ] {
        assert!(
            home.run(&[verb, "--help"]).done().stdout.contains("Usage:"),
            "{verb}"
        );
    }
}
