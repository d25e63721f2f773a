//! Requirements 41 to 51: a user who is tired, pastes, mistypes or floods the line neither gives a
//! permission away nor takes the machine down. The first forty are in the other files of this
//! suite.
use std::{
    fs,
    process::{Command, Stdio},
};

use crate::{
    command::Home,
    screen::{Screen, copied},
    sshd::needed,
};

/// The limit for the peak memory of a session, in kB, whatever was sent to it.
const MOST_MEMORY: u64 = 32 * 1024;

/// Returns the peak memory of the program so far, in kB.
fn peak_memory(screen: &Screen) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", screen.process())).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.expect("VmHWM").parse().expect("kB")
}

fn frames(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes)
        .matches("\u{1b}[?2026h")
        .count()
}

/// Sixty networks, the last of which is given.
fn sixty(last: &str) -> String {
    let networks: Vec<String> = (0..59).map(|at| format!("10.1.{at}.0/24, ")).collect();
    networks.concat() + last
}

/// Starts claviger in a tmux server of its own without configuration.
fn in_tmux(home: &Home, socket: &str) -> Screen {
    needed("tmux");
    let program = env!("CARGO_BIN_EXE_claviger");
    let line = [
        "tmux",
        "-L",
        socket,
        "-f",
        "/dev/null",
        "new-session",
        program,
    ];
    Screen::program(&line, home.path(), 80, 24, &[])
}

#[test]
fn requirement_41_input_without_end_takes_no_memory_and_is_drawn_and_heard_after() {
    let home = Home::new();
    for at in 0..30 {
        home.create(&format!("key {at}"), &[]);
    }
    for flood in [
        "s",
        "\0",
        "\r",
        "c",
        "nabc\u{1b}\u{1b}",
        "\u{1b}[200~abc",
        "jk",
    ] {
        let mut screen = Screen::claviger(home.path(), 80, 24, &[("SSH_TTY", "/dev/pts/9")]);
        screen.wait_for("key 29");
        let before = frames(&screen.bytes);
        for _ in 0..20 {
            // The terminal applies back pressure: each piece is accepted when the one before it was
            // read.
            screen.send(flood.repeat(100_000 / flood.len()));
        }
        if flood == "s" {
            screen.wait_until("frames while it goes on", |s| frames(&s.bytes) > before + 5);
        }
        screen.settle();
        let peak = peak_memory(&screen);
        assert!(peak <= MOST_MEMORY, "{flood:?}: {peak} kB");
        screen.press("<esc><esc><esc>");
        screen.press("q");
        assert_eq!(screen.end(), 0, "{flood:?}");
        screen.assert_restored();
    }
}

#[test]
fn requirement_42_a_paste_without_brackets_is_text_and_gives_nothing_away() {
    let home = Home::new();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("Press n").press("n").wait_for("0/100");
    screen.press("acme<tab><tab>").wait_for("▸ IP Address");
    screen.send("10.20.0.0/16,\r192.168.1.0/24\r");
    screen.wait_for("Step 2 of 2");
    screen.wait_for("No access: can do nothing.");
    // The text after the line break reached no preset and no button, and no further paste does.
    for paste in [
        "10.20.0.0/16,\r192.168.1.0/24\r",
        "1\n2\n",
        "2023\r",
        "3 yes\r",
        "host\t\t3\r",
        "\u{1b}[200~1\r\u{1b}[201~ab\t\t\r",
    ] {
        screen.send(paste);
        screen.wait_for("like a paste");
        screen.wait_for("No access: can do nothing.");
        screen.press("<tab><tab><tab>").settle();
    }
    assert_eq!(home.list().len(), 0, "{}", screen.text());
    // Separate keys are intended input: `1` and Enter, even in one packet.
    screen.send("1\r");
    screen.wait_for("API key created successfully.");
    assert_eq!(
        home.list()[0]["allow_ip"],
        serde_json::json!(["10.20.0.0/16", "192.168.1.0/24"])
    );

    // On a screen without a field a paste presses nothing either.
    screen.press("<esc>").settle();
    screen.send("xy 1\rdelete\r");
    screen.wait_for("like a paste");
    assert!(!screen.text().contains("Revoke"), "{}", screen.text());
    // A row of a table confirms nothing either.
    screen.press("x").wait_for("Revoke acme");
    for row in ["col1\tcol2\tcol3\r\na\tb\tc\r\n", "hello\t\r", "a\tb\r"] {
        screen.send(row);
        screen.settle();
        screen.wait_for("Revoke acme");
        assert_eq!(home.list().len(), 1, "{row:?}");
    }
    screen.press("<esc>");
    // A dialog does not receive keys that were sent before it opened.
    screen.send("d\t\r");
    screen.wait_for("Disable acme").settle();
    assert_eq!(home.list()[0]["disabled"], false);
    // A name and Enter in one packet are taken as typed.
    screen.press("<esc>n").wait_for("0/100");
    screen.send("other\r");
    screen.wait_for("Step 2 of 2");
}

