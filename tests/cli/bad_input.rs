//! Bad input: one clear sentence names it and the fix, the status is 2, and nothing is changed.
use crate::command::Home;

#[test]
fn names_and_descriptions() {
    let home = Home::new();
    for (name, words) in [
        ("", "Name is empty"),
        ("   ", "Name is empty"),
        (&*"x".repeat(101), "Name has 101 characters, at most 100"),
        (&*"👩‍👩‍👧‍👦".repeat(101), "101 characters"),
        ("a\u{1b}[2J", "U+001B"),
        ("a\u{7}", "U+0007"),
        ("a\tb", "U+0009"),
        ("a\u{202e}b", "U+202E"),
        ("a\u{200b}b", "U+200B"),
        ("a\u{2066}b", "U+2066"),
    ] {
        home.run(&["create", name]).refused(2, words);
    }
    for (text, words) in [
        (&*"x".repeat(501), "Description has 501 characters"),
        ("\u{202e}", "U+202E"),
        ("a\nb", "U+000A"),
    ] {
        home.run(&["create", "acme", "--description", text])
            .refused(2, words);
    }
    assert!(home.list().is_empty());
    home.create(&"x".repeat(100), &["--description", &"é".repeat(500)]);
    home.create(&"👩‍👩‍👧‍👦".repeat(100), &[]);
}

#[test]
fn allow_lists() {
    let home = Home::new();
    for (list, words) in [
        ("", "--allow-ip is empty"),
        (" , ", "--allow-ip is empty"),
        (
            "10.0.0.7/24",
            "write 10.0.0.0/24 for the network, or 10.0.0.7 for the one address",
        ),
        (
            "2001:db8::1/32",
            "write 2001:db8::/32 for the network, or 2001:db8::1",
        ),
        ("fe80::1%eth0", "zone id"),
        ("1.2.3.4:80", "has a port"),
        ("[2001:db8::1]:443", "write 2001:db8::1"),
        ("[2001:db8::1]", "brackets"),
        ("gw.example.com", "is a name"),
        ("localhost", "is a name"),
        ("10.0.0.1, any", "stands alone"),
        ("10.0.0.1-10.0.0.9", "is a range"),
        ("10.0.0.*", "is a range"),
        ("010.0.0.1", "octal: write 10.0.0.1"),
        ("10.0.0.1/08", "leading zero: write /8"),
        ("10.0.0.1/+8", "prefix length"),
        ("10.0.0.0/33", "over 32"),
        ("10.0.0.0/999", "over 32"),
        ("2001:db8::/129", "over 128"),
        ("10.0.0.0/255.255.255.0", "write 10.0.0.0/24"),
        ("10.0.0/24", "is no IPv4 address"),
        ("10.0.0.256", "is no IPv4 address"),
        ("0x7f.1", "hexadecimal"),
        ("2001:db8:::1", "is no IPv6 address"),
        ("10.0.0.1 10.0.0.2", "put a comma"),
        ("/24", "no address"),
        ("::ffff:0:0/90", "below 96"),
        ("10.0.0.1\u{202e}", "<U+202E>"),
    ] {
        home.run(&["create", "acme", "--allow-ip", list])
            .refused(2, words);
    }
    let long = (0..101)
        .map(|at| format!("10.0.{at}.1"))
        .collect::<Vec<_>>()
        .join(",");
    home.run(&["create", "acme", "--allow-ip", &long])
        .refused(2, "101 entries are too many");
    assert!(home.list().is_empty());
    let merged = home
        .run(&[
            "create",
            "acme",
            "--allow-ip",
            "10.0.0.7,10.0.0.0/24;10.0.0.0/24\n1.1.1.1",
        ])
        .done();
    assert!(
        merged
            .stderr
            .contains("10.0.0.7 is covered by 10.0.0.0/24: merged into it")
    );
    assert_eq!(
        home.list()[0]["allow_ip"],
        serde_json::json!(["10.0.0.0/24", "1.1.1.1"])
    );
}

#[test]
fn grants_and_expiries() {
    let home = Home::new();
    for (grant, words) in [
        (
            "invoices=read",
            "there is no access area invoices: the areas are contacts, documents",
        ),
        ("Contacts=read", "there is no access area Contacts"),
        ("contacts=approve", "there is no action approve"),
        ("contacts", "write AREA=ACTIONS"),
        ("contacts=", "no action is named"),
    ] {
        home.run(&["create", "acme", "--grant", grant])
            .refused(2, words);
    }
    home.run(&[
        "create",
        "acme",
        "--grant",
        "contacts=read",
        "--grant",
        "contacts=all",
    ])
    .refused(2, "twice");
    for (when, words) in [
        ("", "--expires is empty"),
        ("  ", "--expires is empty"),
        ("soon", "is no expiry"),
        ("2020-01-01", "already past"),
        ("2090-01-31T12:00:00", "no zone"),
        ("99999999999d", "too far"),
    ] {
        home.run(&["create", "acme", "--expires", when])
            .refused(2, words);
    }
    assert!(home.list().is_empty());
}

#[test]
fn databases_and_homes() {
    let home = Home::new();
    for (url, words) in [
        ("mysql://u:hunter2@h/d", "mysql is no database"),
        ("sqlite:", "is no database"),
        ("/tmp/x.db", "write sqlite:PATH"),
        (
            "postgres://u:hunter2@db.example.com/x",
            "sslmode=verify-full",
        ),
        ("postgres://u:hunter2@127.0.0.1:1/x", "cannot be reached"),
    ] {
        let ended = home.run(&["list", "--database", url]);
        assert!([1, 2].contains(&ended.status), "{ended:?}");
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    let homeless =
        |arguments: &[&str]| crate::command::ended(home.command(arguments).env_remove("HOME"));
    homeless(&["list"]).refused(2, "HOME is not set");
    let url = format!("sqlite:{}", home.path().join("x.db").display());
    homeless(&["workspace", "--label", "PROD", "--database", &url]).done();
    homeless(&["list", "--database", &url]).done();
    homeless(&["create", "acme", "--database", &url])
        .refused(1, "no place is known for the master key");
    assert_eq!(home.run(&["--json"]).status, 2);
    assert_eq!(home.run(&["frobnicate"]).status, 2);
}

#[test]
fn a_mistyped_database_is_no_new_one() {
    let home = Home::new();
    let path = home.path().join("typo/keys.db");
    let url = format!("sqlite:{}", path.display());
    for arguments in [
        &["list"][..],
        &["show", "a"],
        &["audit"],
        &["audit", "verify"],
        &["workspace"],
        &["revoke", "a", "--yes"],
        &["check", "--area", "contacts", "--action", "read"],
    ] {
        let said = home.run(&[arguments, &["--database", &url]].concat());
        let status = if arguments[0] == "check" { 2 } else { 1 };
        said.refused(status, "there is no database");
        assert!(said.stdout.is_empty());
    }
    let sick = home.run(&["doctor", "--database", &url]);
    assert_eq!(sick.status, 1, "{}", sick.stdout);
    assert!(!path.exists() && !path.parent().expect("a folder").exists());
    home.run(&["create", "a", "--database", &url]).done();
    assert!(path.exists());
}
