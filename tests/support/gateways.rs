//! The real gateways with the configuration files that are shipped, in which only the three
//! addresses are replaced by free ports, and an API behind them that records the requests it
//! receives.
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use crate::waiting::until;

/// The kind of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Caddy,
    Traefik,
    Envoy,
    HaProxy,
    Apache,
}

impl Kind {
    /// The word that `serve --gateway` takes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nginx | Self::HaProxy | Self::Apache => "nginx",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    /// The word that `doctor --as` takes.
    pub fn probed(self) -> &'static str {
        match self {
            Self::HaProxy => "haproxy",
            Self::Apache => "apache",
            other => other.word(),
        }
    }

    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx.conf"],
            Self::Caddy => &["Caddyfile"],
            Self::Traefik => &["traefik.yml", "traefik-routes.yml"],
            Self::Envoy => &["envoy.yaml"],
            Self::HaProxy => &["haproxy.cfg", "haproxy.lua"],
            Self::Apache => &["apache.conf", "apache.lua"],
        }
    }

    fn command(self, folder: &Path) -> Command {
        let at = |file: &str| folder.join(file).to_str().expect("a path").to_owned();
        let mut command = match self {
            Self::Nginx => Command::new("/usr/sbin/nginx"),
            Self::Caddy => Command::new(installed("bin/caddy")),
            Self::Traefik => Command::new(installed("bin/traefik")),
            Self::Envoy => Command::new(installed("envoy/_bin/envoy")),
            Self::HaProxy => Command::new("/usr/sbin/haproxy"),
            Self::Apache => Command::new("/usr/sbin/apache2"),
        };
        match self {
            Self::Nginx => command.args(["-p", &at(""), "-c", &at("nginx.conf")]),
            Self::Caddy => command.args([
                "run",
                "--adapter",
                "caddyfile",
                "--config",
                &at("Caddyfile"),
            ]),
            Self::Traefik => command.arg(format!("--configFile={}", at("traefik.yml"))),
            Self::HaProxy => command.args(["-f", &at("haproxy.cfg")]),
            Self::Apache => command.args(["-d", &at(""), "-f", &at("apache.conf"), "-DFOREGROUND"]),
            Self::Envoy => command.args([
                "-c",
                &at("envoy.yaml"),
                "--use-dynamic-base-id",
                "--concurrency",
                "2",
            ]),
        };
        command
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .env("PATH", "/usr/bin:/bin");
        command
    }
}

/// Returns the path of a program that `tests/run` has installed from `PyPI`.
fn installed(program: &str) -> PathBuf {
    let folder = std::env::var_os("CLAVIGER_TEST_GATEWAYS").expect(
        "CLAVIGER_TEST_GATEWAYS is not set: run tests/run, which installs the gateways for the tests",
    );
    PathBuf::from(folder).join(program)
}

/// An address at which nobody listens just now.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// A running gateway.
pub struct Gateway {
    kind: Kind,
    folder: tempfile::TempDir,
    child: Child,
    /// The address at which it listens for clients.
    pub address: SocketAddr,
}