#[test]
fn requirement_42_in_a_real_tmux_a_buffer_is_pasted_as_text() {
    let home = Home::new();
    let socket = format!("claviger-paste-{}", std::process::id());
    let tmux = |arguments: &[&str]| {
        let done = Command::new("tmux")
            .args(["-L", &socket])
            .args(arguments)
            .output();
        String::from_utf8_lossy(&done.expect("tmux").stdout).into_owned()
    };
    let mut screen = in_tmux(&home, &socket);
    screen.wait_for("Press n");
    tmux(&["send-keys", "n"]);
    screen.wait_for("Step 1 of 2");
    tmux(&["send-keys", "acme", "Tab", "Tab"]);
    screen.wait_for("▸ IP Address");
    tmux(&["set-buffer", "10.20.0.0/16,\n192.168.1.0/24\n"]);
    tmux(&["paste-buffer"]);
    screen.wait_for("No access: can do nothing.").settle();
    assert_eq!(home.list().len(), 0);
    tmux(&["send-keys", "Escape"]);
    screen.wait_for("unsaved changes");
    tmux(&["send-keys", "Escape"]);
    screen.wait_until("the list", |s| !s.text().contains("Step 2"));
    tmux(&["send-keys", "n"]);
    screen.wait_for("Step 1 of 2");
    tmux(&["send-keys", "named", "Enter"]);
    screen.wait_for("Step 2 of 2");
    tmux(&["kill-server"]);
}

#[test]
fn requirement_43_of_sixty_networks_the_one_that_is_added_is_named() {
    let home = Home::new();
    home.create(
        "acme",
        &[
            "--allow-ip",
            &sixty("10.1.59.0/24"),
            "--grant",
            "contacts=read",
        ],
    );
    for (columns, rows) in [(80, 24), (40, 12)] {
        let mut screen = Screen::claviger(home.path(), columns, rows, &[]);
        screen.wait_for("acme").press("e").wait_for("Step 1 of 2");
        screen.press("<tab><tab><c-u>").settle();
        screen.send(format!("\u{1b}[200~{}\u{1b}[201~", sixty("99.0.0.0/8")));
        screen.press("<enter>").wait_for("Widens: adds 99.0.0.0/8.");
        screen.wait_for("Narrows: drops 10.1.59.0/24.");
        screen.wait_for("Can read Contact Access");
    }
}

#[test]
fn requirement_44_enabling_asks_and_says_who_disabled_it_and_when() {
    let home = Home::new();
    let (id, _) = home.create("acme", &[]);
    home.run(&["disable", &id]).done();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen
        .wait_for("disabled")
        .press("d")
        .wait_for("Enable acme in local?");
    screen.wait_until("who and when", |s| {
        let text = s.text();
        text.lines()
            .any(|line| line.contains("Disabled 20") && line.contains(" UTC by "))
    });
    assert!(screen.text().contains("▸ Cancel"), "{}", screen.text());
    screen.press("<enter>").settle();
    assert_eq!(home.list()[0]["disabled"], true, "it starts on Cancel");
    screen.press("d").wait_for("Enable acme in local?");
    screen.press("<tab><enter>").wait_for("API key enabled.");
}

#[test]
fn requirement_45_keys_of_the_same_name_are_told_apart() {
    let home = Home::new();
    let ids = [home.create("acme", &[]).0, home.create("acme", &[]).0];
    let mut screen = Screen::claviger(home.path(), 80, 24, &[("SSH_TTY", "/dev/pts/9")]);
    screen.wait_for("▸ acme");
    for (key, question) in [
        ("x", "Revoke"),
        ("R", "Rotate"),
        ("d", "Disable"),
        ("C", "Copy"),
    ] {
        screen
            .press(key)
            .wait_for(&format!("{question} acme ({})", ids[1]));
        screen.press("<esc>");
    }
    screen.press("c").wait_for(&format!("({})", ids[1]));
    screen.press("j").settle();
    screen
        .press("x")
        .wait_for(&format!("Revoke acme ({})", ids[0]));
    screen
        .press("<tab><enter>")
        .wait_for(&format!("API key acme ({}) revoked.", ids[0]));
    // The wizard warns below the name, like the command line.
    screen.press("n").wait_for("0/100").press("acme<tab>");
    screen.wait_for(&format!("Another key has this name, {}", ids[1]));
    screen.press("<esc><esc>").wait_for("▸ acme");
    // With several agents the list and the question name the agent of the key.
    home.run(&["agent", "add", "prod"]).done();
    screen
        .wait_for("Agent")
        .press("x")
        .wait_for(&format!("acme ({}, default)", ids[1]));
}

