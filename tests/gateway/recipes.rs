//! The recipes of docs/recipes.md, with the real programs.
use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    command::Home,
    endpoint::Endpoint,
    gateways::{Api, Gateway, Kind, free_address},
    http::{Answer, Client, ask, request},
    waiting::until,
};

/// The blocks of docs/recipes.md in this language.
fn blocks(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes.md");
    let text = std::fs::read_to_string(path).expect("docs/recipes.md");
    let begin = format!("```{language}\n");
    let pieces = text.split(&begin).skip(1);
    let inside = |piece: &str| piece.split("```").next().unwrap_or_default().to_owned();
    pieces.map(inside).collect()
}

#[test]
fn a_key_in_the_query_reaches_the_endpoint_through_nginx() {
    let home = Home::new();
    let (_, token) = home.create("query", &["--grant", "contacts=read"]);
    let (_, other) = home.create("other", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    let api = Api::start();
    let lines = blocks("nginx");
    let (set, header) = (&lines[0], &lines[1]);
    assert!(set.starts_with("set $claviger_keys") && header.starts_with("proxy_set_header"));
    let guarded = "auth_request /_claviger/authorize/contacts;";
    let asking = "proxy_pass_request_body off;";
    let gateway = Gateway::changed_so(
        Kind::Nginx,
        &[
            (guarded, &format!("{set}{guarded}")),
            (asking, &format!("{header}{asking}")),
        ],
        endpoint.address(),
        api.address,
    );
    let get = |target: &str, headers: &[(&str, &str)]| {
        ask(gateway.address, &request("GET", target, headers)).status
    };
    let query = format!("/contacts?api_key={token}");
    assert_eq!(get(&query, &[]), 200);
    assert_eq!(get("/contacts", &[("X-API-Key", &token)]), 200);
    assert_eq!(get(&query, &[("X-API-Key", &token)]), 200, "the same one");
    assert_eq!(get(&query, &[("X-API-Key", &other)]), 401, "two of ours");
    assert_eq!(get("/contacts?api_key=", &[]), 401);
    assert_eq!(get("/contacts?api_key=x", &[]), 401);
    let log = endpoint.log().concat() + &gateway.log();
    assert!(!log.contains(&token[17..]), "{log}");
}

#[test]
fn nginx_behind_a_unix_socket_says_the_address_that_it_was_told() {
    let home = Home::new();
    let list = ["--grant", "contacts=read", "--allow-ip", "10.0.0.9"];
    let (_, token) = home.create("fenced", &list);
    let (_, open) = home.create("open", &["--grant", "contacts=read"]);
    let endpoint = Endpoint::start(&home, &[]);
    let api = Api::start();
    let socket = home.path().join("front.sock");
    let listen = format!("listen unix:{};\n", socket.display());
    let listening = "server_name localhost;";
    let start = |more: &str| {
        Gateway::changed(
            Kind::Nginx,
            (listening, &format!("{listen}{more}{listening}")),
            endpoint.address(),
            api.address,
        )
    };
    let get = |token: &str, forwarded: &str| -> Answer {
        until("the socket is there", || {
            UnixStream::connect(&socket).is_ok()
        });
        let headers = [("X-API-Key", token), ("X-Forwarded-For", forwarded)];
        let mut client = Client::connect_unix(&socket).expect("connected");
        client
            .ask(&request("GET", "/contacts", &headers))
            .expect("an answer")
    };
    {
        let _gateway = start("");
        assert_eq!(get(&open, "10.0.0.9").status, 403);
        let line = endpoint.wait_for("unreadable_address");
        assert!(line.contains("unreadable=\"unix:\""), "{line}");
    }
    let _ = std::fs::remove_file(&socket);
    let lines = blocks("nginx");
    assert!(lines[2].starts_with("set_real_ip_from unix:;"));
    let _gateway = start(&lines[2]);
    assert_eq!(get(&token, "10.0.0.9").status, 200);
    assert_eq!(get(&token, "10.0.0.8").status, 403);
    assert_eq!(get(&open, "10.0.0.8").status, 200);
}

#[test]
fn a_websocket_can_need_an_action_of_its_own() {
    let home = Home::new();
    let (_, reader) = home.create("reader", &["--grant", "contacts=read"]);
    let (_, writer) = home.create("writer", &["--grant", "contacts=update"]);
    let edit = ["area", "edit", "contacts", "--route", "GET /ws=update"];
    home.run(&edit).done();
    let endpoint = Endpoint::start(&home, &["--credential", "subprotocol"]);
    let api = Api::start();
    let gateway = Gateway::start(Kind::Nginx, endpoint.address(), api.address);
    let open = |token: &str| {
        let protocols = format!("chat, bearer.{token}");
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol", &protocols),
        ];
        ask(gateway.address, &request("GET", "/ws/1", &headers)).status
    };
    assert_eq!((open(&reader), open(&writer), open("")), (403, 101, 401));
}

