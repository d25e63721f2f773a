//! Revoking, disabling and enabling.
use claviger::domain::audit::EventCursor;
use claviger::domain::audit::EventFilter;
use claviger::{
    domain::{
        key::LastUse,
        location::CheckpointTarget,
        moment::{HOUR, Moment},
        usage::{KeyUse, Source, Tally, UsageKind, Verdict},
    },
    tui::{
        confirmation::{Confirmation, Verb},
        message::{Effect, Message},
        read::{Answer, Read},
        update::update,
    },
};
use crossterm::event::{KeyCode, KeyEvent};

use crate::story::{NOW, Story};

#[test]
fn revoking_starts_on_cancel() {
    let mut story = Story::at(80, 24);
    story.given("Partner: Acme", |_| ());
    story.press("x");
    let screen = story.snapshot();
    assert!(screen.contains("Revoke Partner: Acme in PROD?"), "{screen}");
    assert!(screen.contains("Any applications using this key will lose access."));
    assert!(screen.contains("No use seen since 2026-11-23"));
    assert!(screen.contains("reversed [▸ Cancel]"));
    story.press("<enter>");
    assert_eq!(story.model.list.count.total, 1);
    story.press("x<tab><enter>");
    story.shows("API key revoked.");
    assert_eq!(story.audit(), ["key.created", "key.revoked"]);
}

#[test]
fn a_checkpoint_that_could_not_be_kept_is_told_with_the_change() {
    let mut story = Story::at(120, 24);
    story.given("acme", |_| ());
    let full = CheckpointTarget::File("/dev/full".into());
    story.keyring.keep_checkpoints(&full).expect("opened");
    story.press("x<tab><enter>");
    assert_eq!(story.model.list.count.total, 0);
    let warned = "its checkpoint could not be kept in /dev/full";
    story.shows(warned);
}

#[test]
fn the_reason_is_chosen_and_kept() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.press("x<tab><tab><right>");
    story.shows("‹ compromised ›");
    story.press("<right><right>");
    story.shows("‹ no longer used ›");
    story.press("<s-tab><enter>");
    let events = story
        .wait(
            story
                .keyring
                .events(&EventFilter::default(), EventCursor::After(1), 10),
        )
        .expect("events");
    assert!(
        events[0].draft.details.contains(r#""reason":"unused""#),
        "{:?}",
        events[0].draft.details
    );
}

#[test]
fn a_key_in_use_wants_the_start_of_its_id() {
    let mut story = Story::at(80, 24);
    let key = story.given("busy", |_| ());
    let usage = LastUse {
        at: Moment::from_millis(NOW - 3_600_000),
        from: Some([10, 0, 0, 9].into()),
    };
    story
        .wait(story.keyring.record_usage(
            &[KeyUse {
                tallies: vec![Tally {
                    began_at: Moment::from_millis(NOW - HOUR),
                    span: HOUR,
                    kind: UsageKind {
                        target: None,
                        source: Source::Unknown,
                        verdict: Verdict::Allowed,
                    },
                    count: 1204,
                }],
                ..KeyUse::last(key.id.clone(), Some(usage))
            }],
            &[],
        ))
        .expect("recorded");
    story.given("other", |_| ());
    story.press("Gx");
    let screen = story.screen();
    assert!(
        screen.contains("Last used 2026-11-23 06:00 UTC from 10.0.0.9; 1,204 uses in 48 hours"),
        "{screen}"
    );
    story.press("<enter>");
    story.shows("Nothing was revoked");
    story.press("nope<enter>");
    story.shows("nope is not");
    assert_eq!(story.model.list.count.total, 2);
    story.press("<c-u>").press(key.id.start()).press("<enter>");
    story.shows("API key revoked.");
}

#[test]
fn a_key_that_was_used_since_the_list_was_read_wants_it_too() {
    let mut story = Story::at(80, 24);
    let key = story.given("quiet", |_| ());
    let usage = LastUse {
        at: Moment::from_millis(NOW - HOUR),
        from: Some([10, 0, 0, 9].into()),
    };
    let used = [KeyUse::last(key.id.clone(), Some(usage))];
    story
        .wait(story.keyring.record_usage(&used, &[]))
        .expect("recorded");
    // The list does not show the use, yet revoking asks for the start of the key's id.
    assert_eq!(story.model.selected().expect("there").last_use, None);
    story.press("x<tab><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Last used 2026-11-23 06:00 UTC from 10.0.0.9"),
        "{screen}"
    );
    assert!(
        screen.contains(&format!("Type {} to revoke", key.id.start())),
        "{screen}"
    );
    assert_eq!(story.audit(), ["key.created"]);
}

