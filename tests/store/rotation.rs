//! Rotation: the new token is valid at once, the old one for exactly as long as requested.
use std::sync::{Arc, Mutex};

use claviger::{
    domain::{
        audit::Change,
        decision::{Decision, Detail, Reason},
        key::{Key, LastUse, RevokeReason},
        moment::{DAY, HOUR, Moment},
        policy::{Policy, PolicyError},
        usage::{KeyUse, PreviousTokenUse},
    },
    keyring::{Created, Keyring, KeyringError, StoreError},
    machine::Machine,
};
use secrecy::ExposeSecret as _;

use crate::{
    decisions::decide,
    support::{NOW, World, draft, granting, make, now, on_both, read, seen, store_error},
};

async fn reason(keyring: &Keyring, token: &str) -> Option<Reason> {
    match decide(keyring, token, None).await.expect("decided") {
        Decision::Allow { .. } => None,
        Decision::Deny { reason, .. } => Some(reason),
    }
}

fn text(token: &claviger::domain::token::Token) -> String {
    token.expose().expose_secret().to_owned()
}

/// A machine whose clock is set by the test.
fn clock() -> (Machine, Arc<Mutex<i64>>) {
    let time = Arc::new(Mutex::new(NOW));
    let told = time.clone();
    let tell = move || Moment::from_millis(*told.lock().expect("the time"));
    (Machine::with_clock(tell, "alice@gw1"), time)
}

#[test]
fn the_old_token_is_good_until_its_overlap_ends_and_expired_after() {
    on_both(&async |world: &World| {
        let (machine, time) = clock();
        let keyring = world.keyring_on(machine).await;
        let created = make(&keyring, "key").await;
        let old = text(&created.token);
        let at = seen(&keyring, &created.key).await;
        let rotated = keyring.rotate(&at, 24 * HOUR).await.expect("rotated");
        let new = text(&rotated.token);
        assert_ne!(old, new);
        assert_eq!(rotated.token.key_id(), &created.key.id);
        assert_eq!(rotated.until, Some(Moment::from_millis(NOW + 24 * HOUR)));
        let shown = keyring.token(&created.key.id, Change::Copied).await;
        assert_eq!(text(&shown.expect("opened").token), new);

        for (later, expected) in [
            (0, None),
            (24 * HOUR - 1, None),
            (24 * HOUR, Some(Reason::Expired)),
        ] {
            *time.lock().expect("the time") = NOW + later;
            assert_eq!(reason(&keyring, &old).await, expected, "{later}");
            assert_eq!(reason(&keyring, &new).await, None);
        }
        // The old token still identifies its key.
        let decided = decide(&keyring, &old, None).await.expect("decided");
        let expected = Decision::Deny {
            reason: Reason::Expired,
            detail: Some(Detail::OverlapEnded),
            key_id: Some(created.key.id.clone()),
        };
        assert_eq!(decided, expected);
        assert!(keyring.verify(&[]).await.is_ok());

        // Both tokens are refused as revoked once their key is.
        let at = seen(&keyring, &created.key).await;
        keyring
            .revoke(&[at], RevokeReason::Superseded)
            .await
            .expect("gone");
        assert_eq!(reason(&keyring, &old).await, Some(Reason::Revoked));
        assert_eq!(reason(&keyring, &new).await, Some(Reason::Revoked));
    });
}

#[test]
fn an_overlap_never_outlives_the_key_and_ends_with_zero_or_by_hand() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let mut ending = granting(draft("key"), "contacts=read");
        ending.conditions.expires_at = Some(Moment::from_millis(NOW + HOUR));
        let created = keyring.create(None, ending).await.expect("made");
        let first = text(&created.token);
        let rotate = async |overlap| {
            let at = seen(&keyring, &created.key).await;
            keyring.rotate(&at, overlap).await.expect("rotated")
        };
        let second = rotate(DAY).await;
        assert_eq!(second.until, Some(Moment::from_millis(NOW + HOUR)));
        let third = rotate(DAY).await;
        for token in [&first, &text(&second.token), &text(&third.token)] {
            assert_eq!(reason(&keyring, token).await, None);
        }
        let key = read(&keyring, &created.key).await;
        assert_eq!(key.previous_until, Some(Moment::from_millis(NOW + HOUR)));

        let at = seen(&keyring, &created.key).await;
        keyring.finish_rotation(&at).await.expect("finished");
        assert_eq!(reason(&keyring, &first).await, Some(Reason::Expired));
        assert_eq!(
            reason(&keyring, &text(&second.token)).await,
            Some(Reason::Expired)
        );
        assert_eq!(reason(&keyring, &text(&third.token)).await, None);
        assert_eq!(read(&keyring, &created.key).await.previous_until, None);
        let at = seen(&keyring, &created.key).await;
        let nothing = keyring.finish_rotation(&at).await.expect_err("nothing");
        assert!(matches!(nothing, KeyringError::NothingToFinish(_)));

        // Without an overlap every older token ends at once.
        let fourth = rotate(DAY).await;
        let fifth = rotate(0).await;
        assert_eq!(fifth.until, None);
        for token in [&third.token, &fourth.token] {
            assert_eq!(reason(&keyring, &text(token)).await, Some(Reason::Expired));
        }
        assert_eq!(reason(&keyring, &text(&fifth.token)).await, None);
        let stale = keyring.rotate(&at, 0).await;
        assert!(matches!(store_error(stale), StoreError::Conflict { .. }));
    });
}

