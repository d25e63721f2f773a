//! Creating and editing keys in the wizard.
use claviger::domain::{access::Action, moment::DAY};

use crate::conditions::draft_with_every_condition;
use crate::story::Story;

const PARTNER: &str = "nPartner: Acme<tab>weekly export<tab>10.0.0.0/24<tab>90d<enter>1<enter>";

#[test]
fn a_key_is_made_in_two_steps() {
    let mut story = Story::at(80, 24);
    story.shows("Press n to make the first one.");
    story.press("n");
    assert!(
        story.screen().contains("Step 1 of 2")
            && story.screen().contains("Enter basic information")
    );
    story.press("<esc>");
    story.press(PARTNER);
    let screen = story.screen();
    assert!(screen.contains("API key created successfully."), "{screen}");
    assert!(
        screen.contains("▸ Partner: Acme             Contacts"),
        "{screen}"
    );
    let key = story.model.selected().expect("selected").clone();
    assert_eq!(key.draft.description.as_str(), "weekly export");
    assert_eq!(key.draft.conditions.allow.entries(), ["10.0.0.0/24"]);
    assert_eq!(
        key.draft.conditions.expires_at.expect("an end").date(),
        "2027-02-21"
    );
    assert!(
        key.draft
            .conditions
            .grants
            .of(&"contacts".parse().expect("slug"))
            .contains(Action::Read)
    );
    assert_eq!(story.audit(), ["key.created"]);
}

#[test]
fn nothing_is_granted_at_first_and_that_needs_no_second_question() {
    let mut story = Story::at(80, 24);
    story.press("nquiet<enter>");
    story.shows("No access: can do nothing.");
    story.press("<enter><esc>");
    story.shows("No access Any IP");
}

#[test]
fn the_review_sentence_follows_every_toggle() {
    let mut story = Story::at(80, 24);
    story.press("nacme<tab><tab>10.0.0.0/24<tab>2027-01-31<enter><right><space>");
    let sentence = "Can read Contact Access from 10.0.0.0/24 until 2027-01-31. Can do nothing";
    story.shows(sentence);
    story.shows("Read: Retrieve existing records");
    story.press("3<down>3");
    story.shows("That is full access.");
    story.press("0<up>2");
    story.shows("Can create, read and update Contact Access");
    story.shows("2 read and write (read, create, update)");
}

#[test]
fn errors_stand_under_their_field_once_it_was_left_and_lose_nothing() {
    let mut story = Story::at(80, 24);
    story.press("nacme<tab><tab>10.0.0.7/24");
    assert!(
        !story.screen().contains("host bits"),
        "not while it is typed"
    );
    story.press("<tab>");
    story.shows("! 10.0.0.7/24 has host bits set: write 10.0.0.0/24");
    story.press("yesterday<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Step 1 of 2") && screen.contains("▸ IP Address"),
        "{screen}"
    );
    assert!(screen.contains("yesterday is no expiry"), "{screen}");
    // Shift-Tab always works, even beside an invalid field.
    story.press("<s-tab><s-tab>");
    story.shows("▸ Name");
    story.press("<tab><tab><c-u>10.0.0.7<tab><c-u><enter>");
    story.shows("Step 2 of 2");
}

#[test]
fn an_empty_name_is_named_and_a_long_one_is_counted() {
    let mut story = Story::at(80, 24);
    story.press("n<enter>");
    story.shows("! Name is empty");
    story.press(&"x".repeat(101));
    story.press("<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("101/100") && screen.contains("at most 100"),
        "{screen}"
    );
    story.press("<backspace><enter>");
    story.shows("Step 2 of 2");
}

#[test]
fn hostile_characters_are_refused_by_code_point() {
    let mut story = Story::at(80, 24);
    story.press("n").paste("evil\u{202e}name");
    story.press("<tab>");
    let screen = story.screen();
    assert!(
        screen.contains("U+202E") && screen.contains("evil<U+202E>name"),
        "{screen}"
    );
    assert!(!screen.contains('\u{202e}'));
}

#[test]
fn letters_are_text_in_a_field() {
    let mut story = Story::at(80, 24);
    story.press("nq?:/ z!x<enter>");
    story.shows("Step 2 of 2");
    story.press("<enter><esc>");
    assert_eq!(story.model.selected().expect("made").name(), "q?:/ z!x");
}

