//! Finding keys: the list, its filter, its order, its marks.
use claviger::domain::moment::{DAY, Moment};

use crate::story::{NOW, Story};

fn many(story: &mut Story, count: usize) {
    for at in 1..=count {
        let draft = crate::story::draft(&format!("key {at:03}"));
        story
            .wait(story.keyring.create(None, draft))
            .expect("created");
    }
    story.refresh();
    story.press("g");
}

fn selected(story: &Story) -> String {
    story
        .model
        .selected()
        .expect("a selected key")
        .name()
        .to_owned()
}

#[test]
fn walking_reads_on_in_both_directions() {
    let mut story = Story::at(80, 24);
    many(&mut story, 200);
    assert_eq!(selected(&story), "key 200");
    for expected in (1..=199).rev() {
        story.press("j");
        assert_eq!(selected(&story), format!("key {expected:03}"));
    }
    story.press("j");
    assert_eq!(selected(&story), "key 001");
    for expected in 2..=200 {
        story.press("k");
        assert_eq!(selected(&story), format!("key {expected:03}"));
        assert!(
            story.screen().contains("▸"),
            "the selected row is always in view"
        );
    }
    story.press("G");
    assert_eq!(selected(&story), "key 001");
    story.press("<pgup>");
    assert_eq!(selected(&story), "key 021");
    story.press("g<pgdn>");
    assert_eq!(selected(&story), "key 180");
}

#[test]
fn a_filter_finds_as_you_type_is_kept_by_enter_and_dropped_by_esc() {
    let mut story = Story::at(80, 24);
    story.given("Partner: Acme", |draft| {
        draft.description = "Weekly Export".parse().expect("text");
    });
    story.given("Staging", |_| ());
    story.press("/ACM");
    let screen = story.screen();
    assert!(
        screen.contains("1 of 2 keys") && screen.contains("▸ Partner: Acme"),
        "{screen}"
    );
    assert!(!screen.contains("Staging"));
    story.press("<c-u>export<enter>");
    story.shows("1 of 2 keys");
    story.shows("/ export");
    story.press("<esc>");
    assert!(story.screen().contains("2 keys") && !story.screen().contains("/ export"));
    story.press("/nothing<enter>");
    assert!(
        story.screen().contains("No key matches.")
            && story.screen().contains("Esc drops the filter.")
    );
    story.press("<esc>");
    assert_eq!(selected(&story), "Staging");
}

#[test]
fn the_selection_follows_its_key_out_of_a_filter() {
    let mut story = Story::at(80, 24);
    many(&mut story, 150);
    story.press("/key 003<enter><esc>");
    assert_eq!(selected(&story), "key 003");
    story.shows("▸ key 003");
}

#[test]
fn only_what_needs_attention() {
    let mut story = Story::at(80, 24);
    story.given("ends soon", |draft| {
        draft.conditions.expires_at = Some(Moment::from_millis(NOW + 6 * DAY + 1));
    });
    story.given("fine", |_| ());
    story.press("!");
    let screen = story.screen();
    assert!(
        screen.contains("1 of 2 keys") && screen.contains("expires 6d"),
        "{screen}"
    );
    assert!(!screen.contains("fine"));
    story.press("!");
    story.shows("fine");
}

#[test]
fn every_column_sorts_and_the_mark_of_the_order_moves() {
    let mut story = Story::at(200, 24);
    for name in ["b", "C", "a"] {
        story.given(name, |_| ());
    }
    let names = |story: &Story| -> String {
        story
            .model
            .list
            .rows
            .iter()
            .filter_map(|row| Some(row.key()?.name()))
            .collect::<Vec<_>>()
            .join("")
    };
    assert_eq!(names(&story), "aCb");
    story.shows("Created ↓");
    story.press("s");
    assert_eq!(names(&story), "abC");
    story.shows("Name ↑");
    story.press("S");
    assert_eq!(names(&story), "Cba");
    for head in [
        "Access ↑",
        "Attention ↑",
        "Last used ↓",
        "Expires ↑",
        "IPs ↑",
        "Created ↓",
    ] {
        story.press("s");
        assert!(story.screen().contains(head), "{head}: {}", story.screen());
        assert_eq!(story.model.list.rows.len(), 3);
    }
}

