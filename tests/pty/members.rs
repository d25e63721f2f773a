//! Members over a real sshd: they reach the screen as themselves, with the permissions of their
//! role, and cannot get to a shell.
use std::{fs, path::Path};

use crate::{
    command::Home,
    postgres::Database,
    sshd::{Sshd, free_port, key_pair},
};

/// Adds a member with an SSH key of their own; returns the path of its private half.
fn add(home: &Home, name: &str, role: &str) -> std::path::PathBuf {
    let file = format!(
        "key-{}",
        fs::read_dir(home.path()).expect("a folder").count()
    );
    let key = key_pair(home.path(), &file);
    let public = format!("{}.pub", key.display());
    home.run(&["member", "add", name, "--role", role, "--ssh-key", &public])
        .done();
    key
}

fn fingerprint(key: &Path) -> String {
    let told = std::process::Command::new("ssh-keygen")
        .args(["-lf", &format!("{}.pub", key.display())])
        .output()
        .expect("ssh-keygen");
    let told = String::from_utf8(told.stdout).expect("UTF-8");
    told.split(' ').nth(1).expect("a fingerprint").to_owned()
}

fn events(home: &Home) -> Vec<serde_json::Value> {
    let lines = home.run(&["audit", "--json"]).done().stdout;
    let read = |line: &str| serde_json::from_str(line).expect("JSON");
    lines.lines().map(read).collect()
}

#[test]
fn two_members_land_on_the_screen_as_themselves() {
    two_members(&Home::new());
}

#[test]
fn two_members_land_on_the_screen_as_themselves_on_postgresql() {
    let database = Database::new();
    two_members(&Home::on(database.url()));
}

fn two_members(home: &Home) {
    home.create("acme", &[]);
    let alice = add(home, "alice", "manager");
    let bob = add(home, "bob", "viewer");
    let sshd = Sshd::start(home);
    let mut first = sshd.screen(&alice, 80, 24);
    first.wait_for("alice, manager").wait_for("acme");
    let mut second = sshd.screen(&bob, 80, 24);
    second.wait_for("bob, viewer").wait_for("acme");
    assert!(!second.text().contains("x revoke") && !second.text().contains("c copy"));
    second.press("x").wait_for("your role is viewer");

    first.press("n").wait_for("Step 1 of 2");
    first.press("new one<enter>").wait_for("Step 2 of 2");
    first
        .press("<enter>")
        .wait_for("API key created successfully.");
    first.press("<enter>").wait_for("sent to your terminal");
    // The other member sees the key within a second.
    second.wait_for("new one");
    first.press("<esc>q");
    assert_eq!(first.end(), 0);
    first.assert_restored();
    second.press("q");
    assert_eq!(second.end(), 0);

    let events = events(home);
    let made = &events[events.len() - 2];
    assert_eq!(made["action"], "key.created");
    assert_eq!(events[events.len() - 1]["action"], "key.copied");
    assert_eq!(made["actor"], "alice");
    assert_eq!(made["fingerprint"], fingerprint(&alice).as_str());
    assert_eq!(made["from"], "127.0.0.1");
    assert!(made["account"].as_str().expect("an account").contains('@'));
    let members = home.run(&["member", "list", "--json"]).done().json();
    assert_eq!(members[1]["last_seen_with"], fingerprint(&bob).as_str());
    assert!(
        home.run(&["audit", "verify"])
            .done()
            .stdout
            .contains("holds")
    );
}

#[test]
fn a_key_that_is_nobodys_lets_nobody_in() {
    let home = Home::new();
    add(&home, "alice", "owner");
    let stranger = key_pair(home.path(), "stranger");
    let sshd = Sshd::start(&home);
    let refused = sshd.run(&stranger, "claviger list");
    assert_eq!(refused.status, 255);
    assert!(refused.stderr.contains("Permission denied"), "{refused:?}");
    assert_eq!(refused.stdout, "");
}

