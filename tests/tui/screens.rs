//! A snapshot of every screen at 80×24, small, and wide.
use claviger::{
    domain::{
        access::Actions,
        allowlist::AllowList,
        key::KeyVersion,
        member::Role,
        moment::{DAY, Moment},
        token::TokenPrefix,
    },
    tui::theme::Theme,
};

use crate::story::{NOW, Story, member};

const SIZES: [(u16, u16); 4] = [(80, 24), (40, 12), (60, 20), (140, 30)];

fn furnished(width: u16, height: u16, theme: Theme) -> Story {
    let mut story = Story::with(width, height, theme, &[("TERM", "xterm"), ("SSH_TTY", "x")]);
    let old = story.given("Acme old", |_| ());
    story
        .wait(story.keyring.switch(&[KeyVersion::of(&old)], true))
        .expect("disabled");
    story.given("Acme staging", |draft| {
        draft
            .conditions
            .grants
            .set("contacts".parse().expect("slug"), Actions::READ);
        draft
            .conditions
            .grants
            .set("documents".parse().expect("slug"), Actions::ALL);
        draft.conditions.expires_at = Some(Moment::from_millis(NOW + 6 * DAY));
    });
    story.given("Partner: Acme", |draft| {
        draft.description = "Reads contacts for the weekly export"
            .parse()
            .expect("text");
        draft
            .conditions
            .grants
            .set("contacts".parse().expect("slug"), Actions::READ);
        draft.conditions.allow = AllowList::parse("10.0.0.0/24, 192.168.1.1")
            .expect("list")
            .list;
        draft.conditions.expires_at = Some(Moment::from_millis(NOW + 69 * DAY).end_of_day());
    });
    for (name, role, key) in [
        ("alice", Role::Owner, 0),
        ("Bob \"ops\"", Role::Operator, 1),
    ] {
        let new = member(name, role, key);
        story.wait(story.keyring.add_member(&new)).expect("added");
    }
    story.press("g");
    story
}

/// Takes a snapshot of a screen at every size.
fn at_every_size(name: &str, keys: &str) {
    let theme = Theme {
        colours: true,
        ascii: false,
    };
    for (width, height) in SIZES {
        let mut story = furnished(width, height, theme);
        story.press(keys);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), story.snapshot());
    }
}

