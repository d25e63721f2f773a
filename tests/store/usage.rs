//! Recorded uses and refusals: counted completely, bounded, folded, and read back unchanged.
use std::net::Ipv4Addr;

use claviger::{
    domain::{
        access::Action,
        agent::AgentScope,
        attention::Attention,
        decision::{DecisionIds, Detail, Reason, Target},
        explain::ExplainSubject,
        forwarded::{ClientAddress, Hop},
        hygiene::{HygieneFinding, WATCHED_DAYS},
        key::{Key, LastUse},
        listing::ListVersion,
        location::DatabaseLocation,
        moment::{DAY, HOUR, Moment},
        route::{AreaSelector, Method},
        token::KeyId,
        usage::{
            COUNTED, KEPT_OF_SOURCE, KEPT_REFUSALS, KEPT_SOURCES, KEPT_UNMATCHED, KeyUse,
            REMEMBERED, Refusal, RequestedAccess, RequestedTarget, Source, Tally, UsageKind,
            UsageRow, Verdict,
        },
    },
    keyring::{Decider, Keyring, KeyringError},
    machine::Machine,
};

use crate::support::{NOW, World, draft, granting, limited, make, now, on_both, read, seen};

fn contacts() -> Target {
    Target::Routed("contacts".parse().expect("a slug"), Action::Read)
}

fn from(n: u32) -> ClientAddress {
    ClientAddress::Known(Ipv4Addr::from(n).into())
}

fn tally(at: i64, from: ClientAddress, verdict: Verdict, count: i64) -> Tally {
    Tally {
        began_at: Moment::from_millis(at - at.rem_euclid(HOUR)),
        span: HOUR,
        kind: UsageKind::of(&contacts(), from, verdict),
        count,
    }
}

fn tallied(key: &Key, tallies: Vec<Tally>) -> KeyUse {
    KeyUse {
        tallies,
        ..KeyUse::last(key.id.clone(), None)
    }
}

/// Opens a decider whose clock is fixed at `at`.
pub async fn decider(world: &World, at: i64) -> Decider {
    let machine = Machine::fixed(Moment::from_millis(at), "root@gw1");
    let decider = Decider::open(&world.location, machine).await;
    decider.expect("opened")
}

/// Folds and deletes all records that are due at `at`.
async fn tidy(world: &World, at: i64) {
    let decider = decider(world, at).await;
    while decider.tidy_usage().await.expect("tidy") {}
    decider.close().await;
}

fn ids(name: &str) -> DecisionIds {
    let machine = Machine::fixed(now(), name);
    DecisionIds::draw(&mut |buffer| machine.fill(buffer))
}

fn refusal(ids: &DecisionIds, key: Option<&KeyId>, n: u32, at: i64) -> Refusal {
    Refusal {
        id: ids.next(),
        at: Moment::from_millis(at),
        reason: if key.is_some() {
            Reason::ActionNotPermitted
        } else {
            Reason::UnknownToken
        },
        detail: None,
        passes_at: None,
        key: key.cloned(),
        named: None,
        token: None,
        address: from(n),
        hop: Hop::Forwarded { place: 1, of: 2 },
        unreadable: None,
        agent: None,
        wanted: RequestedAccess::named("contacts".parse().expect("a slug"), Action::Read),
        target: contacts(),
    }
}

async fn tallies(keyring: &Keyring, key: &Key) -> Vec<Tally> {
    let all = keyring.tallies(&key.id, Moment::from_millis(0)).await;
    all.expect("read")
}