#[test]
fn esc_peels_one_layer_and_never_ends_the_program() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.press(" /ac<enter>");
    assert_eq!(
        (
            story.model.list.marks.len(),
            story.model.list.filter.search.as_str()
        ),
        (1, "ac")
    );
    story.press("<esc>");
    assert_eq!(
        (
            story.model.list.marks.len(),
            story.model.list.filter.search.as_str()
        ),
        (1, "")
    );
    story.press("<esc>");
    assert!(story.model.list.marks.is_empty());
    story.press("<esc><esc>?<esc><c-c>");
    story.shows("Press q to quit.");
    assert!(story.shell.is_empty());
    story.press("q");
    assert_eq!(story.shell, [claviger::tui::message::Effect::Quit]);
}

#[test]
fn the_palette_does_every_action_by_name() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.press(":new k<enter>");
    story.shows("Step 1 of 2");
    story.press("<esc>:details<enter>");
    story.shows("Details");
    story.press("<esc>:q<enter>");
    assert_eq!(story.shell, [claviger::tui::message::Effect::Quit]);
}

#[test]
fn hostile_names_from_elsewhere_are_made_visible() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    // The notice holds a character that claviger would never write: its code point is drawn
    // instead.
    let key = story.model.list.rows[0].key_mut().expect("a key");
    key.draft.name = "zero".parse().expect("a name");
    story.model.notice = Some(claviger::tui::model::Notice {
        text: "a\u{202e}b".into(),
        failed: false,
    });
    let screen = story.screen();
    assert!(screen.contains("a<U+202E>b") && !screen.contains('\u{202e}'));
}

#[test]
fn details_show_every_action_and_all_lines_can_be_reached() {
    for (width, height) in [(80, 24), (40, 12), (140, 30)] {
        let mut story = Story::at(width, height);
        story.given("acme", |draft| {
            let all = claviger::domain::access::Actions::ALL;
            draft
                .conditions
                .grants
                .set("contacts".parse().expect("a slug"), all);
            draft.description = "word ".repeat(99).trim().parse().expect("a text");
            let list: Vec<String> = (0..60).map(|at| format!("10.0.{at}.0/24")).collect();
            draft.conditions.allow = claviger::domain::allowlist::AllowList::parse(&list.join(","))
                .expect("a list")
                .list;
        });
        story.press("<enter>");
        let screen = story.screen();
        let row = |line: &&str| line.contains("Contacts") && line.matches('●').count() == 4;
        assert!(screen.lines().any(|line| row(&line)), "{screen}");
        assert!(screen.contains("↓ more"), "{screen}");
        story.press(&"<pgdn>".repeat(12));
        let screen = story.screen();
        assert!(
            !screen.contains("↓ more") && screen.contains("word"),
            "{screen}"
        );
        story.press("<esc>");
        if width >= 120 {
            story.shows("… Enter shows all");
        }
    }
}

#[test]
fn a_new_key_is_under_the_cursor_whatever_the_filter_was() {
    let mut story = Story::at(80, 24);
    story.given("days", |_| ());
    story.press("/days<enter>nother<enter><enter><esc>");
    assert_eq!(selected(&story), "other");
    story.shows("2 keys");
}

#[test]
fn wide_names_keep_the_columns_straight() {
    let mut story = Story::at(80, 24);
    for name in [
        "ascii",
        "界界",
        "e\u{301}te\u{301}",
        "👩‍🔬 lab",
        "🇩🇪 de",
        "❤️ heart",
    ] {
        story.given(name, |_| ());
    }
    let rows = story.model.list.rows.len();
    let buffer = story.buffer().clone();
    for y in 2..2 + u16::try_from(rows).expect("few") {
        let cells: String = (28..41).map(|x| buffer[(x + 1, y)].symbol()).collect();
        assert!(cells.starts_with("No access"), "row {y}: {cells:?}");
    }
}

#[test]
fn what_failed_is_said_whole_and_the_way_out_with_it() {
    for (width, height) in [(80, 24), (40, 12), (20, 6)] {
        let mut story = Story::at(width, height);
        story.given("acme", |_| ());
        story.model.report_error(
            "/home/somebody/.config/claviger/master-key is missing: bring it back from its copy",
        );
        let screen = story.screen();
        let whole = screen.contains("missing:") && screen.contains("copy");
        assert!(whole || height == 6, "{screen}");
        assert!(screen.contains("help"), "{screen}");
    }
}
