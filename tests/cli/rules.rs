//! The rules beyond addresses, grants and expiry: what sets them, what takes them away, what shows
//! them, and what they refuse.
use serde_json::json;

use crate::command::{Ended, Home};

/// Makes a key with a value for each rule.
fn full(home: &Home) -> String {
    home.run(&[
        "create",
        "full",
        "--grant",
        "contacts=read",
        "--allow-ip",
        "10.0.0.0/24",
        "--deny-ip",
        "10.0.0.66",
        "--not-before",
        "2020-01-01",
        "--rate-limit",
        "60/minute:20",
        "--quota",
        "50000/month",
        "--owner",
        "alice",
        "--label",
        "team=billing",
        "--label",
        "env=prod",
        "--json",
    ])
    .done()
    .json()["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

fn check(home: &Home, token: &str, ip: &str) -> Ended {
    let asked = [
        "check", "--area", "contacts", "--action", "read", "--ip", ip, "--json",
    ];
    home.fed(&asked, token.as_bytes())
}

#[test]
fn every_rule_is_set_shown_and_taken_away() {
    let home = Home::new();
    let token = full(&home);
    let key = home.list()[0].clone();
    for (field, value) in [
        ("not_before", json!("2020-01-01T00:00:00.000Z")),
        ("deny_ip", json!(["10.0.0.66"])),
        ("rate_limit", json!("60/minute:20")),
        ("quota", json!("50000/month")),
        ("owner", json!("alice")),
        ("labels", json!({ "env": "prod", "team": "billing" })),
        ("status", json!("active")),
    ] {
        assert_eq!(key[field], value, "{field}");
    }
    let shown = home.run(&["show", "full"]).done().stdout;
    for line in [
        "Not from    10.0.0.66",
        "Begins      2020-01-01",
        "Rate limit  60 requests a minute, 20 at once, at each endpoint",
        "Quota       50,000 requests a month, at most 0 used; starts again",
        "Owner       alice",
        "Labels      env=prod, team=billing",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    assert_eq!(check(&home, &token, "10.0.0.9").status, 0);
    let denied = check(&home, &token, "10.0.0.66");
    assert_eq!(denied.status, 1);
    assert_eq!(denied.json()["reason"], "address_not_allowed");
    assert_eq!(denied.json()["detail"], "denied_address");
    let mends = home.run(&["explain", "full", "--json"]).done().json()["mends"].clone();
    assert!(mends.to_string().contains("--deny-ip 'none'"), "{mends}");

    let dry = home
        .run(&[
            "edit",
            "full",
            "--quota",
            "none",
            "--label",
            "env-",
            "--dry-run",
        ])
        .done();
    assert_eq!(
        dry.stdout,
        "Widens: 50000/month → no quota.\nLabels: env=prod, team=billing → team=billing.\n"
    );
    assert_eq!(
        home.list()[0]["quota"],
        "50000/month",
        "nothing was changed"
    );
    home.run(&[
        "edit",
        "full",
        "--deny-ip",
        "none",
        "--not-before",
        "none",
        "--rate-limit",
        "none",
        "--quota",
        "none",
        "--owner",
        "none",
        "--label",
        "env-",
        "--label",
        "team-",
    ])
    .done();
    let key = home.list()[0].clone();
    for field in ["not_before", "rate_limit", "quota", "owner"] {
        assert_eq!(key[field], json!(null), "{field}");
    }
    assert_eq!((&key["deny_ip"], &key["labels"]), (&json!([]), &json!({})));
}

#[test]
fn values_that_are_refused_say_what_to_write_and_make_nothing() {
    let home = Home::new();
    for (option, value, why) in [
        ("--rate-limit", "", "--rate-limit is empty"),
        ("--rate-limit", "60/day", "write N/second"),
        ("--rate-limit", "0/minute", "between 1 and 1000000"),
        ("--quota", " ", "--quota is empty"),
        ("--quota", "5/hour", "write N/day or N/month"),
        ("--deny-ip", "", "--deny-ip is empty"),
        ("--deny-ip", "any", "disable the key"),
        ("--deny-ip", "10.0.0.7/24", "host bits"),
        ("--not-before", "", "--not-before is empty"),
        ("--not-before", "soon", "is no start"),
        ("--owner", "", "--owner is empty"),
        ("--owner", "a\u{202e}b", "U+202E"),
        ("--label", "team", "NAME=VALUE"),
        ("--label", "team=", "is empty"),
        ("--label", "team=a,b", "comma"),
    ] {
        let refused = home.run(&["create", "x", option, value]);
        assert_eq!(refused.status, 2, "{option} {value}: {}", refused.stderr);
        assert!(
            refused.stderr.contains(why),
            "{option} {value}: {}",
            refused.stderr
        );
    }
    for (options, why) in [
        (
            ["--not-before", "2040-01-01", "--expires", "2039-12-31"],
            "before it begins",
        ),
        (
            ["--allow-ip", "10.0.0.0/24", "--deny-ip", "10.0.0.0/8"],
            "covers every address",
        ),
        (["--label", "team=a", "--label", "team=b"], "given twice"),
    ] {
        let mut asked = vec!["create", "x"];
        asked.extend(options);
        let refused = home.run(&asked);
        assert_eq!(refused.status, 2, "{options:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    assert!(home.list().is_empty());
}

#[test]
fn a_key_that_begins_later_is_pending_and_says_when() {
    let home = Home::new();
    let made = home.run(&[
        "create",
        "later",
        "--grant",
        "contacts=read",
        "--not-before",
        "2040-01-31",
    ]);
    let token = made.done().stdout;
    let refused = check(&home, token.trim(), "10.0.0.9");
    assert_eq!(
        (refused.status, refused.json()["reason"].clone()),
        (1, json!("not_yet_valid"))
    );
    assert_eq!(home.list()[0]["status"], "pending");
    let shown = home.run(&["show", "later"]).done().stdout;
    assert!(shown.contains("pending, begins 2040-01-31"), "{shown}");
    let told = home.run(&["explain", "later"]).done().stdout;
    assert!(told.contains("the key begins 2040-01-31"), "{told}");
    assert!(told.contains("--not-before none"), "{told}");
}

#[test]
fn lists_are_filtered_by_owner_label_and_rule() {
    let home = Home::new();
    full(&home);
    home.run(&["create", "plain", "--owner", "bob", "--label", "team=sales"])
        .done();
    let names = |options: &[&str]| {
        let mut asked = vec!["list", "--json"];
        asked.extend(options);
        let listed = home.run(&asked).done().json();
        let keys = listed.as_array().expect("an array").clone();
        keys.iter()
            .map(|key| key["name"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&["--owner", "alice"]), ["full"]);
    assert_eq!(names(&["--owner", "ali"]), [""; 0]);
    assert_eq!(names(&["--label", "team"]), ["plain", "full"]);
    assert_eq!(names(&["--label", "team=sales"]), ["plain"]);
    assert_eq!(names(&["--with", "quota"]), ["full"]);
    assert_eq!(names(&["--with", "owner", "--label", "env=prod"]), ["full"]);
    let refused = home.run(&["list", "--with", "size"]);
    assert_eq!(refused.status, 2);
    assert!(refused.stderr.contains("rate-limit"), "{}", refused.stderr);
}

#[test]
fn the_keys_of_a_person_who_left_are_named_and_revoked_together() {
    let home = Home::new();
    crate::people::add(&home, "alice", "manager", 0);
    home.run(&["create", "one", "--owner", "alice"]).done();
    home.run(&["create", "two", "--owner", "alice"]).done();
    home.run(&["create", "team's", "--owner", "billing team"])
        .done();
    home.run(&["create", "nobody's"]).done();
    let findings = || {
        let told = home.run(&["hygiene", "--json"]).done().json();
        let all = told["findings"].as_array().expect("findings").clone();
        let gone = all.iter().filter(|row| row["finding"] == "owner_gone");
        gone.map(|row| row["key_name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(findings(), [json!(null); 0], "she is a member");
    home.run(&["member", "remove", "alice"]).done();
    assert_eq!(findings(), ["two", "one"]);
    let words = home.run(&["hygiene"]).done().stdout;
    assert!(
        words.contains("owner alice is no member any more"),
        "{words}"
    );
    let dry = home
        .run(&["revoke", "--owner", "alice", "--dry-run"])
        .done();
    assert!(
        dry.stdout.contains("\ttwo\t") && dry.stdout.contains("\tone\t"),
        "{}",
        dry.stdout
    );
    assert!(
        dry.stderr.contains("2 API keys would be revoked"),
        "{}",
        dry.stderr
    );
    assert_eq!(home.list().len(), 4, "nothing was changed");
    let unasked = home.run(&["revoke", "--owner", "alice"]);
    assert_eq!(unasked.status, 2, "nobody is there to ask");
    home.run(&[
        "revoke",
        "--owner",
        "alice",
        "--yes",
        "--reason",
        "owner-left",
    ])
    .done();
    let names: Vec<_> = home.list().iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, ["nobody's", "team's"]);
    home.run(&["create", "bent", "--owner", "bob"]).done();
    home.past("UPDATE keys SET quota = 'x' WHERE name = 'bent'");
    let bent = home.run(&["revoke", "--owner", "bob", "--yes"]);
    assert_eq!(bent.status, 1, "nothing is left out in silence");
    assert!(bent.stderr.contains("quota"), "{}", bent.stderr);
    let again = home.run(&["revoke", "--owner", "alice", "--dry-run"]);
    assert_eq!(again.status, 1);
    assert!(
        again.stderr.contains("no key has the owner alice"),
        "{}",
        again.stderr
    );
    assert_eq!(home.run(&["revoke"]).status, 2);
    assert_eq!(
        home.run(&["revoke", "team's", "--owner", "alice"]).status,
        2
    );
}
