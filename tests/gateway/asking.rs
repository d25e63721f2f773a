//! Requests to the endpoint and its answers: every reason, every header, every limit.
use std::{
    io::{ErrorKind, Write as _},
    process::{Command, Stdio},
};

use claviger::domain::token::{Token, TokenPrefix};
use data_encoding::BASE64;

use crate::{
    command::Home,
    endpoint::Endpoint,
    http::{Answer, Client, ask, request},
    waiting::until,
};

/// Returns the reason of an answer from the log line with its decision id, and checks that the
/// client was not told the reason.
#[track_caller]
fn reason(endpoint: &Endpoint, answer: &Answer) -> String {
    let id = answer.header("x-claviger-decision-id").expect("an id");
    let line = endpoint.wait_for(id);
    let (_, rest) = line.split_once("reason=\"").expect("a reason");
    let reason = rest.split('"').next().expect("a word").to_owned();
    assert!(!answer.body.contains(&reason), "{answer:?}");
    reason
}

/// Makes a token with the key id of the given one and a valid format and checksum, which was never
/// handed out.
pub fn made_up(token: &str) -> String {
    let other = claviger::machine::Machine::fixed(
        claviger::domain::moment::Moment::from_millis(0),
        "mallory",
    );
    let id = token[4..16].parse().expect("an id");
    let token = Token::mint(&TokenPrefix::default(), &id, &mut |buffer| {
        other.fill(buffer);
    });
    secrecy::ExposeSecret::expose_secret(token.expose()).to_owned()
}

/// The endpoint, the request, its tokens and other headers, and the answer: the status, the reason
/// and the detail, if there is one.
const REFUSED: &str = "\
/authorize              GET /contacts  :                 : 401 missing_token
/authorize              GET /contacts  : basic           : 401 missing_token other_scheme
/authorize              GET /contacts  : apikey          : 401 missing_token other_scheme
/authorize              GET /contacts?key=QUERY :        : 401 missing_token other_scheme
/authorize              OPTIONS /contacts : origin asked : 401 missing_token preflight
/authorize              OPTIONS /contacts : origin       : 401 missing_token
/authorize              GET /contacts  : origin asked    : 401 missing_token
/authorize              GET /contacts  : malformed       : 401 malformed_token bad_check_digits
/authorize              GET /contacts  : jwt             : 401 malformed_token bad_shape
/authorize              GET /contacts  : token unknown   : 401 malformed_token two_credentials
/authorize              GET /contacts  : token malformed : 401 malformed_token two_credentials
/authorize              GET /contacts  : revoked token   : 401 malformed_token two_credentials
/authorize              GET /contacts  : unknown         : 401 unknown_token
/authorize              GET /contacts  : revoked         : 401 revoked
/authorize              GET /contacts  : disabled        : 401 disabled
/authorize              GET /contacts  : waiting         : 401 disabled pending_approval
/authorize              GET /contacts  : expired         : 401 expired
/authorize              GET /contacts  : rotated         : 401 expired overlap_ended
/authorize              DELETE /contacts/41/a-token-in-a-path/0123456789012345678901234567890123456789012345678 : token : 403 action_not_permitted
/agents/acme/authorize  GET /contacts  : token           : 403 wrong_agent
/authorize              GET /contacts  : token 10.0.1.9  : 403 address_not_allowed
/authorize              GET /contacts  : token 10.0.1.9:5678 : 403 address_not_allowed
/authorize              GET /contacts  : token nowhere   : 403 address_not_allowed unknown_address
/authorize              GET /contacts  : denied 10.0.0.66 : 403 address_not_allowed denied_address
/authorize              GET /contacts  : denied nowhere  : 403 address_not_allowed unknown_address
/authorize              GET /contacts  : token 010.0.0.9 : 403 address_not_allowed unreadable_address
/authorize              GET /contacts  : open 10.0.0.9:0 : 403 address_not_allowed unreadable_address
/authorize              GET /elsewhere : token           : 403 no_route no_area_or_no_action_for_the_method
/authorize              BREW /contacts : token           : 403 no_route no_area_or_no_action_for_the_method
/authorize              brew /contacts : token           : 403 no_route unknown_method
/authorize              GET /contacts/../documents : token : 403 no_route ambiguous_path
/authorize              GET /contacts/a%2Fb : token      : 403 no_route ambiguous_path
/authorize/contacts     GET /x/%2e%2e  : token           : 403 no_route ambiguous_path
/authorize              GET /contacts  : token override  : 403 no_route method_override
/authorize/invoices     GET /contacts  : token           : 403 no_route unknown_area
/elsewhere              GET /contacts  : token           : 403 no_route unknown_endpoint_path
/authorize              DELETE /contacts : token         : 403 action_not_permitted
/authorize              DELETE /%63ontacts : token same jwt : 403 action_not_permitted
/authorize/documents    GET /contacts  : token           : 403 action_not_permitted
/authorize              GET /contacts  : early           : 401 not_yet_valid
/authorize              GET /contacts  : slow            : 403 rate_limited
/authorize              GET /contacts  : counted         : 403 quota_exceeded";

