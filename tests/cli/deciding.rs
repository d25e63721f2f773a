//! Tests of `check`: the exit status is the decision.
use serde_json::{Value, json};

use crate::command::{Home, ended};

#[test]
fn every_reason_that_a_script_can_meet() {
    let home = Home::new();
    let (id, token) = home.create(
        "acme",
        &["--grant", "contacts=read", "--allow-ip", "10.0.0.0/24"],
    );
    let inside = Some("10.0.0.9");
    let check =
        |token: &str, action: &str, ip: Option<&str>| home.check(token, "contacts", action, ip);
    let denied = |reason: &str| (1, Some(reason.to_owned()));
    assert_eq!(check(&token, "read", inside), (0, None));
    assert_eq!(check(&token, "read", Some("::ffff:10.0.0.9")), (0, None));
    assert_eq!(
        check(&token, "delete", inside),
        denied("action_not_permitted")
    );
    assert_eq!(
        home.check(&token, "documents", "read", inside),
        denied("action_not_permitted")
    );
    assert_eq!(
        check(&token, "read", Some("10.0.1.9")),
        denied("address_not_allowed")
    );
    assert_eq!(check(&token, "read", None), denied("address_not_allowed"));
    assert_eq!(check("", "read", inside), denied("missing_token"));
    assert_eq!(check("\n", "read", inside), denied("missing_token"));
    assert_eq!(
        check("clv_nonsense", "read", inside),
        denied("malformed_token")
    );
    assert_eq!(
        check(&format!("{token}\n{token}"), "read", inside),
        denied("malformed_token")
    );
    assert_eq!(
        check(&format!("{token} "), "read", inside),
        denied("malformed_token")
    );
    assert_eq!(
        check(&"x".repeat(1_000_000), "read", inside),
        denied("malformed_token")
    );
    assert_eq!(check(&format!("{token}\n"), "read", inside), (0, None));
    assert_eq!(check(&format!("{token}\r\n"), "read", inside), (0, None));
    assert_eq!(
        check(&format!("{token}\n\n"), "read", inside),
        denied("malformed_token")
    );
    let elsewhere = Home::new().create("other", &[]).1;
    assert_eq!(check(&elsewhere, "read", inside), denied("unknown_token"));
    home.run(&["disable", &id]).done();
    assert_eq!(check(&token, "read", inside), denied("disabled"));
    home.run(&["enable", &id]).done();
    home.run(&["revoke", &id, "--yes"]).done();
    assert_eq!(check(&token, "read", inside), denied("revoked"));
}

#[test]
fn what_cannot_be_decided_is_status_2_and_never_an_allow() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=all"]);
    let check = |area: &str, action: &str| {
        home.fed(
            &["check", "--area", area, "--action", action],
            token.as_bytes(),
        )
    };
    check("invoices", "read").refused(
        2,
        "there is no access area invoices: the areas are contacts, documents",
    );
    for action in ["approve", "all"] {
        let sentence = format!(
            "there is no action {action}: the actions are create, read, update and delete\n"
        );
        check("contacts", action).refused(2, &sentence);
    }
    let ip = home.fed(
        &[
            "check", "--area", "contacts", "--action", "read", "--ip", "nowhere",
        ],
        token.as_bytes(),
    );
    ip.refused(2, "nowhere is no IP address");
    let port = [
        "check",
        "--area",
        "contacts",
        "--action",
        "read",
        "--ip",
        "[2001:db8::1]:443",
    ];
    home.fed(&port, token.as_bytes()).refused(
        2,
        "[2001:db8::1]:443 is an address with a port: write the address alone, 2001:db8::1",
    );
    std::fs::write(home.database_file(), "no database").expect("written");
    check("contacts", "read").refused(2, "damaged or no database");
}

#[test]
fn an_allowed_use_is_recorded_and_a_denied_one_is_not() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    home.check(&token, "contacts", "delete", Some("10.0.0.9"));
    assert_eq!(home.list()[0]["last_used_at"], json!(null));
    home.check(&token, "contacts", "read", Some("10.0.0.9"));
    assert!(home.list()[0]["last_used_at"].is_string());
    let shown = home.run(&["show", &id]).done().stdout;
    assert!(shown.contains("from 10.0.0.9"), "{shown}");
    assert_eq!(home.audit(), ["key.created"], "a use is no change");
}

#[test]
fn uses_of_one_minute_from_one_address_are_one_use() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    let used = |ip: Option<&str>| {
        assert_eq!(home.check(&token, "contacts", "read", ip), (0, None));
        home.list()[0]["last_used_at"].clone()
    };
    let first = used(Some("10.0.0.9"));
    assert_eq!(used(Some("10.0.0.9")), first);
    assert_eq!(used(Some("::ffff:10.0.0.9")), first, "the same address");
    let elsewhere = used(Some("10.0.0.8"));
    assert_ne!(elsewhere, first);
    assert_ne!(used(None), elsewhere);
    home.tamper(&["UPDATE keys SET last_used_at = last_used_at - 61000"]);
    let before = home.list()[0]["last_used_at"].clone();
    assert_ne!(used(None), before, "a minute later");
}

