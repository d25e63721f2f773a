//! The main job, from an empty home to a revoked key, and two terminals at once.
use crate::{
    command::Home,
    postgres::Database,
    screen::{Screen, copied},
};

#[test]
fn the_main_job_from_an_empty_home() {
    let home = Home::new();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[("SSH_TTY", "/dev/pts/9")]);
    screen.wait_for("Press n to make the first one.");
    screen.press("n").wait_for("Enter basic information");
    screen
        .press("Partner: Acme<tab>weekly<tab>10.0.0.0/24<tab>90d<enter>")
        .wait_for("Configure permissions");
    screen
        .press("1")
        .wait_for("Can read Contact Access from 10.0.0.0/24");
    screen
        .press("<enter>")
        .wait_for("API key created successfully.");
    screen.press("<enter>").wait_for("sent to your terminal");
    assert!(!screen.text().contains("copied"));
    let token = copied(&screen.bytes).pop().expect("a copied token");
    assert_eq!(
        home.check(&token, "contacts", "read", Some("10.0.0.9")),
        (0, None)
    );
    assert_eq!(
        home.check(&token, "contacts", "update", Some("10.0.0.9"))
            .1
            .as_deref(),
        Some("action_not_permitted")
    );

    screen.press("<esc>/acme<enter>").wait_for("1 of 1 key");
    screen
        .press("e")
        .wait_for("Step 1 of 2")
        .press("<enter>")
        .wait_for("Step 2 of 2");
    screen
        .press("2<enter>")
        .wait_for("API key updated successfully.");
    assert_eq!(
        home.check(&token, "contacts", "update", Some("10.0.0.9")),
        (0, None)
    );

    screen
        .press("d")
        .wait_for("Disable Partner: Acme in local?");
    screen.press("<tab><enter>").wait_for("API key disabled.");
    assert_eq!(
        home.check(&token, "contacts", "read", Some("10.0.0.9"))
            .1
            .as_deref(),
        Some("disabled")
    );
    screen.press("d").wait_for("Enable Partner: Acme in local?");
    screen.press("<tab><enter>").wait_for("API key enabled.");

    // The key was used just now, so the start of its id must be typed.
    screen.press("x").wait_for("to revoke:");
    let id = &token[4..8];
    screen.press("nope<enter>").wait_for("nope is not");
    screen
        .press("<c-u>")
        .press(id)
        .press("<enter>")
        .wait_for("API key revoked.");
    assert_eq!(
        home.check(&token, "contacts", "read", Some("10.0.0.9"))
            .1
            .as_deref(),
        Some("revoked")
    );
    screen.press("<esc>q");
    assert_eq!(screen.end(), 0);
    screen.assert_restored();
    assert!(
        !String::from_utf8_lossy(&screen.bytes).contains(&token[20..]),
        "it was never shown"
    );
}

#[test]
fn a_paste_is_text_and_presses_nothing() {
    let home = Home::new();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("Press n");
    screen.send("\u{1b}[200~nq\rx\u{1b}[201~");
    screen.press("n").wait_for("Enter basic information");
    screen.press("acme<tab><tab>");
    screen.send("\u{1b}[200~10.0.0.0/8,\r\n192.168.1.0/24\n2001:db8::/32\u{1b}[201~");
    screen.wait_for("10.0.0.0/8, 192.168.1.0/24, 2001:db8::/32");
    assert!(screen.text().contains("▸ IP Address"));
    screen.press("<enter>").wait_for("Step 2 of 2");
    screen.press("<enter>").wait_for("API key created");
    assert_eq!(home.list()[0]["allow_ip"].as_array().map(Vec::len), Some(3));
}

#[test]
fn two_terminals_follow_each_other() {
    follow_each_other(&Home::new(), &[]);
}

#[test]
fn two_terminals_follow_each_other_on_postgresql() {
    let database = Database::new();
    let url = database.url();
    follow_each_other(&Home::on(url.clone()), &[("CLAVIGER_DATABASE_URL", &url)]);
}

fn follow_each_other(home: &Home, variables: &[(&str, &str)]) {
    for name in ["one", "two", "three"] {
        home.create(name, &[]);
    }
    let mut first = Screen::claviger(home.path(), 80, 24, variables);
    let mut second = Screen::claviger(home.path(), 80, 24, variables);
    first.wait_for("▸ three");
    second.wait_for("▸ three");
    first.press("j").wait_for("▸ two");
    first.press("x").wait_for("Revoke two");
    home.create("four", &[]);
    second.wait_for("four");
    second.press("j").wait_for("▸ two");
    second
        .press("e")
        .wait_for("Step 1 of 2")
        .press("2<enter>")
        .wait_for("Step 2 of 2");
    second
        .press("<enter>")
        .wait_for("API key updated successfully.");
    first.wait_for("two was changed meanwhile: the question was withdrawn");
    assert!(first.text().contains("▸ two2"), "{}", first.text());
    // Both edit the same key: the second one to save sees both versions side by side.
    first
        .press("<esc>e")
        .wait_for("Step 1 of 2")
        .press(" by one<tab>mine<enter>")
        .wait_for("Step 2 of 2");
    second
        .press("e")
        .wait_for("Step 1 of 2")
        .press(" by two<enter>")
        .wait_for("Step 2 of 2");
    second
        .press("<enter>")
        .wait_for("API key updated successfully.");
    first
        .press("<enter>")
        .wait_for("changed this key meanwhile");
    for words in ["theirs", "yours", "two2 by two", "two2 by one", "mine"] {
        assert!(first.text().contains(words), "{words}: {}", first.text());
    }
    first
        .press("<enter>")
        .wait_for("API key updated successfully.");
    second.wait_for("two2 by one");
    second.press("x").wait_for("Revoke two2");
    second.press("<tab><enter>").wait_for("API key revoked.");
    first.wait_for("revoked by someone else");
    assert!(first.text().contains("▸ one"), "{}", first.text());
}