#[test]
fn every_reason_is_answered_as_the_table_says_and_kept_from_the_client() {
    let home = Home::new();
    let (_, token) = home.create(
        "acme",
        &["--grant", "contacts=read", "--allow-ip", "10.0.0.0/24"],
    );
    let (revoked_id, revoked) = home.create("gone", &["--grant", "contacts=read"]);
    home.run(&["revoke", &revoked_id, "--yes"]).done();
    let (_, disabled) = home.create("off", &["--grant", "contacts=read"]);
    home.run(&["disable", "off"]).done();
    let (_, expired) = home.create("over", &["--grant", "contacts=read", "--expires", "1d"]);
    home.tamper(&["UPDATE keys SET expires_at = created_at - 1 WHERE name = 'over'"]);
    let (rotated_id, rotated) = home.create("new", &["--grant", "contacts=read"]);
    home.run(&["rotate", &rotated_id, "--overlap", "0"]).done();
    let mut endpoint = Endpoint::start(&home, &[]);
    let mut refused = Vec::new();
    let unknown = made_up(&token);
    let last = if token.ends_with('x') { 'y' } else { 'x' };
    let malformed = format!("{}{last}", &token[..65]);
    let (_, open) = home.create("open", &["--grant", "contacts=read"]);
    let more = |name, rule| reader_with(&home, name, rule);
    let denied = more("denied", ["--deny-ip", "10.0.0.66"]);
    let early = more("early", ["--not-before", "2090-01-01"]);
    let slow = more("slow", ["--rate-limit", "1/hour:1"]);
    let counted = more("counted", ["--quota", "1/day"]);
    let waiting = waiting_for_approval(&home);
    assert_eq!(
        [&slow, &counted].map(|token| endpoint.reads(token)),
        [200; 2]
    );
    let basic = format!("Basic {}", BASE64.encode(format!("svc:{token}").as_bytes()));
    let tokens = |name: &str| match name {
        "token" => &token,
        "open" => &open,
        "malformed" => &malformed,
        "unknown" => &unknown,
        "revoked" => &revoked,
        "disabled" => &disabled,
        "expired" => &expired,
        "rotated" => &rotated,
        "denied" => &denied,
        "early" => &early,
        "slow" => &slow,
        "counted" => &counted,
        "waiting" => &waiting,
        other => panic!("no token is called {other}"),
    };
    for (n, line) in REFUSED.lines().enumerate() {
        let parts: Vec<Vec<&str>> = line
            .split(" : ")
            .map(|part| part.split_whitespace().collect())
            .collect();
        let [asked, head, told] = parts.as_slice() else {
            panic!("three parts: {line}")
        };
        let path = asked[2].replace("QUERY", &token);
        let (to, method, path) = (asked[0], asked[1], path.as_str());
        let (status, why): (u16, _) = (told[0].parse().expect("a status"), told[1]);
        let detail = told.get(2).copied().unwrap_or_default();
        // Only the last refusals of one address that match no key are kept.
        let usual = format!("10.0.0.{}", n % 8);
        let mut from = Some(usual.as_str());
        let mut headers = Vec::new();
        for &word in head {
            match word {
                "nowhere" => from = None,
                "override" => headers.push(("X-HTTP-Method-Override", "GET")),
                "basic" => headers.push(("Authorization", basic.as_str())),
                "apikey" => headers.push(("apikey", token.as_str())),
                "jwt" => headers.push(("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30.")),
                "same" => headers.push(("X-API-Key", token.as_str())),
                "origin" => headers.push(("Origin", "https://app.example")),
                "asked" => headers.push(("Access-Control-Request-Method", "GET")),
                address if address.contains('.') => from = Some(address),
                name => headers.push(("X-API-Key", tokens(name).as_str())),
            }
        }
        headers.extend(from.map(|from| ("X-Forwarded-For", from)));
        let answer = endpoint.asks(to, method, path, &headers);
        assert_eq!(
            (answer.status, reason(&endpoint, &answer).as_str()),
            (status, why),
            "{line}"
        );
        let id = answer.header("x-claviger-decision-id").expect("an id");
        let logged = endpoint.wait_for(id);
        let said = format!("detail=\"{detail}\"");
        assert!(logged.contains(&said), "{line}: {logged}");
        keeps_the_reason_to_itself(&answer, status, why);
        let detail = (!detail.is_empty()).then(|| detail.to_owned());
        refused.push((id.to_owned(), why.to_owned(), detail, path.to_owned()));
    }
    let metrics = ask(endpoint.address(), &request("GET", "/metrics", &[])).body;
    endpoint.end(nix::sys::signal::Signal::SIGTERM);
    for refused in refused {
        is_decided_again(&home, &metrics, refused);
    }
    let log = endpoint.log().concat();
    let secrets = [&token, &revoked, &disabled, &expired, &unknown];
    let leaked = secrets.iter().any(|secret| log.contains(&secret[17..]));
    assert!(!leaked, "a token is in the log");
}

