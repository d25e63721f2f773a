//! Access areas managed by commands, and the areas with which `serve` refuses to start.
use crate::command::Home;

#[test]
fn areas_are_added_listed_changed_and_removed() {
    let home = Home::new();
    let add = [
        "area",
        "add",
        "invoices",
        "--title",
        "Invoice Access",
        "--badge",
        "Invoices",
        "--route",
        "/invoices",
        "--route",
        "POST /invoices/search=read",
        "--json",
    ];
    let made = home.run(&add).done().json();
    assert_eq!(
        made["routes"],
        serde_json::json!(["/invoices", "POST /invoices/search=read"])
    );
    // Keys can use the area without new code.
    home.create("acme", &["--grant", "invoices=read"]);
    let shown = home.run(&["show", "acme"]).done().stdout;
    assert!(shown.contains("Can read Invoice Access"), "{shown}");
    let plain = home.run(&["area", "add", "v2-orders"]).done();
    assert!(
        plain.stderr.contains("/authorize/v2-orders only"),
        "{}",
        plain.stderr
    );
    let listed = home.run(&["area", "list"]).done().stdout;
    for line in [
        "contacts  Contact Access  (Contacts)",
        "    /documents",
        "v2-orders  V2-orders Access  (V2-orders)",
        "    POST /invoices/search=read",
    ] {
        assert!(listed.lines().any(|one| one == line), "{line}: {listed}");
    }
    home.run(&[
        "area",
        "edit",
        "invoices",
        "--title",
        "Billing",
        "--remove-route",
        "/invoices/",
    ])
    .done();
    let areas = home.run(&["area", "list", "--json"]).done().json();
    assert_eq!(areas[2]["title"], "Billing");
    assert_eq!(
        areas[2]["routes"],
        serde_json::json!(["POST /invoices/search=read"])
    );
    let same = home
        .run(&["area", "edit", "invoices", "--title", "Billing"])
        .done();
    assert!(same.stderr.contains("was like that already"), "{same:?}");
    home.run(&["area", "remove", "v2-orders"]).done();
    assert_eq!(
        home.audit(),
        [
            "area.added",
            "key.created",
            "area.added",
            "area.edited",
            "area.removed"
        ]
    );
    home.run(&["audit", "verify"]).done();
}

/// Checks that each command is refused and that none of them changed anything.
fn refused(refusals: &[(&[&str], i32, &str)]) {
    let home = Home::new();
    home.create("acme", &["--grant", "contacts=read"]);
    for (arguments, status, words) in refusals {
        home.run(arguments).refused(*status, words);
    }
    assert_eq!(home.audit(), ["key.created"]);
}

#[test]
fn an_edit_of_nothing_is_no_change_in_whatever_order_the_routes_are() {
    let home = Home::new();
    let routes = [
        "--route",
        "GET /orders=create",
        "--route",
        "DELETE /orders=read",
    ];
    home.run(&[&["area", "add", "orders"], &routes[..]].concat())
        .done();
    let same = home
        .run(&["area", "edit", "orders", "--title", "Orders Access"])
        .done();
    assert!(same.stderr.contains("was like that already"), "{same:?}");
    assert_eq!(home.audit(), ["area.added"]);
}

#[test]
fn what_is_refused_of_areas_says_why_and_changes_nothing() {
    refused(&[
        (&["area", "add", "Invoices"], 2, "short name"),
        (
            &["area", "add", "contacts"],
            2,
            "there is an access area contacts already",
        ),
        (&["area", "add", "x", "--title", ""], 2, "Title is empty"),
        (&["area", "add", "x", "--badge", "\u{202e}x"], 2, "U+202E"),
        (
            &["area", "add", "--", "-x"],
            2,
            "beginning with a letter or digit",
        ),
        (
            &["area", "add", "x", "--title", "contact access"],
            2,
            "Title contact access is that of the access area contacts",
        ),
        (
            &["area", "edit", "contacts", "--badge", "Documents"],
            2,
            "Badge Documents is that of the access area documents",
        ),
        (&["area", "edit", "contacts"], 2, "--remove-route"),
        (
            &["area", "edit", "x", "--title", "y"],
            2,
            "the areas are contacts, documents",
        ),
        (
            &["area", "remove", "contacts"],
            1,
            "1 key has grants in contacts",
        ),
        (&["area", "remove", "x"], 2, "there is no access area x"),
    ]);
}

