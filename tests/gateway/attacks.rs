//! The attack cases of an authorization endpoint, run through each of the real gateways: a request
//! that the endpoint refuses never reaches the API, and the API gets the request that was decided
//! on.
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use claviger::domain::route::RequestPath;
use nix::sys::signal::Signal;

use crate::{
    command::Home,
    endpoint::Endpoint,
    gateways::{Api, Gateway, Kind},
    http::{Answer, Client, request},
    waiting::until,
};

/// A gateway with an endpoint, an API and some keys.
struct Front {
    kind: Kind,
    home: Home,
    endpoint: Endpoint,
    api: Api,
    gateway: Gateway,
    /// The token of a key that may read contacts and what [`AREAS`] holds, except what lies further in
    /// there, from anywhere.
    reader: String,
    /// The token of a key that may do everything, from 10.0.0.0/24.
    elsewhere: String,
    /// The token of a key that may do everything with documents, from anywhere.
    documents: String,
}

/// Areas with paths of every form, and areas that lie within others.
const AREAS: &[&[&str]] = &[
    &["objects", "--route", "/objects", "--paths", "opaque"],
    &["api", "--route", "/api"],
    &["admin", "--route", "/api/admin"],
    &[
        "dav",
        "--route",
        "PROPFIND /dav=read",
        "--route",
        "QUERY /dav=read",
    ],
    &["orgs", "--route", "/v1/orgs"],
    &[
        "invoices",
        "--route",
        "/v1/orgs/*/invoices",
        "--route",
        "/v1/orgs/*:close",
    ],
];

impl Front {
    fn new(kind: Kind) -> Self {
        Self::behind(kind, |endpoint, api| Gateway::start(kind, endpoint, api))
    }

    fn behind(kind: Kind, gateway: impl FnOnce(SocketAddr, SocketAddr) -> Gateway) -> Self {
        let home = Home::new();
        let everything = [
            "--grant",
            "contacts=all",
            "--grant",
            "documents=all",
            "--allow-ip",
            "10.0.0.0/24",
        ];
        for area in AREAS {
            home.run(&[&["area", "add"], *area].concat()).done();
        }
        let grants = [
            "contacts=read",
            "objects=read",
            "api=all",
            "dav=read",
            "orgs=all",
        ];
        let grants: Vec<&str> = grants
            .into_iter()
            .flat_map(|grant| ["--grant", grant])
            .collect();
        let (_, reader) = home.create("Reader: 1", &grants);
        let (_, elsewhere) = home.create("elsewhere", &everything);
        let (_, documents) = home.create("documents", &["--grant", "documents=all"]);
        let endpoint = Endpoint::start(&home, &["--gateway", kind.word()]);
        let api = Api::start();
        let gateway = gateway(endpoint.address(), api.address);
        let front = Self {
            kind,
            home,
            endpoint,
            api,
            gateway,
            reader,
            elsewhere,
            documents,
        };
        // The gateway listens before it is fully ready.
        until("a request passes", || {
            front
                .send(&get("/contacts", &[("X-API-Key", &front.reader)]))
                .is_some_and(|it| it.status == 200)
        });
        front.api.reached();
        front
    }

    /// Sends bytes; returns the answer, if there is one.
    fn send(&self, bytes: &[u8]) -> Option<Answer> {
        send(self.gateway.address, bytes)
    }

    /// Checks that the API gets nothing and the client gets an error or no answer.
    #[track_caller]
    fn refused(&self, case: &str, bytes: &[u8]) {
        let answer = self.send(bytes);
        let reached = self.api.reached();
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        assert!(
            reached.is_empty(),
            "{:?} {case}: {status} {reached:?}",
            self.kind
        );
        assert!(
            status == 0 || (400..600).contains(&status),
            "{:?} {case}: {answer:?}",
            self.kind
        );
    }

    /// Checks that the request is allowed; returns the head that reached the API.
    #[track_caller]
    fn allowed(&self, case: &str, bytes: &[u8]) -> String {
        let answer = self
            .send(bytes)
            .unwrap_or_else(|| panic!("{:?} {case}: no answer", self.kind));
        let reached = self.api.reached();
        assert_eq!(
            answer.status,
            200,
            "{:?} {case}: {answer:?} {:#?}",
            self.kind,
            self.endpoint.log().last()
        );
        assert_eq!(reached.len(), 1, "{:?} {case}: {reached:?}", self.kind);
        reached.concat()
    }

