//! Failures: foreign files, full disks, held locks, and many processes at once.
use std::{os::unix::fs::PermissionsExt as _, process::Command};

use sqlx::{Connection as _, SqliteConnection};

use crate::{
    command::{Home, ended},
    postgres::Database,
};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn connect(home: &Home, create: bool) -> SqliteConnection {
    let mode = if create { "?mode=rwc" } else { "" };
    let url = format!("sqlite:{}{mode}", home.database_file().display());
    SqliteConnection::connect(&url).await.expect("connected")
}

#[test]
fn files_that_are_not_ours_are_refused_and_left_alone() {
    let home = Home::new();
    home.create("acme", &[]);
    let ours = std::fs::read(home.database_file()).expect("read");
    let refused = |words: &str| {
        let before = std::fs::read(home.database_file()).expect("read");
        home.run(&["create", "other"]).refused(1, words);
        home.run(&["list"]).refused(1, words);
        assert_eq!(
            std::fs::read(home.database_file()).expect("read"),
            before,
            "nothing was changed"
        );
    };
    std::fs::write(
        home.database_file(),
        "dear diary, this is no database at all".repeat(200),
    )
    .expect("written");
    refused("damaged or no database at all");
    std::fs::remove_file(home.database_file()).expect("removed");
    runtime().block_on(async {
        let mut other = connect(&home, true).await;
        sqlx::query("CREATE TABLE bookmarks (url TEXT)")
            .execute(&mut other)
            .await
            .expect("made");
        other.close().await.expect("closed");
    });
    refused("is a database of another program");
    for leftover in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{leftover}", home.database_file().display()));
    }
    std::fs::write(home.database_file(), &ours).expect("written");
    runtime().block_on(async {
        let mut newer = connect(&home, false).await;
        sqlx::query("PRAGMA user_version = 999")
            .execute(&mut newer)
            .await
            .expect("set");
        newer.close().await.expect("closed");
    });
    refused("made by a newer claviger");
}

#[test]
fn a_lock_that_is_held_costs_a_change_and_no_decision() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    runtime().block_on(async {
        let mut holder = connect(&home, false).await;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut holder)
            .await
            .expect("locked");
        assert_eq!(home.check(&token, "contacts", "read", None), (0, None));
        assert_eq!(home.list().len(), 1);
        home.run(&["create", "other"])
            .refused(1, "is locked by another program");
        sqlx::query("ROLLBACK")
            .execute(&mut holder)
            .await
            .expect("unlocked");
        holder.close().await.expect("closed");
    });
    assert_eq!(home.list().len(), 1, "nothing was changed");
    home.create("other", &[]);
}

#[test]
fn a_read_only_database_still_lists_and_decides() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    let folder = home.database_file().parent().expect("a folder").to_owned();
    // Root may write whatever the mode says, so as root the commands run as the user nobody.
    let root = nix::unistd::Uid::effective().is_root();
    let chmod = |mode: u32, path: &std::path::Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    };
    for path in [
        home.path(),
        &home.path().join(".local"),
        &home.path().join(".local/share"),
        &folder,
    ] {
        chmod(0o555, path);
    }
    chmod(0o444, &home.database_file());
    let as_nobody = |arguments: &[&str], input: &str| {
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                env!("CARGO_BIN_EXE_claviger"),
            ]);
            command
        } else {
            Command::new(env!("CARGO_BIN_EXE_claviger"))
        };
        command
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin")
            .args(arguments);
        command.stdin({
            use std::io::{Seek as _, Write as _};
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(input.as_bytes()).expect("written");
            file.rewind().expect("rewound");
            file
        });
        ended(&mut command)
    };
    assert_eq!(
        as_nobody(&["list", "--json"], "")
            .done()
            .json()
            .as_array()
            .expect("keys")
            .len(),
        1
    );
    as_nobody(&["show", "acme"], "").done();
    assert_eq!(
        as_nobody(&["check", "--area", "contacts", "--action", "read"], &token).status,
        0
    );
    for change in [
        &["create", "other"][..],
        &["reveal", "acme"],
        &["edit", "acme", "--name", "b"],
        &["disable", "acme"],
        &["revoke", "acme", "--yes"],
        &["workspace", "--label", "PROD"],
    ] {
        let refused = as_nobody(change, "");
        refused.refused(1, "is read-only: nothing was changed");
        // The warning about the file's mode is printed before the refusal.
        let sentences = refused
            .stderr
            .lines()
            .filter(|line| !line.contains("chmod"));
        assert_eq!(sentences.count(), 1, "{}", refused.stderr);
    }
    for path in [&folder, home.path()] {
        chmod(0o755, path);
    }
}

