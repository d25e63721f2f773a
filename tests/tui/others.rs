//! Another administrator at work on the same keys.
use claviger::{
    domain::{
        agent::AgentScope,
        audit::{EventCursor, EventFilter},
        key::{KeyVersion, RevokeReason},
    },
    tui::{
        audit::AuditDialog,
        message::{Effect, Message},
        read::{Answer, Read},
    },
};

use crate::story::Story;

#[test]
fn an_edit_meanwhile_is_said_merged_and_never_overwritten_silently() {
    let mut story = Story::at(80, 24);
    let key = story.given("acme", |_| ());
    story.press("e<tab>mine<enter>");
    let bob = story.someone_else("bob@gw2");
    let mut theirs = key.draft.clone();
    theirs.name = "acme by bob".parse().expect("a name");
    story
        .wait(bob.edit(&KeyVersion::of(&key), &theirs))
        .expect("bob was first");
    story.press("<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("bob@gw2 changed this key meanwhile"),
        "{screen}"
    );
    // Both versions side by side: the values taken over, and the values that saving would set.
    let row = |title: &str| {
        let line = screen.lines().rfind(|line| line.contains(title));
        let words = line.unwrap_or_default().split("  ").map(str::trim);
        words
            .filter(|word| word.len() > 3)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        row("Name "),
        ["Name", "acme by bob", "acme by bob"],
        "{screen}"
    );
    assert_eq!(
        row("Description "),
        ["Description", "empty", "mine"],
        "{screen}"
    );
    story.press("<enter>");
    story.shows("API key updated successfully.");
    let merged = story.model.selected().expect("there").draft.clone();
    assert_eq!(
        (merged.name.as_str(), merged.description.as_str()),
        ("acme by bob", "mine")
    );
    assert_eq!(story.audit(), ["key.created", "key.edited", "key.edited"]);
}

#[test]
fn an_edit_of_a_key_revoked_meanwhile_keeps_what_was_typed() {
    let mut story = Story::at(80, 24);
    let key = story.given("acme", |_| ());
    story.press("e2<enter>");
    let bob = story.someone_else("bob@gw2");
    story
        .wait(bob.revoke(&[KeyVersion::of(&key)], RevokeReason::Compromised))
        .expect("revoked");
    story.press("<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("bob@gw2 revoked this key meanwhile"),
        "{screen}"
    );
    story.press("<tab><enter>");
    story.shows("acme2");
}

#[test]
fn a_confirmation_is_withdrawn_when_its_key_was_edited_and_not_when_it_was_used() {
    let mut story = Story::at(80, 24);
    let key = story.given("acme", |_| ());
    story.press("x");
    let bob = story.someone_else("bob@gw2");
    let usage = claviger::domain::key::LastUse {
        at: bob.now(),
        from: None,
    };
    story
        .wait(bob.record_usage(
            &[claviger::domain::usage::KeyUse::last(
                key.id.clone(),
                Some(usage),
            )],
            &[],
        ))
        .expect("used");
    story
        .wait(bob.create(None, crate::story::draft("another")))
        .expect("created");
    story.refresh();
    story.shows("Revoke acme in PROD?");
    let mut theirs = key.draft.clone();
    theirs.description = "changed".parse().expect("text");
    story
        .wait(bob.edit(&KeyVersion::of(&key), &theirs))
        .expect("edited");
    story.refresh();
    let screen = story.screen();
    assert!(
        !screen.contains("Revoke acme") && screen.contains("acme was changed meanwhile"),
        "{screen}"
    );
    // Keys still being typed do nothing, no token is shown, and the sentence stays.
    let before = story.audit();
    story.press("vcdxnzq<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Nothing was done") && screen.contains("Esc close"),
        "{screen}"
    );
    assert_eq!(story.audit(), before);
    story.press("<esc>");
    story.hides("Nothing was done");
}