#[test]
fn counts_of_one_hour_add_up_and_further_sources_are_one() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let (one, two) = (
            make(&keyring, "one").await.key,
            make(&keyring, "two").await.key,
        );
        for _ in 0..3 {
            let uses = [
                tallied(&one, vec![tally(NOW, from(1), Verdict::Allowed, 2)]),
                tallied(&two, vec![tally(NOW, from(1), Verdict::Allowed, 5)]),
            ];
            keyring.record_usage(&uses, &[]).await.expect("recorded");
        }
        let counts = tallies(&keyring, &one).await;
        assert_eq!(counts, [tally(NOW, from(1), Verdict::Allowed, 6)]);

        // Refused requests from 600 addresses, in ten batches of sixty.
        let refused = Verdict::Refused(Reason::AddressNotAllowed);
        for batch in 0..10 {
            let crowd = (0..60).map(|n| tally(NOW, from(batch * 1000 + n), refused, 1));
            keyring
                .record_usage(&[tallied(&one, crowd.collect())], &[])
                .await
                .expect("recorded");
        }
        let again = tally(NOW, from(1), Verdict::Allowed, 1);
        keyring
            .record_usage(&[tallied(&one, vec![again])], &[])
            .await
            .expect("recorded");
        let counts = tallies(&keyring, &one).await;
        assert_eq!(counts.iter().map(|tally| tally.count).sum::<i64>(), 607);
        let apart = counts.iter().filter(|tally| tally.kind.verdict == refused);
        assert_eq!(apart.count(), KEPT_SOURCES + 1);
        let rest = counts
            .iter()
            .find(|tally| tally.kind.source == Source::Rest);
        assert_eq!(rest.expect("the rest").count, 600 - 32);
    });
}

#[test]
fn older_counts_are_folded_into_days_and_months_and_nothing_is_lost() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        let mut all = Vec::new();
        for hours in 0..(150 * 24) {
            let source = from(u32::try_from(hours % 50).expect("small"));
            all.push(tally(NOW - hours * HOUR, source, Verdict::Allowed, 1));
        }
        for batch in all.chunks(500) {
            let uses = [tallied(&key, batch.to_vec())];
            keyring.record_usage(&uses, &[]).await.expect("recorded");
        }
        for days in 0..3 {
            tidy(world, NOW + days * DAY).await;
        }
        let counts = tallies(&keyring, &key).await;
        assert_eq!(
            counts.iter().map(|tally| tally.count).sum::<i64>(),
            150 * 24
        );
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for tally in &counts {
            let age = NOW + 2 * DAY - tally.began_at.millis();
            // A span is folded once all of it is old enough, so the bounds are one span wide.
            let allowed: &[i64] = match age {
                age if age <= 8 * DAY => &[HOUR],
                age if age <= 9 * DAY => &[HOUR, DAY],
                age if age <= 100 * DAY => &[DAY],
                age if age <= 131 * DAY => &[DAY, 30 * DAY],
                _ => &[30 * DAY],
            };
            assert!(allowed.contains(&tally.span), "{age}: {}", tally.span);
            spans.push((tally.began_at.millis(), tally.span));
        }
        assert!(spans.iter().any(|(_, span)| *span == DAY));
        assert!(spans.iter().any(|(_, span)| *span == 30 * DAY));
        let mut places: Vec<(i64, i64)> = spans.clone();
        places.dedup();
        for pair in places.windows(2) {
            assert!(
                pair[0].0 + pair[0].1 <= pair[1].0,
                "spans overlap: {pair:?}"
            );
        }
        for place in places {
            let sources = counts
                .iter()
                .filter(|tally| (tally.began_at.millis(), tally.span) == place);
            assert!(sources.count() <= KEPT_SOURCES + 1);
        }
        // After more than a year the counts are deleted.
        tidy(world, NOW + COUNTED + DAY).await;
        assert_eq!(tallies(&keyring, &key).await, []);
    });
}

