//! Rate limits and quotas of keys, at real endpoints: what is charged, what is refused and when it
//! passes again, what resets nothing, and what two endpoints allow together.
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    asking::verify,
    command::Home,
    endpoint::Endpoint,
    http::{Answer, ask, request},
};

/// Returns the statuses of so many requests to read contacts, one after the other.
fn reads(endpoint: &Endpoint, token: &str, count: usize) -> Vec<u16> {
    (0..count).map(|_| endpoint.reads(token)).collect()
}

fn passed(statuses: &[u16]) -> usize {
    statuses.iter().filter(|status| **status == 200).count()
}

fn read(endpoint: &Endpoint, token: &str) -> Answer {
    endpoint.asks("/authorize", "GET", "/contacts", &[("X-API-Key", token)])
}

#[test]
fn the_burst_passes_and_the_next_is_told_when_to_come_again() {
    let home = Home::new();
    let grants = ["--grant", "contacts=read", "--rate-limit", "1/hour:3"];
    let (id, token) = home.create("slow", &grants);
    let endpoint = Endpoint::start(&home, &[]);
    // What is refused for another reason charges nothing.
    for _ in 0..5 {
        let delete = endpoint.asks(
            "/authorize",
            "DELETE",
            "/contacts",
            &[("X-API-Key", &token)],
        );
        assert_eq!(delete.status, 403);
    }
    assert_eq!(reads(&endpoint, &token, 4), [200, 200, 200, 403]);
    let refused = read(&endpoint, &token);
    assert_eq!(refused.header("x-claviger-status"), Some("429"));
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"rate\";q=3;w=10800")
    );
    let wait: u64 = refused
        .header("retry-after")
        .expect("when")
        .parse()
        .expect("seconds");
    assert!((3_590..=3_600).contains(&wait), "{wait}");
    assert!(
        refused
            .header("ratelimit")
            .expect("what is left")
            .starts_with("\"rate\";r=0;t=")
    );
    assert_eq!(refused.header("x-claviger-key-id"), Some(""));
    // No reveal, edit of something else, rotation or SIGHUP resets it.
    home.run(&["reveal", "slow"]).done();
    home.run(&["edit", "slow", "--description", "d", "--quota", "9/day"])
        .done();
    let rotated = home.run(&["rotate", "slow"]).done().stdout;
    endpoint.signal(Signal::SIGHUP);
    endpoint.wait_for("the settings were read again");
    assert_eq!(reads(&endpoint, &token, 1), [403]);
    assert_eq!(reads(&endpoint, rotated.trim(), 1), [403]);
    // A changed limit is reset, and another endpoint counts for itself.
    let other = Endpoint::start(&home, &[]);
    assert_eq!(reads(&other, &token, 1), [200]);
    home.run(&["edit", "slow", "--rate-limit", "1/hour:2"])
        .done();
    assert_eq!(reads(&endpoint, &token, 3), [200, 200, 403]);
    let log = endpoint.wait_for("reason=\"rate_limited\"");
    assert!(log.contains(&id), "{log}");
}

#[test]
fn explain_tells_the_recorded_verdict_and_who_knows_the_present_one() {
    let home = Home::new();
    let grants = ["--grant", "contacts=read", "--rate-limit", "1/hour:1"];
    let (id, token) = home.create("slow", &grants);
    let mut endpoint = Endpoint::start(&home, &[]);
    assert_eq!(reads(&endpoint, &token, 2), [200, 403]);
    let refused = read(&endpoint, &token);
    let decision = refused
        .header("x-claviger-decision-id")
        .expect("an id")
        .to_owned();
    endpoint.end(Signal::SIGTERM);
    let told = home.run(&["explain", &decision, "--json"]).done().json();
    assert_eq!(told["reason"], "rate_limited");
    let check = |told: &Value| {
        let checks = told["checks"].as_array().expect("checks");
        let found = checks.iter().find(|check| check["check"] == "rate_limited");
        found.expect("the check").clone()
    };
    assert_eq!(check(&told)["state"], "fails");
    let evidence = check(&told)["evidence"].to_string();
    assert!(
        evidence.contains("1 request an hour: used up"),
        "{evidence}"
    );
    let mend = &told["mends"][0];
    assert!(
        mend["change"]
            .as_str()
            .expect("a change")
            .starts_with("wait until"),
        "{mend}"
    );
    assert_eq!(mend["command"], Value::Null);
    let text = home.run(&["explain", &decision]).done().stdout;
    assert!(text.contains("wait until"), "{text}");
    // A described request is not charged, and nobody but an endpoint knows.
    let described = [
        "explain", &id, "--area", "contacts", "--action", "read", "--json",
    ];
    let told = home.run(&described).done().json();
    assert_eq!(
        (&told["decision"], &check(&told)["state"]),
        (&json!("allow"), &json!("untold"))
    );
    assert!(
        check(&told)["evidence"]
            .to_string()
            .contains("only each endpoint knows")
    );
    assert_eq!(home.check(&token, "contacts", "read", None), (0, None));
}

