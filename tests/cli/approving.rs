//! `approve`, `reject` and `list --pending`: a change that widens waits for another person.
use serde_json::Value;

use crate::command::{Ended, Home, ended};

const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJJk4JUbI6zdI3cPUT5hoSf6NbRKIUMDU6nUMWKRiwI0 a",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFyC2hs5nTCWlTCRtfvXxbLdYGyu9Rn3zTkbJXc0cwMp b",
];

fn add(home: &Home, name: &str, role: &str, key: usize) -> String {
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
    let added = home.fed(&arguments, KEYS[key].as_bytes()).done().json();
    added["id"].as_str().expect("an id").to_owned()
}

/// Runs a command as a member who logged in over SSH; no argument needs quotes.
fn as_member(home: &Home, id: &str, arguments: &[&str]) -> Ended {
    let mut command = home.command(&["--member", id]);
    command.env(
        "SSH_ORIGINAL_COMMAND",
        format!("claviger {}", arguments.join(" ")),
    );
    ended(command.stdin(std::process::Stdio::null()))
}

fn pending(home: &Home) -> Vec<Value> {
    let listed = home.run(&["list", "--pending", "--json"]).done().json();
    listed.as_array().expect("an array").clone()
}

fn decides(home: &Home, token: &str) -> String {
    let arguments = ["check", "--area", "contacts", "--action", "read", "--json"];
    let told = home.fed(&arguments, token.as_bytes()).json();
    format!(
        "{} {}",
        told["decision"].as_str().unwrap_or(""),
        told["detail"].as_str().unwrap_or("")
    )
}

#[test]
fn a_new_key_and_an_edit_wait_and_nobody_approves_their_own() {
    let home = Home::new();
    let (_, before) = home.create("before", &["--grant", "contacts=read"]);
    let bob = add(&home, "bob", "manager", 0);
    home.run(&["workspace", "--approve-widening", "yes"]).done();
    let policy = home.run(&["workspace", "--json"]).done().json();
    assert_eq!(policy["approve_widening"], true);
    assert!(
        home.run(&["workspace"])
            .done()
            .stdout
            .contains("wait for the approval")
    );

    let made = home
        .run(&["create", "new", "--grant", "contacts=read", "--json"])
        .done();
    assert!(made.stderr.contains("waits for approval"), "{made:?}");
    let made = made.json();
    let (id, token) = (
        made["id"].as_str().expect("id"),
        made["token"].as_str().expect("a token"),
    );
    assert_eq!(made["pending_approval"], true);
    assert_eq!(decides(&home, token), "deny pending_approval");
    assert_eq!(decides(&home, &before), "allow ");
    let shown = home.run(&["show", "new", "--json"]).done().json();
    assert_eq!(shown["status"], "pending");
    assert_eq!(shown["pending"]["change"], "key.created");
    let explained = home.run(&["explain", id]).stdout;
    assert!(
        explained.contains(&format!("claviger approve {id}")),
        "{explained}"
    );
    let notices = home.run(&["notices", "--json"]).done().stdout;
    assert!(notices.contains("\"pending\""), "{notices}");
    home.run(&["approve", "new"])
        .refused(1, "nobody approves their own");
    as_member(&home, &bob, &["approve", "new", "--revision", "7"])
        .refused(1, "was changed since you looked");
    let approved = as_member(&home, &bob, &["approve", "new", "--revision", "1"]).done();
    assert!(
        approved.stderr.contains("Approved: key created, new."),
        "{approved:?}"
    );
    assert_eq!(decides(&home, token), "allow ");
    home.run(&["approve", "new"])
        .refused(1, "does not wait for approval");
    home.run(&["approve", "nobody"])
        .refused(1, "no key is called nobody");

    // An edit that narrows is made; one that widens waits, and says how it goes on.
    home.run(&["edit", "new", "--allow-ip", "10.0.0.0/24"])
        .done();
    assert!(pending(&home).is_empty());
    let asked = as_member(&home, &bob, &["edit", "new", "--allow-ip", "any", "--json"]).done();
    assert!(
        asked.stderr.contains(&format!("claviger approve {id}")),
        "{asked:?}"
    );
    assert_eq!(asked.json()["pending_approval"], true);
    assert_eq!(home.list()[0]["allow_ip"][0], "10.0.0.0/24");
    let waits = pending(&home);
    assert_eq!(
        (&waits[0]["id"], &waits[0]["status"]),
        (&id.into(), &"active".into())
    );
    assert_eq!(waits[0]["pending"]["requested_by"], "bob");
    let notices = home.run(&["notices"]).done().stdout;
    assert!(notices.contains("waits for approval since"), "{notices}");
    let text = home.run(&["list", "--pending"]).done().stdout;
    assert!(text.contains("Widens: 10.0.0.0/24 → Any IP"), "{text}");
    let shown = home.run(&["show", "new"]).done().stdout;
    assert!(shown.contains("Waits       key edited by bob"), "{shown}");
    as_member(&home, &bob, &["approve", "new"]).refused(1, "nobody approves their own");
    let done = home.run(&["approve", "new", "--json"]).done().json();
    assert_eq!((&done["id"], &done["approved"]), (&id.into(), &true.into()));
    assert!(home.list()[0]["allow_ip"].is_null());
    let log = home.run(&["audit", "--json"]).done().stdout;
    let edited = log.lines().last().expect("an event");
    assert!(
        edited.contains("key.edited") && edited.contains("\"requested_by\":\"bob\""),
        "{edited}"
    );

    // Enabling waits too; rejecting leaves it off, and rejects a new key for good.
    home.run(&["disable", "new"]).done();
    home.run(&["enable", "new"]).done();
    assert_eq!(home.list()[0]["disabled"], true);
    let rejected = as_member(&home, &bob, &["reject", "new"]).done();
    assert!(
        rejected.stderr.contains("Rejected: key enabled, new."),
        "{rejected:?}"
    );
    assert!(pending(&home).is_empty() && home.list()[0]["disabled"] == true);
    let (_, other) = home.create("other", &["--grant", "contacts=read"]);
    as_member(&home, &bob, &["reject", "other"]).done();
    assert_eq!(decides(&home, &other), "deny ");
    home.run(&["audit", "verify"]).done();
}

