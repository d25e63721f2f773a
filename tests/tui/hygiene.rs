//! Hygiene: findings are marked, reviewed once, and applied together.
use claviger::{
    domain::{
        access::{Action, Actions},
        audit::Change,
        key::{Draft, Key, KeyVersion},
    },
    keyring::{CheckRequest, Keyring},
};

use crate::story::{Story, draft};

async fn make(keyring: &Keyring, name: &str, change: impl FnOnce(&mut Draft)) -> Key {
    let mut draft = draft(name);
    draft
        .conditions
        .grants
        .set("contacts".parse().expect("a slug"), Actions::ALL);
    change(&mut draft);
    keyring.create(None, draft).await.expect("made").key
}

async fn read(keyring: &Keyring, key: &Key, from: &str) {
    let opened = keyring
        .token(&key.id, Change::Copied)
        .await
        .expect("opened");
    let presented = CheckRequest {
        token: opened.token.expose(),
        area: "contacts".parse().expect("a slug"),
        action: Action::Read,
        address: Some(from.parse().expect("an address")),
        agent: None,
    };
    let decided = keyring.decide(&presented).await.expect("decided");
    keyring.record(&decided).await.expect("recorded");
}

/// Three keys that are 100 days old: one reads from one address, one is idle, one was never used.
fn furnished(width: u16, height: u16) -> Story {
    let story = Story::at(width, height);
    let then = story.days_ago(100);
    let (busy, idle) = story.wait(async {
        let busy = make(&then, "Busy", |_| ()).await;
        let idle = make(&then, "Idle", |_| ()).await;
        make(&then, "Nobody's", |_| ()).await;
        read(&then, &idle, "10.0.0.1").await;
        (busy, idle)
    });
    let lately = story.days_ago(1);
    story.wait(read(&lately, &busy, "10.0.0.9"));
    assert_ne!(busy.id, idle.id);
    story
}

#[test]
fn what_is_found_is_marked_looked_at_once_and_applied_together() {
    let mut story = furnished(80, 24);
    story.refresh();
    story.press("H");
    insta::assert_snapshot!("hygiene_80x24", story.snapshot());
    let screen = story.screen();
    for words in [
        "Watching since 2026-08-15, 100 days.",
        "never used",
        "idle 100 days",
        "never expires",
        "open to any address",
        "never exercised",
        "drop Contacts create",
    ] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    // The newest key comes first: the unused and the idle key are to be revoked, the busy one
    // narrowed.
    story.press("<space><space><space><space><space><enter>");
    let screen = story.screen();
    assert!(screen.contains("Apply 3 changes in PROD?"), "{screen}");
    assert!(
        screen.contains("Type 3 to apply"),
        "a key is revoked: {screen}"
    );
    insta::assert_snapshot!("hygiene_review_80x24", story.snapshot());
    story.press("2<enter>");
    story.shows("2 is not 3");
    story.press("<backspace>3<enter>");
    let screen = story.screen();
    assert!(screen.contains("Nothing to put right."), "{screen}");
    let done = "1 API key edited, 2 API keys revoked.";
    assert!(screen.contains(done), "{screen}");
    story.press("<esc>");
    story.hides("someone else");
    story.shows("1 key");
    let key = story.wait(story.keyring.resolve("Busy")).expect("the key");
    assert_eq!(key.draft.conditions.allow.to_string(), "10.0.0.9");
    let contacts = "contacts".parse().expect("a slug");
    assert_eq!(key.draft.conditions.grants.of(&contacts), Actions::READ);
    assert_eq!(
        key.draft
            .conditions
            .expires_at
            .map(claviger::domain::moment::Moment::date),
        Some("2027-02-21".into())
    );
    // Each of them is an ordinary audited change.
    let audit = story.audit();
    let count = |word: &str| audit.iter().filter(|known| **known == word).count();
    assert_eq!((count("key.revoked"), count("key.edited")), (2, 1));
}

#[test]
fn one_edit_starts_on_cancel_and_a_key_that_was_changed_meanwhile_is_left_alone() {
    let mut story = furnished(80, 24);
    story.press("H<down><down><space><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Apply 1 change in PROD?") && screen.contains("▸ Cancel"),
        "{screen}"
    );
    let bob = story.someone_else("bob@gw2");
    let key = story.wait(bob.resolve("Busy")).expect("the key");
    story
        .wait(bob.switch(&[KeyVersion::of(&key)], true))
        .expect("off");
    story.press("<tab><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Busy was changed meanwhile by bob@gw2"),
        "{screen}"
    );
    assert_eq!(story.audit().last(), Some(&"key.disabled"));
}

#[test]
fn nothing_is_proposed_before_thirty_days() {
    for (width, height) in [(80, 24), (40, 12), (140, 30)] {
        let mut story = Story::at(width, height);
        let then = story.days_ago(10);
        story.wait(async {
            let key = make(&then, "Young", |_| ()).await;
            read(&then, &key, "10.0.0.1").await;
        });
        story.refresh();
        story.press("H");
        let screen = story.screen();
        assert!(
            screen.contains("nothing is proposed before 30") || width < 60,
            "{screen}"
        );
        assert!(screen.contains("watched 10 of 30"), "{screen}");
        story.press("<space><enter>");
        story.hides("Apply");
        insta::assert_snapshot!(format!("hygiene_young_{width}x{height}"), story.snapshot());
    }
}