#[test]
fn a_quota_holds_over_two_endpoints_and_a_restart_and_what_is_unspent_is_given_back() {
    let home = Home::new();
    let grants = ["--grant", "contacts=read", "--quota", "500/month"];
    let (_, token) = home.create("counted", &grants);
    let endpoints = [Endpoint::start(&home, &[]), Endpoint::start(&home, &[])];
    let mut allowed = 0;
    for endpoint in &endpoints {
        allowed += passed(&reads(endpoint, &token, 203));
    }
    assert_eq!(allowed, 406);
    let [mut one, mut two] = endpoints;
    one.end(Signal::SIGTERM);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| reads(&two, &token, 40)))
            .collect();
        asking
            .into_iter()
            .flat_map(|one| one.join().expect("asked"))
            .collect()
    });
    assert_eq!(passed(&statuses), 94, "all that is left, and not one more");
    let refused = read(&two, &token);
    assert_eq!(refused.header("x-claviger-status"), Some("429"));
    assert!(
        refused
            .header("ratelimit-policy")
            .expect("policy")
            .starts_with("\"quota\";q=500;w=")
    );
    let decision = refused
        .header("x-claviger-decision-id")
        .expect("an id")
        .to_owned();
    two.end(Signal::SIGTERM);
    let told = home.run(&["explain", &decision, "--json"]).done().json();
    assert_eq!(told["reason"], "quota_exceeded");
    assert!(
        told["mends"][0]["change"]
            .as_str()
            .expect("a change")
            .starts_with("wait until")
    );
    let reason = Some("quota_exceeded".to_owned());
    assert_eq!(home.check(&token, "contacts", "read", None), (1, reason));
    let shown = home.run(&["show", "counted", "--json"]).done().json();
    assert_eq!(shown["quota_used"], 500);
    // A larger quota goes on from there.
    home.run(&["edit", "counted", "--quota", "503/month"])
        .done();
    let again = Endpoint::start(&home, &[]);
    assert_eq!(reads(&again, &token, 4), [200, 200, 200, 403]);
}

#[test]
fn where_a_limit_refuses_nothing_is_charged_to_the_other() {
    let home = Home::new();
    let both = [
        "--grant",
        "contacts=read",
        "--rate-limit",
        "1/hour:2",
        "--quota",
        "300/day",
    ];
    let (_, token) = home.create("both", &both);
    let mut endpoint = Endpoint::start(&home, &[]);
    assert_eq!(passed(&reads(&endpoint, &token, 50)), 2);
    endpoint.end(Signal::SIGTERM);
    let used = home.run(&["show", "both", "--json"]).done().json()["quota_used"].clone();
    assert_eq!(
        used, 2,
        "and what was reserved and not spent was given back"
    );
    let quota = [
        "--grant",
        "contacts=read",
        "--rate-limit",
        "1/hour:9",
        "--quota",
        "2/day",
    ];
    let (_, token) = home.create("few", &quota);
    let endpoint = Endpoint::start(&home, &[]);
    assert_eq!(passed(&reads(&endpoint, &token, 12)), 2);
    home.run(&["edit", "few", "--quota", "none"]).done();
    assert_eq!(
        passed(&reads(&endpoint, &token, 12)),
        7,
        "the rate had been charged twice"
    );
}

#[test]
fn the_trace_of_a_request_is_in_the_line_of_its_decision() {
    let home = Home::new();
    let endpoint = Endpoint::start(&home, &[]);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("X-API-Key", "clv_x"), ("traceparent", trace)];
    let answer = endpoint.asks("/authorize", "GET", "/contacts", &headers);
    let line = endpoint.wait_for(answer.header("x-claviger-decision-id").expect("an id"));
    assert!(line.contains(&format!("traceparent=\"{trace}\"")), "{line}");
    let headers = [("X-API-Key", "clv_x"), ("traceparent", "00-x")];
    let answer = endpoint.asks("/authorize", "GET", "/contacts", &headers);
    let line = endpoint.wait_for(answer.header("x-claviger-decision-id").expect("an id"));
    assert!(!line.contains("traceparent"), "{line}");
}

