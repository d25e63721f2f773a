//! From a refusal of the real endpoint to the fixed rule and the proof that it works.
use nix::sys::signal::Signal::SIGTERM;
use serde_json::Value;

use crate::{command::Home, endpoint::Endpoint, http::ask};

/// Runs a claviger command exactly as `explain` prints it.
fn run(home: &Home, command: &str) {
    let mut shell = std::process::Command::new("sh");
    let words = command
        .strip_prefix("claviger ")
        .expect("a command of ours");
    let line = format!("exec {} {words}", env!("CARGO_BIN_EXE_claviger"));
    let done = shell
        .env_clear()
        .env("HOME", home.path())
        .args(["-c", &line]);
    let done = done.output().expect("run");
    assert!(done.status.success(), "{command}: {done:?}");
}

fn check<'a>(explained: &'a Value, name: &str) -> &'a Value {
    let checks = explained["checks"].as_array().expect("checks");
    checks.iter().find(|it| it["check"] == name).expect(name)
}

#[test]
fn every_failing_check_is_told_with_evidence_and_mended_as_it_is_written() {
    let home = Home::new();
    let arguments = [
        "--grant",
        "contacts=read",
        "--allow-ip",
        "10.0.0.0/24,192.168.1.1",
        "--expires",
        "9d",
    ];
    let (id, token) = home.create("Partner: Acme", &arguments);
    let mut endpoint = Endpoint::start(&home, &[]);
    let headers = [
        ("X-API-Key", token.as_str()),
        ("X-Forwarded-For", "1.1.1.1, 10.0.1.1"),
    ];
    let asked = endpoint.asks("/authorize", "DELETE", "/contacts/41?secret=1", &headers);
    let decision = asked
        .header("x-claviger-decision-id")
        .expect("an id")
        .to_owned();
    endpoint.end(SIGTERM);
    home.past("UPDATE keys SET expires_at = created_at, disabled_at = created_at");

    let explained = home.run(&["explain", &decision, "--json"]).done().json();
    assert_eq!(explained["recorded"]["reason"], "address_not_allowed");
    assert_eq!(
        explained["recorded"]["address_from"],
        "hop 1 of 2 in X-Forwarded-For"
    );
    assert_eq!(explained["recorded"]["path"], "/contacts/41");
    // Every check is reported, not only the one that decided.
    assert_eq!(explained["reason"], "disabled");
    let address = check(&explained, "address_not_allowed");
    assert_eq!(
        address["evidence"],
        "10.0.1.1 is on none of 2 entries; nearest is 10.0.0.0/24"
    );
    let history = address["history"].to_string();
    assert!(
        history.contains("list changed") && history.contains("hop 1 of 2"),
        "{history}"
    );
    let action = check(&explained, "action_not_permitted");
    assert_eq!(action["evidence"], "Contact Access grants Read, not Delete");
    assert_eq!(check(&explained, "no_route")["state"], "holds");

    let mends = explained["mends"].as_array().expect("mends").clone();
    assert_eq!(mends.len(), 4, "{explained}");
    for mend in &mends {
        run(&home, mend["command"].as_str().expect("a command"));
    }
    let mended = home.run(&["explain", &decision, "--json"]).done().json();
    assert_eq!(mended["decision"], "allow", "{mended}");
    // Exactly that address and that grant were added, nothing wider.
    let key = home.run(&["show", &id, "--json"]).done().json();
    assert_eq!(
        key["allow_ip"],
        serde_json::json!(["10.0.0.0/24", "192.168.1.1", "10.0.1.1"])
    );
    assert_eq!(
        key["grants"],
        serde_json::json!({ "contacts": ["read", "delete"] })
    );
    let endpoint = Endpoint::start(&home, &[]);
    assert_eq!(endpoint.acts(&token, "DELETE", "10.0.1.1"), 200);
}