#[test]
fn requirement_46_a_name_beside_a_flag_stays_itself() {
    let home = Home::new();
    home.create("A very long name", &[]);
    home.create("🇩🇪 Partner Berlin", &[]);
    let socket = format!("claviger-flags-{}", std::process::id());
    let mut screen = in_tmux(&home, &socket);
    screen.wait_for("A very long name");
    let pane = || {
        let line = ["-L", &socket, "capture-pane", "-p"];
        let done = Command::new("tmux").args(line).output().expect("tmux");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    for keys in ["/", "<esc>", "j", "x", "<esc>", "k", "v", "<esc>", "s", "S"] {
        screen.press(keys).settle();
        let told = pane();
        let names = told.matches("A very long name").count();
        let halves = told.matches(['🇩', '🇪']).count();
        assert_eq!(
            halves,
            2 * told.matches("🇩🇪 Partner Berlin").count(),
            "{keys}:\n{told}"
        );
        assert!(names > 0 || !told.contains("very"), "{keys}:\n{told}");
    }
    let _ = Command::new("tmux")
        .args(["-L", &socket, "kill-server"])
        .output();
}

#[test]
fn requirement_47_a_large_paste_is_cut_and_a_stuck_one_is_given_up() {
    let home = Home::new();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("Press n").press("n").wait_for("0/100");
    for size in [100_000, 300_000] {
        screen.send(format!("\u{1b}[200~{}\u{1b}[201~", "x".repeat(size)));
        screen.wait_for("100/100").wait_for("The paste was cut");
        screen.press("<c-u>").wait_for("0/100");
    }
    // Input that follows a cut paste is part of the paste, and so is its Enter.
    screen.send("x".repeat(9_000) + "\r");
    screen
        .wait_for("100/100")
        .wait_for("The paste was cut")
        .settle();
    assert!(screen.text().contains("Step 1 of 2"), "{}", screen.text());
    // The same without brackets, and in a field that is larger.
    screen.press("<tab>").settle();
    screen.send("y".repeat(100_000));
    screen.wait_for("500/500").wait_for("The paste was cut");
    screen.press("<tab>").settle();
    screen.send(format!(
        "\u{1b}[200~{}\u{1b}[201~",
        "10.0.0.1\n".repeat(30_000)
    ));
    screen.wait_for("The paste was cut");
    screen.press("<tab>ok").wait_for("  ok");
    // A paste that starts and never ends: its input becomes text after a second, and then keys work
    // as keys.
    screen.press("<c-u>").settle();
    screen.send("\u{1b}[200~90d");
    screen.wait_for("90d");
    screen.press("x").wait_for("90dx");
    // Ctrl-C works inside an unfinished paste.
    screen.send("\u{1b}[200~1\u{3}");
    screen.wait_for("▸ Cancel");
    assert!(peak_memory(&screen) <= MOST_MEMORY);
}

/// A name longer than any line of the smallest screen.
const LONG: &str =
    "Partner integration of the northern region, contacts and documents, nightly, old";

#[test]
fn requirement_48_what_one_must_know_stays_in_view_at_every_size() {
    let home = Home::new();
    let (id, token) = home.create(LONG, &["--grant", "contacts=read"]);
    assert_eq!(
        home.check(&token, "contacts", "read", Some("10.0.0.9")).0,
        0
    );
    for at in 0..14 {
        let slug = format!("area{at}");
        home.run(&["area", "add", &slug, "--title", &format!("Area {at}")])
            .done();
    }
    home.create(LONG, &[]);
    for (columns, rows) in [(80, 24), (60, 20), (40, 12)] {
        let mut screen = Screen::claviger(home.path(), columns, rows, &[]);
        screen.wait_for("Partne").press("j").settle();
        let size = format!("{columns}x{rows}");
        let has = |screen: &Screen, words: &[&str]| {
            let text = screen.text().replace(['│', '\n'], " ");
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for word in words {
                assert!(text.contains(word), "{size}: {word}:\n{}", screen.text());
            }
        };
        has(&screen, &["@", "local"]);
        for (key, verb) in [
            ("x", "Revoke Part"),
            ("d", "Disable Part"),
            ("R", "Rotate Part"),
        ] {
            screen.press(key).wait_for(verb).settle();
            has(
                &screen,
                &["…", "in local?", &id, "@", "Last used 20", "from 10.0.0.9"],
            );
            has(&screen, &["Cancel"]);
            screen.press("<tab><tab>").settle();
            has(&screen, &["in local?", &id, "@", "Last used 20"]);
            screen.press("<esc>").settle();
        }
        // Step two: the column heads and the sentence stay visible on each of the sixteen areas.
        screen
            .press("e")
            .wait_for("Step 1 of 2")
            .press("<enter>")
            .wait_for("Step 2 of 2");
        for _ in 0..16 {
            has(
                &screen,
                &[
                    "Creat",
                    "Updat",
                    "Can read Contact Access from any IP",
                    "nothing else.",
                ],
            );
            screen.press("<down>").settle();
        }
        has(&screen, &["Area 13", &id]);
        if rows < 24 {
            let up = "<up><up><up><up><up><up><up><up><up>";
            screen.press(up).wait_for("↓ more");
        }
    }
}

#[test]
fn requirement_49_a_copy_through_mosh_arrives_twice_or_says_that_it_may_not() {
    for program in ["mosh-server", "mosh-client", "tmux"] {
        needed(program);
    }
    let home = Home::new();
    let (_, token) = home.create("acme", &[]);
    let socket = format!("claviger-mosh-{}", std::process::id());
    let configured = home.path().join("tmux.conf");
    let line = "set -as terminal-overrides ',*:Ms=\\E]52;c;%p2%s\\7'\n";
    fs::write(&configured, line).expect("written");
    let program = env!("CARGO_BIN_EXE_claviger");
    let tmux = |configuration: &str| -> Vec<String> {
        let line = [
            "tmux",
            "-L",
            &socket,
            "-f",
            configuration,
            "new-session",
            program,
        ];
        line.map(str::to_owned).to_vec()
    };
    let configured = configured.to_str().expect("a path");
    for (line, arrives) in [
        (vec![program.to_owned()], true),
        (tmux("/dev/null"), false),
        (tmux(configured), true),
    ] {
        let mut screen = through_mosh(&home, &line);
        screen.wait_for("acme");
        if arrives {
            screen.copy_until("the word", |s| s.text().contains("sent to your terminal ·"));
            screen.wait_until("the token", |s| copied(&s.bytes).contains(&token));
            let twice = |s: &Screen| {
                let all = copied(&s.bytes);
                all.iter().filter(|text| **text == token).count() > 1
            };
            screen.press("<esc>");
            screen.copy_until("the token again", twice);
        } else {
            screen.copy_until("the word", |s| {
                s.text().contains("may not arrive: mosh drops")
            });
            screen.wait_for("terminal-overrides");
            assert!(copied(&screen.bytes).is_empty(), "then it need not be said");
        }
        screen.press("q").settle();
        let _ = Command::new("tmux")
            .args(["-L", &socket, "kill-server"])
            .output();
    }
}

/// Starts a program behind a real mosh on this machine.
fn through_mosh(home: &Home, line: &[String]) -> Screen {
    let begun = Command::new("mosh-server")
        .args(["new", "-i", "127.0.0.1", "--"])
        .args(line)
        .env_clear()
        .envs([
            ("PATH", "/usr/bin:/bin"),
            ("LANG", "C.UTF-8"),
            ("TERM", "xterm-256color"),
        ])
        .env("HOME", home.path())
        .env("SSH_TTY", "/dev/pts/9")
        .stdin(Stdio::null())
        .output()
        .expect("mosh-server");
    let told = String::from_utf8_lossy(&begun.stdout);
    let connect = told
        .lines()
        .find_map(|line| line.strip_prefix("MOSH CONNECT "));
    let (port, key) = connect
        .and_then(|line| line.split_once(' '))
        .expect("a port and a key");
    let client = ["mosh-client", "127.0.0.1", port];
    Screen::program(&client, home.path(), 80, 24, &[("MOSH_KEY", key.trim())])
}

#[test]
fn requirement_49_between_tmux_and_screen_no_wrapping_is_printed() {
    needed("tmux");
    let home = Home::new();
    home.create("acme", &[]);
    let socket = home.path().join("tmux.socket");
    let socket = socket.to_str().expect("a path");
    let tmux = |arguments: &[&str]| {
        let mut command = Command::new("tmux");
        command
            .args(["-S", socket, "-f", "/dev/null"])
            .args(arguments);
        assert!(command.output().expect("tmux").status.success());
    };
    tmux(&["new-session", "-d"]);
    tmux(&["set", "-g", "allow-passthrough", "on"]);
    let variables = [
        ("TMUX", &*format!("{socket},1,0")),
        ("STY", "1.screen"),
        ("TERM", "screen"),
    ];
    let mut screen = Screen::claviger(home.path(), 80, 24, &variables);
    screen
        .wait_for("acme")
        .copy_until("the word", |s| s.text().contains("sent to your terminal"));
    let written = String::from_utf8_lossy(&screen.bytes);
    assert!(!written.contains("tmux;") && !written.contains("\u{1b}P"));
    tmux(&["kill-server"]);
}

#[test]
fn requirement_50_nothing_is_wiped_ordered_or_denied_that_nobody_asked_for() {
    let home = Home::new();
    let (disabled, _) = home.create("disabled", &[]);
    let (_, refused) = home.create(
        "refused",
        &["--allow-ip", "10.0.0.0/24", "--grant", "contacts=read"],
    );
    home.create("six days", &["--expires", "6d"]);
    home.create("one day", &["--expires", "1d"]);
    home.create(
        "healthy",
        &["--allow-ip", "10.0.0.0/24", "--grant", "contacts=read"],
    );
    home.run(&["disable", &disabled]).done();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[("SSH_TTY", "/dev/pts/9")]);
    screen
        .wait_for("▸ healthy")
        .press("z")
        .wait_for("Nothing was copied from here");
    assert!(copied(&screen.bytes).is_empty());
    // The request form shows no verdict until an address was entered.
    screen.press("t").wait_for("Describe a request");
    assert!(!screen.text().contains("DENIED"), "{}", screen.text());
    screen.press("10.0.0.9<enter>").wait_for("ALLOWED");
    screen.press("<esc>").settle();
    assert_eq!(
        home.check(&refused, "contacts", "read", Some("10.9.9.9")).0,
        1
    );
    screen.wait_for("1 refused").press("sss");
    screen
        .wait_for("Sorted by attention, most urgent first.")
        .settle();
    let text = screen.text();
    let at = |name: &str| text.find(name).unwrap_or_else(|| panic!("{name}: {text}"));
    let order = ["1 refused", "one day", "six days", "disabled ", "healthy"].map(at);
    assert!(order.is_sorted(), "{text}");
}