#[test]
fn what_is_old_is_folded_bit_by_bit_and_every_key_comes_to_its_turn() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let decider = decider(world, NOW).await;
        let mut keys = Vec::new();
        for n in 0..150 {
            keys.push(make(&keyring, &format!("key {n}")).await.key);
        }
        let old = [9, 33].map(|hours| {
            let at = NOW - 10 * DAY - hours * HOUR;
            tally(at, from(1), Verdict::Allowed, 2)
        });
        let uses: Vec<KeyUse> = keys.iter().map(|key| tallied(key, old.to_vec())).collect();
        keyring.record_usage(&uses, &[]).await.expect("recorded");
        let left = async || {
            let hours = format!("SELECT count(*) FROM uses WHERE span = {HOUR}");
            world.number(&hours).await
        };
        assert_eq!(left().await, 300);
        let mut bits = Vec::new();
        while decider.tidy_usage().await.expect("tidy") {
            bits.push(left().await);
        }
        assert!(bits.len() > 2 && bits[0] > 0, "{bits:?}");
        assert_eq!(left().await, 0);
        assert_eq!(world.number("SELECT count(*) FROM uses").await, 300);
        for key in &keys {
            let counts = tallies(&keyring, key).await;
            assert!(
                counts
                    .iter()
                    .all(|tally| (tally.span, tally.count) == (DAY, 2))
            );
            assert_eq!(counts.len(), 2, "each is in its day");
        }
    });
}

#[test]
fn a_refusal_is_read_back_as_it_was_and_the_newest_fifty_are_kept() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "key").await;
        let other = make(&keyring, "other").await.key;
        let (key, digest) = (created.key, created.token.digest());
        let ids = ids("one");
        let targets = [
            RequestedTarget::Routed(AreaSelector::Path, Method::Delete),
            RequestedTarget::Routed(
                AreaSelector::Area("documents".parse().expect("a slug")),
                Method::Get,
            ),
            RequestedTarget::Named("contacts".parse().expect("a slug"), Action::Update),
            RequestedTarget::Unroutable(Detail::AmbiguousPath),
        ];
        let addresses = [from(9), ClientAddress::Unknown, ClientAddress::Unreadable];
        let hops = [
            Hop::Connection,
            Hop::Given,
            Hop::Nowhere,
            Hop::Forwarded { place: 2, of: 3 },
        ];
        let mut all = Vec::new();
        for (n, reason) in (0..).zip(Reason::ALL) {
            let requested = targets[n % targets.len()].clone();
            let (method, target) = match &requested.clone() {
                RequestedTarget::Routed(_, method) => (method.word().to_owned(), contacts()),
                RequestedTarget::Named(area, action) if reason != Reason::NoRoute => {
                    (String::new(), Target::Routed(area.clone(), *action))
                }
                RequestedTarget::Named(..) => (String::new(), Target::NoRoute(Detail::UnknownArea)),
                RequestedTarget::Unroutable(detail) => {
                    ("BREW".to_owned(), Target::NoRoute(*detail))
                }
            };
            let unmatched = reason <= Reason::UnknownToken;
            all.push(Refusal {
                id: ids.next(),
                at: Moment::from_millis(NOW + i64::try_from(n).expect("small")),
                reason,
                detail: Detail::ALL
                    .into_iter()
                    .find(|detail| detail.reason() == reason),
                passes_at: (reason == Reason::RateLimited).then(|| Moment::from_millis(NOW + 7)),
                key: (!unmatched).then(|| key.id.clone()),
                named: (reason == Reason::UnknownToken).then(|| other.id.clone()),
                token: (!unmatched).then_some(digest),
                address: addresses[n % addresses.len()],
                hop: hops[n % hops.len()],
                unreadable: (n % addresses.len() == 2).then(|| "1.2.3.4:x".to_owned()),
                agent: (reason == Reason::WrongAgent).then(|| "crm".parse().expect("an agent")),
                wanted: RequestedAccess {
                    requested,
                    method,
                    path: "/contacts/7".to_owned(),
                },
                target,
            });
        }
        keyring.record_usage(&[], &all).await.expect("recorded");
        for refusal in &all {
            let read = keyring.question_about(refusal.id.as_str()).await;
            let kept = ExplainSubject::Refusal(Box::new(refusal.clone()));
            assert_eq!(read.expect("read"), kept);
        }
        let unknown = keyring.question_about(ids.next().as_str()).await;
        assert!(matches!(unknown, Err(KeyringError::NoSuchDecision(_))));
        // A refused credential that had the id of a key, but another secret.
        let about_other = keyring.question_about(other.id.as_str()).await;
        let explained = keyring.explain(about_other.expect("a question")).await;
        let misnamed = explained.expect("explained").refusals;
        let reasons = misnamed.iter().map(|refusal| refusal.reason);
        assert_eq!(reasons.collect::<Vec<_>>(), [Reason::UnknownToken]);

        for n in 0..3 {
            let many = (0..60).map(|m| refusal(&ids, Some(&key.id), m, NOW + 100 + i64::from(n)));
            let many: Vec<Refusal> = many.collect();
            keyring.record_usage(&[], &many).await.expect("recorded");
        }
        let kept = keyring.refusals(Some(&key.id)).await.expect("read");
        assert_eq!(kept.len(), KEPT_REFUSALS);
        assert!(kept.iter().all(|one| one.at.millis() == NOW + 102));
        // They push out no refusals of other keys.
        assert_eq!(keyring.refusals(None).await.expect("read").len(), 3);
        // An open list notices all of them, though no change was made and most refusals were
        // deleted.
        let list_version = keyring.list_version().await.expect("an edition");
        assert_eq!(
            list_version,
            ListVersion {
                epoch: 2,
                refusals: i64::try_from(all.len()).expect("few") + 180,
                batches: 4,
            }
        );
    });
}