#[test]
fn metrics_tell_the_decisions_by_a_label_when_asked_and_the_keys_that_end() {
    let home = Home::new();
    let rules = [
        "--grant",
        "contacts=read",
        "--label",
        "team=billing dept",
        "--expires",
        "3d",
    ];
    let (_, token) = home.create("owned", &rules);
    let get = |endpoint: &Endpoint| ask(endpoint.address(), &request("GET", "/metrics", &[])).body;
    let plain = Endpoint::start(&home, &[]);
    assert_eq!(reads(&plain, &token, 1), [200]);
    assert!(!get(&plain).contains("billing dept"), "not unless asked");
    let endpoint = Endpoint::start(&home, &["--metrics-label", "team"]);
    assert_eq!(reads(&endpoint, &token, 2), [200, 200]);
    crate::waiting::until("the keys that end are counted", || {
        get(&endpoint).contains("claviger_keys_ending{within=\"7d\"} 1")
    });
    let text = get(&endpoint);
    for line in [
        "claviger_label_decisions_total{value=\"billing dept\",decision=\"allow\"} 2",
        "claviger_keys_ending{within=\"1d\"} 0",
        "claviger_keys_ending{within=\"30d\"} 1",
    ] {
        assert!(
            text.lines().any(|one| one == line),
            "{line} is not in {text}"
        );
    }
}

#[test]
fn a_quota_that_became_smaller_than_what_was_used_lets_nothing_more_pass() {
    let home = Home::new();
    let rules = ["--grant", "contacts=read", "--quota", "300/day"];
    let (_, token) = home.create("counted", &rules);
    let endpoint = Endpoint::start(&home, &[]);
    // A share of three, of which one is left.
    assert_eq!(reads(&endpoint, &token, 2), [200, 200]);
    home.run(&["edit", "counted", "--quota", "2/day"]).done();
    assert_eq!(reads(&endpoint, &token, 2), [403, 403]);
    // What is left counts again where there is room for it: three of four are reserved.
    home.run(&["edit", "counted", "--quota", "4/day"]).done();
    assert_eq!(passed(&reads(&endpoint, &token, 5)), 1);
}

#[test]
fn where_no_share_can_be_written_nothing_passes() {
    let home = Home::new();
    let (_, free) = home.create("free", &["--grant", "contacts=read"]);
    let (_, token) = home.create(
        "counted",
        &["--grant", "contacts=read", "--quota", "50/day"],
    );
    let endpoint = Endpoint::start(&home, &[]);
    assert_eq!(reads(&endpoint, &token, 1), [200]);
    home.tamper(&["ALTER TABLE quota_uses RENAME TO gone"]);
    assert_eq!(reads(&endpoint, &token, 1), [503]);
    assert_eq!(
        reads(&endpoint, &free, 1),
        [200],
        "another key does not need one"
    );
    home.tamper(&["ALTER TABLE gone RENAME TO quota_uses"]);
    assert_eq!(reads(&endpoint, &token, 1), [200]);
}

#[test]
fn verify_tells_owner_labels_and_limits_and_charges_them() {
    let home = Home::new();
    let rules = [
        "--grant",
        "contacts=read",
        "--rate-limit",
        "1/hour:1",
        "--owner",
        "Zoë",
        "--label",
        "team=billing & co",
    ];
    let (_, token) = home.create("app", &rules);
    let endpoint = Endpoint::start(&home, &["--gateway", "traefik"]);
    let verified = || {
        let body = json!({ "token": token, "area": "contacts", "action": "read" });
        verify(&endpoint, &body.to_string()).json()
    };
    let asked = || {
        let headers = [
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Uri", "/contacts"),
            ("X-API-Key", &token),
        ];
        ask(endpoint.address(), &request("GET", "/authorize", &headers))
    };
    let allowed = verified();
    assert_eq!(
        (&allowed["decision"], &allowed["owner"]),
        (&json!("allow"), &json!("Zoë"))
    );
    assert_eq!(allowed["labels"], json!({ "team": "billing & co" }));
    let refused = verified();
    assert_eq!(
        (&refused["reason"], &refused["status"]),
        (&json!("rate_limited"), &json!(429))
    );
    assert!(refused["passes_at"].as_str().expect("when").ends_with('Z'));
    let answer = asked();
    assert_eq!(answer.status, 429, "a gateway that knows it gets it");
    assert_eq!(answer.header("x-claviger-status"), Some(""));
    home.run(&["edit", "app", "--rate-limit", "none"]).done();
    let answer = asked();
    assert_eq!(answer.header("x-claviger-owner"), Some("Zo%C3%AB"));
    assert_eq!(
        answer.header("x-claviger-labels"),
        Some("team=billing%20%26%20co")
    );
}