#[test]
fn a_full_disk_costs_a_change_and_nothing_that_was_there() {
    // A small disk in a mount namespace of its own.
    let program = env!("CARGO_BIN_EXE_claviger");
    let script = format!(
        r#"set -e
        disk=$(mktemp -d); mount -t tmpfs -o size=420k none "$disk"; export HOME="$disk"
        token=$({program} create first --grant contacts=read 2>/dev/null)
        failed=0
        for at in $(seq 200); do
            if ! said=$({program} create "key $at" --description "$(printf 'x%.0s' $(seq 500))" 2>&1 >/dev/null); then
                failed=1; echo "$said"; break
            fi
        done
        [ "$failed" = 1 ]
        echo "there are $({program} list | wc -l), after $((at - 1)) more"
        printf %s "$token" | {program} check --area contacts --action read
        {program} doctor | grep '^FAILS  disk'
        printf %s "$token" | {program} check --area contacts --action delete 2>&1 || true
        mount -o remount,size=8m "$disk"
        {program} create after-all >/dev/null 2>&1 && {program} audit verify"#
    );
    let root = nix::unistd::Uid::effective().is_root();
    let mut shell = Command::new("unshare");
    shell
        .args(if root { vec!["-m"] } else { vec!["-rm"] })
        .args(["bash", "-c", &script]);
    let ended = ended(
        shell
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"),
    );
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stdout.contains("no space left"), "{ended:?}");
    // The refusal never names a decision id under which nothing was stored.
    let (kept, lost) = ("tells why", "This refusal could not be written down");
    assert!(
        ended.stdout.contains(kept) != ended.stdout.contains(lost),
        "{ended:?}"
    );
    let counts: Vec<u32> = ended
        .stdout
        .split("there are ")
        .nth(1)
        .expect("a count")
        .split([' ', ','])
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(
        counts[0],
        counts[1] + 1,
        "every acknowledged key is there: {}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("allow ") && ended.stdout.contains("The audit log holds"),
        "{ended:?}"
    );
}

#[test]
fn two_processes_that_begin_together_share_one_master_key() {
    let home = Home::new();
    let children: Vec<_> = (0..16)
        .map(|at| {
            home.command(&["create", &format!("key {at}")])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .expect("started")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("an end");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let keys = home.list();
    assert_eq!(keys.len(), 16);
    for key in keys {
        home.run(&["reveal", key["id"].as_str().expect("an id")])
            .done();
    }
    home.run(&["audit", "verify"]).done();
}

#[test]
fn the_same_story_on_postgresql() {
    let database = Database::new();
    let home = Home::on(database.url());
    let (id, token) = home.create(
        "acme",
        &["--grant", "contacts=read", "--allow-ip", "10.0.0.0/24"],
    );
    assert_eq!(
        home.check(&token, "contacts", "read", Some("10.0.0.9")),
        (0, None)
    );
    assert_eq!(
        home.check(&token, "contacts", "delete", Some("10.0.0.9"))
            .1
            .as_deref(),
        Some("action_not_permitted")
    );
    home.run(&["edit", &id[..6], "--name", "b"]).done();
    let revealed = home.run(&["reveal", "b"]).done().stdout;
    assert!(revealed.trim_end() == token, "the same token");
    assert!(home.list()[0]["last_used_at"].is_string());
    home.run(&["revoke", "b", "--yes"]).done();
    assert_eq!(
        home.check(&token, "contacts", "read", Some("10.0.0.9"))
            .1
            .as_deref(),
        Some("revoked")
    );
    home.run(&["audit", "verify"]).done();
    home.run(&["doctor"]).done();
}

#[test]
fn a_running_process_leaves_no_core() {
    use std::io::Write as _;
    let home = Home::new();
    home.run(&["list"]).done();
    let mut child = home
        .command(&["check", "--area", "contacts", "--action", "read"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("started");
    // The child waits for its standard input; it has hardened itself before that.
    let limits = loop {
        let limits =
            std::fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("limits");
        if limits.contains("Max core file size        0                    0") {
            break limits;
        }
        assert!(
            child.try_wait().expect("a state").is_none(),
            "it ended: {limits}"
        );
        std::thread::yield_now();
    };
    assert!(limits.contains("Max core file size"));
    child
        .stdin
        .take()
        .expect("an input")
        .write_all(b"x")
        .expect("written");
    child.wait().expect("an end");
}

#[test]
fn a_file_that_is_mounted_alone_is_refused() {
    let home = Home::new();
    home.create("acme", &["--grant", "contacts=read"]);
    let (program, file) = (env!("CARGO_BIN_EXE_claviger"), home.database_file());
    let other = home.path().join("mounted alone.db");
    let script = format!(
        "set -e; touch '{other}'; mount --bind '{file}' '{other}'
         {program} revoke acme --yes --database 'sqlite:{other}'",
        other = other.display(),
        file = file.display(),
    );
    let root = nix::unistd::Uid::effective().is_root();
    let ended = Command::new("unshare")
        .args(if root { vec!["-m"] } else { vec!["-rm"] })
        .args(["bash", "-c", &script])
        .env("HOME", home.path())
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("mount the folder"), "{said}");
    assert_eq!(home.audit(), ["key.created"]);
}
