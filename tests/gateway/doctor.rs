//! The gateway checks of `doctor`: they pass for each of the four gateways as it is shipped, and
//! name the directive for each mistake that is planted in one.
use serde_json::Value;

use crate::{
    command::Home,
    endpoint::Endpoint,
    gateways::{Api, Gateway, Kind},
    http::{ask, request},
    waiting::until,
};

/// The result of `doctor`: its findings and the exit status.
struct Found {
    status: i32,
    findings: Vec<Value>,
}

impl Found {
    fn of(home: &Home, gateway: &Gateway, kind: Kind) -> Self {
        let url = format!("http://{}/contacts", gateway.address);
        let ended = home.run(&["doctor", "--json", "--gateway", &url, "--as", kind.probed()]);
        Self {
            status: ended.status,
            findings: ended.json().as_array().expect("findings").clone(),
        }
    }

    /// Returns the advice of the failed check with the given name.
    #[track_caller]
    fn bad(&self, subject: &str) -> String {
        let bad: Vec<&Value> = self
            .findings
            .iter()
            .filter(|it| it["ok"] == false)
            .collect();
        let named = bad.iter().find(|it| it["check"] == subject);
        let named = named.unwrap_or_else(|| panic!("{subject}: {:#?}", self.findings));
        assert_eq!(self.status, 1);
        named["advice"].as_str().expect("advice").to_owned()
    }
}

/// Waits until the gateway answers at all: it listens before it is fully ready.
fn awake(gateway: &Gateway) {
    until("it answers", || {
        let answered = std::panic::catch_unwind(|| {
            ask(gateway.address, &request("GET", "/contacts", &[])).status
        });
        // Traefik listens before it knows its routes.
        answered.is_ok_and(|status| status > 0 && status != 404)
    });
}

