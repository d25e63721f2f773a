//! The audit log, the workspace, completions, the manual page, and work without the master key.
use crate::command::Home;

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
    home.tamper(&[
        "DROP TRIGGER audit_events_keep",
        "UPDATE audit_events SET actor = 'mallory' WHERE sequence = 2",
    ]);
    home.run(&["audit", "verify"])
        .refused(1, "does not hold at event 2: it was changed");
}

#[test]
fn hostile_names_from_elsewhere_are_shown_as_code_points() {
    let home = Home::new();
    home.create("acme", &[]);
    home.tamper(&["UPDATE areas SET badge = 'Con' || char(8238) || 'tacts' || char(27)"]);
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
fn a_hostile_name_in_the_database_acts_on_no_terminal() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    home.create("other", &[]);
    home.tamper(&[
        "DROP TRIGGER audit_events_keep",
        "UPDATE keys SET name = 'a' || char(8238) || 'b' || char(27) || '[2J' WHERE name = 'acme'",
        "UPDATE audit_events SET subject_name = 'a' || char(8238) || 'b' || char(27), \
             actor = 'm' || char(155) || 'y', details = '{\"x\":\"' || char(8238) || '\"}'",
    ]);
    let bare = |c: char| c == '\u{202e}' || c == '\u{9b}' || c == '\u{1b}';
    for arguments in [
        &["list"][..],
        &["show", &id],
        &["show", &id[..4]],
        &["disable", &id],
        &["reveal", &id],
        &["revoke", &id, "--yes"],
        &["audit"],
        &["audit", "verify"],
        &["doctor"],
    ] {
        let said = home.run(arguments);
        assert!(!said.stdout.contains(bare), "{arguments:?}: {said:?}");
        assert!(!said.stderr.contains(bare), "{arguments:?}: {said:?}");
    }
    let audit = home.run(&["audit"]).done().stdout;
    assert!(
        audit.contains("a<U+202E>b<U+001B>") && audit.contains("m<U+009B>y"),
        "{audit}"
    );
    let decided = home.fed(
        &["check", "--area", "contacts", "--action", "read"],
        token.as_bytes(),
    );
    assert_ne!(decided.status, 0, "what cannot be read is never an allow");
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
    let bash = home.run(&["completions", "bash"]).done().stdout;
    let mut syntax = std::process::Command::new("bash");
    let syntax = crate::command::ended(syntax.args(["-n", "-c", &bash]));
    assert_eq!((syntax.status, syntax.stderr.as_str()), (0, ""));
    assert!(
        !bash.contains("keep-clipboard"),
        "what is for claviger itself"
    );
    home.run(&["completions", "tcsh"]).refused(2, "tcsh");
    let page = home.run(&["man"]).done().stdout;
    for part in [
        ".TH claviger",
        ".SH \"CLAVIGER CREATE\"",
        "EXIT STATUS",
        "allow\\-ip",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(
        !page.contains("KEEP-CLIPBOARD"),
        "what is for claviger itself"
    );
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