#[test]
fn whoever_is_removed_while_logged_in_is_out_within_a_second() {
    let home = Home::new();
    home.create("acme", &[]);
    let alice = add(&home, "alice", "manager");
    let sshd = Sshd::start(&home);
    let mut screen = sshd.screen(&alice, 80, 24);
    screen.wait_for("alice, manager").wait_for("acme");
    screen.press("v").wait_for("clv_");
    home.run(&["member", "remove", "alice"]).done();
    screen.wait_for("you are not a member of this workspace any more");
    assert_eq!(screen.end(), 1);
    screen.assert_restored();
    assert!(
        !screen.text().contains("clv_"),
        "the token is gone with the session"
    );
    let refused = sshd.run(&alice, "claviger list");
    assert!(refused.stderr.contains("Permission denied"), "{refused:?}");
    let events = events(&home);
    assert_eq!(events.last().expect("one")["action"], "member.removed");
}

#[test]
fn a_hostile_name_is_a_name_and_nothing_more() {
    let home = Home::new();
    let trap = Path::new("/tmp").join(format!("t{}", std::process::id()));
    let name = format!("e'v\"e;touch {0};$(touch {0})`#\\", trap.display());
    let key = add(&home, &name, "viewer");
    let lines = home.run(&["authorized-keys"]).done().stdout;
    assert_eq!(lines.lines().count(), 1);
    assert!(!lines.contains("touch"), "{lines}");
    for hostile in ["a\nssh-ed25519 AAAA", "a\u{1b}[2J", "a\u{202e}b", ""] {
        let public = format!("{}.pub", key.display());
        let refused = home.run(&[
            "member",
            "add",
            hostile,
            "--role",
            "owner",
            "--ssh-key",
            &public,
        ]);
        assert_eq!(refused.status, 2, "{hostile:?}");
    }
    let sshd = Sshd::start(&home);
    let listed = sshd.run(&key, "claviger member list --json").done().json();
    assert_eq!(listed[0]["name"], name.as_str());
    let mut screen = sshd.screen(&key, 200, 24);
    screen.wait_for("viewer");
    screen.press("q");
    assert_eq!(screen.end(), 0);
    assert!(!trap.exists());
}

#[test]
fn a_command_runs_within_the_role_and_anything_else_is_refused() {
    let home = Home::new();
    home.create("acme", &[]);
    let manager = add(&home, "alice", "manager");
    let viewer = add(&home, "bob", "viewer");
    let sshd = Sshd::start(&home);
    let trap = home.path().join("trap");
    let trap = trap.display();

    let listed = sshd.run(&viewer, "claviger list --json").done().json();
    assert_eq!(listed[0]["name"], "acme");
    for denied in [
        "claviger create new",
        "claviger reveal acme",
        "claviger copy acme",
        "claviger revoke acme --yes",
        "claviger disable acme",
        "claviger member remove alice",
        "claviger agent add x",
        "claviger area add x",
        "claviger workspace --label X",
    ] {
        sshd.run(&viewer, denied).refused(1, "your role is viewer");
    }
    let name = "a; $(id) `id` \"b\" | c";
    sshd.run(&manager, "claviger create 'a; $(id) `id` \"b\" | c' --json")
        .done();
    assert!(home.list().iter().any(|key| key["name"] == name));

    for forged in [
        "sh".to_owned(),
        format!("sh -c 'touch {trap}'"),
        format!("touch {trap}"),
        format!("claviger list; touch {trap}"),
        format!("claviger list && touch {trap}"),
        format!("claviger list > {trap}"),
        format!("claviger show $(touch {trap})"),
        format!("claviger show `touch {trap}`"),
        format!("env touch {trap}"),
        format!("/bin/sh -c 'touch {trap}'"),
        "claviger --database sqlite:/tmp/other.db list".to_owned(),
        "claviger --member m-000000000000 list".to_owned(),
        "claviger serve".to_owned(),
        "claviger doctor".to_owned(),
        "claviger authorized-keys".to_owned(),
        "claviger keep-clipboard".to_owned(),
        format!(
            "claviger member add x --role owner --ssh-key {}/key.pub",
            home.path().display()
        ),
        "claviger audit verify --checkpoints /etc/passwd".to_owned(),
    ] {
        let refused = sshd.run(&manager, &forged);
        assert!(matches!(refused.status, 1 | 2), "{forged}: {refused:?}");
        assert_eq!(refused.stdout, "", "{forged}");
    }
    assert!(!home.path().join("trap").exists());
    // Without a terminal there is no screen, and no other access either.
    sshd.ssh(&manager, &["-T"], &[], b"id\n")
        .refused(1, "terminal");
}