#[test]
fn a_check_leaves_its_folder_as_it_was() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    let folder = home.database_file();
    let files = || std::fs::read_dir(folder.parent().expect("a folder")).expect("files");
    for action in ["delete", "read", "read"] {
        home.check(&token, "contacts", action, None);
        assert_eq!(files().count(), 1, "the database alone");
    }
}

#[test]
fn a_check_brings_an_older_database_up_to_date_like_any_command() {
    let home = Home::new();
    std::fs::create_dir_all(home.database_file().parent().expect("a folder")).expect("made");
    std::fs::write(home.database_file(), "").expect("an empty file");
    let token = Home::new().create("elsewhere", &[]).1;
    assert_eq!(
        home.check(&token, "contacts", "read", None),
        (1, Some("unknown_token".to_owned()))
    );
    home.create("acme", &[]);
}

#[test]
fn plain_output_and_a_closed_standard_input() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    let arguments = ["check", "--area", "contacts", "--action", "read"];
    assert_eq!(
        home.fed(&arguments, token.as_bytes()).done().stdout,
        format!("allow {id}\n")
    );
    let denied = home.fed(
        &["check", "--area", "contacts", "--action", "delete"],
        token.as_bytes(),
    );
    assert_eq!(denied.stdout, format!("deny action_not_permitted {id}\n"));
    let why = denied.stderr.strip_prefix("`claviger explain d_");
    assert!(
        why.is_some_and(|rest| rest.ends_with("` tells why\n")),
        "{}",
        denied.stderr
    );
    let closed = format!(
        "exec {} check --area contacts --action read --json <&-",
        env!("CARGO_BIN_EXE_claviger")
    );
    let mut shell = std::process::Command::new("sh");
    let ended = ended(
        shell
            .env_clear()
            .env("HOME", home.path())
            .args(["-c", &closed]),
    );
    assert_eq!(
        (ended.status, &ended.json()["reason"]),
        (1, &json!("missing_token"))
    );
}

#[test]
fn what_was_refused_is_listed_whosever_it_was() {
    let home = Home::new();
    let none = home.run(&["refusals"]).done();
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "No refusal is kept.\n")
    );
    assert_eq!(home.run(&["refusals", "--json"]).done().json(), json!([]));
    let (kept, token) = home.create("Partner: Acme", &[]);
    let (gone, revoked) = home.create("Acme old", &[]);
    home.run(&["revoke", &gone, "--yes"]).done();
    let mistyped = format!("{}!", &token[..token.len() - 1]);
    for token in [&token, &revoked, &mistyped, ""] {
        home.check(token, "contacts", "read", Some("10.0.0.9"));
    }
    let all = home.run(&["refusals", "--json"]).done().json();
    let told = |field: &str| -> Vec<Value> {
        let all = all.as_array().expect("an array");
        all.iter().map(|refusal| refusal[field].clone()).collect()
    };
    // The newest refusal comes first.
    assert_eq!(
        told("reason"),
        [
            "missing_token",
            "malformed_token",
            "revoked",
            "action_not_permitted"
        ]
    );
    assert_eq!(
        told("key_name"),
        [
            json!(null),
            json!(null),
            json!("Acme old"),
            json!("Partner: Acme")
        ]
    );
    assert_eq!(told("names_key_id")[1], json!(kept));
    for id in told("decision_id") {
        home.run(&["explain", id.as_str().expect("an id")]).done();
    }
    let lines = |arguments: &[&str]| {
        let lines = home.run(arguments).done().stdout;
        lines.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let unmatched = lines(&["refusals", "--unmatched"]);
    assert_eq!(unmatched.len(), 2);
    assert!(unmatched[0].ends_with("  no key"), "{}", unmatched[0]);
    assert!(
        unmatched[1].ends_with(&format!("  no key; names {kept}")),
        "{}",
        unmatched[1]
    );
    assert_eq!(lines(&["refusals", "--limit", "1"]), unmatched[..1]);
    assert!(lines(&["refusals"])[3].ends_with("  Partner: Acme"));
}

#[test]
fn the_token_is_in_no_file_and_no_other_output() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    let secret = &token[17..];
    home.check(&token, "contacts", "read", None);
    let mut said = String::new();
    for arguments in [
        vec!["list"],
        vec!["list", "--json"],
        vec!["show", &id],
        vec!["audit"],
        vec!["audit", "--json"],
        vec!["doctor"],
        vec!["disable", &id],
        vec!["edit", &id, "--name", "b"],
    ] {
        let ended = home.run(&arguments);
        said += &ended.stdout;
        said += &ended.stderr;
    }
    assert!(!said.contains(secret));
    home.run(&["revoke", &id, "--yes"]).done();
    let encoded = data_encoding::BASE64.encode(token.as_bytes());
    for folder in [home.database_file(), home.master_key()] {
        for file in std::fs::read_dir(folder.parent().expect("a folder")).expect("files") {
            let bytes = std::fs::read(file.expect("a file").path()).expect("read");
            for needle in [secret, &encoded[..40]] {
                assert!(
                    !bytes
                        .windows(needle.len())
                        .any(|part| part == needle.as_bytes())
                );
            }
        }
    }
}
