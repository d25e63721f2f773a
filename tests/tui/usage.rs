//! The usage screen: the counts, in one grouping after the other.
use claviger::domain::{
    access::Action,
    decision::Reason,
    key::Key,
    moment::{DAY, HOUR, Moment},
    usage::{KeyUse, Source, Tally, UsageKind, Verdict},
};

use crate::story::{NOW, Story};

/// Counts so many requests of a key, some days ago, from an address.
fn used(story: &Story, key: &Key, (days, count): (i64, i64), from: [u8; 4], verdict: Verdict) {
    let tally = Tally {
        began_at: Moment::from_millis(NOW - days * DAY - HOUR),
        span: HOUR,
        kind: UsageKind {
            target: Some(("contacts".parse().expect("a slug"), Action::Read)),
            source: Source::Address(from.into()),
            verdict,
        },
        count,
    };
    let usage = KeyUse {
        tallies: vec![tally],
        ..KeyUse::last(key.id.clone(), None)
    };
    story
        .wait(story.keyring.record_usage(&[usage], &[]))
        .expect("recorded");
}

fn furnished(width: u16, height: u16) -> Story {
    let mut story = Story::at(width, height);
    let busy = story.given("Partner: Acme", |_| ());
    let quiet = story.given("Zoë 界 nightly", |_| ());
    let refused = Verdict::Refused(Reason::ActionNotPermitted);
    used(&story, &busy, (0, 123_456), [10, 0, 0, 9], Verdict::Allowed);
    used(&story, &busy, (3, 60_000), [10, 0, 0, 9], Verdict::Allowed);
    used(&story, &busy, (3, 12), [192, 0, 2, 7], refused);
    used(&story, &quiet, (20, 1), [10, 0, 0, 9], Verdict::Allowed);
    used(&story, &quiet, (60, 7), [10, 0, 0, 9], Verdict::Allowed);
    story
}

#[test]
fn usage_by_key_at_every_size() {
    for (width, height) in [(80, 24), (40, 12), (140, 30)] {
        let mut story = furnished(width, height);
        story.press("U<tab>");
        insta::assert_snapshot!(format!("usage_{width}x{height}"), story.snapshot());
    }
}

#[test]
fn usage_is_counted_in_every_grouping_over_more_days_and_of_one_key() {
    let mut story = furnished(80, 24);
    story.press("U");
    story.shows("Usage · PROD");
    story.shows("30 days, by day");
    story.shows("▸ 2026-11-23");
    story.shows("2026-11-03");
    story.hides("2026-09-24");
    story.press("s");
    story.shows("90 days, by day");
    story.shows("2026-09-24");
    story.press("s");
    story.shows("1 day, by day");
    story.hides("2026-11-20");
    story.press("ss<tab>");
    story.shows("30 days, by key");
    story.press("<tab>");
    story.shows("contacts");
    story.press("<tab><tab>");
    story.shows("192.0.2.7");
    story.press("<tab>");
    story.shows("action_not_permitted");
    story.press("<tab>");
    story.shows("by day");
    // One key of the grouping by keys, and back.
    story.press("<tab>j<enter>");
    story.shows("Usage · Zoë 界 nightly");
    story.hides("2026-11-23  ");
    story.press("<tab>");
    story.shows("by area");
    story.press("<esc>");
    story.shows("by key");
    story.press("<esc>");
    story.hides("Usage · ");
    // From the details it is that key's alone.
    story.press("<enter>U");
    story.shows("Usage · Partner: Acme");
    story.press("<esc>");
    story.shows("48 hours");
}

#[test]
fn where_nothing_was_counted_it_says_so() {
    let mut story = Story::at(40, 12);
    story.press("U");
    story.shows("No requests in this time");
    story.press("<enter>j<tab>");
    story.shows("by key");
}
