//! Agents, members and the audit log, as a script uses them.
use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::PathBuf,
};

use data_encoding::BASE64;

use crate::command::Home;

const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti laptop",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA desk",
];
const FINGERPRINT: &str = "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ";

/// Adds a member with the SSH key of the given number, passed on standard input.
pub fn add(home: &Home, name: &str, role: &str, key: usize) -> serde_json::Value {
    let arguments = [
        "member",
        "add",
        name,
        "--role",
        role,
        "--ssh-key",
        "-",
        "--json",
    ];
    home.fed(&arguments, KEYS[key].as_bytes()).done().json()
}

fn configure(home: &Home, text: &str) {
    let folder = home.path().join(".config/claviger");
    fs::create_dir_all(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("chmod");
    fs::write(folder.join("config.toml"), text).expect("written");
}

#[test]
fn members_are_added_listed_changed_and_removed() {
    let home = Home::new();
    let added = add(&home, "alice", "owner", 0);
    let id = added["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("m-") && id.len() == 14, "{id}");
    assert_eq!(added["role"], "owner");
    assert_eq!(added["agents"], serde_json::Value::Null);
    assert_eq!(
        added["ssh_keys"][0],
        format!("{FINGERPRINT} ssh-ed25519 laptop")
    );

    let listed = home.run(&["member", "list", "--json"]).done().json();
    assert_eq!(listed[0]["name"], "alice");
    assert_eq!(listed[0]["last_seen_at"], serde_json::Value::Null);
    let text = home.run(&["member", "list"]).done().stdout;
    assert!(
        text.contains("alice  owner") && text.contains(FINGERPRINT),
        "{text}"
    );

    home.run(&["member", "edit", "alice", "--role", "manager"])
        .refused(1, "alice is the last owner: nothing was changed");
    home.run(&["member", "remove", "alice"])
        .refused(1, "is the last owner");
    add(&home, "bob", "owner", 1);
    let edited = home
        .run(&[
            "member", "edit", &id, "--role", "viewer", "--name", "alice b", "--json",
        ])
        .done()
        .json();
    assert_eq!(
        (&edited["name"], &edited["role"]),
        (&"alice b".into(), &"viewer".into())
    );
    home.run(&["member", "edit", "alice b", "--remove-key", FINGERPRINT])
        .refused(2, "without an SSH key");
    home.run(&["member", "remove", "alice b"]).done();
    home.run(&["member", "remove", "alice b"])
        .refused(2, "there is no member alice b");
    assert_eq!(
        home.audit(),
        [
            "member.added",
            "member.added",
            "member.edited",
            "member.removed"
        ]
    );
}

#[test]
fn what_is_wrong_with_a_member_is_said_and_nothing_is_made() {
    let home = Home::new();
    home.create("acme", &[]);
    let add = |name: &str, role: &str, key: &str| {
        let arguments = ["member", "add", name, "--role", role, "--ssh-key", "-"];
        home.fed(&arguments, key.as_bytes())
    };
    add("alice", "boss", KEYS[0]).refused(2, "boss is no role");
    add("", "viewer", KEYS[0]).refused(2, "Member's name is empty");
    add("a\u{202e}b", "viewer", KEYS[0]).refused(2, "U+202E");
    add("alice", "viewer", "").refused(2, "no SSH public key");
    add("alice", "viewer", "ssh-ed25519 AAAA").refused(2, "no SSH public key");
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n";
    let refused = add("alice", "viewer", private);
    refused.refused(2, "that is a private key");
    assert!(!refused.stderr.contains("c2VjcmV0"), "{refused:?}");
    let kind = "ssh-mldsa44-ed25519@openssh.com";
    let blob = BASE64.encode(format!("\0\0\0\u{1f}{kind}\0\0\0\u{1}x").as_bytes());
    add("alice", "viewer", &format!("{kind} {blob} alice@laptop")).refused(
        2,
        "standard input: line 1 is a key of a kind that this version of claviger does not know (ssh-mldsa44-ed25519@openssh.com): give another key",
    );
    let options = format!("command=\"sh\" {}", KEYS[0]);
    add("alice", "viewer", &options).refused(2, "without options");
    home.run(&["member", "add", "alice", "--role", "viewer"])
        .refused(2, "--ssh-key");
    home.run(&[
        "member",
        "add",
        "alice",
        "--role",
        "viewer",
        "--ssh-key",
        "/no/such",
    ])
    .refused(2, "/no/such cannot be read");
    home.run(&["member", "edit", "alice"])
        .refused(2, "required");
    home.run(&["member", "edit", "alice", "--role", "viewer"])
        .refused(2, "there is no member alice");
    let limited = [
        "member",
        "add",
        "a",
        "--role",
        "owner",
        "--ssh-key",
        "-",
        "--agent",
        "default",
    ];
    home.fed(&limited, KEYS[0].as_bytes())
        .refused(2, "an owner is not limited");
    let nowhere = [
        "member",
        "add",
        "a",
        "--role",
        "viewer",
        "--ssh-key",
        "-",
        "--agent",
        "nowhere",
    ];
    home.fed(&nowhere, KEYS[0].as_bytes())
        .refused(2, "there is no agent nowhere");
    add("alice", "viewer", KEYS[0]).done();
    add("bob", "viewer", KEYS[0]).refused(2, "belongs to alice already");
    add("alice", "viewer", KEYS[1]).refused(2, "there is a member alice already");
    let alike = add("\u{430}lice", "viewer", KEYS[1]).done();
    assert!(
        alike
            .stderr
            .contains("looks like that of another member, alice"),
        "{alike:?}"
    );
    assert_eq!(
        home.audit(),
        ["key.created", "member.added", "member.added"]
    );
}

#[test]
fn a_name_is_refused_only_if_it_has_exactly_the_form_of_an_id() {
    let home = Home::new();
    home.create("acme", &[]);
    let smith = add(&home, "m-smith", "owner", 0);
    let id = smith["id"].as_str().expect("an id");
    let rename = |name: &str| home.run(&["member", "edit", "m-smith", "--name", name]);
    rename(id).refused(2, "looks like a member's id: choose another name");
    rename("m-0123456789ab").refused(2, "looks like a member's id");
    for name in ["M-0123456789AB", "m-0123456789abc", "m-smith"] {
        let edited = home.run(&["member", "edit", id, "--name", name, "--json"]);
        assert_eq!(edited.done().json()["name"], name);
    }
    let named = home.run(&["member", "edit", "m-smith", "--role", "owner", "--json"]);
    assert_eq!(named.done().json()["id"], id);
}

#[test]
fn sshds_word_for_a_member_is_taken_alone_and_for_members_alone() {
    let home = Home::new();
    home.create("acme", &[]);
    let id = add(&home, "alice", "viewer", 0)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let member = |arguments: &[&str], original: Option<&str>| {
        let mut command = home.command(arguments);
        if let Some(original) = original {
            command.env("SSH_ORIGINAL_COMMAND", original);
        }
        crate::command::ended(command.stdin(std::process::Stdio::null()))
    };
    member(&["--member", &id, "list"], None).refused(2, "--member stands alone");
    member(&["--member", &id, "--json"], None).refused(2, "--member stands alone");
    member(&["--member", "Alice; sh"], None).refused(2, "is no member's id");
    member(&["--member", "m-000000000000"], Some("claviger list"))
        .refused(1, "you are not a member of this workspace any more");
    let listed = member(&["--member", &id], Some("claviger list --json"))
        .done()
        .json();
    assert_eq!(listed[0]["name"], "acme");
    member(&["--member", &id], Some("claviger reveal acme")).refused(1, "your role is viewer");
    // A member's test of a token counts as no use and pushes out no real refusal.
    let (_, token) = home.create("tried", &["--grant", "contacts=read"]);
    for (presented, status) in [(token.as_str(), 0), ("nonsense", 1)] {
        let mut command = home.command(&["--member", &id]);
        command.env(
            "SSH_ORIGINAL_COMMAND",
            "claviger check --area contacts --action read --ip 10.9.9.9",
        );
        let input = home.path().join("presented");
        fs::write(&input, presented).expect("written");
        let input = fs::File::open(&input).expect("there");
        let decided = crate::command::ended(command.stdin(input));
        assert_eq!(decided.status, status, "{decided:?}");
    }
    assert!(home.list().iter().all(|key| key["last_used_at"].is_null()));
    let kept = home.run(&["refusals", "--json"]).done().stdout;
    assert_eq!(kept, "[]\n");
    member(&["--member", &id], Some("bash")).refused(2, "bash is no command of claviger");
    // A session learns the SSH key in use only from the file that sshd leaves for it.
    let told = home.path().join("told");
    fs::write(&told, format!("publickey {}\n", KEYS[1])).expect("written");
    let mut command = home.command(&["--member", &id]);
    command
        .env("SSH_ORIGINAL_COMMAND", "claviger list")
        .env("SSH_USER_AUTH", &told);
    crate::command::ended(&mut command).refused(1, "you are not a member");
    for broken in ["password\n", "publickey nonsense\n", ""] {
        fs::write(&told, broken).expect("written");
        let mut command = home.command(&["--member", &id]);
        command
            .env("SSH_ORIGINAL_COMMAND", "claviger list")
            .env("SSH_USER_AUTH", &told);
        crate::command::ended(&mut command).refused(2, "sshd did not say with which SSH key");
    }
    let mut command = home.command(&["--member", &id]);
    let bytes = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
    command.env("SSH_ORIGINAL_COMMAND", <std::ffi::OsStr>::to_owned(bytes));
    crate::command::ended(&mut command).refused(2, "is no command of claviger");
    // A session of a member never creates a missing database.
    let mut command = home.command(&["--database", "sqlite:/no/such.db", "--member", &id]);
    crate::command::ended(&mut command).refused(1, "there is no database");
}

#[test]
fn the_tokens_of_an_agent_begin_with_its_own_prefix() {
    let home = Home::new();
    for bad in [
        "Acme",
        "a",
        "acme-live",
        "_a",
        "a__b",
        "1a",
        "x23456789012345678901",
    ] {
        home.run(&["agent", "add", "prod", "--prefix", bad])
            .refused(2, &format!("{bad} cannot be a prefix of tokens"));
    }
    let added = home.run(&["agent", "add", "prod", "--prefix", "acme_live", "--json"]);
    assert_eq!(added.done().stdout, "{\"agent\":\"prod\",\"added\":true}\n");
    let (id, first) = home.create("first", &["--agent", "prod"]);
    assert!(first.starts_with(&format!("acme_live_{id}_")), "{id}");
    let listed = home.run(&["agent", "list"]).done().stdout;
    assert!(
        listed.contains("prod  1 key  tokens begin with acme_live_"),
        "{listed}"
    );
    let edited = home
        .run(&["agent", "edit", "prod", "--prefix", "acme"])
        .done();
    assert!(edited.stderr.contains("stay valid"), "{edited:?}");
    let again = home
        .run(&["agent", "edit", "prod", "--prefix", "acme"])
        .done();
    assert!(again.stderr.contains("Nothing to change"), "{again:?}");
    home.run(&["agent", "edit", "prod"])
        .refused(2, "--prefix <PREFIX>");
    home.run(&["agent", "edit", "nobody", "--prefix", "acme"])
        .refused(2, "there is no agent nobody");
    let rotated = home
        .run(&["rotate", "first", "--overlap", "1h", "--json"])
        .done()
        .json();
    let rotated = rotated["token"].as_str().expect("a token");
    assert!(rotated.starts_with(&format!("acme_{id}_")));
    let revealed = home.run(&["reveal", "first"]).done().stdout;
    assert_eq!(revealed.trim(), rotated);
    home.run(&["agent", "edit", "prod", "--prefix", "none"])
        .done();
    let (_, third) = home.create("third", &["--agent", "prod"]);
    assert!(third.starts_with("clv_"));
    for token in [&first[..], rotated, &third] {
        let arguments = ["check", "--area", "contacts", "--action", "read"];
        let told = home.fed(&arguments, token.as_bytes()).stdout;
        assert!(
            told.contains("area_not_permitted") || told.contains("action_not_permitted"),
            "{told}"
        );
    }
    let log = home.run(&["audit", "--json"]).done().stdout;
    assert!(
        log.contains("\"before\":{\"prefix\":\"acme_live\"},\"after\":{\"prefix\":\"acme\"}"),
        "{log}"
    );
    let log = home.run(&["audit"]).done().stdout;
    assert!(log.contains("agent.edited"), "{log}");
    home.run(&["audit", "verify"]).done();
    home.run(&["doctor"]).done();
}

#[test]
fn agents_are_spoken_of_once_there_are_two() {
    let home = Home::new();
    let (id, token) = home.create("acme", &["--grant", "contacts=read"]);
    assert!(home.list()[0].get("agent").is_none());
    assert!(!home.run(&["show", "acme"]).done().stdout.contains("Agent"));
    home.run(&["create", "x", "--agent", "prod"])
        .refused(2, "there is no agent prod");
    home.run(&["agent", "add", "Prod"])
        .refused(2, "cannot be the name of an agent");
    home.run(&["agent", "add", "prod"]).done();
    home.run(&["agent", "add", "prod"])
        .refused(2, "there is an agent prod already");
    let (_, in_prod) = home.create("in prod", &["--agent", "prod", "--grant", "contacts=read"]);
    let listed = home
        .run(&["list", "--agent", "prod", "--json"])
        .done()
        .json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&listed[0]["name"], &listed[0]["agent"]),
        (&"in prod".into(), &"prod".into())
    );
    let default = home.run(&["list", "--agent", "default"]).done().stdout;
    assert!(default.contains(&id) && default.contains("\tdefault") && !default.contains("in prod"));
    assert!(
        home.run(&["show", "in prod"])
            .done()
            .stdout
            .contains("Agent       prod")
    );
    home.run(&["list", "--agent", "nowhere"])
        .refused(2, "there is no agent nowhere");
    let counted = home.run(&["agent", "list", "--json"]).done().stdout;
    assert_eq!(
        counted,
        "[{\"agent\":\"default\",\"keys\":1,\"prefix\":\"clv\"},\
         {\"agent\":\"prod\",\"keys\":1,\"prefix\":\"clv\"}]\n"
    );

    // A key of another agent than the requested one is denied.
    let check = |token: &str, agent: &str| {
        let arguments = [
            "check", "--area", "contacts", "--action", "read", "--agent", agent,
        ];
        let ended = home.fed(&arguments, token.as_bytes());
        (ended.status, ended.stdout)
    };
    assert_eq!(check(&in_prod, "prod").0, 0);
    assert_eq!(check(&token, "default").0, 0);
    let (status, told) = check(&token, "prod");
    assert!(status == 1 && told.contains("wrong_agent"), "{told}");

    let refused = home.run(&["agent", "remove", "prod"]);
    let sentence = format!(
        "prod has 1 key: nothing was changed. Revoke them first: `claviger revoke {}`",
        listed[0]["id"].as_str().expect("an id")
    );
    refused.refused(1, &sentence);
    home.run(&["revoke", "in prod", "--yes"]).done();
    home.run(&["agent", "remove", "prod"]).done();
    assert!(home.list()[0].get("agent").is_none());
    home.run(&["agent", "remove", "default"])
        .refused(1, "default has 1 key");
    home.run(&["revoke", "acme", "--yes"]).done();
    home.run(&["agent", "remove", "default"])
        .refused(1, "default is the only agent");
    home.run(&["agent", "remove", "prod"])
        .refused(2, "there is no agent prod");
}