#[test]
fn what_is_refused_of_routes_says_why_and_changes_nothing() {
    refused(&[
        (
            &["area", "add", "x", "--route", "invoices"],
            2,
            "write a path such as /invoices",
        ),
        (
            &["area", "add", "x", "--route", "/a/../b"],
            2,
            "without empty, . or .. parts",
        ),
        (&["area", "add", "x", "--route", "/a=read"], 2, "no method"),
        (
            &["area", "add", "x", "--route", "TRACE /a=read"],
            2,
            "in upper case",
        ),
        (
            &["area", "add", "x", "--route", "/contacts"],
            2,
            "the route /contacts is taken",
        ),
        (
            &["area", "add", "x", "--route", "GET /contacts=create"],
            2,
            "is taken",
        ),
        (
            &["area", "add", "x", "--route", "/a", "--route", "/a/"],
            2,
            "would have the route /a twice",
        ),
        (
            &["area", "edit", "contacts", "--route", "/contacts"],
            2,
            "would have the route /contacts twice",
        ),
        (
            &[
                "area",
                "add",
                "x",
                "--route",
                "POST /a=read",
                "--route",
                "POST /a=create",
            ],
            2,
            "twice: a path",
        ),
        (
            &["area", "add", "x", "--route", "/foo*"],
            2,
            "foo* has a * within a segment",
        ),
        (
            &["area", "add", "x", "--route", "/foo bar"],
            2,
            "/foo bar is no route",
        ),
        (
            &["area", "add", "x", "--route", "/foo?x=1"],
            2,
            "/foo?x=1 is no route",
        ),
        (
            &["area", "edit", "contacts", "--remove-route", "/a"],
            2,
            "has no route /a",
        ),
    ]);
}

#[test]
fn opaque_paths_need_routes_of_their_own_and_no_method() {
    let home = Home::new();
    home.run(&["area", "add", "npm", "--route", "/npm", "--paths", "opaque"])
        .done();
    let add = ["area", "add", "dav", "--route", "PROPFIND /dav=read"];
    let told = home.run(&add).done().stderr;
    assert!(
        told.contains("accepts only paths that all programs read alike"),
        "{told}"
    );
    let before = home.audit();
    for (arguments, words) in [
        (
            &["add", "x", "--route", "/npm/x"][..],
            "the area npm would be opaque",
        ),
        (&["add", "x", "--route", "/"], "at, above or below"),
        (&["add", "x", "--route", "/*/y"], "at, above or below"),
        (
            &["edit", "contacts", "--route", "/NPM/y"],
            "at, above or below",
        ),
        (
            &["edit", "npm", "--route", "/contacts/1"],
            "at, above or below",
        ),
        (
            &["edit", "npm", "--route", "GET /npm/y=create"],
            "names a method",
        ),
        (&["edit", "dav", "--paths", "opaque"], "names a method"),
        (
            &["edit", "dav", "--paths", "loose"],
            "write strict or opaque",
        ),
        (
            &["edit", "dav", "--case-sensitive", "maybe"],
            "neither yes nor no",
        ),
    ] {
        home.run(&[&["area"], arguments].concat()).refused(2, words);
    }
    assert_eq!(home.audit(), before);
    let edit = [
        "area",
        "edit",
        "npm",
        "--paths",
        "strict",
        "--case-sensitive",
        "yes",
        "--json",
    ];
    let edited = home.run(&edit).done().json();
    assert_eq!(
        (&edited["paths"], &edited["case_sensitive"]),
        (&"strict".into(), &true.into())
    );
    home.run(&["area", "add", "x", "--route", "/npm/x"]).done();
    let listed = home.run(&["area", "list"]).done().stdout;
    assert!(
        listed.contains("npm  Npm Access  (Npm)  case-sensitive"),
        "{listed}"
    );
}

