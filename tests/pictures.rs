//! The pictures in `docs/`: screens drawn by the program itself and written as SVG.
//!
//! A story fills a workspace and presses keys; its screen then becomes a file, cell by cell.
//! Nothing is drawn by hand, and the same screen always becomes the same bytes. When a screen
//! changes, `UPDATE_PICTURES=1 cargo test --test pictures` writes the files again. To add a
//! picture, add a test that calls `hold`.
use std::{env, fmt::Write as _, fs, path::Path};

use claviger::{
    domain::{
        access::parse_grant,
        allowlist::AllowList,
        key::{Key, KeyVersion, LastUse},
        location::DatabaseLocation,
        moment::{DAY, Moment, parse_expiry},
    },
    keyring::{Keyring, StoreLocation},
    machine::Machine,
    tui::theme::Theme,
};
use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};
use story::{NOW, Story, draft};
use unicode_width::UnicodeWidthStr as _;

#[path = "support/draft.rs"]
mod draft;
#[expect(dead_code, reason = "pictures need only a part of the stage")]
#[path = "support/story.rs"]
mod story;

#[test]
fn the_list_with_the_details_beside_it() {
    let mut story = furnished(124, 17);
    hold(
        "list.svg",
        "The list of API keys, and the details of one",
        &mut story,
    );
}

#[test]
fn the_second_step_of_the_wizard() {
    let mut story = furnished(80, 24);
    story.press("nPartner: Initech<tab>Creates and updates contacts, nightly");
    story.press("<tab>10.7.0.0/24, 2001:db8:7::/48<tab>180d<enter>2<right>");
    hold(
        "wizard.svg",
        "Step 2 of the wizard: what the new API key may do",
        &mut story,
    );
}

// --- The workspace ---------------------------------------------------------------------------

/// A key as it was created some days ago.
struct Made {
    days_ago: i64,
    by: &'static str,
    name: &'static str,
    description: &'static str,
    allow: &'static str,
    grants: &'static [&'static str],
    expires: &'static str,
    used: Option<(i64, &'static str)>,
}

const HOUR: i64 = DAY / 24;

const KEYS: &[Made] = &[
    Made {
        days_ago: 412,
        by: "bob@gw1",
        name: "Partner: Globex",
        description: "Contact search in their portal",
        allow: "198.51.100.0/28",
        grants: &["contacts=read"],
        expires: "never",
        used: Some((131 * DAY, "198.51.100.3")),
    },
    Made {
        days_ago: 266,
        by: "bob@gw1",
        name: "Acme old",
        description: "",
        allow: "any",
        grants: &[],
        expires: "never",
        used: None,
    },
    Made {
        days_ago: 190,
        by: "alice@gw1",
        name: "CRM migration",
        description: "",
        allow: "10.0.8.15",
        grants: &["contacts=all"],
        expires: "180d",
        used: Some((9 * DAY, "10.0.8.15")),
    },
    Made {
        days_ago: 118,
        by: "carol@gw1",
        name: "Support desk",
        description: "",
        allow: "10.0.4.0/24",
        grants: &["contacts=read,update"],
        expires: "never",
        used: Some((26 * HOUR, "10.0.4.31")),
    },
    Made {
        days_ago: 75,
        by: "alice@gw1",
        name: "Website form",
        description: "",
        allow: "203.0.113.9",
        grants: &["contacts=create"],
        expires: "365d",
        used: Some((HOUR, "203.0.113.9")),
    },
    Made {
        days_ago: 40,
        by: "carol@gw1",
        name: "Invoice scanner",
        description: "",
        allow: "10.0.6.0/27",
        grants: &["documents=create,read"],
        expires: "never",
        used: Some((3 * HOUR, "10.0.6.4")),
    },
    Made {
        days_ago: 11,
        by: "alice@gw1",
        name: "Acme staging",
        description: "",
        allow: "any",
        grants: &["contacts=read", "documents=all"],
        expires: "17d",
        used: Some((5 * HOUR, "192.0.2.77")),
    },
    Made {
        days_ago: 3,
        by: "alice@gw1",
        name: "Partner: Acme",
        description: "Reads contacts for the weekly export",
        allow: "10.0.0.0/24, 192.168.1.1",
        grants: &["contacts=read"],
        expires: "2027-01-31",
        used: Some((HOUR / 2, "10.0.0.9")),
    },
];

fn furnished(width: u16, height: u16) -> Story {
    let theme = Theme {
        colours: true,
        ascii: false,
    };
    let mut story = Story::with(width, height, theme, &[("TERM", "xterm"), ("SSH_TTY", "x")]);
    for (at, made) in KEYS.iter().enumerate() {
        let key = make(&story, at, made);
        if made.name == "Acme old" {
            story
                .wait(story.keyring.switch(&[KeyVersion::of(&key)], true))
                .expect("disabled");
        }
    }
    story.refresh();
    story.press("g");
    story
}

