//! The endpoint as a service: its settings in the configuration file, its signals, and the service
//! manager that starts it.
use std::{
    fs,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, net::UnixDatagram},
    },
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use crate::{
    command::Home,
    endpoint::{Endpoint, LIMIT},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn configure(home: &Home, text: &str) {
    let folder = home.path().join(".config/claviger");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config.toml"), text).expect("written");
}

fn secrets(home: &Home, text: &str, mode: u32) -> String {
    let path = home.path().join("secrets");
    let _ = fs::remove_file(&path);
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
    path.to_str().expect("UTF-8").to_owned()
}

/// A home with a key that may read contacts from anywhere, and its token.
fn home() -> (Home, String) {
    let home = Home::new();
    let (_, token) = home.create("reader", &["--grant", "contacts=read"]);
    (home, token)
}

/// Sends SIGHUP and waits until the settings were read this many times.
fn reload(endpoint: &Endpoint, times: usize) -> String {
    endpoint.signal(Signal::SIGHUP);
    endpoint.wait_for_nth("the settings were read again", times)
}

#[test]
fn the_file_says_what_the_flags_can_say_and_the_flags_win() {
    let (home, token) = home();
    configure(
        &home,
        "[serve]\nlisten = '127.0.0.1:0'\ngateway = 'traefik'\ntrusted_proxy = '10.0.0.1, 127.0.0.0/8'\n\
         credential = ['header:apikey', 'basic']\nlog_format = 'text'\ncache = 8\n",
    );
    let endpoint = Endpoint::bare(&home, &["--gateway", "nginx"]);
    let began = endpoint.wait_for("listening");
    for words in [
        "gateway=\"nginx\"",
        "trusted=10.0.0.1 127.0.0.0/8",
        "credentials=header:apikey basic",
    ] {
        assert!(began.contains(words), "{began}");
    }
    let with = |name: &str| {
        let asked = endpoint.asks("/authorize", "GET", "/contacts", &[(name, &token)]);
        (
            asked.status,
            asked.header("www-authenticate").map(str::to_owned),
        )
    };
    assert_eq!(with("apikey"), (200, None));
    let challenge = Some(r#"Basic realm="claviger""#.to_owned());
    assert_eq!(with("X-API-Key"), (401, challenge));
    let commas = Endpoint::bare(
        &home,
        &[
            "--trusted-proxy",
            "10.0.0.1,127.0.0.1",
            "--gateway",
            "nginx",
        ],
    );
    assert!(
        commas
            .wait_for("listening")
            .contains("trusted=10.0.0.1 127.0.0.1 ")
    );

    for (text, words) in [
        ("[serve]\nlisen = 'x'", "line 2"),
        ("[serve]\n\nlisten = 'x'", "line 3: x is no address"),
        ("[serve]\ntrusted_proxy = ['10.0.0.7/24']", "line 2: "),
        ("[serve]\ncredential = 'query'", "line 2: query is no place"),
        ("[serve]\ncache = 0", "line 2: 0 is not between"),
        ("[serve]\nproxy_secret_file = 'x'", "absolute"),
        ("[serve]\nsocket_mode = '660'", "write --listen unix:PATH"),
        (
            "[serve]\nproxy_secret_file = '/nonexistent'",
            "cannot be read",
        ),
    ] {
        configure(&home, text);
        let ended = home.run(&["serve"]);
        assert_ne!(ended.status, 0, "{text}");
        assert!(ended.stderr.contains(words), "{text}: {}", ended.stderr);
    }
}

#[test]
fn a_hangup_reads_the_settings_again_all_of_them_or_none() {
    let (home, token) = home();
    let file = secrets(&home, SECRET, 0o600);
    let settings = |more: &str| {
        format!("[serve]\nlisten = '127.0.0.1:0'\nproxy_secret_file = '{file}'\n{more}")
    };
    configure(&home, &settings(""));
    let mut endpoint = Endpoint::bare(&home, &[]);
    let sends = |secrets: &[&str]| {
        let mut headers = vec![("X-API-Key", token.as_str())];
        headers.extend(
            secrets
                .iter()
                .map(|secret| ("X-Claviger-Proxy-Secret", *secret)),
        );
        let asked = endpoint.asks("/authorize", "GET", "/contacts", &headers);
        asked.status
    };
    assert_eq!((sends(&[SECRET]), sends(&[OTHER])), (200, 403));
    assert_eq!((sends(&[SECRET, SECRET]), sends(&[])), (403, 403));
    secrets(&home, &format!("{SECRET}\n{OTHER}\n"), 0o600);
    reload(&endpoint, 1);
    assert_eq!((sends(&[SECRET]), sends(&[OTHER])), (200, 200));
    secrets(&home, OTHER, 0o600);
    configure(&home, &settings("log_level = 'debug'\nlog_format = 'json'"));
    reload(&endpoint, 2);
    assert_eq!((sends(&[SECRET]), sends(&[OTHER])), (403, 200));
    assert!(
        endpoint
            .wait_for("\"message\":\"allowed\"")
            .starts_with('{')
    );

    // What is wrong in any part changes nothing.
    let mut times = 2;
    for (text, words) in [
        (settings("trusted_proxy = 'localhost'"), "is a name"),
        (settings("gateway = 'caddy'"), "gateway has changed"),
        (settings("cache = 1"), "cache has changed"),
        (
            settings("max_connections = 5"),
            "max_connections has changed",
        ),
        (
            settings("").replace("127.0.0.1:0", "127.0.0.1:1"),
            "listen has changed",
        ),
        (settings("= 3"), "is not understood"),
        (
            "database = 'sqlite:/x'".to_owned(),
            "[serve] that this endpoint",
        ),
    ] {
        configure(&home, &text);
        times += 1;
        let said = reload(&endpoint, times);
        assert!(said.contains(words), "{text}: {said}");
        assert_eq!((sends(&[SECRET]), sends(&[OTHER])), (403, 200));
    }
    configure(&home, &settings("trusted_proxy = '127.0.0.1'"));
    for (text, mode, words) in [
        (SECRET, 0o644, "others can read"),
        ("short", 0o600, "line 1 of"),
        ("", 0o600, "there is no secret"),
    ] {
        secrets(&home, text, mode);
        times += 1;
        assert!(reload(&endpoint, times).contains(words), "{text}");
        assert_eq!(sends(&[]), 403, "the proxy is not trusted either");
    }
    secrets(&home, SECRET, 0o600);
    reload(&endpoint, times + 1);
    assert_eq!((sends(&[]), sends(&[OTHER])), (200, 200));
    endpoint.signal(Signal::SIGUSR1);
    endpoint.signal(Signal::SIGUSR2);
    assert_eq!(sends(&[]), 200);
    let log = endpoint.log().concat();
    assert!(!log.contains(SECRET) && !log.contains(OTHER), "{log}");
    assert_eq!(endpoint.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    let (home, token) = home();
    let mut command = home.command(&[]);
    let program = command.get_program().to_owned();
    command = Command::new("/bin/sh");
    command
        .env_clear()
        .env("HOME", home.path())
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(program)
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--trusted-proxy",
            "127.0.0.1",
        ]);
    let endpoint = Endpoint::spawn(command);
    endpoint.signal(Signal::SIGHUP);
    endpoint.signal(Signal::SIGUSR1);
    assert_eq!(endpoint.reads(&token), 200);
    assert!(!endpoint.log().concat().contains("read again"));
}

#[test]
fn the_service_manager_passes_the_socket_and_is_told_of_the_states() {
    let (home, token) = home();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let told = home.path().join("notify");
    let manager = UnixDatagram::bind(&told).expect("a socket");
    manager.set_read_timeout(Some(LIMIT)).expect("set");
    let program = home.command(&[]).get_program().to_owned();
    let mut command = Command::new("/bin/sh");
    command
        .env_clear()
        .env("HOME", home.path())
        .env("NOTIFY_SOCKET", &told)
        .env("WATCHDOG_USEC", "300000")
        .args([
            "-c",
            "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"",
        ])
        .arg(program)
        .args(["serve", "--trusted-proxy", "127.0.0.1"])
        .stdin(Stdio::from(OwnedFd::from(listener)));
    let mut endpoint = Endpoint::spawn_with_input(command);
    assert_eq!(endpoint.place, address.to_string());
    assert_eq!(endpoint.reads(&token), 200);
    let mut heard = String::new();
    let mut hear = |word: &str| {
        let mut buffer = [0; 512];
        while !heard.contains(word) {
            let length = manager.recv(&mut buffer).expect("a message");
            heard += &String::from_utf8_lossy(&buffer[..length]);
        }
        heard.clear();
    };
    hear("READY=1");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    endpoint.signal(Signal::SIGHUP);
    hear("MONOTONIC_USEC=");
    hear("READY=1");
    assert_eq!(endpoint.end(Signal::SIGTERM), Some(0));
    hear("STOPPING=1");
}
