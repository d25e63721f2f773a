//! Copying and revealing.
use claviger::tui::{message::Message, theme::Theme};
use secrecy::ExposeSecret as _;

use crate::story::Story;

const COLOURS: Theme = Theme {
    colours: true,
    ascii: false,
};

fn token(story: &Story) -> String {
    let id = story.model.selected().expect("a key").id.clone();
    let opened = story.wait(
        story
            .keyring
            .token(&id, claviger::domain::audit::Change::Revealed),
    );
    opened
        .expect("a token")
        .token
        .expose()
        .expose_secret()
        .to_owned()
}

#[test]
fn over_ssh_the_token_goes_to_the_terminal_and_nothing_claims_more() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.press("c");
    let screen = story.screen();
    assert!(
        screen.contains("sent to your terminal") && !screen.contains("copied"),
        "{screen}"
    );
    assert!(
        screen.contains("v shows it") && screen.contains("z overwrites"),
        "{screen}"
    );
    let token = token(&story);
    let encoded = data_encoding::BASE64.encode(token.as_bytes());
    let sent = String::from_utf8(story.sent.clone()).expect("ASCII");
    assert!(sent.starts_with("\u{1b}]52;c;") && sent.contains(&encoded));
    assert_eq!(story.audit(), ["key.created", "key.copied", "key.revealed"]);
}

#[test]
fn copy_as_fills_the_form() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.press("C");
    assert!(story.screen().contains("Copy acme as") && story.screen().contains("an export line"));
    story.press("<down><down><enter>");
    let line = format!("export API_KEY={}", token(&story));
    let encoded = data_encoding::BASE64.encode(line.as_bytes());
    assert!(String::from_utf8_lossy(&story.sent).contains(&encoded));
}

#[test]
fn without_any_clipboard_the_token_is_shown_alone_on_its_line() {
    let mut story = Story::with(80, 24, COLOURS, &[("TERM", "linux")]);
    story.given("acme", |_| ());
    story.press("c");
    let token = token(&story);
    let screen = story.screen();
    assert!(
        screen.lines().any(|line| line == token),
        "alone and at the first column"
    );
    assert!(screen.contains("No clipboard:") && screen.contains("s save to a file"));
}

#[test]
fn a_reveal_ends_by_itself_and_by_leaving() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    let token = token(&story);
    story.press("v");
    assert!(story.screen().contains(&token));
    for _ in 0..29 {
        story.happen(Message::Ticked);
    }
    story.shows("Hidden again in 1 s");
    story.happen(Message::Ticked);
    assert!(!story.screen().contains(&token) && !story.model.counts_down());
    story.press("v<esc>");
    assert!(!story.screen().contains(&token));
}

#[test]
fn the_new_token_is_masked_and_its_dialog_starts_on_copy() {
    let mut story = Story::at(80, 24);
    story.press("nacme<enter><enter>");
    let token = token(&story);
    let screen = story.snapshot();
    assert!(
        !screen.contains(&token[20..]) && screen.contains("•••"),
        "masked"
    );
    assert!(screen.contains("reversed [▸ Copy]"));
    story.press("<enter>");
    story.shows("sent to your terminal");
    story.press("v");
    assert!(story.screen().contains(&token));
    story.press("<esc><esc>");
    assert!(story.model.modals.is_empty());
}

#[test]
fn the_terminals_clipboard_is_overwritten_on_demand() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.press("c");
    let before = story.sent.len();
    story.press("z");
    assert!(story.sent.len() > before);
    story.shows("The clipboard was overwritten.");
}
