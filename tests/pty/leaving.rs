//! However the program ends, the terminal is restored.
use std::io::Read as _;

use claviger::tui::terminal::{self, Terminal};
use nix::sys::signal::Signal;
use portable_pty::{CommandBuilder, PtySize};
use ratatui::text::Text;

use crate::{command::Home, screen::Screen};

/// The environment variable that makes this test program fail; its value says how.
const FAILS: &str = "CLAVIGER_TEST_FAILS";

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
        screen.press("n").wait_for("Step 1 of 2").press("unsaved");
        screen.wait_for("unsaved");
        screen.signal(signal);
        assert_eq!(screen.end(), status, "{signal}");
        screen.assert_restored();
    }
}

/// An endpoint in the foreground ends with its terminal; elsewhere a hangup lets it read its settings
/// again.
#[test]
fn an_endpoint_on_a_terminal_ends_by_a_hangup_and_by_ctrl_c() {
    let home = Home::new();
    let serve = [
        env!("CARGO_BIN_EXE_claviger"),
        "serve",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut screen = Screen::program(&serve, home.path(), 80, 24, &[]);
    screen.wait_for("listening");
    screen.signal(Signal::SIGUSR1);
    screen.signal(Signal::SIGHUP);
    assert_eq!(screen.end(), 0);
    let mut screen = Screen::program(&serve, home.path(), 80, 24, &[]);
    screen.wait_for("listening");
    screen.press("<c-c>");
    assert_eq!(screen.end(), 0);
}

/// Takes the terminal as claviger does, draws, and then fails; does nothing when run as an ordinary
/// test.
#[test]
fn one_that_fails() {
    let Ok(how) = std::env::var(FAILS) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime.expect("a runtime").block_on(async {
        terminal::install_panic_hook();
        let mut terminal = Terminal::enter()?;
        terminal.draw(|frame| frame.render_widget(Text::raw("Here."), frame.area()))?;
        if how == "in a task" {
            // The runtime would catch this panic and continue.
            let _ = tokio::spawn(async { panic!("the token is clv_secret") }).await;
        }
        assert!(how == "with an error", "the token is clv_secret");
        Err::<(), _>(std::io::Error::other("it went wrong"))
    });
    ended.expect_err("an error");
}

#[test]
fn by_a_fault_in_itself_and_by_an_error() {
    let home = Home::new();
    let this = std::env::current_exe().expect("this program");
    let this = this.to_str().expect("a path");
    for (how, status) in [("by itself", 101), ("in a task", 101), ("with an error", 0)] {
        let line = [this, "--exact", "leaving::one_that_fails", "--nocapture"];
        let mut screen = Screen::program(&line, home.path(), 80, 24, &[(FAILS, how)]);
        assert_eq!(screen.end(), status, "{how}");
        screen.assert_restored();
        let written = String::from_utf8_lossy(&screen.bytes);
        assert!(written.contains("Here."), "{how}");
        assert!(!screen.text().contains("Here."), "{how}");
        assert_eq!(
            screen
                .text()
                .contains("a fault in itself, at tests/pty/leaving.rs:"),
            status == 101,
            "{how}: {}",
            screen.text()
        );
        assert!(
            !written.contains("clv_secret"),
            "{how}: what it said is kept"
        );
    }
}

/// The terminal does not control the program here, so no signal reports its end: the program has to
/// notice it by itself.
#[test]
fn when_the_terminal_goes_away_without_a_word() {
    let home = Home::new();
    let pair = portable_pty::native_pty_system()
        .openpty(PtySize::default())
        .expect("a terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_claviger"));
    command.env_clear();
    command.env("HOME", home.path());
    command.env("TERM", "xterm-256color");
    command.set_controlling_tty(false);
    let mut program = pair.slave.spawn_command(command).expect("started");
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let (mut screen, mut buffer) = (vt100::Parser::default(), [0; 4096]);
    while !screen.screen().contents().contains("Press n") {
        let count = reader.read(&mut buffer).expect("read");
        screen.process(&buffer[..count]);
    }
    drop((reader, pair));
    assert_eq!(program.wait().expect("an end").exit_code(), 129);
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
    shell.press("n").wait_for("Step 1 of 2");
    shell.press("half typed").wait_for("half typed");
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