/// Makes a key that waits for approval; returns its token.
fn waiting_for_approval(home: &Home) -> String {
    home.run(&["workspace", "--approve-widening", "yes"]).done();
    home.create("waiting", &["--grant", "contacts=read"]).1
}

/// Makes a key that may read contacts under one more rule; returns its token.
fn reader_with(home: &Home, name: &str, rule: [&str; 2]) -> String {
    home.create(name, &[&["--grant", "contacts=read"][..], &rule].concat())
        .1
}

/// Checks that a refusal tells its client the decision id, and nothing of the key or the reason.
fn keeps_the_reason_to_itself(answer: &Answer, status: u16, why: &str) {
    for (name, value) in [
        ("x-claviger-key-id", ""),
        ("x-claviger-key-name", ""),
        ("cache-control", "no-store"),
        ("content-type", "application/problem+json"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{why}: {name}");
    }
    let id = answer.header("x-claviger-decision-id").expect("an id");
    assert!(id.starts_with("d_") && id.len() == 18, "{id}");
    assert_eq!(answer.json()["decision_id"], id);
    assert_eq!(answer.json()["status"], status);
    let challenge = (status == 401).then_some("Bearer realm=\"claviger\"");
    assert_eq!(answer.header("www-authenticate"), challenge);
}

/// The decision id of a refusal, its reason and detail, and the path.
type Refused = (String, String, Option<String>, String);

/// Checks that a refused request is decided again from its record with the same result, and that it
/// is counted under its reason and detail.
fn is_decided_again(home: &Home, metrics: &str, (id, why, detail, path): Refused) {
    let explained = home.run(&["explain", &id, "--json"]).done().json();
    let told = (&explained["decision"], &explained["reason"]);
    assert_eq!(
        told,
        (&"deny".into(), &why.as_str().into()),
        "{path}: {explained}"
    );
    assert_eq!(explained["recorded"]["reason"], why);
    assert_eq!(explained["detail"], serde_json::json!(detail), "{path}");
    assert_eq!(explained["recorded"]["detail"], serde_json::json!(detail));
    let labels = format!(
        "reason=\"{why}\",detail=\"{}\"",
        detail.as_deref().unwrap_or_default()
    );
    let counted = metrics.lines().find(|line| line.contains(&labels));
    assert!(
        counted.is_some_and(|line| !line.ends_with(" 0")),
        "{labels}: {metrics}"
    );
    assert_eq!(explained["recorded"]["decision_id"], id);
    assert!(
        !explained.to_string().contains("01234567890123456789"),
        "{explained}"
    );
    let failing = |check: &&serde_json::Value| check["state"] == "fails";
    let checks = explained["checks"].as_array().expect("checks");
    assert_eq!(checks.len(), 13);
    let first = checks.iter().find(failing).expect("one that fails");
    assert_eq!(first["check"], why, "{explained}");
    assert!(!home.run(&["explain", &id]).done().stdout.is_empty());
}

#[test]
fn an_allowed_request_is_told_who_it_is() {
    let home = Home::new();
    let (id, token) = home.create(
        "Größe: 1",
        &[
            "--grant",
            "contacts=read",
            "--allow-ip",
            "::ffff:10.0.0.0/120",
        ],
    );
    let endpoint = Endpoint::start(&home, &[]);
    let bearer = format!("bearer {token}");
    for headers in [
        vec![
            ("X-API-Key", token.as_str()),
            ("X-Forwarded-For", "10.0.0.9"),
        ],
        vec![
            ("Authorization", &bearer),
            ("X-Forwarded-For", "::ffff:10.0.0.9"),
        ],
        vec![
            ("Authorization", "Basic YTpi"),
            ("X-API-Key", &token),
            ("X-Forwarded-For", "1.2.3.4, 10.0.0.9"),
        ],
        // Identity headers sent by a client are overwritten.
        vec![
            ("X-API-Key", &token),
            ("X-Forwarded-For", "10.0.0.9"),
            ("X-Claviger-Key-Id", "root"),
        ],
        // Variations that have no effect here (A20).
        vec![
            ("X-API-Key", &token),
            ("X-Forwarded-For", "10.0.0.9"),
            ("X-Forwarded-Prefix", "/documents"),
            ("X-Forwarded-Host", "x"),
            ("X-Forwarded-Proto", "gopher"),
            ("X-Forwarded-Port", "0"),
            ("X-Forwarded-Method", "DELETE"),
            ("X-Forwarded-Uri", "/documents"),
        ],
    ] {
        for to in [
            "/authorize",
            "/authorize/contacts",
            "/agents/default/authorize",
            "/authorize?area=documents",
        ] {
            for (method, path) in [("GET", "/contacts/7?x=/documents"), ("HEAD", "/contacts/")] {
                let answer = endpoint.asks(to, method, path, &headers);
                assert_eq!(answer.status, 200, "{to} {path} {:#?}", endpoint.log());
                assert_eq!(answer.header("x-claviger-key-id"), Some(id.as_str()));
                assert_eq!(
                    answer.header("x-claviger-key-name"),
                    Some("Gr%C3%B6%C3%9Fe%3A%201")
                );
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                assert_eq!(
                    answer.body, "",
                    "nginx keeps a connection only after an empty body"
                );
            }
        }
    }
}

#[test]
fn nobody_is_believed_who_was_not_named() {
    let home = Home::new();
    let (_, open) = home.create("open", &["--grant", "contacts=all"]);
    let (_, here) = home.create(
        "here",
        &["--grant", "contacts=all", "--allow-ip", "127.0.0.1"],
    );
    let endpoint = Endpoint::bare(&home, &["--listen", "127.0.0.1:0"]);
    for token in [&open, &here] {
        for to in ["/authorize", "/authorize/contacts"] {
            let headers = [
                ("X-API-Key", token.as_str()),
                ("X-Forwarded-For", "10.0.0.9"),
            ];
            let answer = endpoint.asks(to, "GET", "/contacts", &headers);
            // The peer's own address counts as the client's, and the forwarded headers are ignored.
            assert_eq!(
                (answer.status, reason(&endpoint, &answer).as_str()),
                (403, "no_route")
            );
        }
    }
    let named = endpoint
        .log()
        .into_iter()
        .filter(|line| line.contains("If it is the gateway, start with --trusted-proxy 127.0.0.1"));
    assert_eq!(named.count(), 1, "said once: {:#?}", endpoint.log());
    let body = format!("{{\"token\":\"{open}\",\"area\":\"contacts\",\"action\":\"read\"}}");
    let verify = format!(
        "POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(ask(endpoint.address(), verify.as_bytes()).status, 403);
}

#[test]
fn over_a_unix_socket_only_those_who_may_open_it() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    let path = home.path().join("claviger.sock");
    let listen = format!("unix:{}", path.display());
    let arguments = [
        "--listen",
        &listen,
        "--socket-mode",
        "600",
        "--trusted-proxy",
        "unix",
    ];
    let mut endpoint = Endpoint::bare(&home, &arguments);
    assert_eq!(endpoint.place, listen);
    let file = std::fs::metadata(&path).expect("the socket");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let headers = [
        ("X-API-Key", token.as_str()),
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/contacts"),
    ];
    let asked = request("GET", "/authorize", &headers);
    let mut client = Client::connect_unix(&path).expect("connected");
    assert_eq!(client.ask(&asked).expect("an answer").status, 200);
    // A TCP client cannot connect to a Unix socket, so this combination is warned about.
    let astray = format!("unix:{}", home.path().join("astray.sock").display());
    let other = ["--listen", &astray, "--trusted-proxy", "127.0.0.1"];
    Endpoint::bare(&home, &other).wait_for("such as --trusted-proxy unix");
    // The first endpoint listens at the socket, so a second one is refused.
    home.run(&["serve", "--listen", &listen])
        .refused(1, "cannot listen at unix:");
    endpoint.end(nix::sys::signal::Signal::SIGKILL);
    assert!(path.exists(), "it was killed");
    let mut endpoint = Endpoint::bare(&home, &arguments[..4]);
    let mut client = Client::connect_unix(&path).expect("connected");
    let answer = client.ask(&asked).expect("an answer");
    assert_eq!(answer.status, 403, "unix was not named as trusted");
    drop(client);
    // An endpoint leaves the socket alone when another process listens at the path by then.
    std::fs::remove_file(&path).expect("removed");
    let mut successor = Endpoint::bare(&home, &arguments);
    assert_eq!(endpoint.end(nix::sys::signal::Signal::SIGTERM), Some(0));
    let mut client = Client::connect_unix(&path).expect("connected");
    assert_eq!(client.ask(&asked).expect("an answer").status, 200);
    drop(client);
    assert_eq!(successor.end(nix::sys::signal::Signal::SIGTERM), Some(0));
    assert!(!path.exists(), "it takes its socket away");
}

pub fn verify(endpoint: &Endpoint, body: &str) -> Answer {
    let head = format!(
        "POST /verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    ask(endpoint.address(), (head + body).as_bytes())
}

#[test]
fn an_application_can_let_the_names_of_the_headers_be_judged() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    let with_names = |names: &str| {
        let answer = verify(
            &endpoint,
            &format!(
                "{{\"token\":\"{token}\",\"area\":\"contacts\",\"action\":\"read\",\"ip\":\"10.0.0.9\",\"header_names\":{names}}}"
            ),
        );
        answer.json()["detail"].clone()
    };
    assert_eq!(with_names(r#"["Accept","Host"]"#), serde_json::Value::Null);
    assert_eq!(with_names("[]"), serde_json::Value::Null);
    assert_eq!(
        with_names(r#"["Accept","X-HTTP-Method-Override"]"#),
        "method_override"
    );
    assert_eq!(with_names(r#"["x_http_method"]"#), "method_override");
}

#[test]
fn verify_names_the_reason_to_a_trusted_application() {
    let home = Home::new();
    let (id, token) = home.create(
        "acme",
        &["--grant", "contacts=read", "--allow-ip", "10.0.0.0/24"],
    );
    let endpoint = Endpoint::start(&home, &[]);
    let verify = |body: &str| verify(&endpoint, body);
    let asked = |token: &str, area: &str, action: &str, ip: &str| {
        let answer = verify(&format!(
            "{{\"token\":\"{token}\",\"area\":\"{area}\",\"action\":\"{action}\",\"ip\":\"{ip}\"}}"
        ));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()
    };
    let allowed = asked(&token, "contacts", "read", "10.0.0.9");
    assert_eq!(allowed["decision"], "allow");
    assert_eq!(allowed["reason"], serde_json::Value::Null);
    assert_eq!(allowed["key_id"], id.as_str());
    assert_eq!(
        (&allowed["status"], &allowed["detail"]),
        (&200.into(), &serde_json::Value::Null)
    );
    let (good, bad) = (token.as_str(), &token[1..]);
    for (token, request, reason) in [
        (good, "contacts/delete/10.0.0.9", "action_not_permitted"),
        (good, "documents/read/10.0.0.9", "action_not_permitted"),
        (good, "invoices/read/10.0.0.9", "no_route"),
        (good, "In Voices/read/10.0.0.9", "no_route"),
        (good, "contacts/read/10.0.1.9", "address_not_allowed"),
        (bad, "contacts/read/10.0.0.9", "malformed_token"),
        ("", "contacts/read/10.0.0.9", "missing_token"),
    ] {
        let parts: Vec<&str> = request.split('/').collect();
        let (area, action, ip) = (parts[0], parts[1], parts[2]);
        let key = (!reason.ends_with("_token")).then_some(&id);
        let denied = asked(token, area, action, ip);
        assert_eq!(denied["decision"], "deny");
        assert_eq!(denied["reason"], reason);
        let status = if reason.ends_with("_token") { 401 } else { 403 };
        assert_eq!(denied["status"], status);
        assert_eq!(denied["key_id"].as_str(), key.map(String::as_str));
    }
    let line = endpoint.wait_for("In Voices");
    assert!(
        line.contains("detail=\"unknown_area\"") && line.contains("endpoint=\"/verify\""),
        "{line}"
    );
    let unknown = verify(&format!(
        "{{\"token\":\"{token}\",\"area\":\"contacts\",\"action\":\"read\"}}"
    ));
    assert_eq!(
        unknown.json()["reason"],
        "address_not_allowed",
        "an unknown address"
    );
    for (body, words) in [
        ("", "not understood"),
        (
            "[\"x\",\"contacts\",\"read\",null,null,null]",
            "it is no JSON object",
        ),
        ("\"x\"", "it is no JSON object"),
        (
            "{\"area\":\"contacts\",\"action\":\"read\",\"ip\":\"10.0.0.9:443\"}",
            "10.0.0.9:443 is an address with a port: write the address alone, 10.0.0.9",
        ),
        ("{\"area\":\"contacts\"}", "missing field `action`"),
        (
            "{\"area\":\"contacts\",\"action\":\"reed\"}",
            "no action reed",
        ),
        (
            "{\"area\":\"contacts\",\"action\":\"read\",\"ip\":\"010.0.0.1\"}",
            "010.0.0.1 is no IP address",
        ),
        (
            "{\"area\":\"contacts\",\"action\":\"read\",\"adress\":\"x\"}",
            "unknown field `adress`",
        ),
        (&"x".repeat(9000), "longer than"),
    ] {
        let answer = verify(body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
    }
}

#[test]
fn health_readiness_and_counts_and_nothing_else_answers_200() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    let get = |to: &str| {
        ask(
            endpoint.address(),
            &request("GET", to, &[("X-API-Key", &token)]),
        )
    };
    assert_eq!(get("/healthz").status, 200);
    assert_eq!(get("/readyz").status, 200);
    endpoint.asks("/authorize", "GET", "/contacts", &[("X-API-Key", &token)]);
    endpoint.asks("/authorize", "PUT", "/contacts", &[("X-API-Key", &token)]);
    let metrics = get("/metrics");
    assert_eq!(metrics.status, 200);
    for line in [
        "claviger_decisions_total{decision=\"allow\",reason=\"\"} 1",
        "claviger_decisions_total{decision=\"deny\",reason=\"action_not_permitted\"} 1",
        "claviger_keys_cached 1",
    ] {
        assert!(
            metrics.body.lines().any(|one| one == line),
            "{line}: {}",
            metrics.body
        );
    }
    assert!(!metrics.body.contains("acme") && !metrics.body.contains(&token[4..16]));
    for to in [
        "/",
        "/healthz/",
        "/healthz/../authorize",
        "/Healthz",
        "/authorize/healthz",
        "/metrics/x",
        "/favicon.ico",
        "/envoy/path/contacts",
    ] {
        assert_eq!(get(to).status, 403, "{to}");
    }
    for to in ["/healthz", "/readyz", "/metrics"] {
        let answer = ask(endpoint.address(), &request("DELETE", to, &[]));
        assert_eq!(answer.status, 401, "{to}");
    }
    let probe = [
        ("User-Agent", "GoogleHC/1.0"),
        ("X-API-Key", token.as_str()),
    ];
    assert_eq!(
        ask(endpoint.address(), &request("GET", "/authorize", &probe)).status,
        403
    );
}

#[test]
fn what_is_no_proper_request_is_no_decision() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    let key =
        format!("X-API-Key: {token}\r\nX-Original-Method: GET\r\nX-Original-URI: /contacts\r\n");
    let get = "GET /authorize HTTP/1.1\r\nHost: x\r\n";
    let many: Vec<String> = (0..10_000)
        .map(|n| format!("X-Filler-{n}: 1\r\n"))
        .collect();
    let many = many.concat();
    for (what, bytes) in [
        (
            "both lengths",
            format!("{get}{key}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "a chunked body",
            format!("{get}{key}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "a body with a length",
            format!("{get}{key}Content-Length: 5\r\n\r\nhello"),
        ),
        (
            "two lengths",
            format!("{get}{key}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        ),
        (
            "a folded line",
            format!("{get}{key}X-Folded: a\r\n b\r\n\r\n"),
        ),
        (
            "a large header",
            format!("{get}{key}X-Large: {}\r\n\r\n", "a".repeat(64 * 1024)),
        ),
        ("many headers", format!("{get}{key}{many}\r\n")),
        (
            "a space before the colon",
            format!("{get}X-API-Key : {token}\r\n{key}\r\n"),
        ),
        ("a NUL", format!("{get}{key}X-Nul: a\0b\r\n\r\n")),
        ("no HTTP", "hello\r\n\r\n".to_owned()),
        (
            "HTTP/2 of its own accord",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        ),
    ] {
        let mut client = endpoint.client();
        // The endpoint may close the connection before it has read everything.
        let _ = client.send(bytes.as_bytes());
        if let Ok(Some(answer)) = client.receive() {
            assert!([400, 431].contains(&answer.status), "{what}: {answer:?}");
        }
        let closed = match client.receive() {
            Ok(more) => more.is_none(),
            // A broken connection counts as closed; twenty seconds of silence do not.
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        assert!(closed, "{what}: it goes on");
    }
    // Each was counted and logged, those too that were refused before they were understood.
    let metrics = || ask(endpoint.address(), &request("GET", "/metrics", &[])).body;
    let all = "claviger_bad_requests_total 11";
    until("all are counted", || {
        metrics().lines().any(|line| line == all)
    });
    for words in [
        "An authorization request has no body",
        "too many headers, or a head that is too large",
        "the request line or a header cannot be read",
    ] {
        let line = endpoint.wait_for(words);
        assert!(
            line.contains("reason=\"bad_request\"") && line.contains("peer=127.0.0.1"),
            "{line}"
        );
    }
    // An empty body is none.
    let empty = format!("{get}{key}Content-Length: 0\r\n\r\n");
    assert_eq!(ask(endpoint.address(), empty.as_bytes()).status, 200);
}

#[test]
fn metrics_have_the_format_that_is_asked_for_and_promtool_has_nothing_to_say() {
    let home = Home::new();
    let endpoint = Endpoint::start(&home, &[]);
    let get = |accept: &str| {
        ask(
            endpoint.address(),
            &request("GET", "/metrics", &[("Accept", accept)]),
        )
    };
    let open = get("application/openmetrics-text; version=1.0.0");
    let media_type = open.header("content-type").expect("a type");
    assert!(
        media_type.starts_with("application/openmetrics-text"),
        "{open:?}"
    );
    assert!(open.body.ends_with("# EOF\n"));
    let text = get("text/plain;version=0.0.4");
    let media_type = text.header("content-type").expect("a type");
    assert!(
        media_type.starts_with("text/plain; version=0.0.4"),
        "{text:?}"
    );
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: run tests/run, which installs it");
    let mut input = promtool.stdin.take().expect("a pipe");
    input.write_all(text.body.as_bytes()).expect("written");
    drop(input);
    let said = promtool.wait_with_output().expect("an end");
    assert!(said.status.success(), "{said:?}");
    assert!(said.stdout.is_empty() && said.stderr.is_empty(), "{said:?}");
}

/// Constants beside areas that lie within others, and literals beside a star: no reading of a path leads
/// further in than the key may go.
#[test]
fn a_constant_area_opens_nothing_that_lies_further_in() {
    let home = Home::new();
    for (area, routes) in [
        ("api", &["/api"][..]),
        ("admin", &["/api/admin"]),
        ("orgs", &["/v1/orgs/*"]),
        ("acme", &["/v1/orgs/acme", "/v1/orgs/*/billing"]),
        ("strict", &["/strict", "POST /strict/search=read"]),
    ] {
        let routes = routes.iter().flat_map(|route| ["--route", *route]);
        let add: Vec<&str> = ["area", "add", area].into_iter().chain(routes).collect();
        home.run(&add).done();
    }
    let grants = [
        "--grant",
        "api=read",
        "--grant",
        "orgs=read",
        "--grant",
        "strict=read",
    ];
    let (_, token) = home.create("outer", &grants);
    let endpoint = Endpoint::start(&home, &[]);
    let asks = |to: &str, path: &str| {
        let answer = endpoint.asks(to, "GET", path, &[("X-API-Key", &token)]);
        (answer.status, reason_or_nothing(&endpoint, &answer))
    };
    let ambiguous = (403, "ambiguous_path".to_owned());
    for path in [
        "/api/admin%2Fusers",
        "/api/admin;v=1/users",
        "/api//admin/users",
        "/api/%2Fadmin/users",
        "/api/%2561dmin/users",
        "/api\\admin\\users",
        "/api/Admin/users",
        "/api/x/%2e%2e/admin",
        "/api/\u{ff0e}./admin",
    ] {
        assert_eq!(asks("/authorize/api", path), ambiguous, "{path}");
        assert_eq!(asks("/authorize", path).0, 403, "{path}");
    }
    for path in [
        "/api/queues/%2F/jobs",
        "/api/items/1;rev=2",
        "/api/50%25-off",
        "/elsewhere//x",
    ] {
        assert_eq!(asks("/authorize/api", path).0, 200, "{path}");
    }
    // An action that depends on the path needs a path that all read alike.
    assert_eq!(asks("/authorize/strict", "/strict/a%2Fb"), ambiguous);
    assert_eq!(asks("/authorize", "/v1/orgs/7").0, 200);
    for path in [
        "/v1/orgs/acme",
        "/v1/orgs/acme/x",
        "/v1/orgs/7/billing",
        "/v1/orgs/7/Billing",
        "/v1/orgs/ACME",
    ] {
        assert_eq!(asks("/authorize", path).0, 403, "{path}");
    }
}

/// Returns the detail of a refusal, or else its reason; nothing for an allow.
fn reason_or_nothing(endpoint: &Endpoint, answer: &Answer) -> String {
    if answer.status == 200 {
        return String::new();
    }
    let id = answer.header("x-claviger-decision-id").expect("an id");
    let line = endpoint.wait_for(id);
    let word = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\"")).expect("a word");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    Some(word("detail"))
        .filter(|it| !it.is_empty())
        .unwrap_or_else(|| word("reason"))
}
