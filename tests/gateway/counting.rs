//! Counting under stress: floods, many clients, two endpoints, a kill, and keys that are gone by
//! the time their uses are written.
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{command::Home, endpoint::Endpoint, http::request, postgres::Database, waiting::until};

/// Sends `count` requests on one connection; `about` makes each request.
fn asks(endpoint: &Endpoint, count: usize, about: impl Fn(usize) -> Vec<u8>) {
    let mut client = endpoint.client();
    for n in 0..count {
        let answer = client.ask(&about(n)).expect("an answer");
        assert!(matches!(answer.status, 200 | 401 | 403), "{answer:?}");
    }
}

fn contacts(token: &str, method: &str, from: &str) -> Vec<u8> {
    let headers = [
        ("X-API-Key", token),
        ("X-Original-Method", method),
        ("X-Original-URI", "/contacts/7"),
        ("X-Forwarded-For", from),
    ];
    request("GET", "/authorize", &headers)
}

fn shown(home: &Home, id: &str) -> Value {
    home.run(&["show", id, "--json"]).done().json()
}

fn number(home: &Home, sql: &str) -> i64 {
    let found = home.past(&format!("SELECT CAST(({sql}) AS TEXT)"));
    let found = found.expect("a row");
    found.parse().expect("a number")
}

#[test]
fn two_endpoints_count_every_request_of_one_key_once() {
    let database = Database::new();
    for home in [Home::new(), Home::on(database.url())] {
        let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
        let mut endpoints = [Endpoint::start(&home, &[]), Endpoint::start(&home, &[])];
        std::thread::scope(|scope| {
            for endpoint in &endpoints {
                for client in 0..3 {
                    let token = &token;
                    scope.spawn(move || {
                        asks(endpoint, 200, |n| {
                            let method = if n % 4 == 0 { "DELETE" } else { "GET" };
                            contacts(token, method, &format!("10.0.{client}.{}", n % 5))
                        });
                    });
                }
            }
        });
        for endpoint in &mut endpoints {
            assert_eq!(endpoint.end(Signal::SIGTERM), Some(0));
        }
        let key = shown(&home, &id);
        assert_eq!(
            (&key["allowed_48h"], &key["refused_48h"]),
            (&900.into(), &300.into())
        );
        assert_eq!(key["refusals"].as_array().expect("refusals").len(), 50);
        let listed = home.run(&["list", "--attention"]).done().stdout;
        assert!(listed.contains("300 refused"), "{listed}");
        assert_eq!(home.audit(), ["key.created"], "uses are no changes");
    }
}

#[test]
fn a_flood_and_ten_thousand_addresses_take_few_rows_and_are_counted_whole() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    let stranger = crate::asking::made_up(&token);
    let mut endpoint = Endpoint::start(&home, &[]);
    std::thread::scope(|scope| {
        let (endpoint, token, stranger) = (&endpoint, &token, &stranger);
        scope.spawn(move || {
            asks(endpoint, 10_000, |n| {
                contacts(token, "GET", &format!("10.1.{}.{}", n / 250, n % 250))
            });
        });
        scope.spawn(move || asks(endpoint, 5_000, |_| contacts(token, "DELETE", "192.0.2.9")));
        scope.spawn(move || asks(endpoint, 5_000, |_| contacts(stranger, "GET", "192.0.2.9")));
        scope.spawn(move || {
            asks(endpoint, 1_000, |n| {
                let path = format!("/nowhere/{n}/{}", "x".repeat(n % 3000));
                let headers = [
                    ("X-API-Key", token.as_str()),
                    ("X-Original-Method", "GET"),
                    ("X-Original-URI", path.as_str()),
                    ("X-Forwarded-For", "192.0.2.9"),
                ];
                request("GET", "/authorize", &headers)
            });
        });
    });
    assert_eq!(endpoint.end(Signal::SIGTERM), Some(0));
    let key = shown(&home, &id);
    assert_eq!(
        (&key["allowed_48h"], &key["refused_48h"]),
        (&10_000.into(), &6_000.into())
    );
    // The limit is 32 sources and the rest, plus two kinds of refusals, doubled in case the hour
    // changed during the test.
    let rows = number(&home, "SELECT count(*) FROM uses");
    assert!(rows <= 2 * (33 + 2), "{rows}");
    let refusals = number(&home, "SELECT count(*) FROM refusals");
    assert!(refusals <= 50 + 10, "{refusals}");
    assert!(number(&home, "SELECT max(length(path)) FROM refusals") <= 201);
    // None of the refusals is counted for the named key: any client can name it.
    assert_eq!(
        number(
            &home,
            "SELECT count(*) FROM refusals WHERE key_id = '' AND named <> ''"
        ),
        10
    );
}

#[test]
fn a_killed_endpoint_loses_what_it_had_not_written_and_counts_nothing_twice() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    let allowed = || shown(&home, &id)["allowed_48h"].as_i64().expect("a number");
    let mut endpoint = Endpoint::start(&home, &[]);
    asks(&endpoint, 100, |_| contacts(&token, "GET", "10.0.0.9"));
    until("they are written", || allowed() == 100);
    asks(&endpoint, 50, |_| contacts(&token, "GET", "10.0.0.9"));
    endpoint.end(Signal::SIGKILL);
    let left = allowed();
    assert!((100..=150).contains(&left), "{left}");
    let mut endpoint = Endpoint::start(&home, &[]);
    asks(&endpoint, 7, |_| contacts(&token, "GET", "10.0.0.9"));
    assert_eq!(endpoint.end(Signal::SIGTERM), Some(0));
    assert_eq!(allowed(), left + 7);
    home.run(&["audit", "verify"]).done();
}

#[test]
fn a_refusal_whose_area_or_key_is_gone_is_explained_all_the_same() {
    let database = Database::new();
    for home in [Home::new(), Home::on(database.url())] {
        home.run(&["area", "add", "invoices", "--route", "/invoices"])
            .done();
        let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
        let mut endpoint = Endpoint::start(&home, &[]);
        let refuse = |path: &str| {
            let asked = endpoint.asks("/authorize", "GET", path, &[("X-API-Key", &token)]);
            assert_eq!(asked.status, 403);
            asked
                .header("x-claviger-decision-id")
                .expect("an id")
                .to_owned()
        };
        let of_area = refuse("/invoices/7");
        let of_key = refuse("/documents/7");
        assert_eq!(endpoint.end(Signal::SIGTERM), Some(0));
        let explain = |id: &str| home.run(&["explain", id, "--json"]).done().json();
        assert_eq!(explain(&of_area)["reason"], "action_not_permitted");
        home.run(&["area", "remove", "invoices"]).done();
        let gone = explain(&of_area);
        assert_eq!(
            (&gone["reason"], &gone["recorded"]["area"]),
            (&"no_route".into(), &"invoices".into())
        );
        let text = home.run(&["explain", &of_area]).done().stdout;
        assert!(text.contains("GET /invoices/7"), "{text}");

        home.run(&["revoke", &id, "--yes", "--reason", "superseded"])
            .done();
        let gone = explain(&of_key);
        assert_eq!(
            (&gone["reason"], &gone["key_name"]),
            (&"revoked".into(), &"acme".into())
        );
        assert_eq!(gone["recorded"]["reason"], "action_not_permitted");
        assert!(home.run(&["hygiene"]).done().stdout.is_empty());
    }
}
