//! The output written to the terminal, and its size.
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
    screen
        .press("n")
        .wait_for("0/100")
        .press("ab")
        .wait_for("2/100");
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

/// Characters that are hostile to a terminal: escape, bell, C1, tab, line ends, direction marks,
/// and invisible ones.
const HOSTILE: &str = "a\u{1b}[31mb\u{7}c\u{9b}5md\te\u{202e}f\u{200b}g\u{1b}]0;h\u{7}\r\ni";

#[test]
fn nothing_hostile_reaches_the_terminal_wherever_it_comes_from() {
    let home = furnished();
    // They come from the environment, and from rows of the database that claviger did not write.
    home.tamper(&[
        format!("UPDATE workspace SET label = '{HOSTILE}'"),
        format!("UPDATE keys SET name = '{HOSTILE}' WHERE sequence = 38"),
        format!("UPDATE keys SET description = '{HOSTILE}' WHERE sequence = 39"),
        format!(
            "UPDATE keys SET last_used_at = 1, last_used_from = '{HOSTILE}' WHERE sequence = 37"
        ),
    ]);
    let mut screen = Screen::claviger(
        home.path(),
        140,
        40,
        &[
            ("USER", HOSTILE),
            ("LOGNAME", HOSTILE),
            ("SSH_TTY", HOSTILE),
        ],
    );
    screen.wait_for("▸ key number 40");
    screen.press("jjjj?").wait_for("Help:").press("<esc>");
    let paste = format!("\u{1b}[200~{HOSTILE}\u{1b}[201~");
    for (keys, shown) in [
        ("/", "<U+202E>"),
        ("<esc>:", "<U+202E>"),
        ("<esc><esc>n", "<U+202E>"),
        ("<tab>", "<U+202E>"),
        ("<tab>", "<U+202E>"),
        ("<tab>", "<U+202E>"),
    ] {
        screen.press(keys).settle();
        screen.send(&paste);
        screen.wait_for(shown);
    }
    screen.press("<esc><esc>kx").wait_for("Revoke");
    screen.press("<esc>q");
    assert_eq!(screen.end(), 0);
    assert_allowed(&screen.bytes);
}

/// Checks that every byte is a printable character or part of a sequence that claviger means to
/// write.
#[track_caller]
fn assert_allowed(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let Some(sequence) = rest.strip_prefix("\u{1b}[") else {
            let plain = claviger::domain::text::visible(&c.to_string());
            let around = &text[text.len() - rest.len()..];
            assert_eq!(
                plain,
                c.to_string(),
                "{:?}",
                &around.chars().take(20).collect::<String>()
            );
            rest = &rest[c.len_utf8()..];
            continue;
        };
        let end = sequence
            .find(|c: char| !c.is_ascii_digit() && c != ';' && c != '?')
            .expect("an end");
        let (parameters, tail) = sequence.split_at(end);
        let modes = ["?1049", "?2004", "?25", "?2026"];
        let mice = ["?1000", "?1002", "?1003", "?1006"];
        let allowed = match tail.as_bytes()[0] {
            b'h' => modes.contains(&parameters),
            b'l' => modes.contains(&parameters) || mice.contains(&parameters),
            b'm' | b'H' | b'J' | b'K' | b'A' | b'B' | b'C' | b'D' => !parameters.contains('?'),
            _ => false,
        };
        assert!(allowed, "CSI {parameters}{}", &tail[..1]);
        rest = &tail[1..];
    }
}