fn examine(kind: Kind, mistake: Option<(&str, &str)>, serve: &[&str]) -> Found {
    let home = Home::new();
    home.create("key", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::bare(&home, &[&["--listen", "127.0.0.1:0"], serve].concat());
    let api = Api::start();
    let gateway = match mistake {
        None => Gateway::start(kind, endpoint.address(), api.address),
        Some(change) => Gateway::changed(kind, change, endpoint.address(), api.address),
    };
    awake(&gateway);
    Found::of(&home, &gateway, kind)
}

fn with_mistake(kind: Kind, from: &str, to: &str) -> Found {
    let serve = ["--trusted-proxy", "127.0.0.1", "--gateway", kind.word()];
    examine(kind, Some((from, to)), &serve)
}

const KINDS: [Kind; 6] = [
    Kind::Nginx,
    Kind::Caddy,
    Kind::Traefik,
    Kind::Envoy,
    Kind::HaProxy,
    Kind::Apache,
];

#[test]
fn as_they_are_shipped_all_is_well() {
    for kind in KINDS {
        let serve = ["--trusted-proxy", "127.0.0.1", "--gateway", kind.word()];
        let found = examine(kind, None, &serve);
        assert_eq!(found.status, 0, "{kind:?}: {:#?}", found.findings);
        let names: Vec<&str> = found
            .findings
            .iter()
            .filter_map(|it| it["check"].as_str())
            .collect();
        assert_eq!(
            names,
            [
                "guard",
                "token",
                "method",
                "path",
                "address",
                "forged address",
                "preflight"
            ],
            "{kind:?}"
        );
    }
}

#[test]
fn an_endpoint_that_does_not_trust_or_speaks_for_another_gateway_is_told() {
    for kind in KINDS {
        let found = examine(kind, None, &["--gateway", kind.word()]);
        assert!(found.bad("trust").contains("--trusted-proxy"), "{kind:?}");
    }
    let found = examine(
        Kind::Nginx,
        None,
        &["--trusted-proxy", "127.0.0.1", "--gateway", "envoy"],
    );
    assert!(found.bad("endpoint path").contains("proxy_pass"));
    // The endpoint reads another gateway's headers, which this gateway passes on as a client sent
    // them.
    for (kind, other) in [
        (Kind::Nginx, "caddy"),
        (Kind::Caddy, "nginx"),
        (Kind::Traefik, "nginx"),
    ] {
        let arguments = ["--trusted-proxy", "127.0.0.1", "--gateway", other];
        let found = examine(kind, None, &arguments).findings;
        let way_out = format!("--gateway {}", kind.word());
        let named = |it: &Value| it["advice"].to_string().contains(&way_out);
        assert!(found.iter().any(named), "{kind:?}: {found:#?}");
    }
    let found = examine(Kind::Envoy, None, &["--trusted-proxy", "127.0.0.1"]);
    assert!(found.bad("endpoint path").contains("path_prefix"));
}

#[test]
fn a_path_without_a_route_is_told_and_what_was_not_looked_for_is_not_called_well() {
    let home = Home::new();
    home.create("key", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    let api = Api::start();
    let gateway = Gateway::start(Kind::Nginx, endpoint.address(), api.address);
    awake(&gateway);
    let url = format!("http://{}/elsewhere", gateway.address);
    let ended = home.run(&["doctor", "--gateway", &url, "--as", "nginx"]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.stdout.contains("leads to no access area"),
        "{}",
        ended.stdout
    );

    let empty = "proxy_set_header X-Original-Method \"\";";
    let found = with_mistake(
        Kind::Nginx,
        "proxy_set_header X-Original-Method   $request_method;",
        empty,
    );
    let named = |it: &&Value| it["check"] == "path";
    assert!(
        !found.findings.iter().any(|it| named(&it)),
        "{:#?}",
        found.findings
    );
}

#[test]
fn each_mistake_in_nginx_is_named() {
    let kind = Kind::Nginx;
    for (from, to, subject, advice) in [
        (
            "auth_request /_claviger/authorize/contacts;",
            "",
            "guard",
            "auth_request /_claviger",
        ),
        (
            "proxy_set_header X-Original-Method   $request_method;",
            "",
            "method",
            "proxy_set_header X-Original-Method $request_method;",
        ),
        (
            "proxy_set_header X-Original-Method   $request_method;",
            "proxy_set_header X-Original-Method \"\";",
            "method",
            "proxy_set_header X-Original-Method $request_method;",
        ),
        (
            "proxy_set_header X-Original-URI      $request_uri;",
            "",
            "path",
            "proxy_set_header X-Original-URI $request_uri;",
        ),
        (
            "proxy_set_header X-Original-URI      $request_uri;",
            "proxy_set_header X-Original-URI $uri/x;",
            "path",
            "proxy_set_header X-Original-URI $request_uri;",
        ),
        (
            "proxy_set_header X-Forwarded-For     $remote_addr;",
            "proxy_set_header X-Forwarded-For $http_x_forwarded_for;",
            "forged address",
            "proxy_set_header X-Forwarded-For $remote_addr;",
        ),
        (
            "proxy_set_header X-Forwarded-For     $remote_addr;",
            "proxy_set_header X-Forwarded-For \"\";",
            "address",
            "proxy_set_header X-Forwarded-For $remote_addr;",
        ),
        (
            "proxy_set_header Content-Length      \"\";",
            "proxy_set_header Content-Length \"\"; proxy_set_header X-API-Key \"\";",
            "token",
            "proxy_set_header X-API-Key \"\"",
        ),
        (
            "proxy_pass http://claviger/; ",
            "proxy_pass http://claviger/x/; ",
            "endpoint path",
            "proxy_pass http://127.0.0.1:8750/authorize;",
        ),
        (
            "location ^~ /_claviger/ {\n            internal;\n",
            "location ^~ /_claviger/ {\n",
            "endpoint",
            "internal;",
        ),
        (
            "if ($preflight) { rewrite ^ /_claviger_preflight last; }",
            "",
            "preflight",
            "if ($preflight) { rewrite ^ /_claviger_preflight last; }",
        ),
        (
            "proxy_pass http://claviger/; ",
            "proxy_pass http://127.0.0.1:1/; ",
            "guard",
            "proxy_pass http://127.0.0.1:8750/authorize;",
        ),
    ] {
        let found = with_mistake(kind, from, to);
        let told = found.bad(subject);
        assert!(told.contains(advice), "{to}: {told}");
    }
}

#[test]
fn each_mistake_in_caddy_is_named() {
    for (from, to, subject, advice) in [
        (
            "import claviger /authorize/contacts",
            "",
            "guard",
            "forward_auth",
        ),
        (
            "uri {args[0]}?",
            "uri /elsewhere?",
            "endpoint path",
            "uri /authorize?",
        ),
        (
            "\t\ttimeouts {",
            "\t\ttrusted_proxies static 127.0.0.0/8\n\t\ttimeouts {",
            "forged address",
            "trusted_proxies",
        ),
        (
            "handle @preflight {",
            "@never method NEVER\n\t\thandle @never {",
            "preflight",
            "handle @preflight",
        ),
        (
            "copy_headers X-Claviger-Key-Id",
            "header_up -X-API-Key\n\t\tcopy_headers X-Claviger-Key-Id",
            "token",
            "header_up -X-API-Key",
        ),
        (
            "copy_headers X-Claviger-Key-Id",
            "header_up X-Forwarded-Method DELETE\n\t\tcopy_headers X-Claviger-Key-Id",
            "method",
            "header_up X-Forwarded-Method",
        ),
        (
            "copy_headers X-Claviger-Key-Id",
            "header_up X-Forwarded-Uri /contacts/x\n\t\tcopy_headers X-Claviger-Key-Id",
            "path",
            "header_up X-Forwarded-Uri",
        ),
        (
            "copy_headers X-Claviger-Key-Id",
            "header_up -X-Forwarded-For\n\t\tcopy_headers X-Claviger-Key-Id",
            "address",
            "header_up -X-Forwarded-For",
        ),
    ] {
        let found = with_mistake(Kind::Caddy, from, to);
        let told = found.bad(subject);
        assert!(told.contains(advice), "{to}: {told}");
    }
}

#[test]
fn each_mistake_in_traefik_is_named() {
    for (from, to, subject, advice) in [
        (
            "      middlewares: [clean, claviger-contacts]\n",
            "",
            "guard",
            "middlewares: [clean, claviger]",
        ),
        (
            "      middlewares: [preflight]\n      service: noop@internal\n",
            "      middlewares: [clean, claviger]\n      service: api\n",
            "preflight",
            "middlewares: [preflight]",
        ),
        (
            ":8750/authorize/contacts",
            ":8750/elsewhere",
            "endpoint path",
            ":8750/authorize",
        ),
        (
            "        trustForwardHeader: false\n",
            "        trustForwardHeader: false\n        authRequestHeaders: [X-Forwarded-Method, X-Forwarded-Uri, X-Forwarded-For]\n",
            "token",
            "authRequestHeaders with Authorization",
        ),
    ] {
        let found = with_mistake(Kind::Traefik, from, to);
        let told = found.bad(subject);
        assert!(told.contains(advice), "{to}: {told}");
    }
}

#[test]
fn traefik_that_believes_what_clients_forward_is_named() {
    let home = Home::new();
    home.create("key", &["--grant", "contacts=read"]);
    let serve = [
        "--listen",
        "127.0.0.1:0",
        "--trusted-proxy",
        "127.0.0.1",
        "--gateway",
        "traefik",
    ];
    let endpoint = Endpoint::bare(&home, &serve);
    let api = Api::start();
    // The mistake consists of several directives, in two files.
    let gateway = Gateway::changed_so(
        Kind::Traefik,
        &[
            (
                "    # forwardedHeaders is left",
                "    forwardedHeaders: { insecure: true }\n    # forwardedHeaders is left",
            ),
            ("trustForwardHeader: false", "trustForwardHeader: true"),
            (
                "          X-Forwarded-Method: \"\"\n          X-Forwarded-Uri: \"\"\n",
                "",
            ),
        ],
        endpoint.address(),
        api.address,
    );
    awake(&gateway);
    let found = Found::of(&home, &gateway, Kind::Traefik);
    assert!(found.bad("method").contains("trustForwardHeader: false"));
    assert!(found.bad("path").contains("trustForwardHeader: false"));
    assert!(found.bad("forged address").contains("insecure"));
}

#[test]
fn each_mistake_in_envoy_is_named() {
    for (from, to, subject, advice) in [
        (
            "path_prefix: /envoy/path",
            "path_prefix: /elsewhere",
            "endpoint path",
            "path_prefix: /envoy/path",
        ),
        (
            "string_match: { exact: OPTIONS }",
            "string_match: { exact: NEVER }",
            "preflight",
            "direct_response: { status: 204 }",
        ),
        (
            "use_remote_address: true",
            "use_remote_address: false",
            "forged address",
            "use_remote_address: true",
        ),
        (
            "                          - { exact: x-api-key }\n",
            "",
            "token",
            "{ exact: x-api-key }",
        ),
        (
            "server_uri: { uri: \"http://127.0.0.1:8750\", cluster: claviger,",
            "server_uri: { uri: \"http://127.0.0.1:8750\", cluster: api,",
            "guard",
            "ext_authz",
        ),
    ] {
        let found = with_mistake(Kind::Envoy, from, to);
        let told = found.bad(subject);
        assert!(told.contains(advice), "{to}: {told}");
    }
}

#[test]
fn each_mistake_in_haproxy_and_in_apache_is_named() {
    for (kind, from, to, subject, advice) in [
        (
            Kind::HaProxy,
            "http-request set-header X-Forwarded-For %[src]",
            "",
            "address",
            "http-request set-header X-Forwarded-For %[src]",
        ),
        (
            Kind::HaProxy,
            "str(/authorize/contacts)",
            "str(/elsewhere)",
            "endpoint path",
            "str(/authorize)",
        ),
        (
            Kind::HaProxy,
            "acl origin_known  always_true",
            "acl origin_known  always_false",
            "preflight",
            "http-request return status 204",
        ),
        (
            Kind::HaProxy,
            "    http-request lua.claviger\n",
            "",
            "guard",
            "http-request lua.claviger",
        ),
        (
            Kind::HaProxy,
            "\"X-Original-Method: \" .. txn.f:method(),",
            "",
            "method",
            "txn.f:method()",
        ),
        (
            Kind::Apache,
            "LuaHookAccessChecker apache.lua authorize early",
            "",
            "guard",
            "LuaHookAccessChecker",
        ),
        (
            Kind::Apache,
            "\"X-Original-URI: \" .. r.unparsed_uri,",
            "",
            "path",
            "r.unparsed_uri",
        ),
        (
            Kind::Apache,
            "\"X-Forwarded-For: \" .. r.useragent_ip,",
            "",
            "address",
            "r.useragent_ip",
        ),
        (
            Kind::Apache,
            "CLAVIGER_PATH=/authorize/contacts",
            "CLAVIGER_PATH=/elsewhere",
            "endpoint path",
            "CLAVIGER_PATH=/authorize",
        ),
    ] {
        let found = with_mistake(kind, from, to);
        let told = found.bad(subject);
        assert!(told.contains(advice), "{from}: {told}");
    }
}

#[test]
fn what_is_no_gateway_is_told() {
    let home = Home::new();
    home.create("key", &[]);
    let doctor = |url: &str| home.run(&["doctor", "--gateway", url, "--as", "nginx"]);
    doctor("api.example.com").refused(2, "neither with http");
    home.run(&["doctor", "--gateway", "http://127.0.0.1:1/"])
        .refused(2, "--as");
    home.run(&["doctor", "--as", "nginx"])
        .refused(2, "--gateway");
    let nobody = doctor("http://127.0.0.1:1/");
    assert_eq!(nobody.status, 1);
    assert!(
        nobody.stdout.contains("it does not answer"),
        "{}",
        nobody.stdout
    );
    // A server that does not use the endpoint at all.
    let api = Api::start();
    let open = doctor(&format!("http://{}/contacts", api.address));
    assert_eq!(open.status, 1);
    assert!(
        open.stdout
            .contains("answered 200 to a token that was never issued"),
        "{}",
        open.stdout
    );
    // The probes of `doctor` must not mark a key as needing attention.
    assert!(
        !home
            .run(&["list", "--attention"])
            .done()
            .stdout
            .contains("refused")
    );
}

/// Examines a gateway with one mistake and a key made for the minute; `doctor` listens in place of
/// the API.
fn with_good_key(kind: Kind, mistake: Option<(&str, &str)>) -> (Found, Home) {
    let home = Home::new();
    let serve = ["--gateway", kind.word()];
    let endpoint = Endpoint::start(&home, &serve);
    let place = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = place.local_addr().expect("an address");
    drop(place);
    let gateway = match mistake {
        None => Gateway::start(kind, endpoint.address(), api),
        Some(change) => Gateway::changed(kind, change, endpoint.address(), api),
    };
    awake(&gateway);
    let url = format!("http://{}/contacts", gateway.address);
    let upstream = api.to_string();
    let ended = home.run(&[
        "doctor",
        "--json",
        "--gateway",
        &url,
        "--as",
        kind.probed(),
        "--make-key",
        "--upstream",
        &upstream,
    ]);
    let found = Found {
        status: ended.status,
        findings: ended.json().as_array().expect("findings").clone(),
    };
    (found, home)
}

#[test]
fn a_key_made_for_the_minute_is_allowed_and_its_identity_arrives() {
    for kind in KINDS {
        let (found, home) = with_good_key(kind, None);
        assert_eq!(found.status, 0, "{kind:?}: {:#?}", found.findings);
        let last: Vec<&str> = found
            .findings
            .iter()
            .filter_map(|it| it["check"].as_str())
            .collect();
        assert_eq!(last[last.len() - 3..], ["preflight", "allowed", "identity"]);
        assert!(home.list().is_empty(), "the key was revoked");
        assert_eq!(home.audit(), ["key.created", "key.revoked"]);
    }
}

#[test]
fn an_identity_that_does_not_arrive_or_that_a_client_can_claim_is_named() {
    for (kind, from, to, advice) in [
        (
            Kind::Nginx,
            "proxy_set_header X-Claviger-Key-Id      $claviger_key_id;",
            "",
            "proxy_set_header X-Claviger-Key-Id $claviger_key_id;",
        ),
        (
            Kind::Nginx,
            "auth_request_set $claviger_labels      $upstream_http_x_claviger_labels;",
            "set $claviger_labels \"\";",
            "auth_request_set",
        ),
        (
            Kind::Nginx,
            "        proxy_set_header X-Claviger-Owner       $claviger_owner;\n",
            "",
            "for each",
        ),
        (
            Kind::Caddy,
            " X-Claviger-Decision-Id",
            "",
            "copy_headers X-Claviger-Key-Id",
        ),
        (
            Kind::Traefik,
            "authResponseHeadersRegex: &identity \"(?i)^X[-_.]Claviger[-_.]\"",
            "authResponseHeadersRegex: &identity \"^nothing$\"",
            "authResponseHeadersRegex",
        ),
        (
            Kind::Envoy,
            "patterns: [{ prefix: x-claviger- }]",
            "patterns: [{ prefix: x-nothing- }]",
            "allowed_upstream_headers",
        ),
    ] {
        let (found, _) = with_good_key(kind, Some((from, to)));
        let told = found.bad("identity");
        assert!(told.contains(advice), "{kind:?} {from}: {told}");
    }
}

#[test]
fn a_gateway_that_fails_every_good_key_is_named() {
    // The API is not running: the gateway answers every allowed request with an error.
    let home = Home::new();
    let (_, token) = home.create("reader", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    let gateway = Gateway::start(
        Kind::Nginx,
        endpoint.address(),
        "127.0.0.1:1".parse().expect("an address"),
    );
    awake(&gateway);
    let url = format!("http://{}/contacts", gateway.address);
    let doctor = ["doctor", "--gateway", &url, "--as", "nginx"];
    assert_eq!(home.run(&doctor).status, 0, "without a good token");
    let found = home.fed(&doctor, token.as_bytes());
    assert_eq!(found.status, 1);
    let words = "the endpoint allowed a good token, and the client got 50";
    assert!(found.stdout.contains(words), "{}", found.stdout);
    // A token that may not do this is told apart.
    let (_, other) = home.create("other", &["--grant", "documents=read"]);
    let found = home.fed(&doctor, other.as_bytes());
    let words = "the endpoint refused the token: action_not_permitted";
    assert!(found.stdout.contains(words), "{}", found.stdout);
    home.fed(&doctor, b"nonsense")
        .refused(2, "this is no token");
}