#[test]
fn an_owner_adds_a_member_with_a_key_on_standard_input() {
    let home = Home::new();
    let owner = add(&home, "alice", "owner");
    let carol = key_pair(home.path(), "carol");
    let public = fs::read(format!("{}.pub", carol.display())).expect("the key");
    let sshd = Sshd::start(&home);
    let add = "claviger member add carol --role operator --ssh-key -";
    let added = sshd.ssh(&owner, &[], &[add], &public).done();
    assert!(added.stderr.contains("carol is an operator"), "{added:?}");
    sshd.run(&carol, "claviger create x")
        .refused(1, "your role is operator");
    sshd.run(&owner, "claviger member edit carol --role manager")
        .done();
    sshd.run(&carol, "claviger create x").done();
    sshd.run(&owner, "claviger member remove alice")
        .refused(1, "alice is the last owner");
}

#[test]
fn files_ports_agents_and_displays_are_not_forwarded() {
    let home = Home::new();
    let key = add(&home, "alice", "owner");
    let sshd = Sshd::start(&home);
    fs::write(home.path().join("file"), "hello").expect("written");
    let file = home.path().join("file").display().to_string();
    let there = home.path().join("there").display().to_string();
    for (program, arguments) in [
        ("scp", vec![file.clone(), format!("HOST:{there}")]),
        (
            "scp",
            vec!["-O".to_owned(), file.clone(), format!("HOST:{there}")],
        ),
        (
            "scp",
            vec!["-O".to_owned(), format!("HOST:{file}"), there.clone()],
        ),
        ("sftp", vec!["HOST".to_owned()]),
        ("sftp", vec![format!("HOST:{file}"), there.clone()]),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let refused = sshd.transfer(program, &key, &arguments);
        assert_ne!(refused.status, 0, "{program} {arguments:?}: {refused:?}");
    }
    assert!(!Path::new(&there).exists());
    // Forwards to a port on which a server would answer.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("an address").to_string();
    let forwarded = sshd.ssh(&key, &["-W", &target], &[], b"");
    assert_ne!(forwarded.status, 0, "{forwarded:?}");
    assert!(
        forwarded.stderr.contains("forwarding failed"),
        "{forwarded:?}"
    );
    let back = format!("{}:{target}", free_port());
    let strictly = ["-N", "-o", "ExitOnForwardFailure=yes", "-R", &back];
    let forwarded = sshd.ssh(&key, &strictly, &[], b"");
    assert_ne!(forwarded.status, 0, "{forwarded:?}");
    listener.set_nonblocking(true).expect("a setting");
    assert!(listener.accept().is_err(), "nobody came through");
}

#[test]
fn of_several_keys_the_one_that_was_used_is_recorded_and_the_one_that_is_taken_is_out() {
    let home = Home::new();
    let first = add(&home, "alice", "manager");
    let second = key_pair(home.path(), "second");
    let public = format!("{}.pub", second.display());
    home.run(&["member", "edit", "alice", "--ssh-key", &public])
        .done();
    let sshd = Sshd::start(&home);
    for key in [&first, &second] {
        sshd.run(key, "claviger create x").done();
        let used = events(&home).pop().expect("one");
        assert_eq!(used["fingerprint"], fingerprint(key).as_str());
    }
    let mut screen = sshd.screen(&second, 80, 24);
    screen.wait_for("alice, manager");
    let gone = fingerprint(&second);
    home.run(&["member", "edit", "alice", "--remove-key", &gone])
        .done();
    screen.wait_for("you are not a member of this workspace any more");
    assert_eq!(screen.end(), 1);
    assert!(
        sshd.run(&second, "claviger list")
            .stderr
            .contains("Permission denied")
    );
    sshd.run(&first, "claviger list").done();
}