#[test]
fn refusals_that_match_no_key_are_bounded_by_source_and_in_all() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let ids = ids("two");
        for round in 0..12 {
            let mut many: Vec<Refusal> = (0..100)
                .map(|n| refusal(&ids, None, round * 100 + n, NOW))
                .collect();
            many.extend((0..30).map(|_| refusal(&ids, None, 7, NOW + 1)));
            keyring.record_usage(&[], &many).await.expect("recorded");
        }
        let kept = keyring.refusals(None).await.expect("read");
        assert!(kept.len() <= KEPT_UNMATCHED);
        let of_one = kept.iter().filter(|one| one.address == from(7));
        assert_eq!(of_one.count(), KEPT_OF_SOURCE);
        assert!(kept.len() > 400, "the others are heard too");
    });
}

#[test]
fn refusals_are_forgotten_when_they_are_too_old_and_no_other_is() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let ids = ids("three");
        for n in 0..26 {
            let key = make(&keyring, &format!("key {n}")).await.key.id;
            let many: Vec<Refusal> = (0..50)
                .map(|place| {
                    // The newest ten are just young enough.
                    let at = NOW - REMEMBERED + i64::from(place) - 40;
                    refusal(&ids, Some(&key), 1, at)
                })
                .collect();
            keyring.record_usage(&[], &many).await.expect("recorded");
        }
        let left = async || world.number("SELECT count(*) FROM refusals").await;
        assert_eq!(left().await, 26 * 50);
        let decider = decider(world, NOW).await;
        assert!(decider.tidy_usage().await.expect("tidy"));
        assert!(left().await > 26 * 10, "a part at a time");
        tidy(world, NOW).await;
        assert_eq!(left().await, 26 * 10);
    });
}