/// A test for each screen, which these keys open on the list.
macro_rules! screens {
    ($($name:ident $keys:literal)*) => {
        mod every_screen_at_every_size {
            $(#[test] fn $name() { super::at_every_size(stringify!($name), $keys); })*
        }
    };
}
screens! {
    list ""
    filter "/acm"
    details "<enter>"
    wizard_basics "n"
    wizard_error "nacme<tab><tab>10.0.0.7/24<tab><s-tab>"
    wizard_matrix "nPartner<tab><tab>10.0.0.0/24<tab>90d<enter>1<right>"
    edit_review "e<tab><tab><c-u><enter>2"
    revoke "x"
    revoke_marked "  x"
    disable "d"
    rotate "R"
    test_access "t"
    created "nacme<enter><enter>"
    copy_as "C"
    help "?"
    palette ":re"
    audit "a"
    audit_event "aj<enter>"
    audit_filter "a/action:disabled"
    members "m"
    member_form "me<tab><tab>"
    member_error "mndave<tab><tab>nonsense<enter>"
    member_removal "mx"
}

#[test]
fn the_choice_of_an_agent_at_every_size() {
    let theme = Theme {
        colours: true,
        ascii: false,
    };
    for (width, height) in SIZES {
        let mut story = furnished(width, height, theme);
        for name in ["prod", "staging"] {
            let name = name.parse().expect("a name");
            story
                .wait(story.keyring.add_agent(&name, &TokenPrefix::default()))
                .expect("added");
        }
        story.refresh();
        story.press("A<down>");
        insta::assert_snapshot!(format!("agents_{width}x{height}"), story.snapshot());
    }
}

#[test]
fn without_colours_the_selected_row_is_reversed_and_nothing_is_coloured() {
    let mut story = furnished(
        80,
        24,
        Theme {
            colours: false,
            ascii: false,
        },
    );
    assert!(
        story
            .snapshot()
            .contains("reversed [▸ Partner: Acme Contacts 2026-11-23]"),
        "{}",
        story.snapshot()
    );
    for keys in ["", "x", "<esc>n", "<esc>?"] {
        story.press(keys);
        let buffer = story.buffer();
        assert!(buffer.content.iter().all(|cell| {
            cell.fg == ratatui::style::Color::Reset && cell.bg == ratatui::style::Color::Reset
        }));
    }
}

#[test]
fn in_ascii_nothing_else_is_drawn() {
    let mut story = furnished(
        80,
        24,
        Theme {
            colours: true,
            ascii: true,
        },
    );
    story.given("Zoë 界", |_| ());
    for keys in [
        "",
        "x",
        "<esc>n",
        "<esc>?",
        "<esc>C",
        "<esc>nx<enter><enter>",
    ] {
        story.press(keys);
        let screen = story.screen();
        assert!(screen.is_ascii(), "{screen}");
    }
    story.shows("Zo<U+00EB>");
}

#[test]
fn columns_vanish_in_their_order_and_the_header_counts_them() {
    for (width, heads, missing) in [
        (
            119,
            "Name Access Created Last used Expires Attention",
            "+1 cols",
        ),
        (110, "Name Access Created Last used Attention", "+2 cols"),
        (100, "Name Access Created Attention", "+3 cols"),
        (80, "Name Access Created Attention", "+3 cols"),
        (60, "Name Access Attention", "+4 cols"),
        (40, "Name Access Attention", "+4 cols"),
    ] {
        let mut story = furnished(
            width,
            24,
            Theme {
                colours: true,
                ascii: false,
            },
        );
        let screen = story.screen();
        let head = screen.lines().nth(1).expect("heads").replace('↓', "");
        let words = head.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words, heads, "at {width}");
        assert!(
            screen.lines().next().expect("header").contains(missing),
            "at {width}: {screen}"
        );
        assert!(screen.contains("Any IP"), "at {width}");
    }
}

#[test]
fn any_size_at_any_time() {
    let mut story = furnished(
        80,
        24,
        Theme {
            colours: true,
            ascii: false,
        },
    );
    let keys = [
        "",
        "n",
        "ab<tab>",
        "<tab>10.0.0.1<enter>",
        "<right>",
        "<esc><esc>",
        "x",
        "<esc>",
        "?",
        "<esc>",
        "v",
        "<esc>",
        ":",
        "<esc>",
        "/a",
        "<esc>",
    ];
    let mut seed = 7_u32;
    for at in 0..600 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (width, height) = (1 + (seed >> 8) % 500, 1 + (seed >> 20) % 200);
        let (width, height) = if at % 3 == 0 {
            (1 + width % 25, 1 + height % 9)
        } else {
            (width, height)
        };
        story.resize(
            u16::try_from(width).expect("small"),
            u16::try_from(height).expect("small"),
        );
        story.press(keys[at % keys.len()]);
        story.screen();
    }
    story.resize(19, 5);
    story.shows("needs 20x6");
}

#[test]
fn the_cursor_stands_on_what_has_the_keys() {
    let mut story = furnished(
        80,
        24,
        Theme {
            colours: true,
            ascii: false,
        },
    );
    assert_eq!(story.cursor(), (1, 2));
    story.press("j");
    assert_eq!(story.cursor(), (1, 3));
    story.press("nab");
    let (x, y) = story.cursor();
    let line = story
        .screen()
        .lines()
        .nth(usize::from(y))
        .expect("a line")
        .to_owned();
    assert!(line.contains("  ab") && x == 7, "{x} {line}");
}
