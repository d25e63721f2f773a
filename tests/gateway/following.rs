//! A running endpoint follows every change at once: keys, areas and routes.
use crate::{command::Home, endpoint::Endpoint, postgres::Database};

fn on_both(story: impl Fn(&Home)) {
    story(&Home::new());
    let database = Database::new();
    story(&Home::on(database.url()));
}

#[test]
fn the_first_request_after_a_change_knows_of_it() {
    on_both(|home| {
        let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
        let endpoint = Endpoint::start(home, &[]);
        let asks = |method: &str, from: &str| endpoint.acts(&token, method, from);
        assert_eq!(asks("GET", "10.0.0.9"), 200);
        assert_eq!(asks("DELETE", "10.0.0.9"), 403);
        home.run(&["edit", &id, "--grant", "contacts=read,delete"])
            .done();
        assert_eq!(asks("DELETE", "10.0.0.9"), 200);
        home.run(&["edit", &id, "--allow-ip", "10.0.1.0/24"]).done();
        assert_eq!(asks("GET", "10.0.0.9"), 403);
        assert_eq!(asks("GET", "10.0.1.9"), 200);
        home.run(&["disable", &id]).done();
        assert_eq!(asks("GET", "10.0.1.9"), 401);
        home.run(&["enable", &id]).done();
        assert_eq!(asks("GET", "10.0.1.9"), 200);
        home.run(&["revoke", &id, "--yes"]).done();
        assert_eq!(asks("GET", "10.0.1.9"), 401);
        let (_, another) = home.create("another", &["--grant", "contacts=read"]);
        assert_eq!(
            endpoint.reads(&another),
            200,
            "made while the endpoint runs"
        );
    });
}

#[test]
fn areas_and_routes_come_change_and_go_while_it_runs() {
    on_both(|home| {
        let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
        let endpoint = Endpoint::start(home, &[]);
        let asks = |to: &str, method: &str, path: &str| {
            let headers = [("X-API-Key", token.as_str())];
            endpoint.asks(to, method, path, &headers).status
        };
        assert_eq!(asks("/authorize", "GET", "/invoices/7"), 403);
        assert_eq!(asks("/authorize/invoices", "GET", "/invoices/7"), 403);
        let add = [
            "area",
            "add",
            "invoices",
            "--route",
            "/invoices",
            "--route",
            "POST /invoices/search=read",
        ];
        home.run(&add).done();
        home.run(&["edit", "acme", "--grant", "invoices=read"])
            .done();
        assert_eq!(asks("/authorize", "GET", "/invoices/7"), 200);
        assert_eq!(asks("/authorize/invoices", "GET", "/any/path"), 200);
        assert_eq!(asks("/authorize", "POST", "/invoices/search"), 200);
        assert_eq!(asks("/authorize/invoices", "POST", "/invoices/search"), 200);
        assert_eq!(
            asks("/authorize/contacts", "POST", "/invoices/search"),
            403,
            "of its own area only"
        );
        assert_eq!(asks("/authorize", "POST", "/invoices"), 403);
        home.run(&[
            "area",
            "edit",
            "invoices",
            "--route",
            "/v2/invoices",
            "--remove-route",
            "POST /invoices/search=read",
        ])
        .done();
        assert_eq!(asks("/authorize", "POST", "/invoices/search"), 403);
        assert_eq!(asks("/authorize", "GET", "/v2/invoices"), 200);
        home.run(&["area", "remove", "invoices"])
            .refused(1, "1 key has grants in invoices");
        home.run(&["edit", "acme", "--grant", "invoices=none"])
            .done();
        home.run(&["area", "remove", "invoices"]).done();
        assert_eq!(asks("/authorize", "GET", "/invoices/7"), 403);
        assert_eq!(asks("/authorize", "GET", "/contacts"), 200);
    });
}