    /// Checks that only GET and HEAD requests for paths that stay within contacts reach the API.
    #[track_caller]
    fn at_most_reading(&self, case: &str, bytes: &[u8]) {
        self.send(bytes);
        for head in self.api.reached() {
            let mut words = head.split(' ');
            let method = words.next().expect("a method");
            let path = words.next().expect("a path");
            assert!(
                ["GET", "HEAD"].contains(&method) && stays_within(path, "/contacts"),
                "{:?} {case}: {head}",
                self.kind
            );
        }
    }
}

fn send(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut client = Client::connect(address).ok()?;
    // The gateway may refuse the request before all of it was sent.
    let _ = client.send(bytes);
    client.receive().ok().flatten()
}

/// Returns `true` if the path of a target lies at or below `root`, and escapes it for no reader.
fn stays_within(target: &str, root: &str) -> bool {
    let read = RequestPath::read(target.as_bytes());
    let read = read
        .as_ref()
        .map(|path| path.unambiguous().unwrap_or(path.sent()));
    let rest = read.and_then(|path| path.strip_prefix(root));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn get(target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    request("GET", target, headers)
}

/// Returns the values of a header in a head.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let named = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.trim()).collect()
}

fn attack(kind: Kind) {
    let front = Front::new(kind);
    let key = ("X-API-Key", front.reader.as_str());
    allowed_requests(&front);
    owners_and_limits(&front);
    forged_addresses(&front);
    credentials(&front);
    paths(&front);
    methods(&front);
    hop_by_hop(&front);
    forms_of_paths(&front);
    path_overrides(&front);
    proxy_secrets(&front);
    websockets(&front);
    preflights(&front);
    bodies(&front);
    // A15: the health path belongs to the endpoint, not to the gateway.
    front.refused("health", &get("/healthz", &[]));
    front.refused(
        "health",
        &get("/contacts", &[("User-Agent", "GoogleHC/1.0")]),
    );
    front.refused(
        "the endpoint's own path",
        &get("/_claviger/authorize/contacts", &[]),
    );
    // A16: an answer is valid for one request only.
    front.allowed("with a key", &get("/contacts/16", &[key]));
    front.refused("the same without", &get("/contacts/16", &[]));
    revoked_in_a_storm(&front);
    failures(front);
}

/// The API is told a key's owner and labels whatever the client says, and a client that sends too
/// much hears so, and when to come again.
fn owners_and_limits(front: &Front) {
    let rules = [
        "--grant",
        "contacts=read",
        "--rate-limit",
        "1/hour:2",
        "--owner",
        "Zoë",
        "--label",
        "team=a&b",
        "--label",
        "env=prod",
    ];
    let (_, token) = front.home.create("owned", &rules);
    let asked = get(
        "/contacts/1",
        &[
            ("X-API-Key", &token),
            ("X-Claviger-Owner", "root"),
            ("X-Claviger-Labels", "team=root"),
        ],
    );
    for _ in 0..2 {
        let head = front.allowed("an owner and labels", &asked);
        assert_eq!(values(&head, "X-Claviger-Owner"), ["Zo%C3%AB"], "{head}");
        let labels = values(&head, "X-Claviger-Labels");
        assert_eq!(labels, ["env=prod,team=a%26b"], "{head}");
    }
    let answer = front.send(&asked).expect("an answer");
    assert_eq!(answer.status, 429, "{:?}", front.kind);
    let wait = answer.header("retry-after").expect("when to come again");
    assert!((3_500..=3_600).contains(&wait.parse::<u32>().expect("seconds")));
    let policy = answer.header("ratelimit-policy");
    assert_eq!(policy, Some("\"rate\";q=2;w=7200"), "{:?}", front.kind);
    let id = answer.header("x-claviger-decision-id").expect("an id");
    assert!(id.starts_with("d_"), "{id}");
    let line = front.endpoint.wait_for("reason=\"rate_limited\"");
    assert!(line.contains(id), "{line}");
    assert!(front.api.reached().is_empty(), "{:?}", front.kind);
    // A refusal for another reason says nothing of limits.
    let refused = front.send(&request("DELETE", "/contacts/1", &[("X-API-Key", &token)]));
    let refused = refused.expect("an answer");
    assert_eq!((refused.status, refused.header("retry-after")), (403, None));
}