#[test]
fn everything_survives_going_back_and_a_resize() {
    let mut story = Story::at(80, 24);
    story.press("nacme<tab>text<tab>10.0.0.1<tab>90d<enter>3<tab><enter>");
    story.resize(40, 12);
    story.resize(80, 24);
    let screen = story.screen();
    for kept in ["acme", "text", "10.0.0.1", "90d", "Step 1 of 2"] {
        assert!(screen.contains(kept), "{kept}: {screen}");
    }
    story.press("<enter>");
    story.shows("create, read, update and delete Contact Access");
}

#[test]
fn a_paste_of_lines_is_a_list_and_submits_nothing() {
    let mut story = Story::at(80, 24);
    story
        .press("nacme<tab><tab>")
        .paste("10.0.0.0/8,\r\n192.168.1.0/24\n2001:db8::/32");
    let screen = story.screen();
    assert!(
        screen.contains("10.0.0.0/8, 192.168.1.0/24, 2001:db8::/32"),
        "{screen}"
    );
    assert!(screen.contains("▸ IP Address") && screen.contains("Step 1 of 2"));
    story.press("<enter><enter>");
    assert_eq!(
        story
            .model
            .selected()
            .expect("made")
            .draft
            .conditions
            .allow
            .entries()
            .len(),
        3
    );
}

#[test]
fn esc_closes_an_unchanged_form_at_once_and_asks_before_it_discards() {
    let mut story = Story::at(80, 24);
    story.press("n<esc>");
    story.hides("Step 1");
    story.press("nab<esc>");
    story.shows("unsaved changes - Esc again to discard");
    story.press("c");
    assert!(
        !story.screen().contains("unsaved changes"),
        "any other key disarms it"
    );
    story.press("<esc><esc>");
    story.hides("Step 1");
    assert!(story.audit().is_empty());
}

#[test]
fn an_edit_says_what_widens_first() {
    let mut story = Story::at(80, 24);
    story.press(PARTNER).press("<esc>e");
    story.shows("Edit Partner: Acme in PROD");
    story.press("2<tab><tab><c-u><enter>");
    let screen = story.screen();
    let widens = screen.find("Widens: 10.0.0.0/24 → Any IP").expect("widens");
    let renames = screen
        .find("Renames: Partner: Acme → Partner: Acme2")
        .expect("renames");
    assert!(widens < renames, "{screen}");
    assert!(screen.contains("Save changes"));
    story.press("<enter>");
    story.shows("API key updated successfully.");
    assert_eq!(
        story.model.selected().expect("there").name(),
        "Partner: Acme2"
    );
    assert_eq!(story.audit(), ["key.created", "key.edited"]);
}

#[test]
fn an_edit_that_changes_nothing_saves_nothing() {
    let mut story = Story::at(80, 24);
    story.press(PARTNER).press("<esc>e<enter>");
    story.shows("Nothing changes.");
    story.press("<enter>");
    story.shows("Nothing was changed.");
    assert_eq!(story.audit(), ["key.created"]);
}

#[test]
fn an_edit_of_the_name_keeps_every_condition_and_so_does_a_copy() {
    let mut story = Story::at(80, 24);
    let end = story.model.now.plus(30 * DAY).end_of_day();
    let before = story.given("acme", |draft| {
        *draft = draft_with_every_condition("acme", end);
    });
    story.press("e2<enter><enter>");
    story.shows("API key updated successfully.");
    let edited = story.model.selected().expect("edited").draft.clone();
    assert_eq!(edited.name.as_str(), "acme2");
    assert_eq!(edited.conditions, before.draft.conditions);
    story.press("N3<enter><enter>");
    story.shows("API key created successfully.");
    story.press("<esc>");
    let copy = story.model.selected().expect("made");
    assert_eq!(copy.name(), "acme23");
    assert_eq!(copy.draft.conditions, before.draft.conditions);
}

#[test]
fn new_like_this_begins_with_a_copy() {
    let mut story = Story::at(80, 24);
    story.press(PARTNER).press("<esc>N 2<enter>");
    story.shows("Can read Contact Access from 10.0.0.0/24");
    story.press("<enter><esc>");
    let key = story.model.selected().expect("made");
    assert_eq!(key.name(), "Partner: Acme 2");
    assert_eq!(story.model.list.count.total, 2);
}

#[test]
fn buttons_are_reached_with_tab_and_ctrl_c_leaves_a_field() {
    let mut story = Story::at(80, 24);
    story.press("nacme<c-c>");
    assert!(
        story.snapshot().contains("reversed [▸ Cancel]"),
        "{}",
        story.snapshot()
    );
    story.press("<tab><enter><tab>");
    assert!(
        story.snapshot().contains("reversed [▸ Back]"),
        "{}",
        story.snapshot()
    );
    story.press("<tab><enter>");
    assert_eq!(story.audit(), ["key.created"]);
}

