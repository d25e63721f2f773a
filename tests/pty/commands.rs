//! Commands in a terminal: their questions and their appearance.
use crate::{command::Home, screen::Screen};

fn start(home: &Home, columns: u16, arguments: &[&str]) -> Screen {
    let line = [&[env!("CARGO_BIN_EXE_claviger")], arguments].concat();
    Screen::program(&line, home.path(), columns, 24, &[])
}

#[test]
fn revoke_asks_and_only_the_right_answer_revokes() {
    let home = Home::new();
    home.create("acme", &["--grant", "contacts=read"]);
    for wrong in ["n", "y", "YES", "", "yes please", "<c-d>"] {
        let mut asked = start(&home, 100, &["revoke", "acme"]);
        asked.wait_for("acme (").wait_for("no use seen since");
        asked
            .wait_for("In local: the key is permanently deleted. Any applications using this key will lose access.")
            .wait_for("Type yes to revoke, anything else to leave all as it is:");
        asked.press(wrong);
        if wrong != "<c-d>" {
            asked.press("<enter>");
        }
        asked.wait_for("yes was not typed: nothing was revoked");
        assert_eq!(asked.end(), 1);
        assert_eq!(home.list().len(), 1, "{wrong:?}");
    }
    let mut asked = start(&home, 100, &["revoke", "acme", "--reason", "superseded"]);
    asked.wait_for("Type yes").press("yes<enter>");
    asked.wait_for("1 API key revoked.");
    assert_eq!(asked.end(), 0);
    assert!(home.list().is_empty());
}

#[test]
fn revoke_wants_the_id_of_a_key_in_use_and_the_number_of_several() {
    let home = Home::new();
    let (id, token) = home.create("in use", &["--grant", "contacts=read"]);
    home.create("two", &[]);
    home.create("three", &[]);
    assert_eq!(
        home.check(&token, "contacts", "read", Some("10.0.0.9")),
        (0, None)
    );
    let mut asked = start(&home, 100, &["revoke", "in use"]);
    asked
        .wait_for("last used ")
        .wait_for("UTC from 10.0.0.9")
        .wait_for(&format!("Type {} to revoke", &id[..4]))
        .press("yes<enter>")
        .wait_for("was not typed: nothing was revoked");
    assert_eq!(asked.end(), 1);
    let mut asked = start(&home, 100, &["revoke", "two", "three"]);
    asked
        .wait_for("the keys are permanently deleted")
        .wait_for("Type 2 to revoke")
        .press("2<enter>")
        .wait_for("2 API keys revoked.");
    assert_eq!(asked.end(), 0);
    let mut asked = start(&home, 100, &["revoke", "in use"]);
    asked.wait_for("Type ").press(&id[..4]).press("<enter>");
    asked.wait_for("1 API key revoked.");
    assert_eq!(asked.end(), 0);
    assert_eq!(
        home.check(&token, "contacts", "read", Some("10.0.0.9")),
        (1, Some("revoked".to_owned()))
    );
}

#[test]
fn revoke_asks_before_it_can_fail_for_one_of_several() {
    let home = Home::new();
    home.create("one", &[]);
    let mut asked = start(&home, 100, &["revoke", "one", "nobody"]);
    asked.wait_for("no key is called nobody");
    assert_eq!(asked.end(), 1);
    assert!(!asked.text().contains("Type"), "nothing was asked");
    assert_eq!(home.list().len(), 1);
}

#[test]
fn list_stands_in_columns_that_keep_their_line() {
    let home = Home::new();
    let (_, token) = home.create("acme", &["--grant", "contacts=read"]);
    home.check(&token, "contacts", "read", None);
    home.create(
        &"家👩‍👩‍👧‍👦".repeat(30),
        &[
            "--grant",
            "contacts=read",
            "--grant",
            "documents=all",
            "--allow-ip",
            "10.0.0.0/24",
        ],
    );
    home.create("gone soon", &["--expires", "2d"]);
    home.run(&["disable", "acme"]).done();
    for columns in [80, 100, 200] {
        let mut list = start(&home, columns, &["list"]);
        list.wait_for("acme");
        assert_eq!(list.end(), 0);
        let text = list.text();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines.len(), 4, "each key keeps its line: {text}");
        let at = |line: &str, word: &str| {
            let cut = line.find(word).unwrap_or_else(|| panic!("{word}: {text}"));
            unicode_width::UnicodeWidthStr::width(&line[..cut])
        };
        let created = at(lines[0], "Created");
        let today = &home.list()[0]["created_at"].as_str().expect("a moment")[..10].to_owned();
        for (line, name, attention) in [
            (lines[1], "gone soon", "expires "),
            (lines[2], "家👩‍👩‍👧‍👦", ""),
            (lines[3], "acme", "disabled"),
        ] {
            assert_eq!(at(line, name), at(lines[0], "Name"), "{text}");
            assert_eq!(at(line, today), created, "{text}");
            if !attention.is_empty() {
                assert_eq!(at(line, attention), at(lines[0], "Attention"), "{text}");
            }
        }
        assert!(lines[2].contains('…') && lines[2].contains("Contacts Documents"));
    }
    let mut none = start(&home, 80, &["list", "--search", "nobody"]);
    none.wait_for("No key matches.");
    assert_eq!(none.end(), 0);
    let empty = Home::new();
    let mut none = start(&empty, 80, &["list"]);
    none.wait_for("No keys. `claviger create NAME --grant contacts=read` makes one.");
    assert_eq!(none.end(), 0);
    let mut json = start(&home, 200, &["list", "--json", "--search", "nobody"]);
    json.wait_for("[]");
    assert_eq!(json.end(), 0);
}

#[test]
fn usage_errors_show_what_was_typed_and_do_not_act_on_the_terminal() {
    let home = Home::new();
    let mut wrong = start(
        &home,
        100,
        &[
            "list",
            "--sort",
            "a\u{7}\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}",
        ],
    );
    wrong.wait_for("invalid value 'a").wait_for("<U+202E>");
    assert_eq!(wrong.end(), 2);
    assert!(!wrong.bytes.contains(&0x1b) && !wrong.bytes.contains(&7));
}

#[test]
fn a_check_at_a_terminal_asks_for_one_line() {
    let home = Home::new();
    home.create("acme", &["--grant", "contacts=read"]);
    let check = ["check", "--area", "contacts", "--action", "read"];
    for (typed, answer) in [
        ("clv_nonsense<enter>", "deny malformed_token"),
        ("<enter>", "deny missing_token"),
        ("<c-d>", "deny missing_token"),
    ] {
        let mut asked = start(&home, 100, &check);
        asked.wait_for("The token, then Enter").press(typed);
        asked.wait_for(answer);
        assert_eq!(asked.end(), 1);
        assert!(!asked.text().contains("nonsense"), "nothing is echoed");
    }
    let mut asked = start(&home, 100, &check);
    asked
        .wait_for("The token, then Enter")
        .press("clv_half<c-c>");
    asked.wait_for("standard input cannot be read: it was broken off");
    assert_eq!(asked.end(), 2);
    asked.assert_settings();
}
