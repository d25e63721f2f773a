//! Facts that peers which do the same job keep in their tests, asked of this endpoint: what they deny
//! must not be allowed here, and what their clients rely on must pass.
//!
//! A row of peers.txt has the gateway, the expected status with its reason and detail, the request line
//! and headers of the question, and the fact. `@method`, `@target` and `@for` stand for the headers
//! `X-Forwarded-Method`, `-Uri` and `-For`, `@key` for `X-API-Key`, and
//! `{contacts=read@LIST}` for the token of a key with this grant and allow-list.
use std::collections::HashMap;

use crate::{
    command::Home,
    endpoint::Endpoint,
    http::{ask, request},
};

const ROWS: &str = include_str!("peers.txt");

/// Returns the arguments of `create` for a key such as `contacts=read+documents=all@10.0.0.1`.
fn arguments(key: &str) -> Vec<&str> {
    let (grants, list) = key.split_once('@').unwrap_or((key, "any"));
    let grants = grants.split('+').flat_map(|grant| ["--grant", grant]);
    grants.chain(["--allow-ip", list]).collect()
}

#[test]
fn what_peers_deny_is_denied_and_what_their_clients_need_passes() {
    let home = Home::new();
    let mut endpoints: HashMap<&str, Endpoint> = HashMap::new();
    let mut tokens: HashMap<&str, String> = HashMap::new();
    let mut count = 0;
    for row in ROWS.lines() {
        let (columns, fact) = row.split_once(" # ").expect("a fact");
        let mut columns = columns.split(" | ");
        let gateway = columns.next().expect("a gateway");
        let expected = columns.next().expect("an answer");
        let line = columns.next().expect("a request line");
        let (method, target) = line.split_once(' ').expect("method and target");
        let endpoint = endpoints
            .entry(gateway)
            .or_insert_with(|| Endpoint::start(&home, &["--gateway", gateway]));
        let mut headers = Vec::new();
        for column in columns {
            let (name, value) = column
                .split_once(": ")
                .unwrap_or((column.trim_end_matches(':'), ""));
            let key = value
                .split_once('{')
                .and_then(|(before, rest)| Some((before, rest.strip_suffix('}')?)));
            let value = match key {
                Some((before, key)) => {
                    let made = || home.create(key, &arguments(key)).1;
                    format!("{before}{}", tokens.entry(key).or_insert_with(made))
                }
                None => value.to_owned(),
            };
            let name = match name {
                "@method" => "X-Forwarded-Method",
                "@target" => "X-Forwarded-Uri",
                "@for" => "X-Forwarded-For",
                "@key" => "X-API-Key",
                other => other,
            };
            headers.push((name, value));
        }
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let answer = ask(endpoint.address(), &request(method, target, &headers));
        let (status, why) = expected.split_once(' ').unwrap_or((expected, ""));
        assert_eq!(answer.status.to_string(), status, "{fact}: {row}");
        if !why.is_empty() {
            let id = answer.header("x-claviger-decision-id").expect("an id");
            let logged = endpoint.wait_for(id);
            let (reason, detail) = why.split_once('/').unwrap_or((why, ""));
            let says = |word: &str| logged.contains(&format!("=\"{word}\""));
            assert!(says(reason) && says(detail), "{fact}: {logged}");
        }
        count += 1;
    }
    assert!(count > 80, "{count} rows");
}