/// Creates a key at the time and in the name of its creator.
fn make(story: &Story, at: usize, made: &Made) -> Key {
    let moment = Moment::from_millis(NOW - made.days_ago * DAY);
    let machine = Machine::fixed(moment, made.by);
    // Each session gets random numbers of its own, or two would draw the same ids.
    let _ = machine.draw_hex(32 * 100 * (at + 1));
    let mut draft = draft(made.name);
    draft.description = made.description.parse().expect("a description");
    if made.allow != "any" {
        draft.conditions.allow = AllowList::parse(made.allow).expect("addresses").list;
    }
    for grant in made.grants {
        let (area, actions) = parse_grant(grant).expect("a grant");
        draft.conditions.grants.set(area, actions);
    }
    draft.conditions.expires_at = parse_expiry(made.expires, moment).expect("an expiry");
    story.wait(async {
        let StoreLocation::File(path) = story.keyring.place() else {
            panic!("a file was expected")
        };
        let location = DatabaseLocation::File(path.clone());
        let master_key = story.keyring.master_key_location().clone();
        let keyring = Keyring::open(&location, master_key, machine)
            .await
            .expect("a keyring");
        let id = keyring.create(None, draft).await.expect("created").key.id;
        if let Some((ago, from)) = made.used {
            let from = Some(from.parse().expect("an address"));
            let last_use = LastUse {
                at: Moment::from_millis(NOW - ago),
                from,
            };
            keyring
                .record_usage(
                    &[claviger::domain::usage::KeyUse::last(
                        id.clone(),
                        Some(last_use),
                    )],
                    &[],
                )
                .await
                .expect("recorded");
        }
        keyring.key(&id).await.expect("there")
    })
}

// --- The files -------------------------------------------------------------------------------

/// Checks that a file in `docs/` shows the screen, or writes it when `UPDATE_PICTURES` is set.
fn hold(name: &str, title: &str, story: &mut Story) {
    let cursor = story.cursor();
    let drawn = svg(story.buffer(), cursor, title);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    if env::var_os("UPDATE_PICTURES").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        fs::write(&path, &drawn).expect("the picture is written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == drawn,
        "docs/{name} is not what the program draws now:\n\n{}\n\nIf that is how it should look, \
         write the pictures anew with `UPDATE_PICTURES=1 cargo test --test pictures`.",
        story.screen()
    );
}

/// The size of a cell in pixels; the font size makes a letter as wide as a cell.
const CELL: (usize, usize) = (9, 20);
const FONT_SIZE: usize = 15;
const BASELINE: usize = 15;
/// The margin around the screen, in pixels.
const MARGIN: usize = 14;

const PAPER: &str = "#15181e";
const INK: &str = "#ccd1da";
const BRIGHT: &str = "#f2f4f8";
const QUIET: &str = "#828b99";

fn svg(buffer: &Buffer, cursor: (u16, u16), title: &str) -> String {
    let (columns, rows) = (
        usize::from(buffer.area.width),
        usize::from(buffer.area.height),
    );
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, rows * CELL.1 + 2 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n<title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"10\" fill=\"{PAPER}\"/>\n\
         <g transform=\"translate({MARGIN} {MARGIN})\" font-size=\"{FONT_SIZE}\" \
         font-family=\"ui-monospace,'SF Mono',Menlo,'DejaVu Sans Mono','Liberation Mono',\
         Consolas,monospace\">\n",
        escaped(title)
    );
    draw_cursor(&mut out, cursor);
    let lines: Vec<&[Cell]> = buffer.content.chunks(columns).collect();
    for (row, line) in lines.iter().enumerate() {
        draw_reversed(&mut out, row, line);
        for run in runs(line) {
            draw_run(&mut out, row, &run);
        }
    }
    draw_borders(&mut out, &lines);
    out.push_str("</g>\n</svg>\n");
    out
}

/// Draws the cursor as a block under the text.
fn draw_cursor(out: &mut String, (column, row): (u16, u16)) {
    draw_cells(out, usize::from(column), usize::from(row), 1, "#4a5160");
}

fn draw_cells(out: &mut String, column: usize, row: usize, cells: usize, ink: &str) {
    let (x, y) = (column * CELL.0, row * CELL.1);
    let (width, height) = (cells * CELL.0, CELL.1);
    put(
        out,
        format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{ink}\"/>\n"
        ),
    );
}

/// Cells of one line and one style that are written as one text element.
struct Run<'a> {
    column: usize,
    cells: usize,
    text: String,
    look: &'a Cell,
}

/// Cuts a line into runs: wherever the style changes, at every gap, and around characters that
/// fonts may draw wider than a letter. No run starts or ends with a space; borders are left out.
fn runs(line: &[Cell]) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut column = 0;
    while let Some(cell) = line.get(column) {
        let symbol = cell.symbol();
        let cells = symbol.width().max(1);
        let next = line.get(column + cells);
        match runs.last_mut() {
            Some(run) if run.takes(column, cell, next) => {
                run.text.push_str(symbol);
                run.cells += cells;
            }
            _ if symbol == " " || border(symbol).is_some() => {}
            _ => runs.push(Run {
                column,
                cells,
                text: symbol.to_owned(),
                look: cell,
            }),
        }
        column += cells;
    }
    runs
}

