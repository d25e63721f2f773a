//! The requests for approval, as a user sees them on the screen.
use claviger::{
    domain::{access::Actions, agent::AgentScope, key::KeyVersion, member::Role, policy::Policy},
    tui::theme::Theme,
};

use crate::story::Story;

/// A story of a manager who signed in: two keys were made and one was edited by somebody else, with
/// the policy on.
fn waiting(width: u16, height: u16) -> Story {
    let theme = Theme {
        colours: true,
        ascii: false,
    };
    let mut story = Story::with(width, height, theme, &[("TERM", "xterm")]);
    let old = story.given("Partner: Acme", |_| ());
    let policy = Policy {
        approve_widening: true,
        ..Policy::default()
    };
    story.wait(story.keyring.set_policy(policy)).expect("set");
    story.given("nightly", |_| ());
    let mut wider = old.draft.clone();
    wider
        .conditions
        .grants
        .set("contacts".parse().expect("a slug"), Actions::ALL);
    let asked = story.wait(story.keyring.edit(&KeyVersion::of(&old), &wider));
    assert_eq!(asked.expect("asked").waiting, 1);
    story.sign_in(Role::Manager);
    story
}

#[test]
fn the_requests_at_every_size() {
    for (width, height) in [(80, 24), (40, 12), (140, 30)] {
        let mut story = waiting(width, height);
        story.press("W");
        insta::assert_snapshot!(format!("approvals_{width}x{height}"), story.snapshot());
        story.press("j<enter>");
        insta::assert_snapshot!(
            format!("approvals_asked_{width}x{height}"),
            story.snapshot()
        );
    }
}

#[test]
fn another_person_approves_or_rejects_after_a_question() {
    let mut story = waiting(80, 24);
    story.shows("unapproved");
    story.press("Wj<enter>");
    story.shows("Approve: key created, nightly?");
    story.press("<esc>");
    story.hides("Approve: key created");
    // It starts on Cancel.
    story.press("<enter><enter>");
    story.shows("x reject");
    story.press("<enter><tab><enter>");
    story.shows("Approved: key created, nightly.");
    story.hides("key created, nightly  ");
    story.press("<esc>");
    story.hides("unapproved");
    story.press("Wx");
    story.shows("Reject: key edited, Partner: Acme? It stays as it is.");
    story.shows("by alice@gw1 (local)");
    story.press("<tab><enter>");
    story.shows("Rejected: key edited, Partner: Acme.");
    story.shows("Nothing waits for approval.");
    // A new key that is rejected is gone, and nobody else is said to have done it.
    let other = story.someone_else("bob@gw1");
    let made = story.wait(other.create(None, crate::story::draft("unwanted")));
    let made = made.expect("made").key;
    story.refresh();
    story.press("<esc>gWx<tab><enter>");
    story.shows("Rejected: key created, unwanted.");
    story.press("<esc>");
    story.hides("by someone else");
    assert!(story.wait(other.key(&made.id)).is_err());
}

#[test]
fn the_details_tell_of_a_change_that_waits_and_lead_to_it() {
    let mut story = waiting(80, 24);
    story.press("G<enter>");
    story.shows("key edited by alice@gw1 (local) (W)");
    story.press("W");
    story.shows("Waiting for approval");
    story.press("<esc><esc>");
    // A later edit says what it withdraws.
    story.press("e<tab><tab>10.0.0.0/24<enter><enter>");
    story.shows("This withdraws what waited for approval there:");
    story.shows("key.edited by alice@gw1");
}

#[test]
fn what_one_requests_oneself_waits_and_says_so() {
    let mut story = waiting(80, 24);
    story.press("nmine<enter>1<enter>");
    story.shows("API key created successfully.");
    story.shows("It waits for approval: it is refused until another manager or owner");
    story.press("<esc><enter>");
    story.shows("needs approval since");
    story.press("<esc>W<pgdn>");
    while !story.screen().contains("▸ key created, mine") {
        story.press("<up>");
    }
    story.press("<enter><tab><enter>");
    story.shows("nobody approves their own");
    story.press("<esc>");
    // What is requested on the screen is said there.
    story.press("<esc>G");
    story.press("e<enter>2<enter>");
    story.shows("It waits for approval: nothing is changed until somebody else");
    assert!(
        story
            .model
            .selected()
            .expect("a key")
            .draft
            .conditions
            .grants
            .is_empty()
    );
}

#[test]
fn a_question_about_a_request_that_changed_is_taken_back() {
    let mut story = waiting(80, 24);
    story.press("Wj<enter>");
    story.shows("Approve: key created, nightly?");
    let other = story.someone_else("bob@gw1");
    let found = story
        .wait(other.pending_changes(&AgentScope::Everything))
        .expect("found");
    let request = found.iter().find(|it| it.name == "nightly");
    let id = request.expect("it waits").subject.parse().expect("an id");
    let key = story.wait(other.key(&id)).expect("a key");
    let mut edited = key.draft.clone();
    edited.description = "meanwhile".parse().expect("a text");
    story
        .wait(other.edit(&KeyVersion::of(&key), &edited))
        .expect("edited");
    story.refresh();
    story.shows("It was changed or decided meanwhile");
    story.hides("Approve: key created");
}
