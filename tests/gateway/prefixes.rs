//! Tokens with a prefix of their agent's own, at a real endpoint: as fresh as any other state.
use crate::{asking::verify, command::Home, endpoint::Endpoint};
use serde_json::json;

/// Returns the status, the reason and the detail of what the log says about a request with these
/// values in `X-API-Key`.
fn told(endpoint: &Endpoint, values: &[&str]) -> String {
    let values = values.join(", ");
    let answer = endpoint.asks("/authorize", "GET", "/contacts", &[("x-api-key", &values)]);
    if answer.status == 200 {
        return "200".to_owned();
    }
    let id = answer.header("x-claviger-decision-id").expect("an id");
    let line = endpoint.wait_for(id);
    let word = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\"")).expect("a field");
        rest.split('"').next().expect("a word").to_owned()
    };
    format!("{} {} {}", answer.status, word("reason"), word("detail"))
}

#[test]
fn a_prefix_counts_from_the_next_request_on_and_never_ends() {
    let home = Home::new();
    let (_, clv) = home.create("old", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    assert_eq!(told(&endpoint, &[&clv, "acme_live_x"]), "200");
    assert_eq!(
        told(&endpoint, &["acme_live_x"]),
        "401 malformed_token bad_shape"
    );

    home.run(&["agent", "add", "prod", "--prefix", "acme_live"])
        .done();
    let two = "401 malformed_token two_credentials";
    assert_eq!(told(&endpoint, &[&clv, "acme_live_x"]), two);
    assert_eq!(
        told(&endpoint, &["acme_live_x"]),
        "401 malformed_token bad_shape"
    );
    let in_prod = ["--agent", "prod", "--grant", "contacts=read"];
    let (id, first) = home.create("first", &in_prod);
    assert!(first.starts_with(&format!("acme_live_{id}_")), "{id}");
    assert_eq!(told(&endpoint, &[&first]), "200");
    assert_eq!(told(&endpoint, &[&first, "sk_live_0123456789AB_x"]), "200");
    assert_eq!(told(&endpoint, &[&first, &clv]), two);

    // Another endpoint knows it from its first request on.
    let other = Endpoint::start(&home, &[]);
    assert_eq!(told(&other, &[&first, &clv]), two);
    assert_eq!(told(&other, &[&first]), "200");

    home.run(&["agent", "edit", "prod", "--prefix", "acme_next"])
        .done();
    let (_, second) = home.create("second", &in_prod);
    assert!(second.starts_with("acme_next_"));
    for token in [&first, &second] {
        assert_eq!(told(&endpoint, &[token]), "200");
    }
    assert_eq!(told(&endpoint, &[&first, "acme_next_x"]), two);
    let rotated = home
        .run(&["rotate", "first", "--overlap", "1h"])
        .done()
        .stdout;
    let rotated = rotated.trim();
    assert!(rotated.starts_with(&format!("acme_next_{id}_")));
    assert_eq!(
        [&first[..], rotated].map(|token| told(&endpoint, &[token])),
        ["200"; 2]
    );

    // A retired one is still ours, and so are its mistyped and revoked tokens.
    home.run(&["agent", "edit", "prod", "--prefix", "none"])
        .done();
    home.run(&["revoke", "first", "--yes"]).done();
    assert_eq!(told(&endpoint, &[&first]), "401 revoked ");
    assert_eq!(told(&endpoint, &[&first, &clv]), two);
    let mistyped = format!("{}!", &second[..second.len() - 1]);
    assert_eq!(
        told(&endpoint, &[&mistyped]),
        "401 malformed_token bad_shape"
    );
    assert_eq!(told(&endpoint, &[&second]), "200");
    let body = json!({ "token": &second, "area": "contacts", "action": "read" });
    let verdict = verify(&endpoint, &body.to_string()).json();
    assert_eq!(verdict["decision"], "allow");

    home.run(&["revoke", "second", "--yes"]).done();
    home.run(&["agent", "remove", "prod"]).done();
    assert_eq!(told(&endpoint, &[&second]), "401 revoked ");
}

#[test]
fn no_part_of_a_secret_behind_an_own_prefix_is_logged_or_kept() {
    let home = Home::new();
    home.run(&["agent", "add", "prod", "--prefix", "acme_live"])
        .done();
    let (_, token) = home.create("x", &["--agent", "prod", "--grant", "contacts=read"]);
    let (public, secret) = token.split_at("acme_live_".len() + 13);
    let mut endpoint = Endpoint::start(&home, &[]);
    for piece in [secret, &secret[..20], &secret[..6]] {
        for disguise in [
            format!("{public}{piece}"),
            format!("{public}{piece}").replace('_', "%5F"),
        ] {
            let path = format!("/contacts/{disguise}");
            endpoint.asks("/authorize", "GET", &path, &[("x-api-key", "")]);
            endpoint.asks(
                "/authorize",
                "GET",
                &path,
                &[("x-forwarded-for", &disguise)],
            );
            endpoint.asks(&format!("/{disguise}"), "GET", "/", &[]);
        }
    }
    endpoint.wait_for_nth("refused", 18);
    let log = endpoint.log().concat();
    assert!(
        log.contains(&public[..20]) && !log.contains(&secret[..6]),
        "{log}"
    );
    assert_eq!(endpoint.end(nix::sys::signal::Signal::SIGTERM), Some(0));
    let kept = home
        .run(&["refusals", "--unmatched", "--json"])
        .done()
        .stdout;
    assert!(
        kept.contains(&public[..20]) && !kept.contains(&secret[..6]),
        "{kept}"
    );
    for arguments in [
        &["show", &token][..],
        &["create", &token],
        &["list", "--sort", &token],
        &["edit", "x", "--rate-limit", &token],
        &[
            "area",
            "add",
            "a",
            "--title",
            "A",
            "--route",
            &format!("GET /{token}"),
        ],
    ] {
        let refused = home.run(arguments);
        assert_ne!(refused.status, 0, "{}", arguments[0]);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(!said.contains(&secret[..6]), "{said}");
    }
}