#[test]
fn areas_members_and_the_policy_wait_under_their_names() {
    let home = Home::new();
    home.create("x", &[]);
    let olga = add(&home, "olga", "owner", 0);
    let bob = add(&home, "bob", "manager", 1);
    home.run(&[
        "workspace",
        "--approve-widening",
        "yes",
        "--longest-life",
        "90d",
    ])
    .done();
    let edits: [&[&str]; 4] = [
        &["area", "edit", "contacts", "--route", "/people"],
        &["area", "edit", "contacts", "--paths", "opaque"],
        &["member", "edit", "bob", "--role", "owner"],
        &["workspace", "--approve-widening", "no"],
    ];
    for arguments in edits {
        let asked = home.run(arguments).done();
        assert!(asked.stderr.contains("only requested"), "{asked:?}");
    }
    let longer = home
        .run(&["workspace", "--longest-life", "none", "--json"])
        .done();
    assert_eq!(longer.json()["pending_approval"], true);
    let ids: Vec<String> = pending(&home)
        .iter()
        .map(|it| it["id"].as_str().expect("id").to_owned())
        .collect();
    assert_eq!(
        ids,
        [
            "area:contacts".to_owned(),
            format!("member:{bob}"),
            "workspace".to_owned()
        ]
    );
    as_member(&home, &bob, &["approve", "workspace"]).refused(1, "your role is manager");
    as_member(&home, &olga, &["approve", "member:bob"]).done();
    as_member(&home, &olga, &["approve", "area:contacts"]).done();
    home.run(&["reject", "workspace"]).done();
    home.run(&["approve", "area:nothing"])
        .refused(1, "area:nothing does not wait for approval");
    let areas = home.run(&["area", "list", "--json"]).done().stdout;
    assert!(
        areas.contains("\"paths\":\"opaque\"") && !areas.contains("/people"),
        "{areas}"
    );
    let policy = home.run(&["workspace", "--json"]).done().json();
    assert_eq!(
        (&policy["approve_widening"], &policy["longest_life_days"]),
        (&true.into(), &90.into())
    );
    assert!(pending(&home).is_empty());
}
