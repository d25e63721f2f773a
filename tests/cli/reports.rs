//! What operators want to know without the screen: `usage` and `notices`.
use serde_json::{Value, json};

use crate::command::Home;

#[test]
fn usage_counts_by_what_is_asked_for_in_every_form() {
    let home = Home::new();
    let empty = home.run(&["usage"]).done();
    assert_eq!(empty.stdout, "");
    assert!(
        empty.stderr.contains("Nothing was counted yet"),
        "{}",
        empty.stderr
    );
    let (id, token) = home.create("counted", &["--grant", "contacts=read"]);
    assert_eq!(
        home.check(&token, "contacts", "read", Some("10.0.0.9")).0,
        0
    );
    assert_eq!(
        home.check(&token, "contacts", "delete", Some("10.0.0.9")).0,
        1
    );
    let by = |list: &str| {
        home.run(&["usage", "counted", "--by", list, "--json"])
            .done()
            .json()
    };
    assert_eq!(
        by("area"),
        json!([{ "area": "contacts", "allowed": 1, "refused": 1 }])
    );
    assert_eq!(
        by("verdict,address"),
        json!([
            { "address": "10.0.0.9", "verdict": "action_not_permitted", "allowed": 0, "refused": 1 },
            { "address": "10.0.0.9", "verdict": "allow", "allowed": 1, "refused": 0 },
        ])
    );
    assert_eq!(by("key")[0]["key"], id);
    let csv = home
        .run(&["usage", "--by", "action,verdict", "--csv"])
        .done()
        .stdout;
    assert_eq!(
        csv,
        "action,verdict,allowed,refused\ndelete,action_not_permitted,0,1\nread,allow,1,0\n"
    );
    let lines = home.run(&["usage"]).done().stdout;
    assert!(lines.ends_with("\t1\t1\n"), "{lines}");
    home.run(&["revoke", "counted", "--yes"]).done();
    assert_eq!(
        by("area").as_array().expect("rows").len(),
        1,
        "also when revoked"
    );
    assert_eq!(
        home.run(&["usage", "--since", "1d", "--json"])
            .done()
            .json()[0]["allowed"],
        1
    );
    for (bad, why) in [
        (vec!["usage", "--by", "hour"], "day, key, area"),
        (vec!["usage", "--by", ""], "day, key, area"),
        (vec!["usage", "--since", "soon"], "is no time of the past"),
    ] {
        home.run(&bad).refused(2, why);
    }
    home.run(&["usage", "nobody"])
        .refused(1, "no key is called nobody");
}

#[test]
fn notices_tell_what_is_about_to_hurt_and_a_timer_can_ask_for_a_status() {
    let home = Home::new();
    let none = home.run(&["notices", "--exit-code"]).done();
    assert!(none.stderr.contains("Nothing to tell"), "{}", none.stderr);
    home.run(&["create", "ending", "--expires", "10d", "--owner", "alice"])
        .done();
    home.run(&["create", "later", "--expires", "40d"]).done();
    home.run(&["create", "pending", "--not-before", "2090-01-01"])
        .done();
    home.run(&["create", "ended", "--expires", "2d"]).done();
    home.run(&["create", "off", "--expires", "2d"]).done();
    home.run(&["disable", "off"]).done();
    home.run(&["create", "quiet"]).done();
    home.past("UPDATE keys SET expires_at = 86399999 WHERE name = 'ended'");
    let (_, token) = home.create("limited", &["--grant", "contacts=read", "--quota", "1/day"]);
    home.past("INSERT INTO quota_uses SELECT id, 'day', CAST(strftime('%s', 'now', 'start of day') AS INTEGER) * 1000, 1 FROM keys WHERE name = 'limited'");
    assert_eq!(
        home.check(&token, "contacts", "read", None).1.as_deref(),
        Some("quota_exceeded")
    );
    let told = |more: &[&str]| {
        let lines = home
            .run(&[&["notices", "--json"], more].concat())
            .done()
            .stdout;
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut told: Vec<String> = lines
            .map(|line| {
                format!(
                    "{} {}",
                    line["key_name"].as_str().expect("a name"),
                    line["notice"].as_str().expect("a word")
                )
            })
            .collect();
        told.sort();
        told
    };
    let usual = [
        "ended ended",
        "ending ending",
        "limited limit_hit",
        "limited refused",
        "pending pending",
    ];
    assert_eq!(told(&[]), usual);
    let mut more = usual.to_vec();
    more.insert(2, "later ending");
    assert_eq!(told(&["--within", "60d"]), more);
    assert!(!told(&["--within", "1d"]).contains(&"ending ending".to_owned()));
    let text = home.run(&["notices"]).done().stdout;
    let line = text
        .lines()
        .find(|line| line.contains("\tending\t"))
        .expect("a line");
    assert!(
        line.contains("\tends 20") && line.ends_with("\talice"),
        "{line}"
    );
    assert_eq!(home.run(&["notices", "--exit-code"]).status, 1);
    home.run(&["notices", "--within", "soon"])
        .refused(2, "is no time");
}

#[test]
fn the_audit_log_is_followed_from_a_number_on_and_from_now_on() {
    use std::{
        io::{BufRead as _, BufReader},
        process::Stdio,
    };

    let home = Home::new();
    home.create("one", &[]);
    home.create("two", &[]);
    let start = |arguments: &[&str]| {
        let mut command = home.command(&[&["audit", "--follow", "--json"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        (child, lines)
    };
    let (mut from_two, mut lines) = start(&["--from", "2"]);
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("read");
        serde_json::from_str(&line).expect("JSON")
    };
    let event = next();
    assert_eq!(
        (&event["sequence"], &event["name"]),
        (&json!(2), &json!("two"))
    );
    home.create("three", &[]);
    let event = next();
    assert_eq!(
        (&event["sequence"], &event["name"]),
        (&json!(3), &json!("three"))
    );
    from_two.kill().expect("ended");
    from_two.wait().expect("waited");
    let numbers = home.run(&["audit", "--from", "3", "--json"]).done().stdout;
    assert_eq!(numbers.lines().count(), 1);
    for bad in [["audit", "--follow", "--reverse"], ["audit", "--from", "0"]] {
        assert_eq!(home.run(&bad).status, 2, "{bad:?}");
    }
}