#[test]
fn a_members_session_can_run_no_program_whatever_is_pressed() {
    let home = Home::new();
    home.create("acme", &[]);
    let key = add(&home, "alice", "owner");
    let sshd = Sshd::start(&home);
    let mut screen = sshd.screen(&key, 80, 24);
    screen.wait_for("alice, owner").wait_for("acme");
    let claviger = running(&sshd.binary());
    let told = |line: &str| {
        let status = fs::read_to_string(format!("/proc/{claviger}/status")).expect("a status");
        let found = status.lines().find_map(|it| it.strip_prefix(line));
        found.unwrap_or_default().trim().to_owned()
    };
    // 2: filtered, as the program itself requested (proc(5)).
    assert_eq!(
        (told("Seccomp:"), told("NoNewPrivs:")),
        ("2".into(), "1".into())
    );
    screen
        .press("<c-z>")
        .wait_for("for those who work on the machine itself");
    // A paste of bytes that could act on a terminal, a resize, and every key binding.
    screen.send("\u{1b}[200~\u{1b}]52;c;aWQ=\u{7}\u{1b}[2J\u{3}\u{1a}\u{1b}[201~");
    screen.resize(60, 20);
    screen.press("?<esc>:<esc>!!sS<esc>t<esc>a<esc>m<esc>H<esc>u<esc>");
    // A flood of input does not use up the machine's memory either (requirement 41).
    screen.send("s".repeat(1_000_000));
    screen.settle();
    let peak = told("VmHWM:");
    let peak: u64 = peak.trim_end_matches(" kB").parse().expect("kB");
    assert!(peak <= 32 * 1024, "{peak} kB");
    screen.press("v").wait_for("clv_");
    screen.press("<esc>");
    screen.wait_for("alice");
    assert_eq!(
        told("State:").chars().next(),
        Some('S'),
        "neither stopped nor gone"
    );
    let children = fs::read_to_string(format!("/proc/{claviger}/task/{claviger}/children"));
    assert_eq!(
        children.unwrap_or_default().trim(),
        "",
        "no program was started"
    );
    screen.press("q");
    assert_eq!(screen.end(), 0);
    screen.assert_restored();
}

/// Returns the id of the process that runs this binary for a member.
fn running(binary: &Path) -> String {
    let processes = fs::read_dir("/proc").expect("proc").filter_map(Result::ok);
    let mut ours = processes.filter(|process| {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.starts_with(binary.as_os_str().as_encoded_bytes())
            && line.windows(8).any(|part| part == b"--member")
    });
    let found = ours.next().expect("it runs");
    found.file_name().to_string_lossy().into_owned()
}

#[test]
fn sshd_is_told_nothing_where_anything_is_wrong() {
    let home = Home::new();
    add(&home, "alice", "owner");
    let line = home.run(&["authorized-keys"]).done().stdout;
    assert!(line.starts_with("restrict,pty,command=\"/"), "{line}");
    assert!(
        line.contains("/claviger --member m-") && line.ends_with('\n'),
        "{line}"
    );
    let silent = |arguments: &[&str]| {
        let told = home.run(arguments).done();
        assert_eq!(
            (told.stdout.as_str(), told.stderr.as_str()),
            ("", ""),
            "{arguments:?}"
        );
    };
    silent(&["authorized-keys", "nonsense"]);
    silent(&[
        "authorized-keys",
        "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ",
    ]);
    silent(&["authorized-keys", "one", "two"]);
    silent(&["authorized-keys", "--database", "sqlite:/no/such/file"]);
    silent(&["authorized-keys", "--database", "mysql://x"]);
    silent(&[
        "authorized-keys",
        "--database",
        "postgres://u@127.0.0.1:1/x",
    ]);
    assert!(!Path::new("/no").exists());
    // The keys are printed without the master key and without a write to the file; with a damaged
    // database nothing is printed.
    fs::remove_file(home.master_key()).ok();
    let before = fs::read(home.database_file()).expect("the file");
    assert_eq!(home.run(&["authorized-keys"]).done().stdout, line);
    assert_eq!(fs::read(home.database_file()).expect("the file"), before);
    fs::write(
        home.database_file(),
        b"no database at all, but long enough to be looked at",
    )
    .expect("written");
    silent(&["authorized-keys"]);
}

#[test]
fn sshd_is_answered_while_another_writes() {
    let home = Home::new();
    add(&home, "alice", "owner");
    let line = home.run(&["authorized-keys"]).done().stdout;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&home.url())
            .await
            .expect("the file");
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut connection)
            .await
            .expect("begun");
        sqlx::query("UPDATE workspace SET label = 'x'")
            .execute(&mut connection)
            .await
            .expect("written");
        assert_eq!(home.run(&["authorized-keys"]).done().stdout, line);
    });
}
