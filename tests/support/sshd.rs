//! A real sshd on this machine with the configuration that is shipped for members: it asks claviger
//! for their keys and runs claviger for whoever holds one. Forwarding is left to the lines that
//! claviger prints; what the shipped file forbids beyond that would hide if they did not.
//!
//! sshd believes a program only where nobody but root can put another one in its place. So root gets
//! a copy of the binary in a folder of root's; anybody else, whom sshd lets in as themselves alone,
//! gets the same lines in a file, written anew before each connection.
use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    command::{Ended, Home, ended, finished},
    screen::Screen,
};

/// A program that the test cannot do without.
pub fn needed(program: &str) {
    let found = ["/usr/bin", "/usr/sbin", "/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    assert!(
        found,
        "{program} is not installed: run the tests with tests/run, which installs it"
    );
}

/// A key pair without a passphrase; the public half is `NAME.pub`.
pub fn key_pair(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path)
        .status();
    assert!(made.expect("ssh-keygen").success());
    path
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// The sshd, for as long as the value lives.
pub struct Sshd<'a> {
    home: &'a Home,
    process: Child,
    port: u16,
    folder: PathBuf,
    /// Where root's copy of the binary is.
    copy: Option<tempfile::TempDir>,
}

impl<'a> Sshd<'a> {
    /// Starts it on a home whose database is there already.
    pub fn start(home: &'a Home) -> Self {
        for program in ["sshd", "ssh", "ssh-keygen", "scp", "sftp"] {
            needed(program);
        }
        let folder = home.path().join("sshd");
        fs::create_dir(&folder).expect("a folder");
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("chmod");
        key_pair(&folder, "host");
        let copy = is_root().then(copied_binary);
        let (shown, port) = (folder.display(), free_port());
        let shipped = include_str!("../../packaging/sshd/claviger.conf")
            .replace("Match User keys", "Match all")
            .replace("DisableForwarding yes", "DisableForwarding no");
        let asked = match &copy {
            Some(copy) => shipped
                .replace("CommandUser keys", "CommandUser root")
                .replace("/usr/local/bin/", &format!("{}/", copy.path().display()))
                .replace("-keys %f", &format!("-keys --database {} %f", home.url())),
            None => shipped
                .replace(
                    "AuthorizedKeysFile none",
                    &format!("AuthorizedKeysFile {shown}/keys"),
                )
                .replace("AuthorizedKeysCommand", "#"),
        };
        let database = match home.url() {
            url if url.starts_with("postgres") => format!(" \"CLAVIGER_DATABASE_URL={url}\""),
            _ => String::new(),
        };
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nPidFile {shown}/pid\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nLogLevel VERBOSE\nSubsystem sftp internal-sftp\n\
             SetEnv \"HOME={}\"{database}\n{asked}",
            home.path().display(),
        );
        fs::write(folder.join("config"), text).expect("written");
        // Debian's sshd wants its folder; only root can make it, and only root needs it.
        let _ = fs::create_dir_all("/run/sshd");
        let process = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f"])
            .arg(folder.join("config"))
            .arg("-E")
            .arg(folder.join("log"))
            .spawn()
            .expect("sshd");
        Self {
            home,
            process,
            port,
            folder,
            copy,
        }
    }

    /// Where the binary is that it runs.
    pub fn binary(&self) -> PathBuf {
        match &self.copy {
            Some(copy) => copy.path().join("claviger"),
            None => env!("CARGO_BIN_EXE_claviger").into(),
        }
    }

    /// The options of a client with this key, for `ssh`, or, with `-P` for the port, `scp` and `sftp`.
    fn options(&self, key: &Path, port: &str) -> Vec<String> {
        if self.copy.is_none() {
            let lines = self.home.run(&["authorized-keys"]).done().stdout;
            fs::write(self.folder.join("keys"), lines).expect("written");
        }
        let mut line = vec![port.to_owned(), self.port.to_string(), "-i".to_owned()];
        line.push(key.display().to_string());
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            // The server may still be starting: the client tries again.
            "ConnectionAttempts=20",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
        ] {
            line.extend(["-o".to_owned(), option.to_owned()]);
        }
        line.extend(["-F", "/dev/null"].map(str::to_owned));
        line
    }

    /// The screen that whoever holds a key comes to.
    pub fn screen(&self, key: &Path, columns: u16, rows: u16) -> Screen {
        let mut line = vec!["ssh".to_owned(), "-tt".to_owned()];
        line.extend(self.options(key, "-p"));
        line.push("127.0.0.1".to_owned());
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        Screen::program(&line, self.home.path(), columns, rows, &[])
    }

    /// Runs `ssh` with these arguments before and after the host.
    pub fn ssh(&self, key: &Path, before: &[&str], after: &[&str], input: &[u8]) -> Ended {
        use std::io::Write as _;
        let mut command = Command::new("ssh");
        command
            .args(self.options(key, "-p"))
            .args(before)
            .arg("127.0.0.1")
            .args(after)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let _ = child.stdin.take().expect("an input").write_all(input);
        finished(child.wait_with_output().expect("an end"))
    }

    /// Runs a command there.
    pub fn run(&self, key: &Path, command: &str) -> Ended {
        self.ssh(key, &[], &[command], b"")
    }

    /// Runs `scp` or `sftp` with these arguments after the options; `HOST` stands for the host.
    pub fn transfer(&self, program: &str, key: &Path, arguments: &[&str]) -> Ended {
        let mut command = Command::new(program);
        let arguments = arguments.iter().map(|it| it.replace("HOST", "127.0.0.1"));
        command.args(self.options(key, "-P")).args(arguments);
        ended(command.stdin(Stdio::null()))
    }
}

fn copied_binary() -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .prefix("claviger-tests-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in("/usr/local/lib")
        .expect("a folder of root's");
    let binary = folder.path().join("claviger");
    fs::copy(env!("CARGO_BIN_EXE_claviger"), &binary).expect("copied");
    fs::set_permissions(&binary, Permissions::from_mode(0o755)).expect("chmod");
    folder
}

impl Drop for Sshd<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
