//! `doctor`: checks everything that could be wrong, and says what to do about each problem.
mod allowed;
mod directives;
mod gateway;
mod probed;
mod probes;
mod upstream;

pub(super) use probed::ProbedKind;

use allowed::GoodProbe;
use std::{io::IsTerminal as _, os::unix::fs::PermissionsExt as _, path::Path};

use nix::sys::statvfs::statvfs;
use serde_json::json;

use super::{
    DoctorArguments, Failure, answered_no,
    audit::read_checkpoints,
    authorized_keys, missing_file, no_database,
    output::{Output, counted},
};
use crate::{
    clipboard::{Clipboard, Environment},
    config::{self, Config},
    domain::{
        audit::Checkpoint,
        location::{DatabaseLocation, MasterKeyLocation},
        text::visible,
    },
    journal::Journal,
    keyring::{DefinedArea, Keyring, StoreLocation},
    machine,
    startup::open_keyring,
};

/// The disk space that must be free, in bytes. A change writes some pages, and so do usage counts.
const LEAST_FREE: u64 = 8 << 20;

/// The result of one check.
struct DoctorFinding {
    subject: &'static str,
    /// What the check found, as a clause.
    found: String,
    /// What to do about the problem; `None` if there is none.
    advice: Option<String>,
}

impl DoctorFinding {
    fn well(subject: &'static str, found: impl Into<String>) -> Self {
        Self {
            subject,
            found: found.into(),
            advice: None,
        }
    }