/// A12, and that an allowed request arrives unchanged.
fn allowed_requests(front: &Front) {
    let key = ("X-API-Key", front.reader.as_str());
    let head = front.allowed("a read", &get("/contacts/7?q=a%20b", &[key]));
    assert!(head.starts_with("GET /contacts/7?q=a%20b "), "{head}");
    front.allowed("HEAD", &request("HEAD", "/contacts/7", &[key]));
    let bearer = format!("Bearer {}", front.reader);
    front.allowed("Bearer", &get("/contacts", &[("Authorization", &bearer)]));
    front.allowed("an escape", &get("/contacts/caf%C3%A9", &[key]));
    let forged = [
        key,
        ("X-Claviger-Key-Id", "root"),
        ("X-Claviger-Key-Id", "admin"),
        ("X-Claviger-Key-Name", "root"),
        ("X-Claviger-Decision-Id", "root"),
        ("X-Claviger-Owner", "root"),
        ("X-Claviger-Labels", "root"),
        ("X_Claviger_Key_Id", "root"),
        ("X-Claviger_Key-Name", "root"),
        ("X.Claviger.Key.Id", "root"),
    ];
    let head = front.allowed("forged identity", &get("/contacts", &forged));
    assert_eq!(
        values(&head, "x-claviger-key-id"),
        [&front.reader[4..16]],
        "{head}"
    );
    assert_eq!(
        values(&head, "x-claviger-key-name"),
        ["Reader%3A%201"],
        "{head}"
    );
    assert_eq!(values(&head, "x-claviger-decision-id").len(), 1, "{head}");
    assert!(
        !head.contains("root"),
        "{:?}: an alias passes: {head}",
        front.kind
    );
    let answer = front.send(&get("/contacts", &[])).expect("an answer");
    assert_eq!(answer.status, 401);
    let answer = front
        .send(&request("DELETE", "/contacts/7", &[key]))
        .expect("an answer");
    assert_eq!(answer.status, 403);
    let id = answer
        .header("x-claviger-decision-id")
        .expect("the client can name the decision");
    assert!(front.endpoint.wait_for(id).contains("action_not_permitted"));
    front.api.reached();
}

/// A1, A3 and A4.
fn forged_addresses(front: &Front) {
    let key = ("X-API-Key", front.elsewhere.as_str());
    let many = "10.0.0.9, ".repeat(99) + "10.0.0.9";
    let lines = [
        key,
        ("X-Forwarded-For", "10.0.0.9"),
        ("X-Forwarded-For", "10.0.0.9"),
    ];
    front.refused("two lines", &get("/contacts", &lines));
    for forged in [
        "10.0.0.9",
        "10.0.0.9, 10.0.0.9",
        &many,
        "010.0.0.9",
        "10.0.0.9:80",
        "::ffff:10.0.0.9",
        "",
        ",",
        "10.0.0.9,",
        "fe80::1%eth0",
    ] {
        front.refused(
            forged,
            &get("/contacts", &[key, ("X-Forwarded-For", forged)]),
        );
    }
    for name in [
        "X-Real-IP",
        "Forwarded",
        "True-Client-IP",
        "X_Forwarded_For",
        "X.Forwarded.For",
        "X-Envoy-External-Address",
        "X-Original-Forwarded-For",
    ] {
        front.refused(name, &get("/contacts", &[key, (name, "10.0.0.9")]));
    }
    front.refused("no address", &get("/contacts", &[key]));
    for (list, passes) in [
        ("::ffff:0.0.0.0/96", true),
        ("0.0.0.0/0", true),
        ("::/0", false),
    ] {
        let (_, token) = front
            .home
            .create(list, &["--grant", "contacts=read", "--allow-ip", list]);
        let asked = get("/contacts", &[("X-API-Key", &token)]);
        if passes {
            front.allowed(list, &asked);
        } else {
            front.refused(list, &asked);
        }
    }
}