#[test]
fn where_default_is_gone_and_several_are_left_the_agent_must_be_said() {
    let home = Home::new();
    for name in ["prod", "staging"] {
        home.run(&["agent", "add", name]).done();
    }
    home.run(&["agent", "remove", "default"]).done();
    home.run(&["create", "x"])
        .refused(2, "there are several agents (prod and staging)");
    home.run(&["agent", "remove", "staging"]).done();
    home.create("x", &[]);
    assert!(
        home.run(&["agent", "list"])
            .done()
            .stdout
            .contains("prod  1 key")
    );
}

#[test]
fn the_log_is_filtered_by_who_which_key_what_and_when() {
    let home = Home::new();
    home.create("acme", &[]);
    home.create("other", &[]);
    home.run(&["disable", "acme"]).done();
    home.run(&["revoke", "other", "--yes", "--reason", "compromised"])
        .done();
    let count = |arguments: &[&str]| {
        let told = home
            .run(&[&["audit", "--json"], arguments].concat())
            .done()
            .stdout;
        told.lines().count()
    };
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--key", "acme"]), 2);
    assert_eq!(count(&["--key", "other"]), 2, "be it revoked by now");
    assert_eq!(count(&["--action", "revoked"]), 1);
    assert_eq!(count(&["--action", "key."]), 4);
    assert_eq!(count(&["--actor", "@"]), 4);
    assert_eq!(count(&["--actor", "nobody"]), 0);
    assert_eq!(count(&["--action", "Revoked"]), 1, "in any case");
    let none = home.run(&["audit", "--actor", "nobody"]).done();
    assert_eq!(none.stderr, "No event is like that.\n");
    assert_eq!(count(&["--since", "1h"]), 4);
    assert_eq!(count(&["--until", "1h"]), 0);
    assert_eq!(
        count(&["--since", "2020-01-01", "--until", "2020-12-31"]),
        0
    );
    assert_eq!(count(&["--limit", "3"]), 3);
    let newest = home
        .run(&["audit", "--reverse", "--limit", "1", "--json"])
        .done()
        .json();
    assert_eq!(
        (&newest["sequence"], &newest["reason"]),
        (&4.into(), &"compromised".into())
    );
    for field in [
        "member",
        "fingerprint",
        "account",
        "agent",
        "program",
        "hash",
    ] {
        assert!(newest.get(field).is_some(), "{field}");
    }
    home.run(&["audit", "--key", "nothing"])
        .refused(1, "no key is called nothing");
    home.run(&["audit", "--since", "soon"])
        .refused(2, "soon is no time of the past");
    home.run(&["audit", "--limit", "1", "verify"])
        .refused(2, "verify looks at all events");
    home.run(&["audit", "--csv", "--json"])
        .refused(2, "CSV or JSON, not both");
}