/// An application of docs/verify; it is killed when the value is dropped.
struct Application(Child);

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn applications_ask(command: impl Fn(&Path, u16) -> Command, ready: &str) {
    let home = Home::new();
    let list = ["--grant", "contacts=read", "--allow-ip", "127.0.0.1"];
    let (id, token) = home.create("application", &list);
    let mut endpoint = Endpoint::start(&home, &[]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify");
    let place = free_address();
    let mut command = command(&folder, place.port());
    let child = command
        .current_dir(&folder)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("CLAVIGER", format!("http://{}", endpoint.place))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started: run tests/run, which installs what the applications need");
    let mut application = Application(child);
    let lines: Box<dyn std::io::Read> = if ready == "listening" {
        Box::new(application.0.stdout.take().expect("its words"))
    } else {
        Box::new(application.0.stderr.take().expect("its words"))
    };
    let mut lines = BufReader::new(lines).lines().map_while(Result::ok);
    let is_ready = lines.any(|line| line.contains(ready));
    assert!(is_ready, "{ready:?} was not said");
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| {
        ask(place, &request(method, path, headers))
    };
    let key = ("X-API-Key", token.as_str());
    let bearer = format!("Bearer {token}");
    let allowed = send("GET", "/contacts/7", &[("Authorization", &bearer)]);
    assert_eq!(
        (allowed.status, &allowed.json()["key"]),
        (200, &id.as_str().into())
    );
    assert_eq!(send("GET", "/contacts", &[key]).status, 200);
    let missing = send("GET", "/contacts", &[]);
    assert_eq!(missing.status, 401);
    assert_eq!(
        missing.header("www-authenticate"),
        Some("Bearer realm=\"claviger\"")
    );
    assert!(
        missing.json()["decision_id"]
            .as_str()
            .is_some_and(|it| it.starts_with("d_"))
    );
    for (method, headers) in [
        ("DELETE", vec![key]),
        ("OPTIONS", vec![key]),
        ("GET", vec![key, ("X-HTTP-Method-Override", "DELETE")]),
    ] {
        assert_eq!(send(method, "/contacts", &headers).status, 403, "{method}");
    }
    let url = format!("http://{place}/contacts");
    let doctor = ["doctor", "--gateway", &url, "--as", "verify"];
    let found = home.fed(&doctor, token.as_bytes());
    for line in [
        "ok     guard",
        "ok     token",
        "ok     override",
        "ok     forged address",
        "ok     allowed",
        "FAILS  preflight",
    ] {
        assert!(found.stdout.contains(line), "{line}: {}", found.stdout);
    }
    endpoint.end(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(
        send("GET", "/contacts", &[key]).status,
        503,
        "nobody decides"
    );
}

#[test]
fn an_express_application_asks_verify() {
    applications_ask(
        |folder, port| {
            let mut node = Command::new("node");
            // There Debian installs packages.
            let text = std::fs::read_to_string(folder.join("express.mjs")).expect("the example");
            let text = text.replace("\"express\"", "\"/usr/share/nodejs/express/index.js\"");
            node.args(["--input-type=module", "--eval", &text]);
            node.env("PORT", port.to_string());
            node.env("NODE_PATH", "/usr/share/nodejs");
            node
        },
        "listening",
    );
}

#[test]
fn a_starlette_application_asks_verify() {
    applications_ask(
        |_, port| {
            let mut python = Command::new("/usr/bin/python3");
            let port = port.to_string();
            let more = ["--no-proxy-headers", "--port", &port, "starlette_app:app"];
            python.args(["-m", "uvicorn"]).args(more);
            python
        },
        "running on",
    );
}

#[test]
fn traefik_that_forwards_bodies_is_refused_whatever_the_form_of_the_body() {
    let home = Home::new();
    let (_, token) = home.create("writer", &["--grant", "contacts=all"]);
    let endpoint = Endpoint::start(&home, &["--gateway", "traefik"]);
    let api = Api::start();
    let change = (
        "        trustForwardHeader: false\n",
        "        trustForwardHeader: false\n        forwardBody: true\n",
    );
    let gateway = Gateway::changed(Kind::Traefik, change, endpoint.address(), api.address);
    let post = |more: &[(&str, &str)], body: &str| {
        let key = [("X-API-Key", token.as_str())];
        let mut bytes = request("POST", "/contacts", &[&key, more].concat());
        bytes.extend(body.as_bytes());
        ask(gateway.address, &bytes).status
    };
    until("it passes without a body", || {
        post(&[("Content-Length", "0")], "") == 200
    });
    assert_eq!(post(&[("Content-Length", "5")], "hello"), 400);
    let chunked = [("Transfer-Encoding", "chunked")];
    assert_eq!(post(&chunked, "5\r\nhello\r\n0\r\n\r\n"), 400);
}

/// Returns the text of a file of this repository.
fn shipped(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// promtool accepts every expression of the dashboard and of the alert rules, and all name metrics
/// that the endpoint has.
#[test]
fn the_dashboard_and_the_alert_rules_ask_for_metrics_that_exist() {
    let home = Home::new();
    let rules = ["--grant", "contacts=read", "--label", "team=a"];
    let (_, token) = home.create("reader", &rules);
    let endpoint = Endpoint::start(&home, &["--metrics-label", "team"]);
    assert_eq!(endpoint.reads(&token), 200);
    let metrics = ask(endpoint.address(), &request("GET", "/metrics", &[])).body;
    let dashboard: serde_json::Value =
        serde_json::from_str(&shipped("packaging/grafana/claviger.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let mut expressions: Vec<String> = targets
        .map(|target| {
            target["expr"]
                .as_str()
                .expect("a text")
                .replace("$instance", ".*")
        })
        .collect();
    let alerts = shipped("packaging/prometheus/alerts.yml");
    let shipped_rules = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    expressions.extend(shipped_rules.map(str::to_owned));
    assert!(expressions.len() > 12, "{expressions:#?}");
    let mut rules = String::from("groups:\n- name: all\n  rules:\n");
    for (at, expression) in expressions.iter().enumerate() {
        let quoted = serde_json::to_string(expression).expect("a text");
        let _ = writeln!(rules, "  - record: panel:{at}\n    expr: {quoted}");
        for name in expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let is_there = |line: &str| line.starts_with(name);
            assert!(
                !name.starts_with("claviger_") || metrics.lines().any(is_there),
                "there is no {name}: {expression}"
            );
        }
    }
    let file = home.path().join("rules.yml");
    std::fs::write(&file, rules).expect("written");
    let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus/alerts.yml");
    for file in [file.as_path(), &alerts] {
        let checked = Command::new("promtool")
            .args(["check", "rules"])
            .arg(file)
            .output();
        let checked = checked.expect("promtool runs");
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{said}");
    }
}