/// A5, A6 and A18.
fn credentials(front: &Front) {
    let (reader, other) = (front.reader.as_str(), front.documents.as_str());
    let bearer = format!("Bearer {other}");
    for headers in [
        vec![("X-API-Key", reader), ("X-API-Key", other)],
        vec![("X-API-Key", reader), ("Authorization", &bearer)],
        vec![("Authorization", &bearer), ("Authorization", &bearer)],
        vec![("X_API_Key", reader)],
        vec![("X.API.Key", reader)],
        vec![("X-API-Key", &reader[1..])],
        vec![("Authorization", reader)],
        vec![("Cookie", reader)],
        vec![("Proxy-Authorization", &bearer)],
    ] {
        front.refused(
            &format!("{} headers", headers.len()),
            &get("/contacts", &headers),
        );
    }
    // The same one twice is one, an empty one is none, and what cannot be ours is somebody else's.
    let same = format!("Bearer {reader}");
    let jwt = "Bearer eyJhbGciOiJub25lIn0.e30.";
    front.allowed(
        "the same one twice",
        &get(
            "/contacts",
            &[("X-API-Key", reader), ("Authorization", &same)],
        ),
    );
    for (name, value) in [
        ("Authorization", jwt),
        ("Authorization", "Bearer"),
        ("X-API-Key", "sk-x"),
    ] {
        let with = if name == "Authorization" {
            ("X-API-Key", reader)
        } else {
            ("Authorization", same.as_str())
        };
        front.allowed(value, &get("/contacts", &[with, (name, value)]));
    }
    let homoglyph = reader.replacen('c', "\u{441}", 1);
    for token in [
        format!("{reader}\u{0}"),
        homoglyph,
        "x".repeat(6000),
        format!("{reader},{other}"),
        format!("{reader} {reader}"),
    ] {
        front.refused(
            "a malformed one",
            &get("/contacts", &[("X-API-Key", &token)]),
        );
    }
    front.refused(
        "in the query",
        &get(
            &format!("/contacts?api_key={reader}&X-API-Key={reader}"),
            &[],
        ),
    );
    assert!(
        !front.endpoint.log().concat().contains(&reader[17..]),
        "a token is in the endpoint's log"
    );
    assert!(
        !front.gateway.log().contains(&reader[17..]),
        "a token is in the gateway's log"
    );
}

/// A7 and A8.
fn paths(front: &Front) {
    let key = ("X-API-Key", front.reader.as_str());
    for path in [
        "/documents",
        "/documents?/contacts/",
        "/documents?area=contacts",
        "/documents#/contacts",
        "/documents/",
        "/documents/../documents",
        "//documents",
        "/contacts/..%3b/documents",
        "/contacts/..%20/documents",
        "/other",
        "/",
        "http://api.example/documents",
    ] {
        front.refused(path, &get(path, &[key]));
    }
    for path in [
        "/documents/%2e%2e/contacts",
        "/documents/..%2fcontacts",
        "/contacts/../documents",
        "/contacts/%2e%2e/documents",
        "/contacts/%2E%2E/documents/1",
        "/contacts/..%2fdocuments",
        "/contacts/..%5cdocuments",
        "/contacts/..\\documents",
        "/contacts//documents",
        "//contacts",
        "/contacts/./1",
        "/contacts/;x",
        "/contacts;x/../documents",
        "/contacts/%00",
        "/contacts/%252e%252e/documents",
        "/contacts/%c0%ae%c0%ae/documents",
        "/%63ontacts",
        "/contacts/%2F..%2Fdocuments",
        "/contacts/..;/documents",
        "/contacts/%3b/..%3b/documents",
        "/contacts#/../documents",
        "/contacts/%2e",
        "/contacts/\"",
        "/contacts/é",
        "/CONTACTS",
        "/contacts/..",
        "/contacts/../..",
    ] {
        front.at_most_reading(path, &get(path, &[key]));
        // With a key for documents alone, none of these paths may lead into contacts.
        let documents = ("X-API-Key", front.documents.as_str());
        front.send(&get(path, &[documents]));
        for head in front.api.reached() {
            let target = head.split(' ').nth(1).expect("a path");
            let within = stays_within(target, "/documents");
            assert!(within, "{:?} {path}: {head}", front.kind);
        }
    }
    // The gateway's own headers are not trusted when a client sends them.
    for forged in [
        [
            ("X-Original-URI", "/contacts"),
            ("X-Original-Method", "GET"),
        ],
        [
            ("X-Forwarded-Uri", "/contacts"),
            ("X-Forwarded-Method", "GET"),
        ],
        [
            ("X-Original-Url", "/contacts"),
            ("X-Rewrite-Url", "/contacts"),
        ],
        [
            ("X-Envoy-Original-Path", "/contacts"),
            ("X-Forwarded-Prefix", "/contacts"),
        ],
        [
            ("X_Original_URI", "/contacts"),
            ("X.Forwarded.Uri", "/contacts"),
        ],
    ] {
        let twice = [key, forged[0], forged[1], forged[0], forged[1]];
        front.refused(forged[0].0, &get("/documents", &twice[..3]));
        front.refused(forged[0].0, &get("/documents", &twice));
        front.refused(forged[0].0, &request("DELETE", "/contacts/1", &twice[..3]));
        front.refused(forged[0].0, &request("DELETE", "/contacts/1", &twice));
    }
}