#[test]
fn a_press_before_its_last_use_is_looked_up_waits_for_that() {
    for (used, done) in [(false, true), (true, false)] {
        let mut story = Story::at(80, 24);
        let mut key = story.given("quiet", |_| ());
        let asked = Confirmation::about(Verb::Revoke, vec![key.clone()], Moment::from_millis(NOW));
        story.model.open(asked);
        let mut ticket = None;
        for code in [KeyCode::Tab, KeyCode::Enter] {
            let effect = update(&mut story.model, Message::Pressed(KeyEvent::from(code)));
            assert!(!matches!(effect, Some(Effect::Revoke(..))), "{effect:?}");
            if let Some(Effect::Read(asked, Read::KeyDetails(_))) = effect {
                ticket = Some(asked);
            }
        }
        if used {
            key.last_use = Some(LastUse {
                at: Moment::from_millis(NOW - HOUR),
                from: None,
            });
        }
        let activity = story.wait(story.keyring.activity(&key.id));
        let known = Ok(Box::new((key.clone(), activity.expect("its use"))));
        let answer = Answer::KeyDetails(key.id.clone(), known);
        story.happen(Message::Answered(ticket.expect("asked"), answer));
        assert_eq!(story.audit().contains(&"key.revoked"), done);
        let screen = story.screen();
        let said = format!("it was used, so type {} first", key.id.start());
        assert_eq!(screen.contains(&said), used, "{screen}");
    }
}

#[test]
fn several_marked_keys_want_their_number_and_go_together() {
    let mut story = Story::at(80, 24);
    for name in ["one", "two", "three"] {
        story.given(name, |_| ());
    }
    story.press("g  ");
    story.shows("2 marked, 0 hidden");
    story.press("/one<enter>");
    story.shows("2 marked, 2 hidden");
    story.press("x");
    let screen = story.screen();
    assert!(
        screen.contains("Revoke 2 keys in PROD?") && screen.contains("hidden by the filter"),
        "{screen}"
    );
    story.press("3<enter>");
    story.shows("3 is not 2");
    story.press("<c-u>2<enter>");
    story.shows("2 API keys revoked.");
    story.press("<esc>");
    assert_eq!(story.model.list.count.total, 1);
    assert!(story.model.list.marks.is_empty());
}

#[test]
fn enabling_marked_keys_asks_for_they_may_be_out_of_sight() {
    let mut story = Story::at(80, 24);
    for name in ["one", "two", "three"] {
        story.given(name, |_| ());
    }
    story.press("g<space>j<space>d<tab><enter>");
    story.shows("2 API keys disabled.");
    assert!(story.model.list.marks.is_empty(), "that is done");
    story.press("g<space>j<space>/two<enter>d");
    let screen = story.screen();
    assert!(
        screen.contains("Enable 2 keys in PROD?")
            && screen.contains("2 of them are hidden by the filter."),
        "{screen}"
    );
    story.press("<enter>");
    assert!(!story.audit().contains(&"key.enabled"), "Cancel is focused");
    story.press("d<tab><enter>");
    story.shows("2 API keys enabled.");
}

#[test]
fn disabling_and_enabling_ask() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.press("d");
    let screen = story.screen();
    assert!(
        screen.contains("Disable acme in PROD?")
            && screen.contains("refused from the next request"),
        "{screen}"
    );
    story.press("<tab><enter>");
    story.shows("API key disabled.");
    story.shows("d enable");
    story.press("d");
    let screen = story.screen();
    assert!(screen.contains("Enable acme in PROD?"), "{screen}");
    assert!(
        screen.contains("Disabled 2026-11-23 07:00 UTC by alice@gw1"),
        "{screen}"
    );
    story.press("<enter>");
    assert_eq!(
        story.audit(),
        ["key.created", "key.disabled"],
        "Cancel is focused"
    );
    story.press("d<tab><enter>");
    story.shows("API key enabled.");
    assert_eq!(
        story.audit(),
        ["key.created", "key.disabled", "key.enabled"]
    );
}
