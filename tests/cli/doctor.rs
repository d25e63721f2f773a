//! Tests of `doctor`: it names each defect with its fix, and exits with status 1.
use std::os::unix::fs::PermissionsExt as _;

use crate::command::Home;

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
    let settings = home.path().join(".config/claviger/config.toml");
    std::fs::write(&settings, "osc52 = false\n").expect("written");
    mode(&settings, 0o644);
    named("config.toml (mode 0644)");
    mode(&settings, 0o600);
    mode(home.database_file().parent().expect("a folder"), 0o777);
    named("can be written by others");
    mode(home.database_file().parent().expect("a folder"), 0o700);
    home.tamper(&["UPDATE keys SET origin = 'listed', network_count = 1"]);
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
fn doctor_sees_a_clock_that_was_set_back() {
    let home = Home::new();
    home.create("acme", &[]);
    home.tamper(&[
        "DROP TRIGGER audit_events_keep",
        "UPDATE audit_events SET at = 4000000000000",
    ]);
    let sick = home.run(&["doctor"]);
    assert_eq!(sick.status, 1);
    assert!(
        sick.stdout
            .contains("but the newest change was made at 2096-10-02")
            && sick.stdout.contains("set this machine's clock"),
        "{}",
        sick.stdout
    );
}

#[test]
fn doctor_finds_a_damaged_page_and_says_what_to_do() {
    let home = Home::new();
    for at in 0..60 {
        home.create(&format!("key {at}"), &["--description", &"x".repeat(500)]);
    }
    home.tamper(&["PRAGMA wal_checkpoint(TRUNCATE)"]);
    let whole = std::fs::read(home.database_file()).expect("read");
    // Damages one page at a time; the first pages hold the schema, and without it the database does
    // not open at all.
    for page in [1, 3, whole.len() / 4096 / 2, whole.len() / 4096 - 2] {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xA5);
        std::fs::write(home.database_file(), &damaged).expect("written");
        let sick = home.run(&["doctor"]);
        assert_eq!(sick.status, 1, "page {page}: {}", sick.stdout);
        assert!(
            sick.stdout.contains("FAILS") && sick.stdout.contains("backup"),
            "page {page}: {}",
            sick.stdout
        );
        assert!(!sick.stderr.contains("panicked"), "{}", sick.stderr);
    }
}
