//! Benchmark of the endpoint under load, compared with a bare axum handler and with a handler that
//! looks up a SHA-256 in a map and never learns of a change (the limit of a stale cache). All
//! subjects are measured in one run, round robin.
//!
//! Run it with `tests/run bench gateway`, which starts the PostgreSQL server that the benchmark
//! needs. The load generator is `wrk`, from Debian's package of that name. It requests decisions on
//! 10,000 keys in turn over 32 kept-alive connections, on the same machine; every answer must be
//! 200. Compare the ratios: absolute figures drift between machines and with the other load on a
//! machine.
//!
//! Variants tried in development, each measured against the one before, on two cores with SQLite:
//!
//! - One task reads the epoch for all waiting requests: 0.55 to 0.6 of bare, with batches of 5.
//! - A batch grows as long as more requests have arrived: batches of 19, 0.68 to 0.75.
//! - Decision ids from a counter instead of random ones (one system call less), and no formatting
//!   for a log that does not get the line: 3 per cent.
//! - No timer per request, neither claviger's nor hyper's for the request head: the lookup worker
//!   has a deadline per batch, and a connection checks itself every 20 seconds: 2 per cent.
//! - One thread instead of one per core: 0.70 to 0.73, where two threads gave 0.60 to 0.66. The
//!   threads woke each other all the time, and the load generator and SQLite's thread need CPU time
//!   too.
//! - Decision requests bypass axum's router and its layers, which box a future three times per
//!   request: 0.64 to 0.78 with SQLite, 0.58 to 0.65 with PostgreSQL.
//! - Two processes on one port, each with half of the connections: no difference; the batches are
//!   smaller, and the cores are busy already.
//! - mimalloc or jemalloc instead of the system's allocator: within the noise, for twice the
//!   memory.
//! - Thirty-two uses written per statement: no difference, and PostgreSQL locked the rows in an
//!   order of its own.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#[path = "../tests/support/draft.rs"]
mod draft;
#[path = "../tests/support/history.rs"]
mod history;
#[path = "../tests/support/http.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod http;
#[path = "../tests/support/postgres.rs"]
mod postgres;

use claviger::domain::agent::AgentScope;
use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use axum::{Router, http::HeaderMap, routing::get};
use claviger::{
    domain::{
        key::{Draft, KeyVersion},
        location::{DatabaseLocation, MasterKeyLocation},
        token::{KeyId, Token, TokenPrefix},
    },
    keyring::Keyring,
    machine::Machine,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    http::{Client, request},
    postgres::Database,
};

const KEYS: usize = 10_000;
const ROUNDS: usize = 7;
const SECONDS: u64 = 4;
const CONNECTIONS: usize = 32;
const HISTORY: usize = 1000;
/// The environment variable that makes this program run as one of the measured subjects.
const SUBJECT: &str = "CLAVIGER_BENCH_SUBJECT";

const LOAD: &str = r#"
local requests, at = {}, 0
function init(args)
  for token in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", "/authorize", {
      ["X-API-Key"] = token, ["X-Original-Method"] = "GET",
      ["X-Original-URI"] = "/contacts/7", ["X-Forwarded-For"] = "10.0.0.9" })
  end
