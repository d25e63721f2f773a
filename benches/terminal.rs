//! Benchmark of claviger in a terminal, compared with `tig`, `mc` and `htop`, and of
//! `claviger check`, compared with `sqlite3`.
//!
//! Run it with `cargo bench --bench terminal`; it needs Debian's packages tig, mc, htop, sqlite3
//! and git. All programs run in one run, round robin, in a pseudo-terminal of 120×40. First visible
//! is the time from the start to the first byte that is neither part of an escape sequence nor a
//! space. First paint is the time of the last byte before 120 ms pass without output. A move is one
//! press of the down arrow and the output that follows; the figure is the median of twenty. Memory
//! is the peak resident set size (`VmHWM`). Idle is the number of bytes written in five seconds
//! without input. Terminal queries are answered as xterm answers them, so that no program waits for
//! an answer.
//!
//! Compare the ratios: absolute figures drift between machines and with the other load on a
//! machine.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#[path = "../tests/support/draft.rs"]
mod draft;

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use claviger::{
    domain::{
        agent::AgentScope,
        location::{DatabaseLocation, MasterKeyLocation},
        member::{MemberDraft, Role, SshKey},
    },
    keyring::Keyring,
    machine::Machine,
};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use secrecy::ExposeSecret as _;

const ROUNDS: usize = 15;
const MOVES: usize = 20;
const QUIET: Duration = Duration::from_millis(120);
const IDLE: Duration = Duration::from_secs(5);

fn main() {
    let missing: Vec<&str> = ["tig", "mc", "htop", "sqlite3", "git"]
        .into_iter()
        .filter(|program| !Path::new("/usr/bin").join(program).exists())
        .collect();
    if !missing.is_empty() {
        println!("missing: apt-get install {}", missing.join(" "));
        std::process::exit(1);
    }
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder");
    let folder = folder.path();
    let token = seed(folder, "100.db", 100);
    seed(folder, "10000.db", 10_000);
    repository(&folder.join("repository"));
    let claviger = env!("CARGO_BIN_EXE_claviger");
    let database = |name: &str| format!("sqlite:{}", folder.join(name).display());
    let programs = [
        (
            "claviger, 100 keys",
            vec![claviger.to_owned(), "--database".into(), database("100.db")],
        ),
        (
            "claviger, 10,000 keys",
            vec![
                claviger.to_owned(),
                "--database".into(),
                database("10000.db"),
            ],
        ),
        ("tig", vec!["/usr/bin/tig".to_owned()]),
        ("mc", vec!["/usr/bin/mc".to_owned(), "-u".into()]),
        ("htop", vec!["/usr/bin/htop".to_owned()]),
    ];
    let mut results: Vec<Vec<Run>> = programs.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for (at, (_, line)) in programs.iter().enumerate() {
            results[at].push(run(line, folder, round == 0));
        }
    }
    println!(
        "| program | first visible ms | first paint ms | first paint bytes | bytes per move | peak MB | idle bytes in 5 s |"
    );
    println!("|---|---|---|---|---|---|---|");
    let paint = |runs: &[Run]| median(runs.iter().map(|run| run.paint));
    for ((name, _), runs) in programs.iter().zip(&results) {
        println!(
            "| {name} | {:.1} | {:.1} | {:.0} | {:.0} | {:.1} | {:.0} |",
            median(runs.iter().map(|run| run.visible)),
            paint(runs),
            median(runs.iter().map(|run| run.paint_bytes)),
            median(runs.iter().map(|run| run.move_bytes)),
            median(runs.iter().map(|run| run.memory)),
            runs[0].idle,
        );
    }
    let visible = |at: usize| median(results[at].iter().map(|run: &Run| run.visible));
    println!(
        "\nFirst visible at 10,000 keys: {:.2} of tig's. First paint at 10,000 keys: {:.2} of that at 100.",
        visible(1) / visible(2),
        paint(&results[1]) / paint(&results[0])
    );
    check(claviger, folder, &token);
}

/// The measurements of one run of a program in the terminal.
struct Run {
    visible: f64,
    paint: f64,
    paint_bytes: f64,
    move_bytes: f64,
    memory: f64,
    idle: f64,
}

struct Screen {
    child: Box<dyn Child + Send + Sync>,
    input: Box<dyn std::io::Write + Send>,
    output: Receiver<(Instant, Vec<u8>)>,
    /// Held so that the terminal stays open.
    _master: Box<dyn MasterPty + Send>,
}

