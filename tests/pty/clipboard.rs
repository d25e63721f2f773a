//! Copying: a copy counts only when the bytes leave a real tmux, over a real ssh.
use std::{
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command},
};

use crate::{
    command::Home,
    screen::{Screen, copied},
    sshd::{free_port, key_pair, needed},
};

fn tmux_buffers(socket: &str, home: &Home) -> String {
    let mut list = Command::new("tmux");
    list.env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .args(["-L", socket, "list-buffers"]);
    String::from_utf8_lossy(&list.output().expect("tmux").stdout).into_owned()
}

fn kill_tmux(socket: &str) {
    let _ = Command::new("tmux")
        .args(["-L", socket, "kill-server"])
        .output();
}

#[test]
fn out_of_a_tmux_without_any_configuration() {
    needed("tmux");
    let home = Home::new();
    let (_, token) = home.create("acme", &[]);
    let socket = format!("claviger-{}", std::process::id());
    let line = [
        "tmux",
        "-L",
        &socket,
        "-f",
        "/dev/null",
        "new-session",
        env!("CARGO_BIN_EXE_claviger"),
    ];
    let mut screen = Screen::program(&line, home.path(), 100, 30, &[]);
    screen.wait_for("acme");
    screen.copy_until("the word", |s| s.text().contains("sent to your terminal"));
    screen.wait_until("the token to leave tmux", |s| {
        copied(&s.bytes).contains(&token)
    });
    assert_eq!(tmux_buffers(&socket, &home), "", "no copy stays in tmux");
    screen.press("z").wait_for("The clipboard was overwritten.");
    screen.press("q");
    screen.end();
    kill_tmux(&socket);
}

/// A real sshd on this machine; it is stopped when the value is dropped.
struct Sshd {
    process: Child,
    port: u16,
}

impl Sshd {
    fn start(home: &Home) -> Self {
        for program in ["sshd", "ssh", "ssh-keygen"] {
            needed(program);
        }
        let folder = home.path().join("ssh");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("chmod");
        for name in ["host", "client"] {
            key_pair(&folder, name);
        }
        let port = free_port();
        let path = folder.display();
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host\nAuthorizedKeysFile {path}/client.pub\n\
             PidFile {path}/pid\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        );
        std::fs::write(folder.join("config"), text).expect("written");
        // Debian's sshd needs this folder; only root can create it, and only root needs it.
        let _ = std::fs::create_dir_all("/run/sshd");
        let process = Command::new("/usr/sbin/sshd")
            .arg("-D")
            .arg("-f")
            .arg(folder.join("config"))
            .arg("-E")
            .arg(folder.join("log"))
            .spawn()
            .expect("sshd");
        Self { process, port }
    }

    /// The command line of a client that runs a command on the server.
    fn client(&self, home: &Home, command: &str) -> Vec<String> {
        let key = home.path().join("ssh/client");
        // The server may still be starting, so the client tries again.
        let port = self.port.to_string();
        let mut line: Vec<String> = ["ssh", "-tt", "-p", &port, "-i"]
            .map(str::to_owned)
            .to_vec();
        line.push(key.display().to_string());
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectionAttempts=20",
        ] {
            line.extend(["-o".to_owned(), option.to_owned()]);
        }
        line.extend(["-F", "/dev/null", "127.0.0.1"].map(str::to_owned));
        line.push(command.to_owned());
        line
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn out_of_a_tmux_behind_a_real_ssh_and_without_tmux() {
    let home = Home::new();
    let (_, token) = home.create("acme", &[]);
    let sshd = Sshd::start(&home);
    let socket = format!("claviger-ssh-{}", std::process::id());
    let program = format!(
        "env HOME={} {}",
        home.path().display(),
        env!("CARGO_BIN_EXE_claviger")
    );
    for command in [
        program.clone(),
        format!("tmux -L {socket} -f /dev/null new-session '{program}'"),
    ] {
        let line = sshd.client(&home, &command);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let mut screen = Screen::program(&line, home.path(), 100, 30, &[]);
        screen.wait_for("acme");
        screen.copy_until("the word", |s| s.text().contains("sent to your terminal"));
        screen.wait_until("the token at the client", |s| {
            copied(&s.bytes).contains(&token)
        });
        assert!(!screen.text().contains("copied"));
        if command.starts_with("tmux") {
            assert_eq!(tmux_buffers(&socket, &home), "");
        }
        screen.press("q");
        screen.end();
    }
    let copy = format!("{program} copy acme");
    let line = sshd.client(&home, &copy);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let mut screen = Screen::program(&line, home.path(), 100, 30, &[]);
    screen.wait_until("the token at the client", |s| {
        copied(&s.bytes).contains(&token)
    });
    assert_eq!(screen.end(), 0);
    kill_tmux(&socket);
}