impl Run<'_> {
    /// Returns whether a cell continues this run; a space does if a word comes after it.
    fn takes(&self, column: usize, cell: &Cell, next: Option<&Cell>) -> bool {
        let one_go = |cell: &Cell| {
            let plain = |text: &str| text.chars().all(|c| c.is_ascii() || c.is_alphanumeric());
            (self.look.fg, self.look.modifier) == (cell.fg, cell.modifier)
                && plain(&self.text)
                && plain(cell.symbol())
        };
        self.column + self.cells == column
            && one_go(cell)
            && (cell.symbol() != " "
                || next.is_some_and(|next| next.symbol() != " " && one_go(next)))
    }
}

fn draw_run(out: &mut String, row: usize, run: &Run<'_>) {
    let reversed = run.look.modifier.contains(Modifier::REVERSED);
    let ink = if reversed {
        PAPER
    } else {
        colour(run.look.fg, run.look.modifier)
    };
    let (x, y) = (run.column * CELL.0, row * CELL.1 + BASELINE);
    put(
        out,
        format_args!("<text x=\"{x}\" y=\"{y}\" fill=\"{ink}\""),
    );
    if run.look.modifier.contains(Modifier::BOLD) {
        put(out, format_args!(" font-weight=\"bold\""));
    }
    if run.cells > 1 {
        // The run is as wide as its cells, whatever font is used.
        put(out, format_args!(" textLength=\"{}\"", run.cells * CELL.0));
    }
    put(out, format_args!(">{}</text>\n", escaped(&run.text)));
}

fn draw_reversed(out: &mut String, row: usize, line: &[Cell]) {
    let mut column = 0;
    for cells in line.chunk_by(|one, next| (one.fg, one.modifier) == (next.fg, next.modifier)) {
        if cells[0].modifier.contains(Modifier::REVERSED) {
            draw_cells(
                out,
                column,
                row,
                cells.len(),
                colour(cells[0].fg, cells[0].modifier),
            );
        }
        column += cells.len();
    }
}

/// Returns whether a border leaves the middle of its cell to the left, right, top and bottom, or
/// `None` if the symbol is no border.
fn border(symbol: &str) -> Option<[bool; 4]> {
    Some(match symbol {
        "─" => [true, true, false, false],
        "│" => [false, false, true, true],
        "╭" => [false, true, false, true],
        "╮" => [true, false, false, true],
        "╰" => [false, true, true, false],
        "╯" => [true, false, true, false],
        _ => return None,
    })
}

/// Draws borders as lines, since the border characters of most fonts do not meet.
fn draw_borders(out: &mut String, lines: &[&[Cell]]) {
    for (row, line) in lines.iter().enumerate() {
        let mut path = String::new();
        let mut ink = INK;
        for (column, cell) in line.iter().enumerate() {
            let Some(ways) = border(cell.symbol()) else {
                continue;
            };
            ink = colour(cell.fg, cell.modifier);
            let (left, top) = (column * CELL.0, row * CELL.1);
            path.push_str(&stroke(left, top, ways));
        }
        if !path.is_empty() {
            put(
                out,
                format_args!(
                    "<path d=\"{path}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"1.2\"/>\n"
                ),
            );
        }
    }
}

/// Returns the path of a border in one cell: a line through it, or a round corner.
fn stroke(left: usize, top: usize, ways: [bool; 4]) -> String {
    let (right, bottom) = (left + CELL.0, top + CELL.1);
    let (x, y) = (left + CELL.0 / 2, top + CELL.1 / 2);
    match ways {
        [true, true, ..] => format!("M{left} {y}H{right}"),
        [false, false, ..] => format!("M{x} {top}V{bottom}"),
        [from_left, _, _, down] => {
            let (side, end) = (
                if from_left { left } else { right },
                if down { bottom } else { top },
            );
            format!("M{side} {y}Q{x} {y} {x} {end}")
        }
    }
}

/// The sixteen colours of a dark terminal.
fn colour(colour: Color, modifier: Modifier) -> &'static str {
    match colour {
        Color::Reset if modifier.contains(Modifier::DIM) => QUIET,
        Color::Reset if modifier.contains(Modifier::BOLD) => BRIGHT,
        Color::Reset => INK,
        Color::Black => "#2a2f38",
        Color::Red => "#f0726f",
        Color::Green => "#8ccb7a",
        Color::Yellow => "#e2c06a",
        Color::Blue => "#74a7f0",
        Color::Magenta => "#d28be0",
        Color::Cyan => "#5ecad6",
        Color::Gray => "#b7bdc8",
        Color::DarkGray => "#6b7380",
        Color::LightRed => "#ff918d",
        Color::LightGreen => "#a6e096",
        Color::LightYellow => "#f4d98b",
        Color::LightBlue => "#97c0ff",
        Color::LightMagenta => "#e6aaf0",
        Color::LightCyan => "#86e3ec",
        Color::White => BRIGHT,
        Color::Rgb(..) | Color::Indexed(_) => {
            panic!("{colour:?} is none of the terminal's own sixteen colours")
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a string takes everything");
}