impl Screen {
    fn start(line: &[String], folder: &Path) -> Self {
        let size = PtySize {
            rows: 40,
            cols: 120,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut command = CommandBuilder::new(&line[0]);
        command.args(&line[1..]);
        command.cwd(folder.join("repository"));
        command.env_clear();
        let home = folder.display().to_string();
        for (name, value) in [
            ("HOME", home.as_str()),
            ("PATH", "/usr/bin:/bin"),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
        ] {
            command.env(name, value);
        }
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0
                    || sender
                        .send((Instant::now(), buffer[..count].to_vec()))
                        .is_err()
                {
                    break;
                }
            }
        });
        let input = pair.master.take_writer().expect("a writer");
        let child = pair.slave.spawn_command(command).expect("started");
        Self {
            child,
            input,
            output,
            _master: pair.master,
        }
    }

    /// Reads the output until the terminal is quiet; returns each piece with the time it arrived.
    fn until_quiet(&mut self, quiet: Duration) -> Vec<(Instant, Vec<u8>)> {
        let mut pieces = Vec::new();
        while let Ok(piece) = self.output.recv_timeout(quiet) {
            for (question, answer) in [
                ("\x1b[6n", "\x1b[1;1R"),
                ("\x1b[c", "\x1b[?62;22c"),
                ("\x1b[0c", "\x1b[?62;22c"),
            ] {
                if piece
                    .1
                    .windows(question.len())
                    .any(|part| part == question.as_bytes())
                {
                    self.input.write_all(answer.as_bytes()).expect("answered");
                }
            }
            pieces.push(piece);
        }
        pieces
    }
}

fn run(line: &[String], folder: &Path, idle: bool) -> Run {
    let begin = Instant::now();
    let mut screen = Screen::start(line, folder);
    // The first wait covers a slow start; the paint ends with the quiet period after it.
    let mut first = Vec::new();
    while !first
        .iter()
        .any(|(_, bytes): &(Instant, Vec<u8>)| visible(bytes))
    {
        first.extend(screen.until_quiet(QUIET));
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{line:?} shows nothing"
        );
    }
    let since = |moment: Instant| (moment - begin).as_secs_f64() * 1000.0;
    let seen = first
        .iter()
        .find(|(_, bytes)| visible(bytes))
        .expect("seen")
        .0;
    let painted = first.last().expect("painted").0;
    let bytes =
        |pieces: &[(Instant, Vec<u8>)]| pieces.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let idle = if idle {
        count(bytes(&screen.until_quiet_for(IDLE)))
    } else {
        0.0
    };
    let mut moves = Vec::new();
    for _ in 0..MOVES {
        screen.input.write_all(b"\x1b[B").expect("pressed");
        screen.input.flush().expect("pressed");
        moves.push(count(bytes(&screen.until_quiet(Duration::from_millis(60)))));
    }
    let memory = peak(screen.child.process_id().expect("an id"));
    let _ = screen.child.kill();
    let _ = screen.child.wait();
    Run {
        visible: since(seen),
        paint: since(painted),
        paint_bytes: count(bytes(&first)),
        move_bytes: median(moves.into_iter()),
        memory,
        idle,
    }
}

impl Screen {
    /// Reads the output for the given span of time.
    fn until_quiet_for(&mut self, span: Duration) -> Vec<(Instant, Vec<u8>)> {
        let end = Instant::now() + span;
        let mut pieces = Vec::new();
        while let Ok(piece) = self
            .output
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            pieces.push(piece);
        }
        pieces
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of bytes are small")]
fn count(number: usize) -> f64 {
    number as f64
}

/// Returns whether the bytes contain a visible character.
fn visible(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            0x1b if bytes.get(at + 1) == Some(&b'[') => {
                at += 2;
                while at < bytes.len() && !(0x40..=0x7e).contains(&bytes[at]) {
                    at += 1;
                }
            }
            0x1b if matches!(bytes.get(at + 1), Some(b']' | b'P')) => {
                while at < bytes.len()
                    && bytes[at] != 7
                    && bytes[at..].first_chunk() != Some(b"\x1b\\")
                {
                    at += 1;
                }
                at += 1;
            }
            0x1b => {
                at += if matches!(bytes.get(at + 1), Some(b'(' | b')')) {
                    2
                } else {
                    1
                }
            }
            byte if byte > b' ' => return true,
            _ => {}
        }
        at += 1;
    }
    false
}

