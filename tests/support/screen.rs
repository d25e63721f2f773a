//! The real binary in a real pseudo-terminal: its screen, and every byte it wrote.
//!
//! Nothing sleeps: every wait is for something on the screen or in the bytes, until a deadline that
//! only a hang reaches.
use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtyPair, PtySize, native_pty_system};

/// The longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(30);
/// The time without output after which a terminal counts as quiet.
const QUIET: Duration = Duration::from_millis(400);

/// A program in a terminal.
pub struct Screen {
    pair: PtyPair,
    child: Box<dyn Child + Send + Sync>,
    input: Box<dyn std::io::Write + Send>,
    output: Receiver<Vec<u8>>,
    /// Every byte that the program wrote.
    pub bytes: Vec<u8>,
    parser: vt100::Parser,
    before: String,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a deadline for what would otherwise hang"
)]
fn now() -> Instant {
    Instant::now()
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn some(number: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(number).expect("a terminal has a size")
}

impl Screen {
    /// Starts claviger in a home, with these variables besides HOME, PATH, TERM and LANG.
    pub fn claviger(home: &Path, columns: u16, rows: u16, variables: &[(&str, &str)]) -> Self {
        Self::program(
            &[env!("CARGO_BIN_EXE_claviger")],
            home,
            columns,
            rows,
            variables,
        )
    }

    /// Starts any program.
    pub fn program(
        line: &[&str],
        home: &Path,
        columns: u16,
        rows: u16,
        variables: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system()
            .openpty(size(columns, rows))
            .expect("a terminal");
        let mut command = CommandBuilder::new(line[0]);
        command.args(&line[1..]);
        command.env_clear();
        command.cwd(home);
        for (name, value) in [
            ("HOME", home.to_str().expect("a path")),
            ("PATH", "/usr/bin:/bin:/usr/sbin"),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
        ] {
            command.env(name, value);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        let before = settings(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).expect("started");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let input = pair.master.take_writer().expect("a writer");
        Self {
            pair,
            child,
            input,
            output,
            bytes: Vec::new(),
            parser: vt100::Parser::new(some(rows), some(columns), 200),
            before,
        }
    }

    /// Presses keys; special keys have names: `<enter>`, `<esc>`, `<tab>`, `<c-x>` and so on.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            if let Some((name, after)) = rest.strip_prefix('<').and_then(|r| r.split_once('>')) {
                rest = after;
                self.send(named(name));
                if name == "esc" {
                    // Escape must arrive alone, or it would start a sequence.
                    self.settle();
                }
                continue;
            }
            rest = &rest[c.len_utf8()..];
            self.send(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self
    }

    /// Sends bytes unchanged.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.input.write_all(bytes.as_ref()).expect("typed");
        self.input.flush().expect("typed");
    }

    fn take(&mut self, bytes: &[u8]) {
        self.parser.process(bytes);
        self.bytes.extend_from_slice(bytes);
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut Self {
        self.wait_until(&format!("{text:?} on the screen"), |screen| {
            screen.text().contains(text)
        })
    }

    /// Waits until a condition holds.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> &mut Self {
        let end = now() + DEADLINE;
        while !holds(self) {
            match self
                .output
                .recv_timeout(end.saturating_duration_since(now()))
            {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Disconnected) if holds(self) => break,
                Err(error) => panic!("waited in vain ({error}) for {what}:\n{}", self.text()),
            }
        }
        self
    }

    /// Copies, and waits until a condition holds. Copies again if tmux exceeded the time limit of a
    /// copy, as on a machine that is busy with other tests.
    #[track_caller]
    pub fn copy_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> &mut Self {
        let too_slow = |screen: &Self| screen.text().contains("nothing answered in time");
        for _ in 0..10 {
            self.press("c")
                .wait_until(what, |screen| holds(screen) || too_slow(screen));
            if holds(self) {
                return self;
            }
            self.press("<esc>")
                .wait_until("the end of the message", |screen| !too_slow(screen));
        }
        panic!("copied ten times in vain for {what}:\n{}", self.text())
    }

    /// Reads output until the terminal is quiet; returns the number of bytes read.
    pub fn settle(&mut self) -> usize {
        self.quiet_for(QUIET)
    }

    /// Reads output until none came for the given time; returns the number of bytes read.
    pub fn quiet_for(&mut self, quiet: Duration) -> usize {
        let before = self.bytes.len();
        while let Ok(bytes) = self.output.recv_timeout(quiet) {
            self.take(&bytes);
        }
        self.bytes.len() - before
    }

    /// The text on the screen.
    pub fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// The emulated screen of the terminal.
    pub fn terminal(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// Resizes the terminal.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.pair
            .master
            .resize(size(columns, rows))
            .expect("resized");
        self.parser.screen_mut().set_size(some(rows), some(columns));
    }

    /// The program's process id.
    pub fn process(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(
            i32::try_from(self.child.process_id().expect("an id")).expect("an id"),
        )
    }

    /// Sends the program a signal.
    pub fn signal(&mut self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(self.process(), signal).expect("sent");
    }

    /// Waits for the end of the program; returns its exit status.
    #[track_caller]
    pub fn end(&mut self) -> u32 {
        let end = now() + DEADLINE;
        loop {
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(20)) {
                self.take(&bytes);
            }
            if let Some(status) = self.child.try_wait().expect("a state") {
                self.settle();
                return status.exit_code();
            }
            assert!(now() < end, "it did not end:\n{}", self.text());
        }
    }

    /// Checks that the terminal is in the state that it had before the program.
    #[track_caller]
    pub fn assert_restored(&mut self) {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        assert_eq!(
            text.matches("\u{1b}[?1049l").count(),
            1,
            "the alternate screen is left exactly once"
        );
        assert!(!self.terminal().alternate_screen() && !self.terminal().hide_cursor());
        assert!(!self.terminal().bracketed_paste());
        for mode in ["?1000h", "?1002h", "?1003h", "?1006h"] {
            assert!(!text.contains(mode), "no mouse mode is ever switched on");
        }
        let begun = text.matches("\u{1b}[?2026h").count();
        assert!(
            text.matches("\u{1b}[?2026l").count() >= begun,
            "no frame is left open"
        );
        self.assert_settings();
    }

    /// Checks that the terminal's settings are the ones from before the program.
    #[track_caller]
    pub fn assert_settings(&self) {
        assert_eq!(settings(self.pair.master.as_ref()), self.before, "stty -g");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The terminal's settings, like the output of `stty -g`.
fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

fn named(name: &str) -> Vec<u8> {
    if let Some(letter) = name.strip_prefix("c-") {
        return vec![letter.as_bytes()[0] & 0x1f];
    }
    match name {
        "enter" => b"\r".to_vec(),
        "esc" => b"\x1b".to_vec(),
        "tab" => b"\t".to_vec(),
        "s-tab" => b"\x1b[Z".to_vec(),
        "up" => b"\x1b[A".to_vec(),
        "down" => b"\x1b[B".to_vec(),
        "right" => b"\x1b[C".to_vec(),
        "left" => b"\x1b[D".to_vec(),
        "pgdn" => b"\x1b[6~".to_vec(),
        "backspace" => b"\x7f".to_vec(),
        other => panic!("no key is called <{other}>"),
    }
}

/// Returns the texts that were sent to a terminal's clipboard (OSC 52), decoded.
pub fn copied(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split("\u{1b}]52;")
        .skip(1)
        .filter_map(|part| {
            let encoded = part.split_once(';')?.1;
            let encoded = encoded.split(['\u{7}', '\u{1b}']).next()?;
            let decoded = data_encoding::BASE64.decode(encoded.as_bytes()).ok()?;
            String::from_utf8(decoded).ok()
        })
        .collect()
}