#[test]
fn no_cell_of_the_csv_is_taken_for_a_formula_and_json_loses_nothing() {
    let home = Home::new();
    for name in ["=1+1", "+1", "-1", "@SUM(A1)", "a,\"b\"", "plain"] {
        home.run(&["create", "--", name]).done();
    }
    let csv = home.run(&["audit", "--csv"]).done().stdout;
    let mut lines = csv.lines();
    assert!(
        lines
            .next()
            .expect("a head")
            .starts_with("sequence,at,actor,member,")
    );
    for name in [
        "'=1+1",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "\"a,\"\"b\"\"\"",
        "plain",
    ] {
        let line = lines.next().expect("a line");
        assert!(
            line.contains(&format!(",{name},default,")),
            "{name}: {line}"
        );
    }
    let json = home.run(&["audit", "--json"]).done().stdout;
    let first: serde_json::Value =
        serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["name"], "=1+1");
    assert!(!csv.contains("clv_") && !json.contains("clv_"));
}

fn kept_in(home: &Home) -> PathBuf {
    let file = home.path().join("checkpoints");
    configure(home, &format!("checkpoints = \"{}\"\n", file.display()));
    file
}

#[test]
fn checkpoints_in_a_file_show_a_log_that_was_cut_off_or_made_anew() {
    let home = Home::new();
    let file = kept_in(&home);
    home.create("acme", &[]);
    home.run(&["edit", "acme", "--name", "acme two"]).done();
    home.run(&["disable", "acme two"]).done();
    let lines = fs::read_to_string(&file).expect("the file");
    assert_eq!(lines.lines().count(), 3);
    assert_eq!(
        fs::metadata(&file).expect("there").permissions().mode() & 0o777,
        0o600
    );
    assert!(lines.contains("claviger audit checkpoint workspace=") && lines.contains("sequence=3"));
    let held = home.run(&["audit", "verify", "--json"]).done().json();
    assert_eq!(
        (&held["holds"], &held["checkpoints"]),
        (&true.into(), &3.into())
    );
    let doctor = home.run(&["doctor"]).stdout;
    assert!(
        doctor.contains("checkpoints     of the audit log are kept in"),
        "{doctor}"
    );
    // A log without a checkpoint of this workspace proves nothing, so it is refused.
    let other = home.path().join("other");
    fs::write(&other, "nothing\n").expect("written");
    let other = other.display().to_string();
    home.run(&["audit", "verify", "--checkpoints", &other])
        .refused(1, "there is no checkpoint of this workspace");
    home.run(&["audit", "verify", "--checkpoints", "/dev/null"])
        .refused(1, "it is no file");
    home.tamper(&[
        "DROP TRIGGER audit_events_stay",
        "DELETE FROM audit_events WHERE sequence = 3",
        "UPDATE workspace SET epoch = 2, \
         chain_head = (SELECT hash FROM audit_events WHERE sequence = 2)",
    ]);
    assert!(
        home.run(&["doctor"])
            .stdout
            .contains("does not hold at event 3")
    );
    home.run(&["audit", "verify"])
        .refused(1, "does not hold at event 3: it is missing");
    let broken = home.run(&["audit", "verify", "--json"]);
    assert_eq!((broken.status, &broken.json()["sequence"]), (1, &3.into()));
    // Without the configured log nothing shows the change; a log given as an argument does.
    configure(&home, "checkpoints = \"off\"\n");
    let unseen = home.run(&["audit", "verify"]).done();
    assert!(
        unseen.stdout.contains("No checkpoint was compared"),
        "{unseen:?}"
    );
    let path = file.display().to_string();
    home.run(&["audit", "verify", "--checkpoints", &path])
        .refused(1, "event 3");
    home.fed(&["audit", "verify", "--checkpoints", "-"], lines.as_bytes())
        .refused(1, "event 3");
    home.run(&["audit", "verify", "--checkpoints", "/no/such"])
        .refused(1, "/no/such cannot be read");
}