end
function request() at = at % #requests + 1; return requests[at] end
"#;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if let Ok(subject) = std::env::var(SUBJECT) {
        return runtime.block_on(be(&subject));
    }
    if !Path::new("/usr/bin/wrk").exists() {
        println!("missing: apt-get install wrk");
        std::process::exit(1);
    }
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
    let bench = Bench::new(folder.path());
    let database = Database::new();
    let file = DatabaseLocation::File(folder.path().join("bench.db"));
    let server = DatabaseLocation::Server(SecretString::from(database.url()));
    let tokens = runtime.block_on(seed(&file, folder.path(), "sqlite", partner));
    let server_tokens = runtime.block_on(seed(&server, folder.path(), "postgres", partner));
    let url = format!("sqlite:{}", folder.path().join("bench.db").display());
    let subjects = [
        ("bare axum", Bench::ourselves("bare", &tokens), &tokens),
        (
            "SHA-256 and a map, stale",
            Bench::ourselves("stale", &tokens),
            &tokens,
        ),
        ("claviger, SQLite", bench.claviger(&url), &tokens),
        (
            "claviger, PostgreSQL",
            bench.claviger(&database.url()),
            &server_tokens,
        ),
    ];
    // Runs every part, or only the parts named on the command line.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with('-'))
        .collect();
    let is_asked_for = |part: &str| named.is_empty() || named.iter().any(|it| it == part);
    if is_asked_for("throughput") {
        throughput(&bench, &subjects);
    }
    if is_asked_for("changes") {
        changes(&bench, &runtime, &file, &subjects);
    }
    if is_asked_for("limits") {
        let path = folder.path().join("limits.db");
        let file = DatabaseLocation::File(path.clone());
        let limited_tokens = runtime.block_on(seed(&file, folder.path(), "limited", limited));
        let subject = bench.claviger(&format!("sqlite:{}", path.display()));
        limits(
            &bench,
            (&subjects[2].1, &tokens),
            (&subject, &limited_tokens),
        );
    }
    if is_asked_for("flood") {
        flood(&subjects[2].1, &tokens);
    }
    for (name, subject, _) in &subjects[2..] {
        println!("{name}: {} MB at most", subject.peak() / 1024);
    }
    drop(subjects);
    for (name, location, url) in [
        ("SQLite", &file, url),
        ("PostgreSQL", &server, database.url()),
    ] {
        if is_asked_for("history") {
            never_stale(&bench, &runtime, name, location, &url);
        }
    }
}

struct Bench {
    folder: PathBuf,
}

/// A running program that is measured.
struct Subject {
    child: Child,
    address: SocketAddr,
}