impl Gateway {
    /// Starts a gateway that uses this endpoint and forwards to this API.
    pub fn start(kind: Kind, endpoint: SocketAddr, api: SocketAddr) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/gateways");
        let read = |file: &&str| std::fs::read_to_string(shipped.join(file)).expect("a file");
        let texts = kind.files().iter().map(read).collect();
        Self::with(kind, texts, endpoint, api)
    }

    /// Starts a gateway with one replacement in its files.
    pub fn changed(
        kind: Kind,
        change: (&str, &str),
        endpoint: SocketAddr,
        api: SocketAddr,
    ) -> Self {
        Self::changed_so(kind, &[change], endpoint, api)
    }

    /// Starts a gateway with several replacements in its files.
    pub fn changed_so(
        kind: Kind,
        changes: &[(&str, &str)],
        endpoint: SocketAddr,
        api: SocketAddr,
    ) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/gateways");
        let read = |file: &&str| std::fs::read_to_string(shipped.join(file)).expect("a file");
        let mut texts: Vec<String> = kind.files().iter().map(read).collect();
        for (from, to) in changes {
            let is_there = texts.iter().any(|text| text.contains(from));
            assert!(is_there, "{kind:?}: {from:?} is not in its files");
            texts = texts.iter().map(|text| text.replace(from, to)).collect();
        }
        Self::with(kind, texts, endpoint, api)
    }

    /// Starts nginx with a server that consists of the lines in README.md.
    pub fn of_the_readme(endpoint: SocketAddr, api: SocketAddr) -> Self {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = std::fs::read_to_string(readme).expect("README.md");
        let (_, lines) = readme.split_once("```nginx\n").expect("lines for nginx");
        let (lines, _) = lines.split_once("```").expect("an end of them");
        let text = format!(
            "daemon off; pid nginx.pid; error_log stderr warn; events {{}}
             http {{
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi; access_log off;
                 server {{ listen 127.0.0.1:8080; {lines} }}
             }}"
        );
        Self::with(Kind::Nginx, vec![text], endpoint, api)
    }

    fn with(kind: Kind, texts: Vec<String>, endpoint: SocketAddr, api: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // nginx runs as the user nobody.
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open).expect("chmod");
        let address = free_address();
        let mut moved = [false; 3];
        for (file, mut text) in kind.files().iter().zip(texts) {
            let places = [("8080", address), ("8750", endpoint), ("9000", api)];
            for (at, (port, place)) in places.into_iter().enumerate() {
                for (from, to) in [
                    (format!("127.0.0.1:{port}"), place.to_string()),
                    (
                        format!("http://:{port}"),
                        format!("http://:{}", place.port()),
                    ),
                    (
                        format!("port_value: {port}"),
                        format!("port_value: {}", place.port()),
                    ),
                ] {
                    moved[at] |= text.contains(&from);
                    text = text.replace(&from, &to);
                }
            }
            std::fs::write(folder.path().join(file), text).expect("written");
        }
        assert_eq!(moved, [true; 3], "{kind:?}: the three addresses");
        let child = Self::spawn(kind, folder.path());
        let gateway = Self {
            kind,
            folder,
            child,
            address,
        };
        gateway.ready();
        gateway
    }

    fn spawn(kind: Kind, folder: &Path) -> Child {
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        kind.command(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{kind:?}: {error}"))
    }

    fn ready(&self) {
        let what = format!("{:?} listens", self.kind);
        until(&what, || TcpStream::connect(self.address).is_ok());
    }

    /// Stops the gateway and starts it again.
    pub fn restart(&mut self) {
        self.kill();
        until("its port is free", || {
            TcpListener::bind(self.address).is_ok()
        });
        self.child = Self::spawn(self.kind, self.folder.path());
        self.ready();
    }

    /// The output and the access log of the gateway.
    pub fn log(&self) -> String {
        let read = |file: &str| std::fs::read_to_string(self.folder.path().join(file));
        read("log").unwrap_or_default() + &read("access.log").unwrap_or_default()
    }

    fn kill(&mut self) {
        let process = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        let _ = nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The API behind a gateway: it answers 200 to everything, and records each request's head.
pub struct Api {
    /// The address at which it listens.
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Api {
    /// Starts an API on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let heads = Arc::clone(&kept);
                std::thread::spawn(move || answer(stream, &heads));
            }
        });
        Self { address, heads }
    }

    /// Returns the heads of the requests received since the last call.
    pub fn reached(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().expect("a list"))
    }
}

/// Returns the length of the body that follows a head.
fn body_length(head: &str) -> u64 {
    let named = head.lines().filter_map(|line| line.split_once(": "));
    let length = named
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.parse().ok());
    length.unwrap_or(0)
}

fn answer(stream: TcpStream, heads: &Mutex<Vec<String>>) {
    let mut writer = stream.try_clone().expect("a stream");
    let mut lines = BufReader::new(stream);
    loop {
        let mut head = String::new();
        loop {
            let mut line = Vec::new();
            match lines.read_until(b'\n', &mut line) {
                Ok(1..) => {}
                _ => return,
            }
            head += String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']);
            head.push('\n');
            if head.ends_with("\n\n") {
                break;
            }
        }
        // The end of a chunked body is no request.
        if !head.contains(" HTTP/1.") {
            continue;
        }
        let upgraded = head.to_ascii_lowercase().contains("upgrade: websocket");
        let length = body_length(&head);
        heads.lock().expect("a list").push(head);
        if upgraded {
            // The answer to the key of RFC 6455, 1.3.
            let _ = writer.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            );
            // What comes then is sent back.
            let _ = std::io::copy(&mut lines, &mut writer);
            return;
        }
        if std::io::copy(&mut (&mut lines).take(length), &mut std::io::sink()).is_err() {
            return;
        }
        let answered = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe API\n";
        if writer.write_all(answered).is_err() {
            return;
        }
    }
}