#[test]
fn in_gnu_screens_way_in_short_pieces() {
    let home = Home::new();
    let (_, token) = home.create("acme", &[]);
    let mut screen = Screen::claviger(
        home.path(),
        80,
        24,
        &[("STY", "1.screen"), ("SSH_TTY", "/dev/pts/1")],
    );
    screen.wait_for("acme");
    screen
        .press("C")
        .wait_for("a curl line")
        .press("<down><enter>")
        .wait_for("sent to your terminal");
    let text = String::from_utf8_lossy(&screen.bytes).into_owned();
    assert!(!text.contains("tmux;"));
    let pieces: Vec<&str> = text
        .split("\u{1b}P")
        .skip(1)
        .map(|part| part.split("\u{1b}\\").next().unwrap_or(""))
        .collect();
    assert!(
        !pieces.is_empty() && pieces.iter().all(|piece| piece.len() <= 240),
        "{pieces:?}"
    );
    let whole: String = pieces.concat();
    assert!(whole.ends_with('\u{7}'), "it ends in BEL");
    let decoded = copied(whole.as_bytes()).pop().expect("decoded");
    assert_eq!(decoded, format!("curl -H 'Authorization: Bearer {token}' "));
}

#[test]
fn without_any_clipboard_the_token_is_shown_and_can_be_saved() {
    let home = Home::new();
    let (id, token) = home.create("acme", &[]);
    let mut screen = Screen::claviger(
        home.path(),
        80,
        24,
        &[("DISPLAY", ":77"), ("CLAVIGER_OSC52", "off")],
    );
    screen.wait_for("acme");
    screen.press("c").wait_for(&token);
    assert_eq!(
        screen.text().lines().nth(2),
        Some(token.as_str()),
        "alone, at the first column"
    );
    assert!(copied(&screen.bytes).is_empty());
    screen.press("s").wait_for("readable by you alone");
    let file = home.path().join(format!("claviger-{id}.token"));
    assert_eq!(
        std::fs::read_to_string(&file).expect("saved").trim_end(),
        token
    );
    assert_eq!(
        std::fs::metadata(&file)
            .expect("saved")
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    screen.press("s").wait_for("is there already");
}

/// An X display of its own; it is stopped when the value is dropped.
struct Display {
    process: Child,
    name: String,
}

impl Display {
    fn start() -> Self {
        for program in ["Xvfb", "xclip"] {
            needed(program);
        }
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        // The server chooses its number and writes it to this descriptor when it is ready.
        let mut command = Command::new("Xvfb");
        command.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "640x480x8",
            "-nolisten",
            "tcp",
        ]);
        let process = command
            .stdout(writer)
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("Xvfb");
        drop(command);
        let mut number = Vec::new();
        let mut byte = [0];
        while std::io::Read::read(&mut reader, &mut byte).expect("a number") == 1
            && byte[0] != b'\n'
        {
            number.push(byte[0]);
        }
        Self {
            process,
            name: format!(":{}", String::from_utf8(number).expect("a number")),
        }
    }

    fn clipboard(&self) -> String {
        let output = Command::new("xclip")
            .args(["-o", "-selection", "clipboard"])
            .env("DISPLAY", &self.name)
            .output()
            .expect("xclip");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn on_a_desktop_it_counts_down_and_is_cleared_on_quitting() {
    let display = Display::start();
    let home = Home::new();
    let (_, token) = home.create("acme", &[]);
    let mut screen = Screen::claviger(home.path(), 80, 24, &[("DISPLAY", &display.name)]);
    screen.wait_for("acme");
    screen
        .press("c")
        .wait_for("copied · the clipboard is cleared in 4");
    assert_eq!(display.clipboard(), token);
    assert!(
        copied(&screen.bytes).is_empty(),
        "nothing went to the terminal"
    );
    screen.wait_for("is cleared in 43 s");
    screen.press("q");
    assert_eq!(screen.end(), 0);
    assert_ne!(display.clipboard(), token);

    let copy = crate::command::ended(
        home.command(&["copy", "acme"])
            .env("DISPLAY", &display.name),
    );
    assert_eq!(copy.status, 0, "{}", copy.stderr);
    assert!(copy.stderr.contains("was copied"));
    assert_eq!(
        display.clipboard(),
        token,
        "the command has ended, and its keeper has not"
    );
    // The process that keeps the copied text ends when another program copies a text.
    let mut other = Command::new("xclip");
    let mut other = other
        .args(["-i", "-selection", "clipboard"])
        .env("DISPLAY", &display.name)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("xclip");
    std::io::Write::write_all(&mut other.stdin.take().expect("an input"), b"theirs")
        .expect("written");
    other.wait().expect("xclip");
}

#[test]
fn on_a_desktop_it_is_cleared_when_its_time_is_over() {
    let display = Display::start();
    let home = Home::new();
    let (_, token) = home.create("acme", &[]);
    let mut screen = Screen::claviger(home.path(), 80, 24, &[("DISPLAY", &display.name)]);
    screen.wait_for("acme");
    screen.press("c").wait_for("is cleared in 20 s");
    assert_eq!(display.clipboard(), token);
    screen.wait_for("The clipboard was cleared.");
    assert_eq!(display.clipboard(), "");
}