#[test]
fn refusals_call_for_attention_until_the_rules_change_or_two_days_are_quiet() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        let refused = |count: i64, at: i64| KeyUse {
            refused: Some((count, Moment::from_millis(at))),
            ..KeyUse::last(key.id.clone(), None)
        };
        let attention =
            async |at: i64| Attention::of(&read(&keyring, &key).await, Moment::from_millis(at));
        for _ in 0..2 {
            let uses = [refused(2, NOW)];
            keyring.record_usage(&uses, &[]).await.expect("recorded");
        }
        assert_eq!(attention(NOW).await, Some(Attention::Refused(4)));
        assert_eq!(attention(NOW + 2 * DAY).await, None);
        // After two days without refusals the count starts again.
        let uses = [refused(1, NOW + 3 * DAY)];
        keyring.record_usage(&uses, &[]).await.expect("recorded");
        assert_eq!(attention(NOW + 3 * DAY).await, Some(Attention::Refused(1)));
        // A refusal that arrives late and is older does not change the time of the newest one.
        let uses = [refused(1, NOW + 2 * DAY)];
        keyring.record_usage(&uses, &[]).await.expect("recorded");
        assert_eq!(attention(NOW + 3 * DAY).await, Some(Attention::Refused(2)));

        // A new name cannot let a refused request pass; new addresses can.
        let mut changed = read(&keyring, &key).await.draft;
        changed.name = "renamed".parse().expect("a name");
        let at = seen(&keyring, &key).await;
        keyring.edit(&at, &changed).await.expect("edited");
        assert_eq!(attention(NOW + 3 * DAY).await, Some(Attention::Refused(2)));
        let at = seen(&keyring, &key).await;
        let mended = limited(changed, "10.0.0.0/24");
        keyring.edit(&at, &mended).await.expect("edited");
        assert_eq!(attention(NOW).await, None);
        let uses = [refused(1, NOW - 1)];
        keyring.record_usage(&uses, &[]).await.expect("recorded");
        assert_eq!(attention(NOW).await, None, "from before the change");
        assert_eq!(keyring.epoch().await.expect("an epoch"), 3);
    });
}

#[test]
fn a_grant_that_was_given_lately_does_not_count_as_unexercised() {
    on_both(&async |world: &World| {
        let at = |at: i64| Machine::fixed(Moment::from_millis(at), "alice@gw1");
        let past = NOW - 10 * DAY;
        tidy(world, past).await;
        let before = world.keyring_on(at(past)).await;
        let reads = |name| granting(draft(name), "contacts=read");
        let all = |name| granting(reads(name), "documents=read");
        let granted = before.create(None, reads("one")).await.expect("made").key;
        let renamed = before.create(None, all("two")).await.expect("made").key;

        let keyring = world.keyring().await;
        let seen_at = seen(&keyring, &granted).await;
        let edited = keyring.edit(&seen_at, &all("one")).await;
        edited.expect("edited");
        // A name that contains the text of a grants detail.
        let seen_at = seen(&keyring, &renamed).await;
        let edited = keyring.edit(&seen_at, &all("\"grants\":")).await;
        edited.expect("edited");
        let uses = [&granted, &renamed].map(|key| {
            let usage = LastUse {
                at: Moment::from_millis(NOW + 29 * DAY),
                from: None,
            };
            KeyUse {
                tallies: vec![tally(NOW, from(1), Verdict::Allowed, 1)],
                ..KeyUse::last(key.id.clone(), Some(usage))
            }
        });
        keyring.record_usage(&uses, &[]).await.expect("recorded");

        let unexercised = async |when: i64| {
            let keyring = world.keyring_on(at(when)).await;
            let report = keyring.inspect(&AgentScope::Everything, None).await;
            let rows = report.expect("a report").rows.into_iter();
            let rows = rows.filter(|row| matches!(row.finding, HygieneFinding::Unexercised(_)));
            rows.map(|row| row.key.name().to_owned())
                .collect::<Vec<_>>()
        };
        let month = NOW + WATCHED_DAYS * DAY;
        assert_eq!(unexercised(month - 1).await, ["\"grants\":"]);
        assert_eq!(unexercised(month).await, ["\"grants\":", "one"]);
    });
}