/// A9 and A10.
fn methods(front: &Front) {
    let key = ("X-API-Key", front.reader.as_str());
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "PROPFIND", "get",
        "Get", "GETX", "head", "QUERY",
    ] {
        front.refused(
            method,
            &request(method, "/contacts", &[key, ("Content-Length", "0")]),
        );
    }
    for name in [
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-HTTP-Method",
    ] {
        for value in ["DELETE", "GET", ""] {
            // Some gateways drop an empty header; then nothing is overridden.
            let asked = get("/contacts", &[key, (name, value)]);
            if value.is_empty() {
                front.at_most_reading(name, &asked);
            } else {
                front.refused(name, &asked);
            }
        }
        // Many applications read these spellings alike: they are refused, or dropped by the
        // gateway.
        for alias in [name.replace('-', "_"), name.replace('-', ".")] {
            front.send(&get("/contacts", &[key, (&alias, "DELETE")]));
            for head in front.api.reached() {
                assert!(!head.contains("DELETE"), "{:?} {alias}: {head}", front.kind);
            }
        }
    }
    // A chunked body is passed to the API; the endpoint does not read it.
    let chunked = format!(
        "POST /documents HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        front.documents
    );
    let head = front.allowed("a body in pieces", chunked.as_bytes());
    assert!(head.starts_with("POST /documents "), "{head}");
}

/// A11: `Connection` names headers that a gateway must drop.
fn hop_by_hop(front: &Front) {
    let key = ("X-API-Key", front.reader.as_str());
    let bearer = format!("Bearer {}", front.documents);
    for list in ["X-API-Key", "X-API-Key, Authorization", "close, X-API-Key"] {
        // When one credential is dropped, another may remain, and that one decides.
        let headers = [
            key,
            ("Authorization", bearer.as_str()),
            ("Connection", list),
        ];
        front.refused(list, &get("/contacts", &headers));
    }
    for list in [
        "X-Original-Method",
        "X-Original-URI, X-Forwarded-Method, X-Forwarded-Uri",
        "X-Forwarded-For",
        "X-Claviger-Key-Id, X-Claviger-Key-Name, X-Claviger-Decision-Id",
        "X-HTTP-Method-Override",
    ] {
        let elsewhere = ("X-API-Key", front.elsewhere.as_str());
        front.refused(list, &get("/contacts", &[elsewhere, ("Connection", list)]));
        let deleting = request("DELETE", "/contacts", &[key, ("Connection", list)]);
        front.refused(list, &deleting);
        let override_ = [key, ("Connection", list), ("X-Claviger-Key-Id", "root")];
        front.send(&get("/contacts", &override_));
        for head in front.api.reached() {
            let ids = values(&head, "x-claviger-key-id");
            assert_eq!(
                ids,
                [&front.reader[4..16]],
                "{:?} {list}: {head}",
                front.kind
            );
        }
    }
}

