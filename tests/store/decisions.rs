//! How a presented token is classified, and the uses that decisions record.
use std::net::IpAddr;

use claviger::{
    domain::{
        access::Action,
        decision::{Decision, Reason},
        key::{Key, LastUse, RevokeReason},
        moment::{DAY, Moment},
        token::{KeyId, Token, TokenPrefix},
        usage::KeyUse,
    },
    keyring::{CheckRequest, Keyring, KeyringError},
    machine::Machine,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::support::{NOW, World, draft, granting, limited, make, now, on_both, read, seen};

/// Decides whether a token may read contacts from an address.
pub async fn decide(
    keyring: &Keyring,
    token: &str,
    address: Option<&str>,
) -> Result<Decision, KeyringError> {
    let token = SecretString::from(token);
    let presented = CheckRequest {
        token: &token,
        area: "contacts".parse().expect("a slug"),
        action: Action::Read,
        address: address.map(|address| address.parse().expect("an address")),
        agent: None,
    };
    keyring
        .decide(&presented)
        .await
        .map(|decided| decided.decision)
}

async fn reason(keyring: &Keyring, token: &str, address: Option<&str>) -> Option<Reason> {
    match decide(keyring, token, address).await.expect("decided") {
        Decision::Allow { .. } => None,
        Decision::Deny { reason, .. } => Some(reason),
    }
}

/// Makes a token with this key id that was never handed out.
fn forged(id: &KeyId) -> Token {
    let machine = Machine::fixed(now(), "mallory");
    let mut chance = |buffer: &mut [u8]| {
        machine.fill(buffer);
        buffer.reverse();
    };
    Token::mint(&TokenPrefix::default(), id, &mut chance)
}

#[test]
fn missing_malformed_unknown_and_revoked_are_told_apart() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "key").await;
        let token = created.token.expose().expose_secret().to_owned();
        let wrong_secret = forged(&created.key.id).expose().expose_secret().to_owned();
        let machine = Machine::fixed(now(), "mallory");
        let stranger = KeyId::draw(&mut |buffer: &mut [u8]| {
            machine.fill(buffer);
            buffer.rotate_left(7);
        });
        let nobody = forged(&stranger).expose().expose_secret().to_owned();
        let typo = token.replace("clv_", "clw_");

        assert_eq!(reason(&keyring, &token, None).await, None);
        assert_eq!(reason(&keyring, "", None).await, Some(Reason::MissingToken));
        assert_eq!(
            reason(&keyring, &typo, None).await,
            Some(Reason::MalformedToken)
        );
        assert_eq!(
            reason(&keyring, &nobody, None).await,
            Some(Reason::UnknownToken)
        );
        assert_eq!(
            reason(&keyring, &wrong_secret, None).await,
            Some(Reason::UnknownToken)
        );

        let at = seen(&keyring, &created.key).await;
        keyring
            .switch(std::slice::from_ref(&at), true)
            .await
            .expect("off");
        assert_eq!(reason(&keyring, &token, None).await, Some(Reason::Disabled));
        let at = seen(&keyring, &created.key).await;
        keyring
            .revoke(&[at], RevokeReason::Compromised)
            .await
            .expect("gone");
        let decision = decide(&keyring, &token, None).await.expect("decided");
        let expected = Decision::Deny {
            reason: Reason::Revoked,
            detail: None,
            key_id: Some(created.key.id),
        };
        assert_eq!(decision, expected);
        assert_eq!(
            reason(&keyring, &wrong_secret, None).await,
            Some(Reason::UnknownToken)
        );
    });
}

#[test]
fn the_very_next_request_meets_every_change() {
    on_both(&async |world: &World| {
        let here = world.keyring().await;
        let elsewhere = world.keyring().await;
        let created = here
            .create(
                None,
                limited(granting(draft("key"), "contacts=read"), "10.0.0.0/24"),
            )
            .await
            .expect("made");
        let token = created.token.expose().expose_secret();
        assert_eq!(reason(&elsewhere, token, Some("10.0.0.9")).await, None);
        assert_eq!(
            reason(&elsewhere, token, Some("::ffff:10.0.0.9")).await,
            None
        );
        assert_eq!(
            reason(&elsewhere, token, Some("10.0.1.9")).await,
            Some(Reason::AddressNotAllowed)
        );
        assert_eq!(
            reason(&elsewhere, token, None).await,
            Some(Reason::AddressNotAllowed)
        );
        let at = seen(&here, &created.key).await;
        let mut edited = granting(draft("key"), "documents=read");
        here.edit(&at, &edited).await.expect("edited");
        assert_eq!(
            reason(&elsewhere, token, None).await,
            Some(Reason::ActionNotPermitted)
        );
        edited = granting(edited, "contacts=read");
        edited.conditions.expires_at = Some(Moment::from_millis(NOW - 1));
        let at = seen(&here, &created.key).await;
        here.edit(&at, &edited).await.expect("edited");
        assert_eq!(reason(&elsewhere, token, None).await, Some(Reason::Expired));
    });
}

#[test]
fn an_unknown_area_is_an_error_and_no_decision() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "key").await;
        let presented = CheckRequest {
            token: created.token.expose(),
            area: "invoices".parse().expect("a slug"),
            action: Action::Read,
            address: None,
            agent: None,
        };
        let error = keyring.decide(&presented).await.expect_err("no decision");
        assert!(matches!(error, KeyringError::Access(_)), "{error}");
    });
}

#[test]
fn an_older_use_never_overwrites_a_newer_one_and_uses_are_no_changes() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let (one, two) = (
            make(&keyring, "one").await.key,
            make(&keyring, "two").await.key,
        );
        let usage = |days: i64, from: Option<&str>| LastUse {
            at: Moment::from_millis(NOW - days * DAY),
            from: from.map(|from| from.parse::<IpAddr>().expect("an address")),
        };
        let newest = usage(1, Some("2001:db8::9"));
        let last = |key: &Key, usage| KeyUse::last(key.id.clone(), Some(usage));
        let uses = [
            last(&two, usage(5, None)),
            last(&one, usage(3, Some("10.0.0.1"))),
            last(&one, newest),
            last(&one, usage(2, Some("10.0.0.2"))),
        ];
        keyring.record_usage(&uses, &[]).await.expect("recorded");
        keyring
            .record_usage(&[last(&one, usage(9, None))], &[])
            .await
            .expect("recorded");
        let (one, two) = (read(&keyring, &one).await, read(&keyring, &two).await);
        assert_eq!(
            (one.last_use, two.last_use),
            (Some(newest), Some(usage(5, None)))
        );
        assert_eq!(
            (one.revision.0, keyring.epoch().await.expect("an epoch")),
            (1, 2)
        );

        // A use of a key that is gone by then is dropped.
        keyring
            .revoke(&[seen(&keyring, &two).await], RevokeReason::Other)
            .await
            .expect("gone");
        keyring
            .record_usage(&[last(&two, usage(0, None))], &[])
            .await
            .expect("nothing");
        assert_eq!(world.number("SELECT count(*) FROM keys").await, 1);
    });
}