#[test]
fn the_oldest_of_many_is_unknown_and_no_secret_stays() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "key").await;
        let mut tokens = vec![text(&created.token)];
        let mut rotate = async |overlap| {
            let at = seen(&keyring, &created.key).await;
            let rotated = keyring.rotate(&at, overlap).await?;
            tokens.push(text(&rotated.token));
            Ok::<_, KeyringError>(())
        };
        for _ in 0..10 {
            rotate(DAY).await.expect("rotated");
        }
        // A token that was reported as valid is never pushed out.
        let refused = rotate(DAY).await.expect_err("too many");
        assert!(matches!(
            refused,
            KeyringError::TooManyGood { good: 10, .. }
        ));
        rotate(0).await.expect("ends them all");
        rotate(DAY).await.expect("rotated");
        let mut reasons = Vec::new();
        for token in &tokens {
            reasons.push(reason(&keyring, token).await);
        }
        let count = |of: Option<Reason>| reasons.iter().filter(|one| **one == of).count();
        assert_eq!(count(None), 2, "the newest and the one before");
        assert_eq!(count(Some(Reason::Expired)), 9);
        assert_eq!(count(Some(Reason::UnknownToken)), 2);
        assert_eq!(world.number("SELECT count(*) FROM tokens").await, 1);
        assert_eq!(reason(&keyring, tokens.last().expect("one")).await, None);
    });
}

#[test]
fn the_use_of_the_old_token_is_counted_by_itself() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let Created { key, token, .. } = make(&keyring, "key").await;
        let at = seen(&keyring, &key).await;
        keyring.rotate(&at, DAY).await.expect("rotated");
        let last = |minutes: i64| LastUse {
            at: Moment::from_millis(NOW + minutes * 60_000),
            from: Some([10, 0, 0, 9].into()),
        };
        for (count, minutes) in [(3, 5), (2, 1)] {
            let usage = KeyUse {
                previous_tokens: vec![PreviousTokenUse {
                    digest: token.digest(),
                    count,
                    last: last(minutes),
                }],
                ..KeyUse::last(key.id.clone(), Some(last(minutes)))
            };
            keyring.record_usage(&[usage], &[]).await.expect("recorded");
        }
        let activity = keyring.activity(&key.id).await.expect("read");
        let [previous] = activity.previous_tokens.as_slice() else {
            panic!("one: {activity:?}")
        };
        assert_eq!((previous.uses, previous.last_use), (5, Some(last(5))));
        assert_eq!((previous.rotated_at, previous.is_ended()), (now(), false));
        let key: Key = read(&keyring, &key).await;
        assert_eq!(
            previous.sentence(&key, now()),
            "good until 2026-11-24 12:00 UTC; 5 uses since 2026-11-23 12:00, last 2026-11-23 12:05 UTC from 10.0.0.9"
        );
        for column in ["rotated_at", "valid_until", "last_used_at"] {
            world
                .plant(&format!("UPDATE former_tokens SET {column} = -1"))
                .await;
            let corrupt = StoreError::Corrupt {
                table: "former_tokens",
                column,
                id: key.id.to_string(),
            };
            let read = keyring.activity(&key.id).await;
            assert_eq!(store_error(read), corrupt);
            world
                .plant(&format!("UPDATE former_tokens SET {column} = {NOW}"))
                .await;
        }
    });
}

#[test]
fn the_policy_is_asked_when_an_end_is_decided_and_never_otherwise() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let endless = make(&keyring, "endless").await.key;
        let policy = Policy {
            longest_life: Some(90),
            must_expire: true,
            approve_widening: false,
        };
        keyring.set_policy(policy).await.expect("set");
        keyring.set_policy(policy).await.expect("no change");
        assert_eq!(keyring.epoch().await.expect("an epoch"), 2);
        assert_eq!(keyring.policy().await, Ok(policy));

        let refused = keyring
            .create(None, draft("new"))
            .await
            .expect_err("endless");
        assert!(
            matches!(refused, KeyringError::Policy(PolicyError::MustExpire(_))),
            "{refused}"
        );
        let mut fits = draft("new");
        fits.conditions.expires_at = Some(Moment::from_millis(NOW + 90 * DAY));
        keyring.create(None, fits.clone()).await.expect("made");
        // The policy does not apply to a key whose expiry does not change.
        let at = seen(&keyring, &endless).await;
        keyring.edit(&at, &draft("renamed")).await.expect("edited");
        fits.conditions.expires_at = Some(Moment::from_millis(NOW + 92 * DAY));
        let at = seen(&keyring, &endless).await;
        let refused = keyring.edit(&at, &fits).await.expect_err("too long");
        assert!(
            matches!(refused, KeyringError::Policy(PolicyError::TooLong { .. })),
            "{refused}"
        );
        keyring.set_policy(Policy::default()).await.expect("set");
        keyring.edit(&at, &fits).await.expect("edited");
        assert!(keyring.verify(&[]).await.is_ok());
    });
}
