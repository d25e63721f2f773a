//! A real sshd on this machine with the configuration that is shipped for members: it gets the
//! members' keys from claviger and runs claviger for the holder of a key. Forwarding is allowed in
//! the configuration here, so that only the lines that claviger prints forbid it; with the shipped
//! setting a mistake in them would not show.
//!
//! sshd runs a program for keys only if nobody but root can replace it. So when the tests run as
//! root, a copy of the binary is put in a folder that belongs to root. Any other user, whom sshd
//! lets in only as themselves, gets the same lines in a file, which is written again before each
//! connection.
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

/// Panics if a program that the test needs is not installed.
pub fn needed(program: &str) {
    let found = ["/usr/bin", "/usr/sbin", "/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    assert!(
        found,
        "{program} is not installed: run the tests with tests/run, which installs it"
    );
}

/// Makes a key pair without a passphrase; the public half is `NAME.pub`.
pub fn key_pair(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path)
        .status();
    assert!(made.expect("ssh-keygen").success());
    path
}

/// Returns a port on which nothing listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// A running sshd; it is stopped when the value is dropped.
pub struct Sshd<'a> {
    home: &'a Home,
    process: Child,
    port: u16,
    folder: PathBuf,
    /// The folder with root's copy of the binary, if the tests run as root.
    copy: Option<tempfile::TempDir>,
}

impl<'a> Sshd<'a> {
    /// Starts sshd for a home whose database exists.
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
        // Debian's sshd needs this folder; only root can create it, and only root needs it.
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

    /// The path of the binary that sshd runs.
    pub fn binary(&self) -> PathBuf {
        match &self.copy {
            Some(copy) => copy.path().join("claviger"),
            None => env!("CARGO_BIN_EXE_claviger").into(),
        }
    }

    /// The options of a client with this key; the option for the port is `-p` for `ssh`, and `-P`
    /// for `scp` and `sftp`.
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
            // The server may still be starting, so the client tries again.
            "ConnectionAttempts=20",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
        ] {
            line.extend(["-o".to_owned(), option.to_owned()]);
        }
        line.extend(["-F", "/dev/null"].map(str::to_owned));
        line
    }

    /// Opens the screen that the holder of a key gets.
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

    /// Runs a command on the server.
    pub fn run(&self, key: &Path, command: &str) -> Ended {
        self.ssh(key, &[], &[command], b"")
    }

    /// Runs `scp` or `sftp` with these arguments after the options; `HOST` is replaced by the host.
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