/// Returns the peak resident set size of a process, in megabytes.
fn peak(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or("VmHWM: 0 kB");
    let kilobytes: f64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0);
    kilobytes / 1024.0
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Measures `claviger check` against `sqlite3 FILE 'select 1'`, each as a process, interleaved.
fn check(claviger: &str, folder: &Path, token: &str) {
    let database = folder.join("100.db");
    let url = format!("sqlite:{}", database.display());
    let once = |program: &str, arguments: &[&str], input: &str| {
        let begin = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        child
            .stdin
            .take()
            .expect("an input")
            .write_all(input.as_bytes())
            .expect("written");
        child.wait().expect("ended");
        begin.elapsed().as_secs_f64() * 1000.0
    };
    let decide = |action: &str, ip: &str, token: &str| {
        let arguments = [
            "check",
            "--database",
            &url,
            "--area",
            "contacts",
            "--action",
            action,
            "--ip",
            ip,
        ];
        once(claviger, &arguments, token)
    };
    let (mut sqlite, mut denied) = (Vec::new(), Vec::new());
    let (mut allowed, mut recorded) = (Vec::new(), Vec::new());
    let (mut every_key, mut one_key) = (Vec::new(), Vec::new());
    let asked = |more: &[&str]| {
        let arguments = [&["authorized-keys", "--database", &url], more].concat();
        once(claviger, &arguments, "")
    };
    let fingerprint = ssh_key(MEMBERS / 2).fingerprint().to_string();
    let file = database.to_str().expect("a path");
    for round in 0..200 {
        sqlite.push(once("/usr/bin/sqlite3", &[file, "select 1"], ""));
        denied.push(decide("delete", "10.0.0.1", token));
        // A use from a new address is written each time; a repeated use from the same one is not.
        let elsewhere = format!("10.0.1.{round}");
        recorded.push(decide("read", &elsewhere, token));
        allowed.push(decide("read", &elsewhere, token));
        every_key.push(asked(&[]));
        one_key.push(asked(&[&fingerprint]));
    }
    let unit = median(sqlite.iter().copied());
    println!("\n| process | median ms | of sqlite3 |\n|---|---|---|");
    for (name, times) in [
        ("sqlite3 FILE 'select 1'", sqlite),
        ("claviger check, denied", denied),
        ("claviger check, allowed, again within a minute", allowed),
        ("claviger check, allowed and recorded", recorded),
        ("claviger authorized-keys %f, of 200 members", one_key),
        ("claviger authorized-keys, of 200 members", every_key),
    ] {
        let middle = median(times.into_iter());
        println!("| {name} | {middle:.2} | {:.2} |", middle / unit);
    }
}

/// The number of members whose keys sshd requests.
const MEMBERS: u32 = 200;

/// A public key made from a number; its private half does not exist.
fn ssh_key(number: u32) -> SshKey {
    let mut bytes = vec![0, 0, 0, 11];
    bytes.extend(b"ssh-ed25519");
    bytes.extend([0, 0, 0, 32]);
    bytes.extend([0; 28]);
    bytes.extend(number.to_be_bytes());
    let line = format!("ssh-ed25519 {}", data_encoding::BASE64.encode(&bytes));
    SshKey::parse(&line, 1).expect("a key")
}

/// Creates the members and `keys` keys; returns the token of the last key.
fn seed(folder: &Path, name: &str, keys: usize) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let master_key = MasterKeyLocation::File(folder.join(".config/claviger/master-key"));
        let location = DatabaseLocation::File(folder.join(name));
        let keyring = Keyring::open(&location, master_key, Machine::real())
            .await
            .expect("opened");
        for number in 0..MEMBERS {
            let member = MemberDraft {
                name: format!("member {number}").parse().expect("a name"),
                role: Role::Viewer,
                scope: AgentScope::Everything,
                keys: vec![ssh_key(number)],
            };
            keyring.add_member(&member).await.expect("added");
        }
        let mut token = String::new();
        for number in 0..keys {
            let name = format!("Partner {number:05}");
            let mut draft = draft::draft(&name, "", &["contacts=read"]);
            draft.description = format!("Weekly export of region {}", number % 17)
                .parse()
                .expect("a text");
            let created = keyring.create(None, draft).await.expect("created");
            created
                .token
                .expose()
                .expose_secret()
                .clone_into(&mut token);
        }
        keyring.close().await;
        token
    })
}

/// Creates a repository with 300 commits, for tig.
fn repository(folder: &PathBuf) {
    std::fs::create_dir(folder).expect("a folder");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments)
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        git.env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1");
        assert!(git.status().expect("git").success(), "git {arguments:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["config", "user.name", "bench"]);
    git(&["config", "user.email", "bench@localhost"]);
    for number in 0..300 {
        git(&[
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            &format!("Change number {number}"),
        ]);
    }
}
