//! How a command ends when its reader is gone, when its output is full, or when a token is given in
//! the wrong place: the exit status is still correct, and standard error repeats no secret.
use std::process::Stdio;

use serde_json::json;

use crate::command::{Ended, Home, ended};

const READ: [&str; 5] = ["check", "--area", "contacts", "--action", "read"];
const DELETE: [&str; 5] = ["check", "--area", "contacts", "--action", "delete"];

/// Creates a file that holds a text, ready to be used as standard input.
fn holding(text: &str) -> std::fs::File {
    use std::io::{Seek as _, Write as _};
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file.rewind().expect("rewound");
    file
}

/// Runs a command whose standard output is a pipe without a reader.
fn unread(home: &Home, arguments: &[&str], input: &str) -> Ended {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = home.command(arguments);
    ended(command.stdin(holding(input)).stdout(writer))
}

/// Runs a command whose standard output has no space left.
fn full(home: &Home, arguments: &[&str], input: &str) -> Ended {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = home.command(arguments);
    ended(
        command
            .stdin(holding(input))
            .stdout(full.expect("a full disk")),
    )
}

#[test]
fn the_status_is_the_decision_whoever_reads_it() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    for json in [&[][..], &["--json"]] {
        let allowed = unread(&home, &[&READ[..], json].concat(), &token);
        assert_eq!((allowed.status, allowed.stderr.as_str()), (0, ""));
        let denied = unread(&home, &[&DELETE[..], json].concat(), &token);
        assert_eq!((denied.status, denied.stderr.as_str()), (1, ""));
    }
    assert!(home.list()[0]["last_used_at"].is_string(), "it was a use");
    full(&home, &DELETE, &token).refused(1, "standard output cannot be written");
    full(&home, &READ, &token).refused(2, "standard output cannot be written");
}

