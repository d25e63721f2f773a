//! However it ends, the terminal is given back as it was.
use nix::sys::signal::Signal;

use crate::{command::Home, screen::Screen};

fn started(home: &Home) -> Screen {
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("Press n");
    screen
}

#[test]
fn by_its_own_key_and_by_every_signal() {
    let home = Home::new();
    let mut quits = started(&home);
    quits.press("q");
    assert_eq!(quits.end(), 0);
    quits.assert_restored();
    for (signal, status) in [
        (Signal::SIGTERM, 143),
        (Signal::SIGINT, 130),
        (Signal::SIGHUP, 129),
    ] {
        let mut screen = started(&home);
        screen.press("nunsaved");
        screen.wait_for("unsaved");
        screen.signal(signal);
        assert_eq!(screen.end(), status, "{signal}");
        screen.assert_restored();
    }
}

#[test]
fn ctrl_c_and_esc_never_end_it() {
    let home = Home::new();
    let mut screen = started(&home);
    screen.press("<c-c>").wait_for("Press q to quit.");
    screen.press("<esc><esc>").wait_for("Press n");
    screen.press("n").wait_for("Step 1 of 2");
    screen.press("q?:/ !").wait_for("q?:/ !");
    screen
        .press("<esc>")
        .wait_for("unsaved changes - Esc again to discard");
    screen.press("<esc>").wait_for("Press n");
    screen.press("q");
    assert_eq!(screen.end(), 0);
}

#[test]
fn ctrl_z_gives_the_shell_back_and_fg_the_unsaved_form() {
    let home = Home::new();
    let mut shell = Screen::program(
        &["bash", "--norc", "-i"],
        home.path(),
        80,
        24,
        &[("PS1", "ready> ")],
    );
    shell.wait_for("ready>");
    shell.send(format!("{}\n", env!("CARGO_BIN_EXE_claviger")));
    shell.wait_for("Press n");
    shell.press("nhalf typed").wait_for("half typed");
    shell.press("<c-z>");
    shell.wait_until("the shell's screen", |s| {
        !s.terminal().alternate_screen() && s.text().contains("Stopped")
    });
    shell.resize(100, 30);
    shell.send("fg\n");
    shell.wait_until("the form", |s| {
        s.terminal().alternate_screen() && s.text().contains("half typed")
    });
    shell.press("!").wait_for("half typed!");
    shell.press("<esc><esc>").wait_for("Press n");
    shell.press("q");
    shell.wait_until("the prompt", |s| !s.terminal().alternate_screen());
    shell.send("exit\n");
    shell.end();
}

#[test]
fn a_terminal_that_is_no_terminal_is_refused_with_a_sentence() {
    let home = Home::new();
    home.run(&[]).refused(1, "needs a terminal");
    let dumb = crate::command::ended(home.command(&[]).env("TERM", "dumb"));
    dumb.refused(2, "TERM=dumb");
}

#[test]
fn nothing_of_a_shown_token_stays() {
    let home = Home::new();
    let (_, token) = home.create("acme", &[]);
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("acme");
    screen.press("v").wait_for(&token);
    let line = screen.text().lines().nth(2).map(str::to_owned);
    assert_eq!(
        line.as_deref(),
        Some(token.as_str()),
        "alone, at the first column"
    );
    let process = screen.process();
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(&token[20..]));
    }
    screen.press("q");
    assert_eq!(screen.end(), 0);
    screen.assert_restored();
    assert!(
        !screen.text().contains(&token[20..]),
        "not on the primary screen"
    );
}