#[test]
fn cursor_and_marks_stay_on_their_keys() {
    let mut story = Story::at(80, 24);
    for name in ["one", "two", "three"] {
        story.given(name, |_| ());
    }
    story.press("gj ");
    let marked = story
        .model
        .list
        .marks
        .keys()
        .next()
        .expect("a mark")
        .clone();
    story.press("k");
    assert_eq!(story.model.selected().expect("there").name(), "two");
    let bob = story.someone_else("bob@gw2");
    for at in 0..30 {
        story
            .wait(bob.create(None, crate::story::draft(&format!("new {at}"))))
            .expect("created");
    }
    story.refresh();
    assert_eq!(story.model.selected().expect("there").name(), "two");
    story.shows("▸*two");
    let two = story.model.selected().expect("there").clone();
    story
        .wait(bob.revoke(&[KeyVersion::of(&two)], RevokeReason::Other))
        .expect("revoked");
    story.refresh();
    assert_eq!(story.model.selected().expect("a neighbour").name(), "one");
    assert!(
        !story.model.list.marks.contains_key(&marked),
        "a mark on a revoked key is gone"
    );
    story.shows("revoked by someone else");
}

#[test]
fn what_both_changed_is_shown_side_by_side_and_marked_at_every_size() {
    for (width, height) in [(80, 24), (40, 12), (140, 30)] {
        let mut story = Story::at(width, height);
        let key = story.given("acme", |_| ());
        story.press("e by me<tab><tab>10.0.0.7<enter>1");
        let bob = story.someone_else("bob@gw2");
        let mut theirs = key.draft.clone();
        theirs.name = "acme by bob".parse().expect("a name");
        theirs.conditions.grants.set(
            "documents".parse().expect("a slug"),
            claviger::domain::access::Actions::READ,
        );
        story
            .wait(bob.edit(&KeyVersion::of(&key), &theirs))
            .expect("bob was first");
        story.press("<enter>");
        insta::assert_snapshot!(format!("meanwhile_{width}x{height}"), story.snapshot());
        story.press("<enter>");
        let merged = story.model.selected().expect("there").draft.clone();
        assert_eq!(merged.name.as_str(), "acme by me");
        assert_eq!(merged.conditions.allow.to_string(), "10.0.0.7");
        assert_eq!(
            merged.conditions.grants.iter().count(),
            2,
            "theirs and mine"
        );
    }
}

#[test]
fn the_answer_to_an_older_read_is_dropped_whatever_was_read() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    let ask = |story: &mut Story, read: Read| match story.model.tickets.ask(read) {
        Effect::Read(ticket, _) => ticket,
        other => panic!("{other:?}"),
    };
    let why = || "an old answer".to_owned();
    // Each is asked for twice, and the first answer comes last.
    for (keys, read, answer) in [
        ("", Read::Damage, Answer::Damage(Err(why()))),
        ("H", Read::Hygiene(AgentScope::Everything), {
            Answer::Hygiene(Err(why()))
        }),
        ("<esc>m", Read::Members, { Answer::Members(Err(why())) }),
    ] {
        story.press(keys);
        let old = ask(&mut story, read.clone());
        let new = ask(&mut story, read);
        story.happen(Message::Answered(old, answer));
        story.hides("an old answer");
        assert!(story.model.tickets.take_back(new), "it is still awaited");
        assert!(!story.model.tickets.take_back(new), "and only once");
    }
    story.press("<esc>a");
    let cursor = EventCursor::Before(i64::MAX);
    let events = |actor: &str| {
        let filter = EventFilter {
            actor: actor.to_owned(),
            ..EventFilter::default()
        };
        Read::Events(filter, cursor)
    };
    let old = ask(&mut story, events("a"));
    let _ = ask(&mut story, events("b"));
    let audit = story.model.top_mut::<AuditDialog>().expect("the log");
    audit.awaited = Some(cursor);
    story.happen(Message::Answered(old, Answer::Events(Ok(Vec::new()))));
    let audit = story.model.top::<AuditDialog>().expect("the log");
    assert_eq!((audit.awaited, audit.events.len()), (Some(cursor), 1));
}