#[test]
fn a_reader_that_is_gone_is_no_failure_and_no_success_either() {
    let home = Home::new();
    for at in 0..40 {
        home.create(&format!("key {at}"), &["--description", &"x".repeat(500)]);
    }
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["show", "key 1"],
        &["audit"],
        &["audit", "--json"],
        &["audit", "verify"],
        &["doctor"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let gone = unread(&home, arguments, "");
        assert_eq!(
            (gone.status, gone.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
    }
    full(&home, &["list"], "").refused(1, "standard output cannot be written");
    home.tamper(&[
        "DROP TRIGGER audit_events_keep",
        "UPDATE audit_events SET actor = 'mallory' WHERE sequence = 3",
    ]);
    for arguments in [
        &["doctor"][..],
        &["doctor", "--json"],
        &["audit", "verify", "--json"],
    ] {
        assert_eq!(unread(&home, arguments, "").status, 1, "{arguments:?}");
    }
    let verified = home.run(&["audit", "verify", "--json"]);
    assert_eq!(
        (verified.status, verified.json()),
        (
            1,
            json!({ "holds": false, "sequence": 3, "why": "it was changed after it was recorded" })
        )
    );
}

#[test]
fn a_new_token_that_does_not_get_out_can_still_be_had() {
    let home = Home::new();
    for (name, json) in [("one", &[][..]), ("two", &["--json"])] {
        for lose in [full, unread] {
            let lost = lose(&home, &[&["create", name], json].concat(), "");
            let newest = home.list()[0].clone();
            let id = newest["id"].as_str().expect("an id");
            lost.refused(1, &format!("the key {id} is made"));
            lost.refused(1, &format!("`claviger reveal {id}` prints it"));
            assert_eq!(newest["name"], json!(name));
            let token = home.run(&["reveal", id]).done().stdout;
            let denied = Some("action_not_permitted".to_owned());
            assert_eq!(home.check(&token, "contacts", "read", None), (1, denied));
        }
    }
}

#[test]
fn a_token_where_none_belongs_is_not_repeated() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=all"]);
    let secret = &token[17..];
    let quoted = format!("contacts={token}");
    for arguments in [
        &["show", &token][..],
        &["reveal", &token],
        &["copy", &token],
        &["edit", &token, "--name", "b"],
        &["revoke", &token, "--yes"],
        &["check", &token],
        &["check", "--area", &token, "--action", "read"],
        &["check", "--area", "contacts", "--action", &token],
        &[
            "check", "--area", "contacts", "--action", "read", "--ip", &token,
        ],
        &["create", "b", &token],
        &["create", "b", "--grant", &token],
        &["create", "b", "--grant", &quoted],
        &["create", "b", "--expires", &token],
        &["create", "b", "--allow-ip", &token],
        &["list", "--sort", &token],
        &["list", "--limit", &token],
        &["list", "--database", &token],
        &["revoke", "acme", "--yes", "--reason", &token],
        &["completions", &token],
        &[&token],
    ] {
        let said = home.run(arguments);
        assert!([1, 2].contains(&said.status), "{}", arguments[0]);
        let told = !said.stderr.contains(secret) && !said.stdout.contains(secret);
        assert!(told, "{} repeats the token", arguments[0]);
    }
    let said = home.run(&["show", &token]).stderr;
    assert!(said.contains(&format!("clv_{id}_…")), "{said}");
    let quoted = format!("the token is {token}");
    for arguments in [
        &["create", &token][..],
        &["create", "b", "--description", &quoted],
        &["edit", "acme", "--description", &quoted],
        &["workspace", "--label", &token],
    ] {
        home.run(arguments)
            .refused(2, "holds a token, and tokens are secret");
    }
    assert_eq!(home.list().len(), 1);
}

#[test]
fn what_was_typed_does_not_act_on_the_terminal_that_shows_it() {
    let home = Home::new();
    for (hostile, code) in [
        ("a\u{1b}[2Jb", "U+001B"),
        ("a\u{202e}b", "U+202E"),
        ("a\u{7}", "U+0007"),
        ("a\u{9b}31m", "U+009B"),
    ] {
        // clap drops escape sequences by itself; other control characters must not pass either.
        for arguments in [
            &["list", "--sort", hostile][..],
            &["list", "--limit", hostile],
            &["check", "--area", "a", "--action", "b", "--ip", hostile],
            &["revoke", "a", "--yes", "--reason", hostile],
            &[hostile],
            &["create", "a", hostile],
        ] {
            home.run(arguments).refused(2, "claviger: ");
        }
        for arguments in [
            &["create", "a", "--grant", hostile][..],
            &["create", "a", "--expires", hostile],
            &["create", "a", "--allow-ip", hostile],
        ] {
            home.run(arguments).refused(2, code);
        }
        home.run(&["list", "--database", hostile])
            .refused(2, "what was given is no database");
        home.run(&["show", hostile]).refused(1, code);
    }
    home.run(&["create", "a", "--sort", "b"])
        .refused(2, "claviger: unexpected argument '--sort'");
}

#[test]
fn a_check_without_a_database_decides_nothing_and_makes_none() {
    let home = Home::new();
    home.run(&READ).refused(2, "there is no database");
    let elsewhere = home.path().join("no/such.db");
    let url = format!("sqlite:{}", elsewhere.display());
    home.run(&[&READ[..], &["--database", &url]].concat())
        .refused(2, "there is no database");
    let looked = home.run(&["doctor"]).done();
    assert!(
        looked.stdout.contains("there is none yet"),
        "{}",
        looked.stdout
    );
    assert!(!home.database_file().exists() && !elsewhere.exists());
    home.create("acme", &[]);
    let mut command = home.command(&READ);
    let folder = std::fs::File::open(home.path()).expect("a folder");
    ended(command.stdin(folder).stdout(Stdio::piped())).refused(2, "standard input cannot be read");
}

#[test]
fn json_may_stand_anywhere_after_the_verb() {
    let home = Home::new();
    home.create("acme", &[]);
    for arguments in [
        &["show", "--json", "acme"][..],
        &["show", "acme", "--json"],
        &["edit", "--json", "acme", "--name", "acme"],
        &["edit", "acme", "--name", "acme", "--json"],
        &["disable", "--json", "acme"],
        &["enable", "acme", "--json"],
        &["audit", "--json", "verify"],
        &["audit", "verify", "--json"],
        &["workspace", "--json", "--label", "PROD"],
        &["revoke", "--json", "--yes", "acme"],
    ] {
        let done = home.run(arguments).done();
        assert_eq!(done.stdout.lines().count(), 1, "{arguments:?}");
        assert!(done.json().is_object(), "{arguments:?}");
        assert_eq!(done.stderr, "", "{arguments:?}");
    }
}