#[test]
fn requirement_51_a_damaged_key_has_a_row_and_can_be_revoked() {
    let home = Home::new();
    let (first, token) = home.create("acme", &["--allow-ip", "10.0.0.1"]);
    let (second, _) = home.create("other", &[]);
    home.create("well", &[]);
    home.tamper(&[
        "UPDATE allowed_networks SET network = 'nowhere'".to_owned(),
        format!("UPDATE keys SET expires_at = 'garbage' WHERE id = '{second}'"),
    ]);
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("▸ well");
    let row = |screen: &Screen, id: &str| {
        let text = screen.text();
        text.lines()
            .any(|line| line.contains(id) && line.contains("damaged"))
    };
    assert!(
        row(&screen, &first) && row(&screen, &second),
        "{}",
        screen.text()
    );
    screen
        .press("!")
        .wait_until("both among what needs attention", |s| {
            row(s, &first) && row(s, &second) && s.text().contains("2 of 3 keys")
        });
    screen
        .press("G<enter>")
        .wait_for("allowed_networks.network cannot be read");
    screen.press("e").wait_for("x revokes it");
    screen
        .press("x")
        .wait_for(&format!("Revoke {first} in local?"));
    screen
        .press(&format!("{}<enter>", &first[..4]))
        .wait_for(&format!("API key {first} revoked."));
    screen.wait_for("1 of 2 keys");
    assert_eq!(
        home.check(&token, "contacts", "read", None).1.as_deref(),
        Some("revoked")
    );
    let listed = home.run(&["list"]);
    assert!(
        listed.stdout.contains(&format!("{second}\t")),
        "{}",
        listed.stdout
    );
    home.run(&["revoke", &second, "--yes"]).done();
    home.run(&["audit", "verify"]).done();
}