#[test]
fn a_store_of_the_version_before_is_brought_up_to_date_with_its_keys() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "key").await;
        let before = read(&keyring, &created.key).await;
        keyring.close().await;
        for older in [
            "DROP TABLE audit_stream",
            "DROP TABLE pending_changes",
            "ALTER TABLE workspace DROP COLUMN approve_widening_since",
            "ALTER TABLE keys DROP COLUMN pending_at",
            "DROP TABLE token_prefixes",
            "ALTER TABLE agents DROP COLUMN prefix",
            "DROP TABLE quota_uses",
            "DROP INDEX keys_by_owner",
            "DROP INDEX audit_events_of_members",
            "ALTER TABLE keys DROP COLUMN not_before",
            "ALTER TABLE keys DROP COLUMN denied",
            "ALTER TABLE keys DROP COLUMN rate_limit",
            "ALTER TABLE keys DROP COLUMN quota",
            "ALTER TABLE keys DROP COLUMN owner",
            "ALTER TABLE keys DROP COLUMN labels",
            "ALTER TABLE keys DROP COLUMN facets",
            "DROP TABLE uses",
            "DROP TABLE refusals",
            "DROP TABLE former_tokens",
            "ALTER TABLE keys DROP COLUMN refused_at",
            "ALTER TABLE keys DROP COLUMN refused_count",
            "ALTER TABLE keys DROP COLUMN rules_changed_at",
            "ALTER TABLE keys DROP COLUMN former_until",
            "ALTER TABLE workspace DROP COLUMN longest_life",
            "ALTER TABLE workspace DROP COLUMN must_expire_since",
            "DROP TABLE recording",
            "DROP TABLE member_keys",
            "DROP TABLE member_agents",
            "DROP TABLE members",
            "DROP INDEX audit_events_by_actor",
            "ALTER TABLE audit_events DROP COLUMN member",
            "ALTER TABLE audit_events DROP COLUMN fingerprint",
            "ALTER TABLE audit_events DROP COLUMN account",
            "ALTER TABLE audit_events DROP COLUMN agent",
            "ALTER TABLE audit_events DROP COLUMN program",
            "ALTER TABLE areas DROP COLUMN paths",
            "ALTER TABLE areas DROP COLUMN case_sensitive",
            "DELETE FROM _sqlx_migrations WHERE version >= 3",
        ] {
            world.plant(older).await;
        }
        if matches!(world.location, DatabaseLocation::File(_)) {
            world.plant("PRAGMA user_version = 2").await;
        }
        let keyring = world.keyring().await;
        assert_eq!(read(&keyring, &created.key).await, before);
        let usage = [tallied(
            &before,
            vec![tally(NOW, from(1), Verdict::Allowed, 2)],
        )];
        keyring.record_usage(&usage, &[]).await.expect("recorded");
        assert_eq!(tallies(&keyring, &before).await.len(), 1);
    });
}

#[test]
fn a_clock_that_was_set_back_loses_no_count_and_turns_no_newer_use_into_an_older_one() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let key = make(&keyring, "key").await.key;
        let last = |at: i64| LastUse {
            at: Moment::from_millis(at),
            from: None,
        };
        // First a clock that runs three hours fast, then the corrected clock.
        for at in [NOW + 3 * HOUR, NOW, NOW - 60_000] {
            let usage = KeyUse {
                tallies: vec![tally(at, from(1), Verdict::Allowed, 2)],
                refused: Some((1, Moment::from_millis(at))),
                ..KeyUse::last(key.id.clone(), Some(last(at)))
            };
            keyring.record_usage(&[usage], &[]).await.expect("recorded");
        }
        let read = read(&keyring, &key).await;
        assert_eq!(read.last_use, Some(last(NOW + 3 * HOUR)));
        // All three count, even the one dated before the key's creation: creation is no change of
        // the rules.
        assert_eq!(read.refused.map(|refused| refused.count), Some(3));
        let counts = tallies(&keyring, &key).await;
        assert_eq!(counts.iter().map(|tally| tally.count).sum::<i64>(), 6);
        // Folding with either clock loses nothing, and folds only spans that have ended.
        for now in [NOW, NOW + 3 * HOUR, NOW + 20 * DAY, NOW, NOW + 200 * DAY] {
            tidy(world, now).await;
        }
        let counts = tallies(&keyring, &key).await;
        assert_eq!(counts.iter().map(|tally| tally.count).sum::<i64>(), 6);
        let activity = keyring.activity(&key.id).await.expect("read");
        assert!(activity.hours.totals().0 >= 0);
    });
}