#[test]
fn the_first_event_is_named_whatever_was_done_to_it_and_missing_triggers_are_told() {
    let home = Home::new();
    for name in ["one", "two", "three"] {
        home.create(name, &[]);
    }
    home.tamper(&[
        "DROP TRIGGER audit_events_keep",
        "DROP TRIGGER audit_events_stay",
        "DROP TRIGGER audit_events_follow",
        "CREATE TABLE kept AS SELECT * FROM audit_events",
    ]);
    let doctor = home.run(&["doctor"]);
    assert!(
        doctor.stdout.contains("the triggers that keep it"),
        "{doctor:?}"
    );
    for (attack, first) in [
        ("UPDATE audit_events SET at = 1.5 WHERE sequence = 2", 2),
        (
            "UPDATE audit_events SET details = x'ff' WHERE sequence = 3",
            3,
        ),
        (
            "UPDATE audit_events SET change = 'key.stolen' WHERE sequence = 2",
            2,
        ),
        (
            "UPDATE audit_events SET actor = 'm' WHERE sequence = 1; UPDATE audit_events SET at = 1.5 WHERE sequence = 3",
            1,
        ),
        (
            "UPDATE audit_events SET sequence = -3 WHERE sequence = 3",
            1,
        ),
        (
            "INSERT INTO audit_events SELECT 0, at, actor, actor_from, change, subject_id, subject_name, details, previous_hash, hash, member, fingerprint, account, agent, program FROM kept WHERE sequence = 1",
            1,
        ),
    ] {
        home.tamper(&[attack]);
        let words = format!("does not hold at event {first}");
        home.run(&["audit", "verify"]).refused(1, &words);
        let told = home.run(&["audit", "verify", "--json"]);
        assert_eq!(told.json()["sequence"], first, "{attack}");
        home.tamper(&[
            "DELETE FROM audit_events",
            "INSERT INTO audit_events SELECT * FROM kept",
        ]);
    }
    home.run(&["audit", "verify"]).done();
}