#[test]
fn an_empty_field_says_by_example_what_goes_into_it() {
    for (width, height) in [(80, 24), (40, 12)] {
        let mut story = Story::at(width, height);
        for (keys, example) in [
            ("nacme<tab><tab>", "e.g. 192.168.1.1, 10.0.0.0/24"),
            ("<tab>", "e.g. 90d, or 2027-01-31"),
        ] {
            story.press(keys);
            story.shows(example);
            story.press("1");
            story.hides("e.g.");
            story.press("<backspace>");
        }
        story.press("<enter>");
        story.shows("Step 2");
    }
}

#[test]
fn the_workspaces_policy_for_ends_is_said_and_kept() {
    let mut story = Story::at(80, 24);
    let policy = claviger::domain::policy::Policy {
        longest_life: Some(90),
        must_expire: true,
        approve_widening: false,
    };
    story.wait(story.keyring.set_policy(policy)).expect("set");
    story.refresh();
    story.press("nacme<tab><tab><tab>");
    story.shows("2027-02-21 at the latest");
    story.press("<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("every key must have an end here: write one such as 2027-02-21"),
        "{screen}"
    );
    assert!(screen.contains("Step 1 of 2"), "{screen}");
    story.press("91d<enter>");
    story.shows("keys live at most 90 days here");
    story.press("<c-u>90d<enter><enter>");
    story.shows("API key created successfully.");
    // A key whose expiry was set before this shorter policy is renamed without a complaint.
    story.press("<esc>");
    story
        .wait(story.keyring.set_policy(claviger::domain::policy::Policy {
            longest_life: Some(9),
            must_expire: true,
            approve_widening: false,
        }))
        .expect("set");
    story.refresh();
    story.press("e2<enter><enter>");
    story.shows("API key updated successfully.");
}

#[test]
fn more_rules_are_unfolded_typed_reviewed_and_kept() {
    let mut story = Story::at(80, 40);
    story.press("nacme<tab><tab><tab><tab>");
    story.shows("More rules");
    story.press("<enter>");
    for title in [
        "Begins",
        "Denied IPs",
        "Rate limit",
        "Quota",
        "Owner",
        "Labels",
    ] {
        story.shows(title);
    }
    story.press(
        "2027-01-31<tab>10.0.0.66<tab>60/minute:20<tab>50000/month<tab>alice<tab>team=billing",
    );
    story.shows("60 requests a minute, 20 at once");
    story.press("<enter>1");
    story.shows("except 10.0.0.66");
    story.press("<enter>");
    story.shows("API key created successfully.");
    story.press("<esc>");
    let key = story.model.selected().expect("selected").clone();
    let written = |key: &claviger::domain::key::Key| {
        let conditions = &key.draft.conditions;
        [
            conditions.not_before.expect("a start").date(),
            conditions.deny.entries().join(","),
            conditions.rate_limit.expect("a limit").to_string(),
            conditions.quota.expect("a quota").to_string(),
            key.draft.owner.clone().expect("an owner").to_string(),
            key.draft.labels.written(),
        ]
    };
    let all = [
        "2027-01-31",
        "10.0.0.66",
        "60/minute:20",
        "50000/month",
        "alice",
        "team=billing",
    ];
    assert_eq!(written(&key), all);
    story.shows("begins 6");
    // An edit shows what is set, says what a change opens, and keeps the rest.
    story.press("e");
    story.shows("Rate limit");
    story.press("<tab><tab><tab><tab><tab><tab><c-u><enter>");
    story.shows("Widens: 60/minute:20 → no rate limit.");
    story.press("<tab><tab><enter>");
    story.shows("API key updated successfully.");
    let key = story.model.selected().expect("selected").clone();
    assert_eq!(key.draft.conditions.rate_limit, None);
    assert_eq!(key.draft.labels.written(), "team=billing");
}

#[test]
fn more_rules_that_are_wrong_are_named_at_their_field() {
    let mut story = Story::at(80, 40);
    story.press("nacme<tab><tab>10.0.0.0/24<tab>2027-01-31<tab><enter>2027-02-01<tab>10.0.0.0/8<tab>60/day<tab><enter>");
    story.shows("60/day is no rate limit");
    story.press("<c-u><enter>");
    story.shows("the key would end (2027-01-31) before it begins (2027-02-01)");
    story.press("<c-u><enter>");
    story.shows("covers every address");
}