#[test]
fn a_parameter_of_another_program_is_refused_and_one_that_is_stored_is_named() {
    let home = Home::new();
    for route in [
        "/v1/orgs/:org/contacts",
        "/v1/{org}",
        "GET /v1/<org>=create",
    ] {
        home.run(&["area", "add", "orgs", "--route", route])
            .refused(2, "write * for any one segment");
    }
    let add = ["area", "add", "orgs", "--route", "/v1/$org"];
    let told = home.run(&add).done().stderr;
    assert!(told.contains("$org stands for itself"), "{told}");
    home.tamper(&["UPDATE routes SET path = '/v1/orgs/:org/contacts' WHERE area = 'orgs'"]);
    let listed = home.run(&["area", "list"]).done();
    assert!(
        listed
            .stdout
            .contains("    /v1/orgs/:org/contacts  (literal)"),
        "{listed:?}"
    );
    assert!(
        listed.stderr.contains("--remove-route ROUTE --route ROUTE"),
        "{listed:?}"
    );
    let report = home.run(&["doctor"]);
    assert_eq!(report.status, 1);
    assert!(
        report
            .stdout
            .contains("/v1/orgs/:org/contacts of the area orgs"),
        "{report:?}"
    );
    // It goes on working, and can be replaced.
    home.run(&["area", "edit", "orgs", "--title", "Organisations"])
        .done();
    home.run(&[
        "area",
        "edit",
        "orgs",
        "--route",
        "/v1/orgs/%3Aorg/contacts",
    ])
    .refused(2, "twice");
    let replace = [
        "area",
        "edit",
        "orgs",
        "--remove-route",
        "/v1/orgs/:org/contacts",
        "--route",
        "/v1/orgs/*/contacts",
        "--json",
    ];
    let edited = home.run(&replace).done().json();
    assert_eq!(edited["routes"], serde_json::json!(["/v1/orgs/*/contacts"]));
    let report = home.run(&["doctor"]);
    assert!(!report.stdout.contains("FAILS  route"), "{report:?}");
}

#[test]
fn what_serve_cannot_begin_with_is_refused() {
    let home = Home::new();
    for (arguments, status, words) in [
        (&["--listen", "8750"][..], 2, "write ADDRESS:PORT"),
        (&["--listen", "unix:"], 2, "unix:/run/claviger.sock"),
        (
            &["--gateway", "apache"],
            2,
            "write nginx (also for HAProxy and Apache), ingress-nginx, traefik, caddy or envoy",
        ),
        (&["--trusted-proxy", "10.0.0.7/24"], 2, "host bits"),
        (&["--trusted-proxy", "localhost"], 2, "is a name"),
        (&["--socket-mode", "999"], 2, "three octal digits"),
        (&["--socket-mode", "066"], 2, "begin with 6 or 7"),
        (&["--socket-mode", "660"], 2, "write --listen unix:PATH"),
        (&["--log-format", "xml"], 2, "write text or json"),
        (
            &["--log-level", "loud"],
            2,
            "write error, warn, info or debug",
        ),
        (&["--json"], 2, "--log-format json"),
        (
            &["--listen", "192.0.2.200:8750"],
            1,
            "This machine has no such address",
        ),
        (
            &["--listen", "unix:/nonexistent/x.sock"],
            1,
            "Make the folder first",
        ),
    ] {
        let all = [&["serve"], arguments].concat();
        let ended = home.run(&all);
        assert_eq!(ended.status, status, "{all:?}: {ended:?}");
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
}