#[test]
fn a_key_is_explained_by_its_newest_refusal_or_by_a_request_that_is_described() {
    let home = Home::new();
    let (id, token) = home.create(
        "acme",
        &["--grant", "contacts=read", "--allow-ip", "10.0.0.0/24"],
    );
    let explain = |more: &[&str]| {
        home.run(&[&["explain", "--json"], more].concat())
            .done()
            .json()
    };
    let none = home.run(&["explain", &id]).done();
    assert!(
        none.stderr.contains("No refusal of this key is known"),
        "{}",
        none.stderr
    );
    let quiet = explain(&[&id]);
    assert_eq!(
        (&quiet["decision"], &quiet["recorded"]),
        (&"deny".into(), &Value::Null)
    );
    assert!(
        check(&quiet, "address_not_allowed")["evidence"]
            .to_string()
            .contains("no address is known")
    );
    let described = ["acme", "--request", "GET /contacts/7", "--ip", "10.0.0.9"];
    assert_eq!(explain(&described)["decision"], "allow");
    let described = [
        "acme",
        "--area",
        "documents",
        "--action",
        "read",
        "--ip",
        "10.0.0.9",
    ];
    assert_eq!(explain(&described)["reason"], "action_not_permitted");

    home.check(&token, "contacts", "delete", Some("10.0.0.9"));
    let newest = explain(&["acme"]);
    assert_eq!(newest["recorded"]["action"], "delete");
    // The same request from another address.
    assert_eq!(
        explain(&["acme", "--ip", "10.9.9.9"])["reason"],
        "address_not_allowed"
    );

    home.run(&["revoke", &id, "--yes", "--reason", "compromised"])
        .done();
    home.check(&token, "contacts", "read", None);
    let gone = explain(&[&id]);
    let evidence = check(&gone, "revoked")["evidence"]
        .as_str()
        .expect("a text");
    assert!(evidence.starts_with("acme was revoked on "), "{evidence}");
    assert!(evidence.ends_with("reason compromised"), "{evidence}");
    // A revoked key is also found by its name: of several, the one revoked last, unless an active
    // key has the name.
    assert_eq!(explain(&["acme"])["key_id"], Value::from(id.as_str()));
    let (second, _) = home.create("acme", &["--grant", "contacts=read"]);
    assert_eq!(explain(&["acme"])["key_id"], Value::from(second.as_str()));
    home.run(&["revoke", &second, "--yes"]).done();
    assert_eq!(explain(&["acme"])["key_id"], Value::from(second.as_str()));

    for (arguments, status, why) in [
        (
            &["explain", "d_0000000000000000"][..],
            1,
            "no refusal d_0000000000000000 is known",
        ),
        (&["explain", "d_short"], 1, "no refusal d_short is known"),
        (&["explain", "nobody"], 1, "no key is called nobody"),
        (
            &["explain", &id, "--request", "brew /x"],
            2,
            "no route can name this method",
        ),
        (
            &["explain", &id, "--request", "GET /a/%2e%2e/b"],
            2,
            "its path could leave its own prefix",
        ),
        (&["explain", &id, "--area", "contacts"], 2, "--action"),
        (
            &["explain", &id, "--area", "invoices", "--action", "read"],
            2,
            "invoices",
        ),
    ] {
        let ended = home.run(arguments);
        ended.refused(status, why);
    }
}