#[test]
fn a_checkpoint_that_could_not_be_kept_is_said_and_the_change_is_made() {
    let home = Home::new();
    configure(&home, "checkpoints = \"/dev/full\"\n");
    let made = home.run(&["create", "acme"]).done();
    assert!(
        made.stderr
            .contains("its checkpoint could not be kept in /dev/full"),
        "{made:?}"
    );
    assert_eq!(home.list().len(), 1);
}

#[test]
fn checkpoints_reach_the_systems_log() {
    let home = Home::new();
    let socket = home.path().join("log");
    let log = UnixDatagram::bind(&socket).expect("a socket");
    configure(
        &home,
        &format!("checkpoints = \"syslog:{}\"\n", socket.display()),
    );
    home.create("acme", &[]);
    let mut buffer = [0; 1024];
    let count = log.recv(&mut buffer).expect("a message");
    let message = String::from_utf8_lossy(&buffer[..count]).into_owned();
    assert!(message.starts_with("<86>claviger["), "{message}");
    assert!(
        message.contains("claviger audit checkpoint workspace="),
        "{message}"
    );
    let held = home
        .fed(
            &["audit", "verify", "--checkpoints", "-"],
            message.as_bytes(),
        )
        .done();
    assert!(
        held.stdout.contains("1 checkpoint kept elsewhere agrees."),
        "{held:?}"
    );
    // A checkpoint log that is gone stops no change, but it is reported.
    drop(log);
    fs::remove_file(&socket).expect("removed");
    let done = home.run(&["disable", "acme"]).done();
    assert!(done.stderr.contains("cannot be kept in"), "{done:?}");
    let doctor = home.run(&["doctor"]);
    assert!(
        doctor.status == 1 && doctor.stdout.contains("FAILS  checkpoints"),
        "{doctor:?}"
    );
    configure(&home, "checkpoints = \"somewhere\"\n");
    home.run(&["list"]).refused(2, "somewhere is no place");
}

#[test]
fn without_a_record_there_is_no_token() {
    let home = Home::new();
    let (_, token) = home.create("acme", &[]);
    home.tamper(&["CREATE TRIGGER no_record BEFORE INSERT ON audit_events \
                   BEGIN SELECT RAISE(ABORT, 'the audit log is full'); END"]);
    let refused = home.run(&["reveal", "acme"]);
    refused.refused(1, "the audit log is full");
    assert!(!refused.stdout.contains(&token[..20]));
    home.run(&["disable", "acme"])
        .refused(1, "the audit log is full");
    assert_eq!(home.list()[0]["disabled"], false);
    // A copy that fails for lack of a clipboard records no event either.
    home.tamper(&["DROP TRIGGER no_record"]);
    home.run(&["copy", "acme"])
        .refused(1, "there is no clipboard");
    assert_eq!(home.audit(), ["key.created"]);
}
