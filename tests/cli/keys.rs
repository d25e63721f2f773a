//! Creating, listing, showing, editing, switching and revoking keys.
use serde_json::json;

use crate::command::Home;

#[test]
fn create_prints_the_token_alone_and_the_sentence_beside_it() {
    let home = Home::new();
    let made = home
        .run(&[
            "create",
            "Partner: Acme",
            "--grant",
            "contacts=read",
            "--expires",
            "2090-01-31",
        ])
        .done();
    let token = made.stdout.strip_suffix('\n').expect("one line");
    assert_eq!(token.len(), 66);
    assert!(token.starts_with("clv_"));
    assert!(made.stderr.contains("API key created successfully."));
    assert!(
        made.stderr
            .contains("Can read Contact Access from any IP until 2090-01-31. Can do nothing else.")
    );
    let revealed = home.run(&["reveal", "Partner: Acme"]).done();
    assert!(revealed.stdout == made.stdout, "the token and a line end");
    assert_eq!(revealed.stderr, "");
}

#[test]
fn json_has_the_fields_of_the_contract_in_their_order() {
    let home = Home::new();
    let arguments = [
        "create",
        "acme",
        "--description",
        "d",
        "--allow-ip",
        "10.0.0.0/24",
        "--grant",
        "contacts=read,create",
        "--json",
    ];
    let made = home.run(&arguments).done();
    let fields: Vec<String> = made
        .json()
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    assert_eq!(fields[..3], ["id", "name", "token"]);
    assert_eq!(made.json()["created"], json!(true));
    assert!(fields.contains(&"created_at".to_owned()));
    let listed = home.run(&["list", "--json"]).done();
    assert_eq!(listed.stdout.lines().count(), 1, "compact, on one line");
    let listed = listed.json();
    let key = listed[0].as_object().expect("an object");
    let order: Vec<&str> = key.keys().map(String::as_str).collect();
    assert_eq!(
        order,
        [
            "id",
            "name",
            "description",
            "allow_ip",
            "grants",
            "created_at",
            "last_used_at",
            "expires_at",
            "disabled",
            "status",
            "not_before",
            "deny_ip",
            "rate_limit",
            "quota",
            "owner",
            "labels"
        ]
    );
    assert_eq!(key["allow_ip"], json!(["10.0.0.0/24"]));
    assert_eq!(key["grants"], json!({ "contacts": ["create", "read"] }));
    assert_eq!(
        (&key["last_used_at"], &key["expires_at"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(key["disabled"], json!(false));
    assert_eq!(key["status"], json!("active"));
    for unset in ["not_before", "rate_limit", "quota", "owner"] {
        assert_eq!(key[unset], json!(null), "{unset}");
    }
    assert_eq!((&key["deny_ip"], &key["labels"]), (&json!([]), &json!({})));
    assert!(key["created_at"].as_str().expect("a moment").ends_with('Z'));
    assert_eq!(
        home.run(&["--json", "list"]).status,
        0,
        "--json before the verb is taken too"
    );
    home.run(&["create", "open"]).done();
    assert_eq!(
        home.list()[0]["allow_ip"],
        json!(null),
        "anywhere is null, newest first"
    );
}

#[test]
fn create_if_absent_makes_a_key_once_and_tells_how_it_differs() {
    let home = Home::new();
    let asked = [
        "create",
        "acme",
        "--if-absent",
        "--description",
        "d",
        "--allow-ip",
        "10.0.0.1,10.0.0.2",
        "--grant",
        "contacts=read",
        "--expires",
        "2090-01-31",
    ];
    let made = home.run(&asked).done();
    assert!(made.stdout.starts_with("clv_") && made.stderr.contains("created successfully"));
    let id = home.list()[0]["id"].as_str().expect("an id").to_owned();
    // Nothing that the second run does needs the master key.
    std::fs::remove_file(home.master_key()).expect("removed");
    let there = format!("acme ({id}) was there already and is active: nothing was made or changed");
    let again = |more: &[&str]| {
        let again = home.run(&[&["create", "acme", "--if-absent"], more].concat());
        let again = again.done();
        assert_eq!(again.stdout, "", "{more:?}");
        again.stderr
    };
    assert_eq!(home.run(&asked).done().stderr, format!("{there}.\n"));
    assert_eq!(
        again(&[]),
        format!("{there}.\n"),
        "what is not given is not compared"
    );
    for (given, differing) in [
        (&["--description", "D"][..], "description"),
        (&["--description", ""], "description"),
        (&["--allow-ip", "10.0.0.2,10.0.0.1"], ""),
        (&["--allow-ip", "any"], "allow-ip"),
        (&["--allow-ip", "10.0.0.1"], "allow-ip"),
        (&["--allow-ip", "10.0.0.0/24"], "allow-ip"),
        (&["--grant", "documents=read"], "grants"),
        (&["--grant", "contacts=none"], "grants"),
        (&["--expires", "never"], "expires"),
        (
            &[
                "--expires",
                "2090-02-01",
                "--grant",
                "contacts=all",
                "--description",
                "x",
            ],
            "description, grants and expires",
        ),
    ] {
        let tail = if differing.is_empty() {
            String::new()
        } else {
            format!(". Not as asked for: {differing}; `claviger show {id}` tells what it has")
        };
        assert_eq!(again(given), format!("{there}{tail}.\n"), "{given:?}");
    }
    let json = home
        .run(&[
            "create",
            "acme",
            "--if-absent",
            "--json",
            "--grant",
            "contacts=all",
        ])
        .done();
    assert!(
        json.stderr.contains("Not as asked for: grants;"),
        "{}",
        json.stderr
    );
    let mut told = json.json();
    let told = told.as_object_mut().expect("an object");
    assert_eq!(
        told.keys().take(3).collect::<Vec<_>>(),
        ["id", "name", "created"]
    );
    assert_eq!(told.shift_remove("created"), Some(json!(false)));
    assert!(!told.contains_key("token"));
    assert_eq!(told["grants"], json!({ "contacts": ["read"] }));
    assert_eq!(home.audit(), ["key.created"]);
}

#[test]
fn create_if_absent_tells_the_status_and_can_require_a_token() {
    let home = Home::new();
    let create = ["create", "acme", "--if-absent", "--require-token"];
    let first = home.run(&create).done();
    let required = home.run(&create);
    required.refused(
        1,
        "There is no new token, which --require-token asks for: `claviger reveal",
    );
    assert_eq!(required.stdout, "");
    let json = home.run(&[&create[..], &["--json"]].concat());
    json.refused(1, "was there already and is active");
    assert_eq!(json.json()["created"], json!(false));
    let revealed = home.run(&["reveal", "acme"]).done();
    assert!(revealed.stdout == first.stdout);
    home.run(&["disable", "acme"]).done();
    let said = |status: &str| {
        let said = home.run(&create[..3]).done().stderr;
        assert!(
            said.contains(&format!("and is {status}: nothing")),
            "{said}"
        );
    };
    said("disabled");
    home.past("UPDATE keys SET expires_at = 1000");
    said("disabled");
    home.run(&["enable", "acme"]).done();
    said("expired");
    home.run(&["create", "acme", "--require-token"])
        .refused(2, "--if-absent");
    home.run(&["create", "acme"]).done();
    let several = home.run(&create);
    several.refused(
        2,
        "2 keys are called acme: nothing was done. Revoke or rename all but one",
    );
    for key in home.list() {
        let id = key["id"].as_str().expect("an id");
        assert!(several.stderr.contains(id), "{}", several.stderr);
    }
    home.run(&["agent", "add", "prod"]).done();
    let in_prod = home.run(&[&create[..], &["--agent", "prod", "--json"]].concat());
    assert_eq!(
        in_prod.done().json()["created"],
        json!(true),
        "another agent's"
    );
    // The policy is for keys that are made; this one is older.
    home.run(&["workspace", "--must-expire", "yes"]).done();
    home.run(&["create", "acme", "--if-absent", "--agent", "prod"])
        .done();
    home.run(&["create", "other", "--if-absent"])
        .refused(2, "every key must have an end");
    home.run(&[
        "create",
        "acme",
        "--if-absent",
        "--agent",
        "prod",
        "--grant",
        "nowhere=read",
    ])
    .refused(2, "nowhere");
}

#[test]
fn list_searches_sorts_and_limits() {
    let home = Home::new();
    for name in ["beta", "Alpha", "gamma"] {
        home.create(name, &[]);
    }
    let names = |arguments: &[&str]| -> Vec<String> {
        let listed = home
            .run(&[&["list", "--json"], arguments].concat())
            .done()
            .json();
        listed
            .as_array()
            .expect("an array")
            .iter()
            .map(|key| key["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(&[]), ["gamma", "Alpha", "beta"]);
    assert_eq!(names(&["--reverse"]), ["beta", "Alpha", "gamma"]);
    assert_eq!(names(&["--sort", "name"]), ["Alpha", "beta", "gamma"]);
    assert_eq!(names(&["--search", "ALPH"]), ["Alpha"]);
    assert_eq!(names(&["--limit", "2"]), ["gamma", "Alpha"]);
    assert!(names(&["--attention"]).is_empty());
    home.run(&["list", "--sort", "colour"]).refused(2, "colour");
    let piped = home.run(&["list"]).done().stdout;
    assert!(
        piped.lines().all(|line| line.split('\t').count() == 8),
        "{piped}"
    );
}

#[test]
fn list_sorts_by_every_field_in_both_directions() {
    let home = Home::new();
    let (_, token) = home.create("used", &["--grant", "documents=read"]);
    home.create("Ends", &["--expires", "5d", "--allow-ip", "10.0.0.1"]);
    home.create("off", &["--grant", "contacts=read"]);
    home.create(
        "listed",
        &["--allow-ip", "10.0.0.1,10.0.0.2", "--expires", "400d"],
    );
    home.check(&token, "documents", "read", None);
    home.run(&["disable", "off"]).done();
    for (field, order) in [
        ("created", ["listed", "off", "Ends", "used"]),
        ("name", ["Ends", "listed", "off", "used"]),
        ("access", ["Ends", "listed", "off", "used"]),
        ("attention", ["Ends", "off", "used", "listed"]),
        ("last-used", ["used", "listed", "off", "Ends"]),
        ("expires", ["Ends", "listed", "used", "off"]),
        ("ips", ["used", "off", "Ends", "listed"]),
    ] {
        let names = |more: &[&str]| -> Vec<String> {
            let arguments = [&["list", "--json", "--sort", field], more].concat();
            let listed = home.run(&arguments).done().json();
            let name = |key: &serde_json::Value| key["name"].as_str().expect("a name").to_owned();
            listed.as_array().expect("keys").iter().map(name).collect()
        };
        assert_eq!(names(&[]), order, "{field}");
        let mut turned = names(&["--reverse"]);
        turned.reverse();
        assert_eq!(turned, order, "{field}, reversed");
    }
    let looked = home.run(&["list", "--attention"]).done().stdout;
    let words: Vec<&str> = looked
        .lines()
        .map(|line| line.rsplit('\t').next().expect("a word"))
        .collect();
    assert_eq!(words.len(), 2, "{looked}");
    assert!(
        words[0] == "disabled" && words[1].starts_with("expires "),
        "{looked}"
    );
}

#[test]
fn a_key_is_named_by_id_by_name_or_by_the_beginning_of_its_id() {
    let home = Home::new();
    let (id, _) = home.create("acme", &[]);
    for key in [id.as_str(), "acme", &id[..4], &id[..11]] {
        assert_eq!(
            home.run(&["show", key, "--json"]).done().json()["id"],
            json!(id),
            "{key}"
        );
    }
    home.run(&["show", &id[..3]]).refused(1, "no key is called");
    home.run(&["show", "acm"])
        .refused(1, "no key is called acm");
    let made = home.run(&["create", "acme", "--json"]).done();
    assert!(
        made.stderr.contains("2 keys are called acme now"),
        "{}",
        made.stderr
    );
    let twin = made.json()["id"].as_str().expect("an id").to_owned();
    let asked = home.run(&["disable", "acme"]);
    asked.refused(2, "acme means 2 keys: nothing was done");
    assert!(asked.stderr.contains(&id) && asked.stderr.contains(&twin));
    assert!(
        home.list()
            .iter()
            .all(|key| key["disabled"] == json!(false))
    );
    home.run(&["disable", &twin]).done();
}

#[test]
fn edit_changes_what_it_names_and_nothing_else() {
    let home = Home::new();
    let (id, _) = home.create(
        "acme",
        &[
            "--grant",
            "contacts=read",
            "--grant",
            "documents=all",
            "--allow-ip",
            "10.0.0.1",
            "--expires",
            "2090-01-31",
        ],
    );
    let arguments = [
        "edit",
        &id,
        "--grant",
        "contacts=none",
        "--name",
        "acme 2",
        "--json",
    ];
    let edited = home.run(&arguments).done().json();
    assert_eq!(
        edited["grants"],
        json!({ "documents": ["create", "read", "update", "delete"] })
    );
    assert_eq!(
        (&edited["name"], &edited["allow_ip"]),
        (&json!("acme 2"), &json!(["10.0.0.1"]))
    );
    assert_eq!(edited["expires_at"], json!("2090-01-31T23:59:59.999Z"));
    let edited = home
        .run(&["edit", &id, "--allow-ip", "any", "--expires", "never"])
        .done();
    assert!(edited.stderr.contains("API key updated successfully."));
    let key = &home.list()[0];
    assert_eq!(
        (&key["allow_ip"], &key["expires_at"]),
        (&json!(null), &json!(null))
    );
    home.run(&["edit", &id]).refused(2, "nothing to change");
    assert_eq!(home.audit(), ["key.created", "key.edited", "key.edited"]);
}

#[test]
fn switching_is_idempotent_and_audited_once() {
    let home = Home::new();
    home.create("acme", &[]);
    home.run(&["disable", "acme"]).done();
    home.run(&["disable", "acme"]).done();
    assert_eq!(home.list()[0]["disabled"], json!(true));
    home.run(&["enable", "acme"]).done();
    home.run(&["enable", "acme"]).done();
    assert_eq!(home.audit(), ["key.created", "key.disabled", "key.enabled"]);
}

#[test]
fn list_and_show_tell_the_status_and_disabled_comes_before_expired() {
    let home = Home::new();
    home.create("acme", &["--expires", "5d"]);
    let statuses = || {
        let shown = home.run(&["show", "acme", "--json"]).done().json();
        assert_eq!(home.list()[0]["status"], shown["status"]);
        shown["status"].as_str().expect("a word").to_owned()
    };
    assert_eq!(statuses(), "active", "also when it expires soon");
    home.past("UPDATE keys SET expires_at = 1000");
    assert_eq!(statuses(), "expired");
    home.run(&["disable", "acme"]).done();
    assert_eq!(statuses(), "disabled");
    home.run(&["edit", "acme", "--expires", "never"]).done();
    assert_eq!(statuses(), "disabled");
    home.run(&["enable", "acme"]).done();
    assert_eq!(statuses(), "active");
    home.run(&["agent", "add", "prod"]).done();
    let listed = home.run(&["list", "--json"]).done().json();
    let fields = listed[0].as_object().expect("an object");
    let after: Vec<&String> = fields.keys().skip(9).take(2).collect();
    assert_eq!(after, ["agent", "status"]);
}

#[test]
fn several_keys_are_switched_all_or_none() {
    let home = Home::new();
    let (one, token) = home.create("one", &["--grant", "contacts=read"]);
    home.create("two", &[]);
    home.create("three", &[]);
    let disabled = || -> Vec<String> {
        let keys = home.list().into_iter();
        let off = keys.filter(|key| key["disabled"] == json!(true));
        off.map(|key| key["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    home.run(&["disable", "one", "four", "two"])
        .refused(1, "no key is called four");
    home.run(&["disable"]).refused(2, "<KEY>");
    assert!(disabled().is_empty(), "all or none");
    let done = home.run(&["disable", "one", "two", &one]).done();
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        (
            "",
            "2 API keys disabled: refused from the next request on.\n"
        )
    );
    assert_eq!(disabled(), ["two", "one"]);
    let decided = home.check(&token, "contacts", "read", None);
    assert_eq!(decided, (1, Some("disabled".into())));
    // Keys that are disabled already fail nothing.
    let done = home.run(&["disable", "one", "two", "three"]).done();
    assert_eq!(
        done.stderr,
        "1 API key disabled: refused from the next request on.\n2 API keys were disabled already.\n"
    );
    let done = home.run(&["disable", "one", "two"]).done();
    assert_eq!(done.stderr, "2 API keys were disabled already.\n");
    let twice = home.run(&["enable", "one", &one]).done();
    assert_eq!(twice.stderr, "API key enabled.\n", "that is one key");
    home.past("UPDATE keys SET expires_at = 1000 WHERE name = 'two'");
    let done = home.run(&["enable", "three", "two", "one"]).done();
    let (first, rest) = done.stderr.split_once('\n').expect("lines");
    assert_eq!(first, "2 API keys enabled.");
    assert!(
        rest.starts_with("1 API key was enabled already.\ntwo (")
            && rest.contains(") has ended, and stays refused until"),
        "{rest}"
    );
    let json = home.run(&["disable", "two", "one", "--json"]).done();
    let lines: Vec<serde_json::Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2, "a line for each");
    assert!(lines.iter().all(|key| key["disabled"] == json!(true)));
    assert_eq!(
        (&lines[0]["name"], &lines[1]["name"]),
        (&json!("two"), &json!("one"))
    );
    let changes = home.audit();
    let count = |word: &str| changes.iter().filter(|change| *change == word).count();
    assert_eq!((count("key.disabled"), count("key.enabled")), (5, 3));
    home.run(&["audit", "verify"]).done();
}

#[test]
fn revoking_asks_nobody_off_a_terminal_and_takes_all_or_none() {
    let home = Home::new();
    let (one, token) = home.create("one", &["--grant", "contacts=read"]);
    home.create("two", &[]);
    home.run(&["revoke", "one"]).refused(2, "--yes");
    home.run(&["revoke", "one", "three", "--yes"])
        .refused(1, "no key is called three");
    assert_eq!(home.list().len(), 2, "all or none");
    home.run(&["revoke", "one", "--yes", "--reason", "bored"])
        .refused(2, "there is no reason bored");
    let done = home
        .run(&[
            "revoke",
            "one",
            &one,
            "two",
            "--yes",
            "--reason",
            "compromised",
        ])
        .done();
    assert!(
        done.stderr.contains("2 API keys revoked."),
        "{}",
        done.stderr
    );
    assert!(home.list().is_empty());
    assert_eq!(
        home.check(&token, "contacts", "read", None),
        (1, Some("revoked".into()))
    );
    let log = home.run(&["audit", "--json"]).done().stdout;
    assert!(log.contains(r#""reason":"compromised""#));
    home.run(&["revoke", "one", "--yes"])
        .refused(1, "no key is called one");
}

#[test]
fn any_name_goes_after_two_dashes_and_look_alikes_are_named() {
    let home = Home::new();
    home.run(&["create", "--", "--weird-name"]).done();
    assert_eq!(home.list()[0]["name"], json!("--weird-name"));
    home.create("admin", &[]);
    let warned = home.run(&["create", "аdmin"]).done();
    assert!(
        warned
            .stderr
            .contains("looks like that of another key, admin"),
        "{}",
        warned.stderr
    );
    home.create(" kept as given ", &[]);
    assert_eq!(home.list()[0]["name"], json!(" kept as given "));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new();
    for at in 0..30 {
        home.create(
            &format!("{at} {}", "long ".repeat(15)),
            &["--description", &"x".repeat(500)],
        );
    }
    for pipe in [
        "list | head -c 1",
        "list --json | head -c 1",
        "audit | head -c 1",
    ] {
        let line = format!(
            "{{ {} {pipe}; }} 2>&1; exit ${{PIPESTATUS[0]}}",
            env!("CARGO_BIN_EXE_claviger")
        );
        let mut shell = std::process::Command::new("bash");
        shell
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin")
            .args(["-c", &line]);
        let ended = crate::command::ended(&mut shell);
        assert_eq!(
            (ended.status, ended.stdout.len()),
            (0, 1),
            "{pipe}: {ended:?}"
        );
    }
}