#[test]
fn a_mistyped_token_and_one_of_nobody_are_told_apart() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    let other = Home::new().create("elsewhere", &[]).1;
    let mut endpoint = Endpoint::start(&home, &[]);
    // A token with one wrong digit, a token of another home, and a token with this key's id that
    // was never handed out.
    let mistyped = format!(
        "{}{}",
        &token[..30],
        token[30..].replace(&token[30..31], "_")
    );
    let forged = crate::asking::made_up(&token);
    let mut told = Vec::new();
    for token in [mistyped.as_str(), &other, &forged, ""] {
        let asked = endpoint.asks("/authorize", "GET", "/contacts", &[("X-API-Key", token)]);
        told.push(
            asked
                .header("x-claviger-decision-id")
                .expect("an id")
                .to_owned(),
        );
    }
    endpoint.end(SIGTERM);
    let evidence = |at: usize, name: &str| {
        let explained = home.run(&["explain", &told[at], "--json"]).done().json();
        assert_eq!(explained["key_id"], Value::Null);
        assert_eq!(explained["reason"], name);
        check(&explained, name)["evidence"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let mistyped = evidence(0, "malformed_token");
    assert!(
        mistyped.contains("its shape is wrong") && mistyped.ends_with(&format!("acme ({id})")),
        "{mistyped}"
    );
    assert!(evidence(1, "unknown_token").contains(&format!("names the key {}", &other[4..16])));
    assert!(evidence(2, "unknown_token").contains(&id));
    assert!(evidence(3, "missing_token").contains("no token"));
    // Such a refusal is listed beside the key's own refusals, but does not mark the key as needing
    // attention, since any client can cause it.
    assert_eq!(home.run(&["list", "--attention"]).done().stdout, "");
}

#[test]
fn a_locations_area_that_there_is_not_is_told_from_a_path_without_a_route() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    let mut endpoint = Endpoint::start(&home, &[]);
    let refuse = |to: &str, method: &str, path: &str| {
        let asked = endpoint.asks(to, method, path, &[("X-API-Key", &token)]);
        let id = asked.header("x-claviger-decision-id");
        id.expect("an id").to_owned()
    };
    let told = [
        (
            refuse("/authorize/nope", "GET", "/contacts/7"),
            "the gateway asked for the area nope, and there is none such: the areas are contacts, documents",
        ),
        (
            refuse("/authorize", "OPTIONS", "/contacts/7"),
            "/contacts/7 leads to the area contacts, and OPTIONS means no action there",
        ),
        (
            refuse("/authorize/contacts", "OPTIONS", "/contacts/7"),
            "OPTIONS means no action in Contact Access",
        ),
        (
            refuse("/authorize", "GET", "/elsewhere"),
            "GET /elsewhere leads to no area and action",
        ),
    ];
    endpoint.end(SIGTERM);
    for (id, words) in told {
        let explained = home.run(&["explain", &id, "--json"]).done().json();
        let evidence = check(&explained, "no_route")["evidence"].to_string();
        assert!(evidence.contains(words), "{evidence}");
    }
}

#[test]
fn no_command_is_proposed_that_would_be_refused() {
    let home = Home::new();
    let list: Vec<String> = (1..=100).map(|n| format!("10.1.0.{n}")).collect();
    let full = ["--grant", "contacts=read", "--allow-ip", &list.join(",")];
    let (id, _) = home.create("full", &full);
    let described = [
        "explain", &id, "--area", "contacts", "--action", "read", "--ip", "9.9.9.9", "--json",
    ];
    let explained = home.run(&described).done().json();
    assert_eq!(explained["mends"], serde_json::json!([]), "{explained}");
    let evidence = check(&explained, "address_not_allowed")["evidence"].to_string();
    assert!(evidence.contains("the list is full"), "{evidence}");
}

#[test]
fn whoever_may_not_even_ask_is_told_apart_from_a_mistyped_token() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    let mut endpoint = Endpoint::bare(&home, &["--listen", "127.0.0.1:0"]);
    let body = format!("{{\"token\":\"{token}\",\"area\":\"contacts\",\"action\":\"read\"}}");
    let verify = format!(
        "POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(endpoint.address(), verify.as_bytes());
    let decision = answer.header("x-claviger-decision-id").expect("an id");
    endpoint.end(SIGTERM);
    let explained = home.run(&["explain", decision, "--json"]).done().json();
    assert_eq!(explained["reason"], "no_route", "{explained}");
    let route = check(&explained, "no_route");
    assert_eq!(route["state"], "fails");
    let evidence = route["evidence"].to_string();
    assert!(evidence.contains("--trusted-proxy"), "{evidence}");
    for reason in ["malformed_token", "unknown_token", "action_not_permitted"] {
        assert_eq!(check(&explained, reason)["state"], "untold");
    }
}
