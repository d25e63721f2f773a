//! What is written to the terminal, and how much of it.
use std::time::Duration;

use crate::{command::Home, screen::Screen};

fn furnished() -> Home {
    let home = Home::new();
    for at in 1..=40 {
        home.create(&format!("key number {at}"), &["--grant", "contacts=read"]);
    }
    home
}

#[test]
fn few_bytes_whole_frames_and_no_questions() {
    let home = furnished();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("▸ key number 40");
    screen.settle();
    let first = screen.bytes.len();
    assert!(first <= 6_000, "the first frame has {first} bytes");
    let mut moved = |keys: &str| {
        let before = screen.bytes.len();
        screen.press(keys);
        screen.wait_until("an answer", |s| s.bytes.len() > before);
        screen.settle();
        screen.bytes.len() - before
    };
    for _ in 0..5 {
        let bytes = moved("j");
        assert!((1..=400).contains(&bytes), "a move has {bytes} bytes");
    }
    let page = moved("<pgdn>");
    assert!((1..=2_500).contains(&page), "a page has {page} bytes");
    let text = String::from_utf8_lossy(&screen.bytes);
    for question in [
        "\u{1b}[6n",
        "\u{1b}[c",
        "\u{1b}[>c",
        "\u{1b}[?u",
        "\u{1b}]11;?",
    ] {
        assert!(!text.contains(question), "{question:?}");
    }
    let (begun, ended) = (
        text.matches("\u{1b}[?2026h").count(),
        text.matches("\u{1b}[?2026l").count(),
    );
    assert_eq!(begun, ended, "each frame in one pair");
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    let home = furnished();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("▸ key number 40");
    screen.settle();
    let before = screen.bytes.len();
    assert_eq!(screen.quiet_for(Duration::from_secs(10)), 0);
    assert_eq!(screen.bytes.len(), before);
}

#[test]
fn no_colour_means_no_colour_and_a_reversed_row() {
    let home = furnished();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[("NO_COLOR", "1")]);
    screen.wait_for("▸ key number 40");
    screen.press("j").wait_for("▸ key number 39");
    screen.press("x").wait_for("Revoke");
    screen.settle();
    for parameters in sgr(&screen.bytes) {
        for parameter in parameters.split(';') {
            let number: u16 = parameter.parse().unwrap_or(0);
            assert!(
                !matches!(number, 30..=38 | 40..=48 | 90..=97 | 100..=107),
                "SGR {parameters}"
            );
        }
    }
    screen
        .press("<esc>")
        .wait_until("the row", |s| !s.text().contains("Revoke key"));
    let row = (0..24)
        .find(|row| {
            screen
                .text()
                .lines()
                .nth(usize::from(*row))
                .is_some_and(|l| l.contains("▸ key"))
        })
        .expect("a row");
    let cell = screen.terminal().cell(row, 5).expect("a cell");
    assert!(cell.inverse(), "the selected row is reversed");
}

#[test]
fn palette_colours_only_without_truecolour() {
    let home = furnished();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("▸ key number 40");
    screen.press("n").wait_for("Step 1");
    screen.settle();
    for parameters in sgr(&screen.bytes) {
        assert!(
            !parameters.contains("38;2") && !parameters.contains("48;"),
            "SGR {parameters}"
        );
    }
}

/// The parameters of every SGR sequence.
fn sgr(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split("\u{1b}[")
        .skip(1)
        .filter_map(|part| {
            let end = part.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            part[end..].starts_with('m').then(|| part[..end].to_owned())
        })
        .collect()
}

#[test]
fn any_size_while_it_works() {
    let home = furnished();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("▸ key number 40");
    let mut seed = 11_u32;
    for at in 0..200 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let columns = u16::try_from(1 + (seed >> 9) % 500).expect("small");
        let rows = u16::try_from(1 + (seed >> 21) % 200).expect("small");
        screen.resize(columns, rows);
        screen.send(["j", "n", "a", "\t", "k", "\u{1b}"][at % 6]);
    }
    screen.resize(18, 5);
    screen.wait_for("needs 20x6");
    screen.resize(80, 24);
    screen.press("<esc><esc><esc>").wait_for("key number");
    screen.press("<c-c>").wait_for("Press q to quit.");
    screen.press("q");
    assert_eq!(screen.end(), 0);
    screen.assert_restored();
}

#[test]
fn the_cursor_stands_on_the_selected_row_and_in_the_focused_field() {
    let home = furnished();
    let mut screen = Screen::claviger(home.path(), 80, 24, &[]);
    screen.wait_for("▸ key number 40");
    screen.settle();
    assert_eq!(screen.terminal().cursor_position(), (2, 1));
    screen.press("jj").wait_for("▸ key number 38");
    screen.settle();
    assert_eq!(screen.terminal().cursor_position(), (4, 1));
    screen.press("nab").wait_for("2/100");
    screen.settle();
    let (row, column) = screen.terminal().cursor_position();
    assert!(
        screen
            .text()
            .lines()
            .nth(usize::from(row))
            .is_some_and(|line| line.contains("  ab"))
    );
    assert_eq!(column, 7);
}