/// The forms of real APIs' paths pass where they are meant to, and lead nowhere else.
fn forms_of_paths(front: &Front) {
    let key = ("X-API-Key", front.reader.as_str());
    let forms = [
        "queues/%2F/jobs",
        "@acme%2fwidgets",
        "coupons/50%25-off",
        "items/1;rev=2",
        "8c5f%2D11",
    ];
    for form in forms {
        // Below an opaque route, and at a location with an area of its own (Envoy's file has none).
        let path = format!("/objects/{form}");
        let head = front.allowed(&path, &get(&path, &[key]));
        let sent = head.split(' ').nth(1).expect("a path");
        // Traefik decodes unreserved characters, for the endpoint and for the API alike.
        let decoded = path.replace("%2D", "-");
        assert!(
            sent.eq_ignore_ascii_case(&path) || sent.eq_ignore_ascii_case(&decoded),
            "{:?}: {head}",
            front.kind
        );
        if front.kind != Kind::Envoy || form == "8c5f%2D11" {
            let path = format!("/contacts/{form}");
            front.allowed(&path, &get(&path, &[key]));
        }
    }
    for path in [
        // What escapes, in every disguise.
        "/objects/%ef%bc%8e%ef%bc%8e/contacts",
        "/objects/%EF%BC%852e%EF%BC%852e/x",
        "/objects/%c0%ae%c0%ae/x",
        "/objects/.%20./x",
        "/objects/%252e%252e/x",
        "/objects/..;/x",
        "/objects/%2e%2e%2fdocuments",
        "/objects%2F..%2Fdocuments",
        // What lies further in, for another reader.
        "/api/Admin/users",
        "/api/ADMIN",
        "/api/%41dmin/users",
        "/api/admin%2Fusers",
        "/api/admin;x/users",
        "/api/%61dmin/users",
        "/v1/orgs/7/invoices",
        "/v1/orgs/7/Invoices/1",
        "/v1/orgs/7:close",
        "/v1/orgs/7%3Aclose",
    ] {
        front.refused(path, &get(path, &[key]));
    }
    for path in [
        "/api/users",
        "/v1/orgs/7",
        "/v1/orgs/7/8/invoices",
        "/v1/orgs/7:open",
    ] {
        front.allowed(path, &get(path, &[key]));
    }
    for method in ["PROPFIND", "QUERY"] {
        let asked = request(method, "/dav/x", &[key, ("Content-Length", "0")]);
        let answer = front.send(&asked);
        let status = answer.map_or(0, |answer| answer.status);
        let reached = front.api.reached().len();
        // A gateway may refuse a method that it does not know.
        let unknown_there = reached == 0 && [400, 405, 501].contains(&status);
        assert!(
            (status == 200 && reached == 1) || unknown_there,
            "{:?} {method}: {status}",
            front.kind
        );
        front.refused(
            method,
            &request(method, "/contacts", &[key, ("Content-Length", "0")]),
        );
    }
}

/// Headers by which some applications take another path than the one that was decided on do not reach
/// the API.
fn path_overrides(front: &Front) {
    let key = ("X-API-Key", front.reader.as_str());
    for name in ["X-Original-URL", "X-Rewrite-URL", "x-rewrite-url"] {
        front.send(&get("/contacts", &[key, (name, "/documents/forged")]));
        for head in front.api.reached() {
            assert!(!head.contains("forged"), "{:?} {name}: {head}", front.kind);
        }
    }
}

/// A client's secret of a proxy reaches neither the endpoint nor the API, in whatever spelling.
fn proxy_secrets(front: &Front) {
    let key = ("X-API-Key", front.reader.as_str());
    for name in [
        "X-Claviger-Proxy-Secret",
        "x-claviger-proxy-secret",
        "X_Claviger_Proxy_Secret",
        "X.Claviger.Proxy.Secret",
    ] {
        let secret = "0123456789abcdef0123456789abcdef";
        let head = front.allowed(name, &get("/contacts", &[key, (name, secret)]));
        assert!(!head.contains(secret), "{:?} {name}: {head}", front.kind);
    }
}

