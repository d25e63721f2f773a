//! The real binary with a home of its own, and what a script sees of it.
use std::{
    fmt,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

/// A home folder, and the database in it.
pub struct Home {
    folder: tempfile::TempDir,
    database: Option<String>,
}

/// The result of a command: its exit status and its output.
pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The debug output of a failed test hides tokens, since it ends up in logs.
impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = format!("{}: {} / {}", self.status, self.stdout, self.stderr);
        for (at, _) in shown.clone().match_indices("clv_") {
            let end = (at + 66).min(shown.len());
            let from = (at + 17).min(end);
            if shown.is_char_boundary(from) && shown.is_char_boundary(end) {
                shown.replace_range(from..end, &"*".repeat(end - from));
            }
        }
        f.write_str(&shown)
    }
}

impl Ended {
    /// Parses standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"))
    }

    /// Checks that the command succeeded.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.status, 0, "{}", self.stderr);
        self
    }

    /// Checks that the command ended with this status and one sentence that contains these words.
    #[track_caller]
    pub fn refused(&self, status: i32, words: &str) {
        assert_eq!(self.status, status, "{}", self.stderr);
        assert!(
            self.stderr.contains(words),
            "{words:?} is not in: {}",
            self.stderr
        );
        let clean = |c: char| {
            c == '\n'
                || c == '→'
                || (!c.is_control()
                    && claviger::domain::text::visible(&c.to_string())
                        .chars()
                        .count()
                        == 1)
        };
        assert!(
            self.stderr.chars().all(clean),
            "the sentence itself is clean: {:?}",
            self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

impl Home {
    /// Creates a home with the default database.
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self {
            folder: folder.expect("a folder"),
            database: None,
        }
    }

    /// Creates a home with the database at this URL.
    pub fn on(database: String) -> Self {
        Self {
            database: Some(database),
            ..Self::new()
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn database_file(&self) -> PathBuf {
        self.path().join(".local/share/claviger/claviger.db")
    }

    pub fn master_key(&self) -> PathBuf {
        self.path().join(".config/claviger/master-key")
    }

    /// Returns the command, ready to be changed and run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
        command
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", "/usr/bin:/bin")
            .args(arguments);
        if let Some(database) = &self.database {
            command.env("CLAVIGER_DATABASE_URL", database);
        }
        command
    }

    /// Runs a command with empty standard input.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).stdin(Stdio::null()))
    }

    /// Runs a command with the given standard input.
    pub fn fed(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        // The command may end without reading all of it.
        let _ = child.stdin.take().expect("an input").write_all(input);
        finished(child.wait_with_output().expect("an end"))
    }

    /// The URL of the home's database.
    pub fn url(&self) -> String {
        let file = || format!("sqlite:{}", self.database_file().display());
        self.database.clone().unwrap_or_else(file)
    }

    /// Runs SQL statements on the database directly, without claviger.
    pub fn tamper<S: AsRef<str>>(&self, statements: &[S]) {
        for statement in statements {
            self.past(statement.as_ref());
        }
    }

    /// Runs SQL statements in order on one connection, without claviger; returns the first column
    /// of the last row.
    pub fn past(&self, statements: &str) -> Option<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let sql = AssertSqlSafe(statements.to_owned());
        let url = self.url();
        runtime.expect("a runtime").block_on(async {
            macro_rules! on {
                ($connection:ty) => {{
                    let mut connection = <$connection>::connect(&url).await.expect("connected");
                    let rows = sqlx::raw_sql(sql).fetch_all(&mut connection).await;
                    let rows = rows.unwrap_or_else(|error| panic!("{statements}: {error}"));
                    connection.close().await.expect("closed");
                    rows.last().and_then(|row| row.try_get::<String, _>(0).ok())
                }};
            }
            if url.starts_with("sqlite:") {
                on!(SqliteConnection)
            } else {
                on!(PgConnection)
            }
        })
    }

    /// Creates a key; returns its id and its token.
    pub fn create(&self, name: &str, more: &[&str]) -> (String, String) {
        let arguments = [&["create", name, "--json"], more].concat();
        let made = self.run(&arguments).done().json();
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        (text("id"), text("token"))
    }

    /// Runs `check` for a token; returns the exit status and the reason.
    pub fn check(
        &self,
        token: &str,
        area: &str,
        action: &str,
        ip: Option<&str>,
    ) -> (i32, Option<String>) {
        let mut arguments = vec!["check", "--area", area, "--action", action, "--json"];
        arguments.extend(ip.iter().flat_map(|ip| ["--ip", *ip]));
        let ended = self.fed(&arguments, token.as_bytes());
        let reason = if ended.status == 2 {
            None
        } else {
            ended.json()["reason"].as_str().map(str::to_owned)
        };
        (ended.status, reason)
    }

    /// Returns the keys as `list --json` prints them.
    pub fn list(&self) -> Vec<serde_json::Value> {
        self.run(&["list", "--json"])
            .done()
            .json()
            .as_array()
            .expect("an array")
            .clone()
    }

    /// Returns the actions in the audit log.
    pub fn audit(&self) -> Vec<String> {
        let lines = self.run(&["audit", "--json"]).done().stdout;
        let word = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            event["action"].as_str().expect("a word").to_owned()
        };
        lines.lines().map(word).collect()
    }
}

/// Runs a prepared command to its end.
pub fn ended(command: &mut Command) -> Ended {
    finished(command.output().expect("started"))
}

/// Converts the collected output of a command that has ended.
pub fn finished(output: std::process::Output) -> Ended {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended {
        status: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
