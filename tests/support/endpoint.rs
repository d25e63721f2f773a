//! The real endpoint as a separate process, on a free port, with its log.
use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use crate::{
    command::Home,
    http::{Answer, Client, ask, request},
};

/// The longest wait for something that must happen.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A running endpoint; it is killed when the value is dropped.
pub struct Endpoint {
    child: Child,
    /// The address at which it listens: `127.0.0.1:41235` or `unix:/path`.
    pub place: String,
    lines: Arc<Mutex<Vec<String>>>,
    more: Mutex<Receiver<()>>,
}

impl Endpoint {
    /// Starts an endpoint on a free port of 127.0.0.1 that trusts 127.0.0.1 as a proxy.
    pub fn start(home: &Home, more: &[&str]) -> Self {
        let mut arguments = vec!["--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"];
        arguments.extend(more);
        Self::bare(home, &arguments)
    }

    /// Starts an endpoint with only these arguments.
    pub fn bare(home: &Home, arguments: &[&str]) -> Self {
        Self::spawn(home.command(&[&["serve"], arguments].concat()))
    }

    /// Starts a prepared command as an endpoint.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn_with_input(command)
    }

    /// Starts a prepared command as an endpoint, with the standard input that it has.
    pub fn spawn_with_input(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (told, more) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("a log"));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                kept.lock().expect("the log").push(line);
                let _ = told.send(());
            }
        });
        let mut endpoint = Self {
            child,
            place: String::new(),
            lines,
            more: Mutex::new(more),
        };
        let line = endpoint.wait_for("listening");
        let (_, place) = line.split_once("address=").expect("where it listens");
        let place = place.split(' ').next().expect("a word");
        place.clone_into(&mut endpoint.place);
        endpoint
    }

    /// The endpoint's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The socket address at which it listens.
    pub fn address(&self) -> SocketAddr {
        self.place.parse().expect("an address")
    }

    /// The lines of its log so far.
    pub fn log(&self) -> Vec<String> {
        self.lines.lock().expect("the log").clone()
    }

    /// Waits for a line of the log that contains these words, and returns it.
    #[track_caller]
    pub fn wait_for(&self, words: &str) -> String {
        self.wait_for_nth(words, 1)
    }

    /// Waits for the nth line of the log that contains these words, and returns it.
    #[track_caller]
    pub fn wait_for_nth(&self, words: &str, n: usize) -> String {
        loop {
            let mut lines = self.log().into_iter();
            let mut found = lines.by_ref().filter(|line| line.contains(words));
            if let Some(line) = found.nth(n - 1) {
                return line;
            }
            let heard = self.more.lock().expect("news").recv_timeout(LIMIT);
            assert!(
                heard.is_ok(),
                "{words:?} is not in the log: {:#?}",
                self.log()
            );
        }
    }

    /// Opens a connection to the endpoint.
    pub fn client(&self) -> Client {
        Client::connect(self.address()).expect("connected")
    }

    /// Sends a request as nginx does, with a method and a path in headers, and these headers
    /// besides.
    #[track_caller]
    pub fn asks(&self, to: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("X-Original-Method", method), ("X-Original-URI", path)];
        all.extend(headers);
        ask(self.address(), &request("GET", to, &all))
    }

    /// Returns the status for a request to read contacts with a token.
    #[track_caller]
    pub fn reads(&self, token: &str) -> u16 {
        let headers = [("X-API-Key", token)];
        self.asks("/authorize", "GET", "/contacts", &headers).status
    }

    /// Returns the status for a request on contacts with a token, a method and a client address.
    #[track_caller]
    pub fn acts(&self, token: &str, method: &str, from: &str) -> u16 {
        let headers = [("X-API-Key", token), ("X-Forwarded-For", from)];
        self.asks("/authorize", method, "/contacts", &headers)
            .status
    }

    /// Ends the endpoint with a signal and waits; returns its exit status.
    pub fn end(&mut self, signal: nix::sys::signal::Signal) -> Option<i32> {
        self.signal(signal);
        self.child.wait().expect("an end").code()
    }

    /// Sends the endpoint a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let process = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(process, signal).expect("sent");
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
