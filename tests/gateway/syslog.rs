//! The stream of the audit log to a real rsyslog: every event arrives whole, whatever ends in
//! between.
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{command::Home, endpoint::Endpoint, waiting::until};

/// A real rsyslog with the file that is shipped, but for its paths.
struct Rsyslog {
    folder: PathBuf,
    running: Option<Child>,
}

impl Rsyslog {
    fn new(home: &Home) -> Self {
        let folder = home.path().join("rsyslog");
        fs::create_dir(&folder).expect("a folder");
        let shipped = include_str!("../../packaging/rsyslog/claviger.conf");
        let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
        let shipped = shipped
            .replace("/run/claviger-audit", &path("socket"))
            .replace("/var/log/claviger-audit.jsonl", &path("events"));
        let heads = format!(
            "template(name=\"head\" type=\"string\" string=\"%app-name% %msgid% %timereported:::date-rfc3339%\\n\")\n\
             action(type=\"omfile\" file=\"{}\" template=\"head\")",
            path("heads")
        );
        let all = format!(
            "global(workDirectory=\"{}\")\nmodule(load=\"imuxsock\" SysSock.Use=\"off\")\n{heads}\n{shipped}",
            folder.display()
        );
        fs::write(folder.join("conf"), all).expect("written");
        Self {
            folder,
            running: None,
        }
    }

    fn start(&mut self) {
        let path = |name: &str| self.folder.join(name);
        let child = Command::new("/usr/sbin/rsyslogd")
            .args(["-n", "-f"])
            .arg(path("conf"))
            .arg("-i")
            .arg(path("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rsyslogd");
        self.running = Some(child);
        let socket = path("socket");
        until("rsyslog listens", || {
            std::os::unix::net::UnixDatagram::unbound()
                .and_then(|it| it.connect(&socket))
                .is_ok()
        });
    }

    fn end(&mut self) {
        let Some(mut child) = self.running.take() else {
            return;
        };
        let id = i32::try_from(child.id()).expect("an id");
        let id = nix::unistd::Pid::from_raw(id);
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).expect("signalled");
        child.wait().expect("ended");
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("events")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        whole.lines().map(read).collect()
    }

    /// Returns the events that arrived, put together from their parts, by their numbers.
    fn events(&self) -> BTreeMap<i64, Value> {
        let mut events = BTreeMap::new();
        let mut parts: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for line in self.lines() {
            let sequence = line["sequence"].as_i64().expect("a number");
            let Some(count) = line["parts"].as_u64() else {
                events.insert(sequence, line);
                continue;
            };
            let pieces = parts.entry(sequence).or_default();
            pieces.push(line["text"].as_str().expect("a part").to_owned());
            if pieces.len() as u64 == count {
                let whole = serde_json::from_str(&pieces.concat()).expect("JSON");
                events.insert(sequence, whole);
                pieces.clear();
            }
        }
        events
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn stream_to(home: &Home, rsyslog: &Rsyslog) {
    let folder = home.path().join(".config/claviger");
    fs::create_dir_all(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("chmod");
    let socket = rsyslog.folder.join("socket");
    let text = format!("audit = \"syslog:{}\"\n", socket.display());
    fs::write(folder.join("config.toml"), text).expect("written");
}

/// Waits until as many events arrived as the log has, and compares each with the log.
fn all_arrive(home: &Home, rsyslog: &Rsyslog) {
    let log = home.run(&["audit", "--json"]).done().stdout;
    let log: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    until("all events arrived", || rsyslog.events().len() >= log.len());
    let arrived: Vec<Value> = rsyslog.events().into_values().collect();
    assert!(arrived == log, "{arrived:#?}\n{log:#?}");
}

#[test]
fn every_event_arrives_whole_whatever_is_restarted() {
    let home = Home::new();
    let mut rsyslog = Rsyslog::new(&home);
    stream_to(&home, &rsyslog);
    // Nobody listens: the change is made, and the event waits.
    let made = home.run(&["create", "Zoë \"x\" ]\\ 界", "--json"]).done();
    assert!(made.stderr.contains("are not sent to"), "{made:?}");
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    rsyslog.start();
    let sent = home.run(&["disable", &id]).done();
    assert!(!sent.stderr.contains("not sent"), "{sent:?}");
    all_arrive(&home, &rsyslog);
    let heads = fs::read_to_string(rsyslog.folder.join("heads")).expect("heads");
    let at = rsyslog.events()[&1]["at"]
        .as_str()
        .expect("a time")
        .to_owned();
    let first = format!("claviger key.created {}", &at[..19]);
    assert!(heads.starts_with(&first), "{heads}");
    // Rsyslog is away for some changes; an endpoint sends their events.
    rsyslog.end();
    for description in ["one", "two", "three"] {
        let edited = home.run(&["edit", &id, "--description", description]);
        assert!(edited.done().stderr.contains("not sent"));
    }
    let told = home.run(&["doctor"]).stdout;
    assert!(
        told.contains("not sent to") && told.contains("yet: 3"),
        "{told}"
    );
    rsyslog.start();
    let mut endpoint = Endpoint::start(&home, &[]);
    all_arrive(&home, &rsyslog);
    endpoint.end(nix::sys::signal::Signal::SIGTERM);
    // An event that is longer than a message may be.
    let networks = |third: u32| -> String {
        let each = (1000..1100).map(|n| format!("2001:db8:{third}:4444:5555:6666:{n}:0/112"));
        each.collect::<Vec<_>>().join(",")
    };
    let (allowed, denied) = (networks(3333), networks(2222));
    home.run(&["edit", &id, "--allow-ip", &allowed, "--deny-ip", &denied])
        .done();
    all_arrive(&home, &rsyslog);
    assert!(rsyslog.lines().iter().any(|line| line["part"] == 2));
    // Many at once: each arrives, some twice.
    std::thread::scope(|scope| {
        for n in 0..8 {
            let home = &home;
            scope.spawn(move || home.run(&["create", &format!("key {n}")]).done());
        }
    });
    all_arrive(&home, &rsyslog);
    let before = rsyslog.lines().len();
    let count = rsyslog.events().len();
    home.run(&["audit", "resend", "3"]).done();
    until("they arrived again", || {
        rsyslog.lines().len() >= before + count - 2
    });
    all_arrive(&home, &rsyslog);
}

#[test]
fn a_place_that_is_none_is_named_with_its_line() {
    let home = Home::new();
    home.create("x", &[]);
    home.run(&["audit", "resend", "1"])
        .refused(2, "there is no place to send events to");
    let folder = home.path().join(".config/claviger");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(
        folder.join("config.toml"),
        "osc52 = true\naudit = \"tcp:x\"\n",
    )
    .expect("written");
    home.run(&["list"])
        .refused(2, "line 2: audit: tcp:x is no place for events");
}