#[test]
fn a_single_use_is_counted_once_a_minute_and_any_other_at_once() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "key").await;
        let use_it = async |action: Action, from: [u8; 4]| {
            let presented = claviger::keyring::CheckRequest {
                token: created.token.expose(),
                area: "contacts".parse().expect("a slug"),
                action,
                address: Some(from.into()),
                agent: None,
            };
            let decided = keyring.decide(&presented).await.expect("decided");
            keyring.record(&decided).await.expect("recorded");
        };
        let counted = async || {
            let counts = tallies(&keyring, &created.key).await;
            counts.iter().map(|tally| tally.count).collect::<Vec<_>>()
        };
        for _ in 0..3 {
            use_it(Action::Read, [10, 0, 0, 1]).await;
        }
        assert_eq!(counted().await, [1]);
        use_it(Action::Read, [10, 0, 0, 2]).await;
        assert_eq!(counted().await, [1, 1]);
        // Every refusal is counted at once.
        for _ in 0..3 {
            use_it(Action::Delete, [10, 0, 0, 1]).await;
        }
        assert_eq!(counted().await.iter().sum::<i64>(), 5);
        let since = keyring.counted_since().await.expect("read");
        assert_eq!(since, Some(now()));
    });
}

#[test]
fn a_report_groups_by_what_is_asked_for_and_by_nothing_else() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let one = make(&keyring, "one").await.key;
        let two = make(&keyring, "two").await.key;
        let (today, yesterday) = (NOW, NOW - DAY);
        let denied = Verdict::Refused(Reason::ActionNotPermitted);
        for (key, tallies) in [
            (
                &one,
                vec![
                    tally(today, from(1), Verdict::Allowed, 5),
                    tally(today + HOUR, from(2), Verdict::Allowed, 2),
                    tally(yesterday, from(1), denied, 3),
                ],
            ),
            (&two, vec![tally(today, from(1), Verdict::Allowed, 7)]),
        ] {
            let usage = tallied(key, tallies);
            keyring.record_usage(&[usage], &[]).await.expect("recorded");
        }
        let report = async |key: Option<&KeyId>, by: &str, since: i64| {
            let grouping = by.parse().expect("dimensions");
            let since = Moment::from_millis(since);
            let scope = AgentScope::Everything;
            let rows = keyring.usage_report(key, &scope, since, grouping).await;
            let text = |row: UsageRow| {
                let words = grouping.dimensions().map(|dimension| row.text(dimension));
                let counts = [row.allowed.to_string(), row.refused.to_string()];
                words.chain(counts).collect::<Vec<_>>().join(" ")
            };
            rows.expect("a report")
                .into_iter()
                .map(text)
                .collect::<Vec<_>>()
        };
        let long_ago = NOW - 30 * DAY;
        let day = |at: i64| Moment::from_millis(at).date();
        assert_eq!(
            report(None, "day", long_ago).await,
            [
                format!("{} 0 3", day(yesterday)),
                format!("{} 14 0", day(today))
            ]
        );
        assert_eq!(
            report(None, "day", NOW).await,
            [format!("{} 14 0", day(today))]
        );
        assert_eq!(
            report(Some(&one.id), "address,verdict", long_ago).await,
            [
                "0.0.0.1 action_not_permitted 0 3",
                "0.0.0.1 allow 5 0",
                "0.0.0.2 allow 2 0"
            ]
        );
        assert_eq!(
            report(Some(&two.id), "area,action", long_ago).await,
            ["contacts read 7 0"]
        );
        let by_key = report(None, "key", long_ago).await;
        assert_eq!(by_key.len(), 2);
        assert!(by_key.contains(&format!("{} 7 3", one.id)), "{by_key:?}");
        assert_eq!(report(None, "day", NOW + 2 * DAY).await, [""; 0]);
        // What was folded into its day counts whole, also from the middle of that day on.
        let early = NOW - 10 * DAY - 11 * HOUR;
        let usage = tallied(&two, vec![tally(early, from(1), Verdict::Allowed, 4)]);
        keyring.record_usage(&[usage], &[]).await.expect("recorded");
        tidy(world, NOW).await;
        let folded = report(Some(&two.id), "day", NOW - 10 * DAY).await;
        assert_eq!(folded[0], format!("{} 4 0", day(early)));
    });
}