    fn bad(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            subject,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

pub(super) async fn run(
    arguments: &DoctorArguments,
    database: Option<&str>,
    output: &mut Output,
) -> Result<(), Failure> {
    let config = Config::gather(database, &config::process_variable)?;
    let findings = match (&arguments.gateway, arguments.kind) {
        (Some(url), Some(kind)) => {
            if let Some(path) = missing_file(&config) {
                return Err(no_database(path));
            }
            let (keyring, _) = open_keyring(&config, None).await?;
            let good = GoodProbe {
                make_key: arguments.make_key,
                upstream: arguments.upstream,
            };
            let findings = gateway::findings(&keyring, url, kind, &good).await;
            keyring.close().await;
            findings?
        }
        _ => of_this_machine(&config).await,
    };
    let printed = print(&findings, output);
    if findings.iter().any(|finding| finding.advice.is_some()) {
        Err(answered_no(printed))
    } else {
        printed
    }
}

async fn of_this_machine(config: &Config) -> Vec<DoctorFinding> {
    let mut findings = of_database(config).await;
    findings.extend(of_folders(config));
    findings.extend(of_disk(config));
    findings.extend(of_settings(config));
    findings.push(of_clipboard(config).await);
    findings.push(of_terminal());
    findings.push(of_process());
    findings
}

async fn of_database(config: &Config) -> Vec<DoctorFinding> {
    if let Some(path) = missing_file(config) {
        let path = visible(&path.to_string_lossy());
        return vec![if config.location_named {
            DoctorFinding::bad(
                "database",
                format!("there is no {path}"),
                "look for it, or name another with --database; `claviger create` makes a new one",
            )
        } else {
            DoctorFinding::well(
                "database",
                format!("there is none yet: the first command makes it, in {path}"),
            )
        }];
    }
    match open_keyring(config, None).await {
        Ok((keyring, _)) => {
            let kept = read_checkpoints(&keyring, &[], config);
            let known = kept.as_deref().unwrap_or_default();
            let mut findings = of_keyring(&keyring, known).await;
            findings.push(match &kept {
                Ok(_) => checkpoints(config),
                Err(unread) => DoctorFinding::bad(
                    "checkpoints",
                    unread.to_string(),
                    "until then nobody would notice if the newest events of the audit log were deleted",
                ),
            });
            findings.extend(stream(&keyring).await);
            findings.extend(members(&keyring).await);
            findings.extend(old_routes(&keyring).await);
            keyring.close().await;
            findings
        }
        Err(failure) => vec![DoctorFinding::bad(
            "database",
            failure.to_string(),
            "fix that, then run `claviger doctor` again: until then nothing more can be checked",
        )],
    }
}

/// Checks that checkpoints are kept; without them the end of the audit log could be cut off
/// unnoticed.
fn checkpoints(config: &Config) -> DoctorFinding {
    match Journal::open(&config.checkpoints) {
        Ok(Some(journal)) => DoctorFinding::well(
            "checkpoints",
            format!("of the audit log are kept in {}", journal.shown()),
        ),
        // Checkpoints were switched off on purpose, or this machine has no system log.
        Ok(None) => DoctorFinding::well(
            "checkpoints",
            "are not kept, so nobody would notice if the newest events of the audit log were deleted: set `checkpoints` in config.toml",
        ),
        Err(sentence) => {
            DoctorFinding::bad("checkpoints", sentence, "then run `claviger doctor` again")
        }
    }
}

/// Checks that the events of the audit log are sent where the configuration says; `None` if it says
/// nothing.
async fn stream(keyring: &Keyring) -> Option<DoctorFinding> {
    let unsent = match keyring.unsent_events().await {
        Ok(unsent) => unsent?,
        Err(error) => {
            let advice = "until then no event of the audit log is sent";
            return Some(DoctorFinding::bad("stream", error.to_string(), advice));
        }
    };
    Some(match unsent {
        (place, 0) => DoctorFinding::well(
            "stream",
            format!("all events of the audit log are sent to {place}"),
        ),
        (place, count) => DoctorFinding::bad(
            "stream",
            format!("events of the audit log that are not sent to {place} yet: {count}"),
            "see that a log daemon listens there; the next change sends them, and `claviger serve` does within a minute",
        ),
    })
}

/// Checks that sshd would run this program for members; `None` if there are no members or they
/// cannot be read. sshd runs only a program that root alone can replace (`sshd_config(5)`,
/// `AuthorizedKeysCommand`).
async fn members(keyring: &Keyring) -> Option<DoctorFinding> {
    let count = keyring.members().await.ok()?.len();
    if count == 0 {
        return None;
    }
    let advice = "install claviger where root alone can write, such as /usr/local/bin: as it is, sshd lets no member in";
    Some(match authorized_keys::program() {
        None => DoctorFinding::bad(
            "members",
            "the path of this program has characters that cannot stand in an authorized_keys line",
            advice,
        ),
        Some(path) => match Path::new(&path).ancestors().find(|it| is_others(it)) {
            Some(weak) => DoctorFinding::bad(
                "members",
                format!(
                    "{} can be written by others than root",
                    visible(&weak.to_string_lossy())
                ),
                advice,
            ),
            None => DoctorFinding::well(
                "members",
                format!("{} may log in over SSH", counted(count, "member")),
            ),
        },
    })
}

/// Returns a finding for each route with a segment such as `:id`, which was accepted before such
/// segments were refused: it is not a parameter, so paths that were meant may belong to another
/// area.
async fn old_routes(keyring: &Keyring) -> Vec<DoctorFinding> {
    let areas = keyring.defined_areas().await.unwrap_or_default();
    let mut findings = Vec::new();
    for DefinedArea { area, rules } in &areas {
        let routes = rules.routes().iter();
        for route in routes.filter(|route| route.pattern().has_old_parameter()) {
            let (slug, route) = (&area.slug, visible(&route.to_string()));
            findings.push(DoctorFinding::bad(
                "route",
                format!("{route} of the area {slug} has a segment that stands for itself, not for any one segment"),
                format!(
                    "if it was meant as a parameter, write * in its place: `claviger area edit {slug} --remove-route '{route}' --route ROUTE`; if it is meant as it stands, write %3A for its colon"
                ),
            ));
        }
    }
    findings
}

/// Returns `true` if a user other than root can replace this file or the content of this folder.
fn is_others(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).is_ok_and(|it| it.uid() != 0 || it.mode() & 0o022 != 0)
}

fn print(findings: &[DoctorFinding], output: &mut Output) -> Result<(), Failure> {
    if output.json {
        let array: Vec<_> = findings
            .iter()
            .map(|f| json!({ "check": f.subject, "ok": f.advice.is_none(), "found": f.found, "advice": f.advice }))
            .collect();
        return output.json(&json!(array));
    }
    for DoctorFinding {
        subject,
        found,
        advice,
    } in findings
    {
        let mark = if advice.is_none() { "ok   " } else { "FAILS" };
        output.line(&format!("{mark}  {subject:<14}  {found}"))?;
        if let Some(advice) = advice {
            output.line(&format!("       {:<14}  → {advice}", ""))?;
        }
    }
    Ok(())
}

async fn of_keyring(keyring: &Keyring, kept: &[Checkpoint]) -> Vec<DoctorFinding> {
    let workspace = keyring.workspace();
    let mut findings = vec![DoctorFinding::well(
        "workspace",
        format!(
            "{} in {}, as {}",
            visible(&workspace.label),
            keyring.place(),
            keyring.actor()
        ),
    )];
    for warning in keyring.warnings() {
        findings.push(DoctorFinding::bad(
            "permissions",
            warning.clone(),
            "until then others can read names, rules and digests",
        ));
    }
    let health = match keyring.health(kept).await {
        Ok(health) => health,
        Err(error) => {
            findings.push(DoctorFinding::bad(
                "database",
                error.to_string(),
                "restore it from a backup",
            ));
            return findings;
        }
    };
    findings.push(match health.complaints.first() {
        None => DoctorFinding::well("database", "its integrity check found no error"),
        Some(complaint) => {
            DoctorFinding::bad("database", visible(complaint), "restore it from a backup")
        }
    });
    findings.push(match &health.keys {
        None => DoctorFinding::well("keys", "every key can be read"),
        Some(error) => DoctorFinding::bad(
            "keys",
            error.to_string(),
            "it is refused everywhere until it is restored from a backup",
        ),
    });
    let place = keyring.master_key_location().shown();
    findings.push(match (&health.master_key, health.sealed) {
        (None, true) => DoctorFinding::well(
            "master key",
            format!("{place} opens the tokens of this database"),
        ),
        (None, false) => DoctorFinding::well(
            "master key",
            format!("will be made with the first key, in {place}"),
        ),
        (Some(error), _) => DoctorFinding::bad(
            "master key",
            error.to_string(),
            "this database needs the file that it was made with, with mode 0600",
        ),
    });
    findings.push(match &health.audit {
        None if !health.guarded => DoctorFinding::bad(
            "audit log",
            "holds, but the triggers that keep it from being changed are gone",
            "somebody took them away past claviger: compare the database with a backup",
        ),
        None => DoctorFinding::well("audit log", "holds from the first event to the newest"),
        Some(error) => DoctorFinding::bad(
            "audit log",
            error.to_string(),
            "somebody wrote to the database past claviger; compare it with a backup",
        ),
    });
    findings.push(match health.future_event {
        None => DoctorFinding::well("clock", format!("{} UTC", keyring.now().date_and_clock())),
        Some(at) => DoctorFinding::bad(
            "clock",
            format!(
                "it says {} UTC, but the newest change was made at {} UTC",
                keyring.now().date_and_clock(),
                at.date_and_clock()
            ),
            "set this machine's clock: expiry depends on it",
        ),
    });
    if let StoreLocation::File(path) = keyring.place()
        && !keyring.is_writable()
    {
        findings.push(DoctorFinding::bad(
            "database",
            "it is read-only for you",
            format!(
                "make {} writable to change keys",
                visible(&path.to_string_lossy())
            ),
        ));
    }
    findings
}

/// Checks that other users cannot write to the folders of the database and of the master key.
fn of_folders(config: &Config) -> Vec<DoctorFinding> {
    let mut folders: Vec<&Path> = Vec::new();
    if let MasterKeyLocation::File(path) = &config.master_key {
        folders.extend(path.parent());
    }
    if let DatabaseLocation::File(path) = &config.location {
        folders.extend(path.parent());
    }
    folders.dedup();
    folders
        .into_iter()
        .filter_map(|folder| {
            let mode = folder.metadata().ok()?.permissions().mode() & 0o777;
            let shown = visible(&folder.to_string_lossy());
            Some(if mode & 0o022 == 0 {
                DoctorFinding::well("folder", format!("{shown} (mode {mode:04o})"))
            } else {
                DoctorFinding::bad(
                    "folder",
                    format!("{shown} can be written by others (mode {mode:04o})"),
                    format!("run `chmod 700 {shown}`"),
                )
            })
        })
        .collect()
}

/// Checks the free space on the disk of the database file. On a full disk nothing can be changed,
/// so a leaked key can be neither revoked nor disabled.
fn of_disk(config: &Config) -> Option<DoctorFinding> {
    let DatabaseLocation::File(path) = &config.location else {
        return None;
    };
    let folder = path.parent()?;
    let disk = statvfs(folder).ok()?;
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    let shown = visible(&folder.to_string_lossy());
    Some(if free >= LEAST_FREE {
        DoctorFinding::well("disk", format!("{} MiB are free in {shown}", free >> 20))
    } else {
        DoctorFinding::bad(
            "disk",
            format!("{} KiB are free in {shown}", free >> 10),
            "make room: once it is full no key can be revoked, disabled or changed",
        )
    })
}

/// Checks that other users can neither read nor write the settings file. It may contain a password,
/// and it names the database.
fn of_settings(config: &Config) -> Option<DoctorFinding> {
    let path = config.file.as_ref()?;
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    let shown = visible(&path.to_string_lossy());
    let others = mode & 0o077;
    Some(if others == 0 {
        DoctorFinding::well("settings", format!("{shown} (mode {mode:04o})"))
    } else {
        DoctorFinding::bad(
            "settings",
            format!("others may read or write {shown} (mode {mode:04o})"),
            format!("run `chmod 600 {shown}`"),
        )
    })
}

async fn of_clipboard(config: &Config) -> DoctorFinding {
    let clipboard = Clipboard::new(Environment::from_env(), config.osc52);
    match clipboard.doubt().await {
        None => DoctorFinding::well("clipboard", clipboard.describe()),
        // This is not a fault of the installation, so it is reported but does not fail the check.
        Some(doubt) => DoctorFinding::well(
            "clipboard",
            format!("{}, but may not arrive: {doubt}", clipboard.describe()),
        ),
    }
}

fn of_terminal() -> DoctorFinding {
    let term = config::process_variable("TERM").unwrap_or_else(|| "not set".to_owned());
    if !std::io::stdout().is_terminal() {
        return DoctorFinding::well(
            "terminal",
            "standard output is no terminal; the commands work all the same",
        );
    }
    match crossterm::terminal::size() {
        Ok((columns, rows)) if columns >= 20 && rows >= 6 => DoctorFinding::well(
            "terminal",
            format!("{columns}×{rows}, TERM {}", visible(&term)),
        ),
        Ok((columns, rows)) => DoctorFinding::bad(
            "terminal",
            format!("{columns}×{rows}"),
            "claviger's screen needs 20×6",
        ),
        Err(error) => DoctorFinding::bad(
            "terminal",
            format!("its size is not known ({error})"),
            "try another terminal",
        ),
    }
}

fn of_process() -> DoctorFinding {
    if machine::may_dump_core() {
        DoctorFinding::bad(
            "core dumps",
            "a crash could write this process's memory to disk",
            "set `ulimit -c 0` before starting claviger",
        )
    } else {
        DoctorFinding::well("core dumps", "switched off")
    }
}