#[test]
fn many_changes_at_once_are_followed_one_by_one() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    assert_eq!(endpoint.reads(&token), 200);
    // More events than one read returns; the event that matters is in the middle.
    let change = |at: i64| {
        format!(
            "UPDATE workspace SET epoch = epoch + 1, chain_head = 'h{at}';
             INSERT INTO audit_events (sequence, at, actor, change, subject_id, subject_name, details, previous_hash, hash)
             SELECT epoch, 0, 'x', 'key.edited', {}, '', '{{}}',
                    coalesce((SELECT hash FROM audit_events ORDER BY sequence DESC LIMIT 1), ''), chain_head FROM workspace;",
            if at == 600 { format!("'{id}'") } else { "'000000000000'".to_owned() }
        )
    };
    let mut statements: Vec<String> = (0..1200).map(change).collect();
    statements.insert(0, "BEGIN".to_owned());
    statements.push("UPDATE keys SET disabled_at = 1".to_owned());
    statements.push("COMMIT".to_owned());
    home.tamper(&[statements.join(";")]);
    assert_eq!(endpoint.reads(&token), 401);
}

#[test]
fn a_location_of_one_agent_lets_no_other_agents_keys_pass() {
    on_both(|home| {
        let (_, first) = home.create("first", &["--grant", "contacts=read"]);
        let endpoint = Endpoint::start(home, &[]);
        let asks = |to: &str, token: &str| {
            let headers = [("X-API-Key", token)];
            endpoint.asks(to, "GET", "/contacts/7", &headers).status
        };
        assert_eq!(asks("/agents/default/authorize", &first), 200);
        assert_eq!(asks("/agents/prod/authorize", &first), 403);
        home.run(&["agent", "add", "prod"]).done();
        let more = ["--agent", "prod", "--grant", "contacts=read"];
        let (_, in_prod) = home.create("in prod", &more);
        for (token, agent, other) in [(&first, "default", "prod"), (&in_prod, "prod", "default")] {
            for path in ["authorize", "authorize/contacts"] {
                assert_eq!(asks(&format!("/agents/{agent}/{path}"), token), 200);
                assert_eq!(asks(&format!("/agents/{other}/{path}"), token), 403);
            }
            assert_eq!(asks("/authorize", token), 200, "a location of nobody's");
        }
        home.run(&["revoke", "in prod", "--yes"]).done();
        home.run(&["agent", "remove", "prod"]).done();
        assert_eq!(asks("/agents/prod/authorize", &in_prod), 401);
    });
}

#[test]
fn an_approval_counts_from_the_next_request_on_and_a_request_for_one_never() {
    on_both(|home| {
        home.create("other", &[]);
        let line =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJJk4JUbI6zdI3cPUT5hoSf6NbRKIUMDU6nUMWKRiwI0";
        let add = [
            "member",
            "add",
            "bob",
            "--role",
            "manager",
            "--ssh-key",
            "-",
            "--json",
        ];
        let bob = home.fed(&add, line.as_bytes()).done().json();
        let bob = bob["id"].as_str().expect("an id").to_owned();
        home.run(&["workspace", "--approve-widening", "yes"]).done();
        let endpoint = Endpoint::start(home, &[]);
        let approve = || {
            let mut command = home.command(&["--member", &bob]);
            command.env("SSH_ORIGINAL_COMMAND", "claviger approve new");
            crate::command::ended(command.stdin(std::process::Stdio::null())).done();
        };
        let grants = ["--grant", "contacts=read", "--allow-ip", "10.0.0.0/24"];
        let (id, token) = home.create("new", &grants);
        let asks = |from: &str| endpoint.acts(&token, "GET", from);
        assert_eq!(asks("10.0.0.9"), 401);
        approve();
        assert_eq!(asks("10.0.0.9"), 200);
        home.run(&["edit", &id, "--allow-ip", "10.0.0.0/8"]).done();
        assert_eq!((asks("10.0.0.9"), asks("10.9.9.9")), (200, 403));
        approve();
        assert_eq!(asks("10.9.9.9"), 200);
        home.run(&["disable", &id]).done();
        home.run(&["enable", &id]).done();
        assert_eq!(asks("10.9.9.9"), 401);
        approve();
        assert_eq!(asks("10.9.9.9"), 200);
    });
}