impl Subject {
    /// Waits until the work left over from a load is done, so that it does not count in the next
    /// measurement.
    fn settle(&self) {
        let mut client = Client::connect(self.address).expect("connected");
        loop {
            let metrics = client
                .ask(&request("GET", "/metrics", &[]))
                .expect("an answer");
            let waiting = metrics
                .body
                .lines()
                .find_map(|line| line.strip_prefix("claviger_uses_waiting "));
            if waiting.is_none_or(|count| count == "0") {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Returns the peak resident set size so far, in KiB.
    fn peak(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).expect("a status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.trim().strip_suffix(" kB"));
        peak.and_then(|kb| kb.parse().ok()).expect("a size")
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bench {
    fn new(folder: &Path) -> Self {
        std::fs::write(folder.join("load.lua"), LOAD).expect("written");
        let folder = folder.to_owned();
        Self { folder }
    }

    /// Starts this program again as the given subject.
    fn ourselves(subject: &str, tokens: &Path) -> Subject {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(SUBJECT, format!("{subject} {}", tokens.display()));
        Self::start(command)
    }

    fn claviger(&self, url: &str) -> Subject {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--trusted-proxy",
                "127.0.0.1",
            ])
            .env("HOME", &self.folder)
            .env("CLAVIGER_DATABASE_URL", url);
        Self::start(command)
    }

    fn start(mut command: Command) -> Subject {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("started");
        let mut lines = BufReader::new(child.stderr.take().expect("a log")).lines();
        let line = lines.next().expect("a line").expect("text");
        let (_, place) = line
            .split_once("address=")
            .unwrap_or_else(|| panic!("{line}"));
        let address = place.split(' ').next().and_then(|word| word.parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        Subject {
            child,
            address: address.expect("an address"),
        }
    }

    /// Returns the requests per second and the 99th percentile of their times in milliseconds.
    fn load(&self, subject: &Subject, tokens: &Path) -> (f64, f64) {
        let output = Command::new("/usr/bin/wrk")
            .args([
                "-t1",
                &format!("-c{CONNECTIONS}"),
                &format!("-d{SECONDS}s"),
                "--latency",
                "-s",
            ])
            .arg(self.folder.join("load.lua"))
            .arg(format!("http://{}/", subject.address))
            .arg("--")
            .arg(tokens)
            .output()
            .expect("wrk");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(
            !text.contains("Non-2xx") && !text.contains("Socket errors"),
            "{text}"
        );
        let after = |word: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(word));
            line.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
        };
        let p99 = after("99%");
        let unit = if p99.ends_with("us") { 0.001 } else { 1.0 };
        let p99 = p99.trim_end_matches(|c: char| !c.is_ascii_digit());
        let each = after("Requests/sec:").parse().expect("a number");
        subject.settle();
        (each, p99.parse::<f64>().expect("a number") * unit)
    }
}

/// Serves as one of the benchmark's own subjects: `bare` or `stale`.
async fn be(subject: &str) {
    let (subject, tokens) = subject.split_once(' ').expect("a subject and a file");
    let digest = |token: &[u8]| -> [u8; 32] {
        sha2::Digest::finalize(sha2::Digest::chain_update(sha2::Sha256::default(), token)).into()
    };
    let known: HashSet<[u8; 32]> = std::fs::read_to_string(tokens)
        .expect("tokens")
        .lines()
        .map(|token| digest(token.as_bytes()))
        .collect();
    let known: &'static HashSet<[u8; 32]> = Box::leak(Box::new(known));
    let stale = move |headers: HeaderMap| async move {
        let known = headers
            .get("x-api-key")
            .is_some_and(|key| known.contains(&digest(key.as_bytes())));
        if known {
            axum::http::StatusCode::OK
        } else {
            axum::http::StatusCode::UNAUTHORIZED
        }
    };
    let router = match subject {
        "bare" => Router::new().fallback(get(async || ())),
        _ => Router::new().fallback(get(stale)),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    eprintln!(
        "listening address={}",
        listener.local_addr().expect("an address")
    );
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.expect("served");
}

async fn open(location: &DatabaseLocation, folder: &Path) -> Keyring {
    let master_key = MasterKeyLocation::File(folder.join("master-key"));
    let keyring = Keyring::open(location, master_key, Machine::real()).await;
    keyring.expect("opened")
}

fn partner(number: usize) -> Draft {
    let addresses = "10.0.0.0/24, 192.168.1.1";
    draft::draft(
        &format!("Partner {number:05}"),
        addresses,
        &["contacts=read"],
    )
}

/// A key with a rate limit and a quota that are not reached.
fn limited(number: usize) -> Draft {
    let mut draft = partner(number);
    draft.conditions.rate_limit = Some("1000/second".parse().expect("a limit"));
    draft.conditions.quota = Some("1000000/month".parse().expect("a quota"));
    draft
}

/// Creates the keys; returns the path of the file with their tokens.
async fn seed(
    location: &DatabaseLocation,
    folder: &Path,
    name: &str,
    draft: fn(usize) -> Draft,
) -> PathBuf {
    let keyring = open(location, folder).await;
    let path = folder.join(name);
    let mut file = std::fs::File::create(&path).expect("a file");
    for number in 0..KEYS {
        let created = keyring.create(None, draft(number)).await.expect("created");
        writeln!(file, "{}", created.token.expose().expose_secret()).expect("written");
    }
    keyring.close().await;
    path
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn throughput(bench: &Bench, subjects: &[(&str, Subject, &PathBuf)]) {
    let mut runs: Vec<Vec<(f64, f64)>> = subjects.iter().map(|_| Vec::new()).collect();
    for (_, subject, tokens) in subjects {
        bench.load(subject, tokens);
    }
    for _ in 0..ROUNDS {
        for (at, (_, subject, tokens)) in subjects.iter().enumerate() {
            runs[at].push(bench.load(subject, tokens));
        }
    }
    println!(
        "| endpoint, {KEYS} keys | requests a second | of bare axum | p99 ms | p99 of bare's |\n|---|---|---|---|---|"
    );
    for (at, (name, ..)) in subjects.iter().enumerate() {
        let each = median(runs[at].iter().map(|run| run.0).collect());
        let p99 = median(runs[at].iter().map(|run| run.1).collect());
        // The ratios are taken per round, since other work slows the machine down in some rounds.
        let pairs = || runs[at].iter().zip(&runs[0]);
        let ratio = median(pairs().map(|(run, bare)| run.0 / bare.0).collect());
        let late = median(pairs().map(|(run, bare)| run.1 / bare.1).collect());
        println!("| {name} | {each:.0} | {ratio:.2} | {p99:.2} | {late:.2} |");
    }
}

/// Measures the load on keys that each have a rate limit and a quota, each run paired with one on keys
/// without.
fn limits(bench: &Bench, free: (&Subject, &Path), limited: (&Subject, &Path)) {
    // The first requests reserve a share of the quota for each key.
    for (subject, tokens) in [limited, free] {
        bench.load(subject, tokens);
    }
    let ratios = (0..ROUNDS).map(|_| {
        let without = bench.load(free.0, free.1).0;
        bench.load(limited.0, limited.1).0 / without
    });
    let ratio = median(ratios.collect());
    println!("\nWith a rate limit and a quota on every key: {ratio:.2} of that without (SQLite).");
}

/// Measures the load while ten keys per second change, each run paired with a quiet one.
fn changes(
    bench: &Bench,
    runtime: &tokio::runtime::Runtime,
    location: &DatabaseLocation,
    subjects: &[(&str, Subject, &PathBuf)],
) {
    let (_, subject, tokens) = &subjects[2];
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let quiet = bench.load(subject, tokens).0;
        let over = AtomicBool::new(false);
        let busy = std::thread::scope(|scope| {
            scope.spawn(|| runtime.block_on(change_keys(location, &bench.folder, &over)));
            let busy = bench.load(subject, tokens).0;
            over.store(true, Ordering::SeqCst);
            busy
        });
        ratios.push(busy / quiet);
    }
    let ratio = median(ratios);
    println!("\nWhile ten keys a second change: {ratio:.2} of that without (SQLite).");
}

async fn change_keys(location: &DatabaseLocation, folder: &Path, over: &AtomicBool) {
    let keyring = open(location, folder).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let newest = claviger::domain::listing::PageRequest {
        scope: AgentScope::Everything,
        filter: claviger::domain::listing::Filter::default(),
        sort: claviger::domain::listing::Sort {
            field: claviger::domain::listing::SortField::Created,
            descending: true,
        },
        direction: claviger::domain::listing::Direction::First,
        limit: 50,
        now: keyring.now(),
        damaged: Vec::new(),
    };
    let keys = keyring.page(&newest).await.expect("keys").rows;
    for (number, row) in keys.iter().cycle().enumerate() {
        ticks.tick().await;
        if over.load(Ordering::SeqCst) {
            break;
        }
        let key = keyring.key(&row.key.id).await.expect("a key");
        let mut edited = key.draft.clone();
        edited.description = format!("change {number}").parse().expect("a text");
        let seen = KeyVersion {
            id: key.id,
            revision: key.revision,
        };
        keyring.edit(&seen, &edited).await.expect("edited");
    }
    keyring.close().await;
}

/// Measures 100 good requests per second, first alone and then beside 10,000 bad ones per second.
fn flood(subject: &Subject, tokens: &Path) {
    let tokens = std::fs::read_to_string(tokens).expect("tokens");
    let tokens: Vec<&str> = tokens.lines().collect();
    let quiet = good_ones(subject.address, &tokens);
    let over = AtomicBool::new(false);
    let (flooded, bad) = std::thread::scope(|scope| {
        let bad = scope.spawn(|| bad_ones(subject.address, &over));
        let flooded = good_ones(subject.address, &tokens);
        over.store(true, Ordering::SeqCst);
        (flooded, bad.join().expect("a flood"))
    });
    println!(
        "\nA hundred good requests a second: p50 {:.2} ms, p99 {:.2} ms; beside {bad:.0} unknown and malformed tokens a second {:.2} and {:.2} ms, {:.1} and {:.1} times that.",
        quiet.0,
        quiet.1,
        flooded.0,
        flooded.1,
        flooded.0 / quiet.0,
        flooded.1 / quiet.1,
    );
}

fn asked(token: &str) -> Vec<u8> {
    let headers = [
        ("X-API-Key", token),
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/contacts/7"),
        ("X-Forwarded-For", "10.0.0.9"),
    ];
    request("GET", "/authorize", &headers)
}

/// Sends 1,000 good requests; returns the median and the 99th percentile in milliseconds.
fn good_ones(address: SocketAddr, tokens: &[&str]) -> (f64, f64) {
    let mut client = Client::connect(address).expect("connected");
    let began = Instant::now();
    let mut times = Vec::new();
    for number in 0..1000_u32 {
        let at = Duration::from_millis(10) * number;
        std::thread::park_timeout(at.saturating_sub(began.elapsed()));
        let sent = Instant::now();
        let answer = client
            .ask(&asked(tokens[number as usize]))
            .expect("an answer");
        assert_eq!(answer.status, 200);
        times.push(sent.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    (times[500], times[990])
}

/// Sends 100 bad requests every 10 ms over ten connections; returns the number sent per second.
fn bad_ones(address: SocketAddr, over: &AtomicBool) -> f64 {
    let machine = Machine::real();
    let mut clients: Vec<Client> = (0..10)
        .map(|_| Client::connect(address).expect("connected"))
        .collect();
    let unknown: Vec<Vec<u8>> = (0..5000)
        .map(|_| {
            let mut chance = |buffer: &mut [u8]| machine.fill(buffer);
            let id = KeyId::draw(&mut chance);
            let token = Token::mint(&TokenPrefix::default(), &id, &mut chance);
            asked(token.expose().expose_secret())
        })
        .collect();
    let malformed = asked(&"x".repeat(66));
    let began = Instant::now();
    let mut sent = 0_u32;
    while !over.load(Ordering::SeqCst) {
        for client in &mut clients {
            let ten: Vec<u8> = (0..10)
                .flat_map(|at| {
                    let which = (sent as usize + at) % unknown.len();
                    if at % 2 == 0 {
                        unknown[which].clone()
                    } else {
                        malformed.clone()
                    }
                })
                .collect();
            client.send(&ten).expect("sent");
            sent += 10;
        }
        for client in &mut clients {
            for _ in 0..10 {
                let answer = client.receive().expect("read").expect("an answer");
                assert_eq!(answer.status, 401);
            }
        }
        let at = Duration::from_micros(100) * sent;
        std::thread::park_timeout(at.saturating_sub(began.elapsed()));
    }
    f64::from(sent) / began.elapsed().as_secs_f64()
}

fn never_stale(
    bench: &Bench,
    runtime: &tokio::runtime::Runtime,
    name: &str,
    location: &DatabaseLocation,
    url: &str,
) {
    let endpoints = [bench.claviger(url), bench.claviger(url)];
    let began = Instant::now();
    let keyring = runtime.block_on(open(location, &bench.folder));
    let addresses = endpoints.each_ref().map(|endpoint| endpoint.address);
    let played = history::play(runtime, &keyring, &addresses, HISTORY);
    runtime.block_on(keyring.close());
    let seconds = began.elapsed().as_secs();
    match played {
        Ok(checked) => println!(
            "\n{name}: {HISTORY} rounds, {checked} answers checked in {seconds} s, none older than a change."
        ),
        Err(stale) => {
            println!("\n{name}: answers that were older than a change: {stale:#?}");
            std::process::exit(1);
        }
    }
}