/// A WebSocket is opened by a key that may read, and by no other; the identity remains whatever the
/// client names in `Connection`.
fn websockets(front: &Front) {
    let upgrade = |token: &str, connection: &str, more: &[(&str, &str)]| {
        let all = [
            ("X-API-Key", token),
            ("Connection", connection),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        get("/contacts/ws", &[&all, more].concat())
    };
    for connection in [
        "Upgrade",
        "upgrade",
        "keep-alive, Upgrade",
        "Upgrade, X-Claviger-Key-Id, X-API-Key",
    ] {
        let mut client = Client::connect(front.gateway.address).expect("connected");
        let forged = [("X-Claviger-Key-Id", "root")];
        client
            .send(&upgrade(&front.reader, connection, &forged))
            .expect("sent");
        let opened = client.receive().ok().flatten();
        let reached = front.api.reached();
        // A gateway may drop the credential that the client named.
        if connection.contains("X-API-Key") && reached.is_empty() {
            continue;
        }
        let status = opened.map(|answer| answer.status);
        assert_eq!(status, Some(101), "{:?} {connection}", front.kind);
        let head = reached.concat();
        let ids = values(&head, "x-claviger-key-id");
        assert_eq!(ids, [&front.reader[4..16]], "{:?}: {head}", front.kind);
        client.send(b"hello").expect("sent");
        assert_eq!(client.read_exact(5).expect("an echo"), b"hello");
    }
    front.refused("a WebSocket", &upgrade(&front.documents, "Upgrade", &[]));
    front.refused("a WebSocket", &upgrade("", "Upgrade", &[]));
    // Another upgrade is none.
    let h2c = [
        ("X-API-Key", front.reader.as_str()),
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
    ];
    let answer = front.send(&get("/contacts", &h2c));
    assert!(
        answer.is_some_and(|it| it.status != 101),
        "{:?}",
        front.kind
    );
    front.api.reached();
}

/// A browser's preflight is answered by the gateway, and neither the endpoint nor the API is asked.
fn preflights(front: &Front) {
    let (origin, method) = (
        ("Origin", "https://app.example"),
        ("Access-Control-Request-Method", "POST"),
    );
    let named = (
        "Access-Control-Request-Headers",
        "authorization, x-stainless-os",
    );
    for path in ["/contacts/7", "/documents", "/elsewhere"] {
        let logged = front.endpoint.log().len();
        let answer = front.send(&request("OPTIONS", path, &[origin, method, named]));
        let answer = answer.expect("an answer");
        assert!(
            [200, 204].contains(&answer.status),
            "{:?}: {answer:?}",
            front.kind
        );
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let methods = answer
            .header("access-control-allow-methods")
            .expect("methods");
        let headers = answer
            .header("access-control-allow-headers")
            .expect("headers");
        assert!(methods.contains("PATCH"), "{methods}");
        assert!(
            headers.to_lowercase().contains("authorization"),
            "{headers}"
        );
        assert!(answer.header("access-control-max-age").is_some());
        assert!(front.api.reached().is_empty(), "{:?}", front.kind);
        assert_eq!(front.endpoint.log().len(), logged, "{:?}", front.kind);
    }
    for headers in [&[][..], &[origin], &[method]] {
        front.refused("no preflight", &request("OPTIONS", "/contacts", headers));
    }
    let key = ("X-API-Key", front.reader.as_str());
    front.send(&request("GET", "/contacts", &[key, origin, method]));
    assert_eq!(front.api.reached().len(), 1, "{:?}", front.kind);
}

/// A refusal does not wait for the body, and a body that is allowed arrives whole.
fn bodies(front: &Front) {
    let refused = format!(
        "POST /documents HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        front.reader
    );
    let mut client = Client::connect(front.gateway.address).expect("connected");
    client.send(refused.as_bytes()).expect("sent");
    // The client sends no body before it was told to go on.
    let mut answer = client.receive().expect("in time").expect("an answer");
    if answer.status == 100 {
        client.send(b"hello").expect("sent");
        answer = client.receive().expect("in time").expect("an answer");
    }
    assert_eq!(answer.status, 403, "{:?}", front.kind);
    assert!(front.api.reached().is_empty(), "{:?}", front.kind);
    let body = "x".repeat(500_000);
    let allowed = format!(
        "POST /documents HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Length: {}\r\n\r\n{body}",
        front.documents,
        body.len()
    );
    let head = front.allowed("a body", allowed.as_bytes());
    assert!(head.starts_with("POST /documents "), "{head}");
}

/// A14: the first request after a revoke, while other clients send requests without a pause.
fn revoked_in_a_storm(front: &Front) {
    let (id, token) = front
        .home
        .create("short-lived", &["--grant", "contacts=read"]);
    let (revoked, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (before, after) = (AtomicU32::new(0), AtomicU32::new(0));
    let asked = get("/contacts/14", &[("X-API-Key", &token)]);
    let address = front.gateway.address;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = None;
                while !over.load(Ordering::SeqCst) {
                    let late = revoked.load(Ordering::SeqCst);
                    let connected =
                        client.get_or_insert_with(|| Client::connect(address).expect("connected"));
                    let Ok(answer) = connected.ask(&asked) else {
                        client = None;
                        continue;
                    };
                    if late {
                        assert_eq!(answer.status, 401, "{:?}: after the revoke", front.kind);
                        after.fetch_add(1, Ordering::SeqCst);
                    } else if answer.status == 200 {
                        before.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        until("a storm", || before.load(Ordering::SeqCst) > 50);
        front.home.run(&["revoke", &id, "--yes"]).done();
        revoked.store(true, Ordering::SeqCst);
        until("answers after it", || after.load(Ordering::SeqCst) > 50);
        over.store(true, Ordering::SeqCst);
    });
    front.api.reached();
}

/// A13: when the endpoint fails in any way, no request passes; and it recovers by itself.
fn failures(mut front: Front) {
    let asked = get("/contacts", &[("X-API-Key", &front.reader)]);
    front.gateway.restart();
    until("it passes again", || {
        front
            .send(&asked)
            .is_some_and(|answer| answer.status == 200)
    });
    front.api.reached();
    let place = front.endpoint.place.clone();
    let arguments = [
        "--listen",
        &place,
        "--trusted-proxy",
        "127.0.0.1",
        "--gateway",
        front.kind.word(),
    ];
    // The endpoint cannot decide.
    let file = front.home.database_file();
    let away = file.with_extension("away");
    std::fs::rename(&file, &away).expect("moved");
    front.refused("no database", &asked);
    assert_eq!(
        front.send(&asked).expect("an answer").status,
        503,
        "{:?}",
        front.kind
    );
    std::fs::rename(&away, &file).expect("moved back");
    front.allowed("it is back", &asked);
    // The endpoint does not answer.
    front.endpoint.signal(Signal::SIGSTOP);
    front.refused("stopped", &asked);
    front.endpoint.signal(Signal::SIGCONT);
    until("it goes on", || {
        front
            .send(&asked)
            .is_some_and(|answer| answer.status == 200)
    });
    front.api.reached();
    // The endpoint is not running.
    front.endpoint.end(Signal::SIGKILL);
    front.refused("killed", &asked);
    front.endpoint = Endpoint::bare(&front.home, &arguments);
    until("it is there again", || {
        front
            .send(&asked)
            .is_some_and(|answer| answer.status == 200)
    });
    // An orderly restart makes no request fail, although idle connections were closed.
    front.endpoint.end(Signal::SIGTERM);
    front.endpoint = Endpoint::bare(&front.home, &arguments);
    until("it is there again", || {
        front
            .send(&asked)
            .is_some_and(|answer| answer.status == 200)
    });
}

#[test]
fn nothing_that_is_refused_passes_the_lines_of_the_readme() {
    let front = Front::behind(Kind::Nginx, Gateway::of_the_readme);
    let forged = [
        ("X-API-Key", front.reader.as_str()),
        ("X-Claviger-Key-Id", "root"),
        ("X-Claviger-Key-Name", "root"),
        ("X-Claviger-Decision-Id", "root"),
        ("X_Claviger_Key_Id", "root"),
    ];
    let head = front.allowed("forged identity", &get("/contacts/7", &forged));
    let ids = values(&head, "x-claviger-key-id");
    assert_eq!(ids, [&front.reader[4..16]], "{head}");
    assert!(!head.contains("root"), "{head}");
    forged_addresses(&front);
    credentials(&front);
    paths(&front);
    methods(&front);
    hop_by_hop(&front);
    front.refused("the endpoint's own path", &get("/_claviger/authorize", &[]));
    revoked_in_a_storm(&front);
}

#[test]
fn nothing_that_is_refused_passes_nginx() {
    attack(Kind::Nginx);
}

#[test]
fn nothing_that_is_refused_passes_caddy() {
    attack(Kind::Caddy);
}

#[test]
fn nothing_that_is_refused_passes_traefik() {
    attack(Kind::Traefik);
}

#[test]
fn nothing_that_is_refused_passes_envoy() {
    attack(Kind::Envoy);
}

#[test]
fn nothing_that_is_refused_passes_haproxy() {
    attack(Kind::HaProxy);
}

#[test]
fn nothing_that_is_refused_passes_apache() {
    attack(Kind::Apache);
}

/// A gateway behind another proxy believes it about the client's address, and nothing else.
#[test]
fn traefik_behind_another_proxy_believes_it_about_the_address_alone() {
    let front = Front::behind(Kind::Traefik, |endpoint, api| {
        let trusting =
            "    forwardedHeaders: { trustedIPs: [127.0.0.1/32] }\n    # forwardedHeaders is left";
        Gateway::changed_so(
            Kind::Traefik,
            &[
                ("    # forwardedHeaders is left", trusting),
                ("trustForwardHeader: false", "trustForwardHeader: true"),
            ],
            endpoint,
            api,
        )
    });
    let key = ("X-API-Key", front.reader.as_str());
    let forged = [
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", "/contacts/1"),
    ];
    front.refused("another path", &get("/documents", &[key, forged[1]]));
    front.refused("both", &get("/documents", &[key, forged[0], forged[1]]));
    let deleting = request("DELETE", "/contacts/1", &[key, forged[0]]);
    front.refused("another method", &deleting);
    let elsewhere = [
        ("X-API-Key", front.elsewhere.as_str()),
        ("X-Forwarded-For", "10.0.0.9"),
    ];
    front.allowed("the address", &get("/contacts/1", &elsewhere));
}
