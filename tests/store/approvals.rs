//! Approval: with the policy, whatever widens waits for another person, by whatever door.
use claviger::{
    domain::{
        access::{Actions, Area},
        agent::AgentScope,
        allowlist::AllowList,
        approval::PendingChange,
        audit::{Change, EventCursor, EventFilter},
        decision::{Decision, Detail, Reason},
        key::{Draft, Key, KeyVersion, RevokeReason},
        member::{Denied, Role},
        policy::Policy,
        route::{PathForm, PathRules},
        token::TokenPrefix,
    },
    keyring::{
        DefinedArea, Keyring, KeyringError,
        StoreError::{self, AlreadyRequested},
    },
};
use secrecy::ExposeSecret as _;

use crate::{
    decisions::decide,
    members::{add, member, session},
    support::{World, draft, granting, make, on_both, read, seen, store_error},
};

const POLICY: Policy = Policy {
    longest_life: None,
    must_expire: false,
    approve_widening: true,
};

/// The owner on the machine itself, two managers and an owner, with the policy on.
struct People {
    local: Keyring,
    alice: Keyring,
    bob: Keyring,
    olga: Keyring,
}

async fn people(world: &World) -> People {
    let local = world.keyring().await;
    let mut sessions = Vec::new();
    for (at, (name, role)) in [
        ("alice", Role::Manager),
        ("bob", Role::Manager),
        ("olga", Role::Owner),
    ]
    .into_iter()
    .enumerate()
    {
        let id = add(&local, &member(name, role, at)).await;
        sessions.push(session(world, &id).await);
    }
    let _ = local.set_policy(POLICY).await.expect("set");
    let [alice, bob, olga] = sessions.try_into().expect("three");
    People {
        local,
        alice,
        bob,
        olga,
    }
}

async fn pending(keyring: &Keyring) -> Vec<PendingChange> {
    let found = keyring.pending_changes(&AgentScope::Everything).await;
    found.expect("pending changes")
}

async fn only(keyring: &Keyring) -> PendingChange {
    let mut found = pending(keyring).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn widened(key: &Key) -> Draft {
    let mut draft = key.draft.clone();
    let slug = "documents".parse().expect("a slug");
    draft.conditions.grants.set(slug, Actions::ALL);
    draft
}

async fn changes(keyring: &Keyring) -> Vec<Change> {
    let filter = EventFilter::default();
    let events = keyring.events(&filter, EventCursor::After(0), 500).await;
    let events = events.expect("events").into_iter();
    events.map(|event| event.draft.change).collect()
}

#[test]
fn requests_about_other_agents_keys_are_out_of_sight() {
    on_both(&async |world: &World| {
        let local = world.keyring().await;
        let prod = "prod".parse().expect("a name");
        let added = local.add_agent(&prod, &TokenPrefix::default()).await;
        let _ = added.expect("added");
        let mut limited = member("carol", Role::Manager, 0);
        limited.scope = AgentScope::of(Some(&prod));
        let carol = session(world, &add(&local, &limited).await).await;
        let made = make(&local, "elsewhere").await;
        let _ = local.set_policy(POLICY).await.expect("set");
        let key = read(&local, &made.key).await;
        let asked = local.edit(&KeyVersion::of(&key), &widened(&key)).await;
        assert_eq!(asked.expect("asked").waiting, 1);
        assert!(pending(&carol).await.is_empty());
        let theirs = changes(&carol).await;
        assert!(!theirs.contains(&Change::ApprovalRequested), "{theirs:?}");
        let request = only(&local).await;
        let denied = carol.approve(&request).await;
        assert!(matches!(
            denied,
            Err(KeyringError::Denied(Denied::Agent(_)))
        ));
        let denied = carol.reject(&request).await;
        assert!(matches!(
            denied,
            Err(KeyringError::Denied(Denied::Agent(_)))
        ));
    });
}

#[test]
fn a_new_key_is_refused_until_another_person_approves_it() {
    on_both(&async |world: &World| {
        let People {
            local, alice, bob, ..
        } = people(world).await;
        let made = alice
            .create(None, granting(draft("new"), "contacts=read"))
            .await
            .expect("made");
        let token = made.token.expose().expose_secret();
        let reason = async || match decide(&local, token, None).await.expect("decided") {
            Decision::Allow { .. } => None,
            Decision::Deny { reason, detail, .. } => Some((reason, detail)),
        };
        let waits = Some((Reason::Disabled, Some(Detail::PendingApproval)));
        assert_eq!(reason().await, waits);
        assert!(read(&local, &made.key).await.pending_at.is_some());
        let request = only(&local).await;
        assert_eq!(
            (request.change, request.by.as_str()),
            (Change::Created, "alice")
        );
        assert_eq!(
            store_error(alice.approve(&request).await),
            StoreError::OwnRequest
        );

        // An edit is made at once, counts as a part of the request, and takes the review back.
        let key = read(&local, &made.key).await;
        let edited = bob
            .edit(&KeyVersion::of(&key), &widened(&key))
            .await
            .expect("edited");
        assert_eq!((edited.events, edited.waiting), (1, 0));
        assert_eq!(read(&local, &made.key).await.draft, widened(&key));
        assert!(matches!(
            store_error(local.approve(&request).await),
            StoreError::NotPending(_)
        ));
        let request = only(&local).await;
        // The request shows the key as it is now.
        let lines = request
            .lines(&local.areas().await.expect("areas"))
            .join("\n");
        assert!(
            lines.contains("delete Document Extraction Access"),
            "{lines}"
        );
        assert_eq!(
            store_error(bob.approve(&request).await),
            StoreError::OwnRequest
        );
        assert_eq!(
            store_error(alice.approve(&request).await),
            StoreError::OwnRequest
        );
        // Disabling it, enabling it and rotating it are nobody's request.
        let at = seen(&local, &made.key).await;
        let _ = local.switch(&[at], true).await.expect("disabled");
        assert_eq!(reason().await, Some((Reason::Disabled, None)));
        let at = seen(&local, &made.key).await;
        assert_eq!(
            local.switch(&[at], false).await.expect("enabled").waiting,
            0
        );
        assert_eq!(reason().await, waits);
        let at = seen(&local, &made.key).await;
        let rotated = local.rotate(&at, 1000).await.expect("rotated");
        let request = only(&local).await;
        let _ = local.approve(&request).await.expect("approved");
        assert_eq!(reason().await, None);
        let new = rotated.token.expose().expose_secret();
        assert!(decide(&local, new, None).await.expect("decided").is_allow());
        assert!(pending(&local).await.is_empty());
        assert!(matches!(
            store_error(local.approve(&request).await),
            StoreError::NotPending(_)
        ));
        let events = changes(&local).await;
        assert!(events.contains(&Change::Approved), "{events:?}");
        assert!(local.verify(&[]).await.is_ok());
    });
}

#[test]
fn an_edit_that_widens_waits_and_any_later_one_withdraws_it() {
    on_both(&async |world: &World| {
        let local = world.keyring().await;
        let made = make(&local, "key").await;
        let key = read(&local, &made.key).await;
        let People {
            local, alice, bob, ..
        } = people(world).await;
        let before = read(&local, &made.key).await;
        let draft = widened(&key);
        let asked = alice
            .edit(&KeyVersion::of(&before), &draft)
            .await
            .expect("asked");
        assert_eq!((asked.events, asked.waiting), (1, 1));
        let now = read(&local, &made.key).await;
        assert_eq!(now.draft, before.draft);
        assert!(now.revision > before.revision && now.pending_at.is_none());
        // An edit of the earlier revision is a conflict.
        let stale = bob.edit(&KeyVersion::of(&before), &draft).await;
        assert!(matches!(store_error(stale), StoreError::Conflict { .. }));

        let request = only(&local).await;
        assert_eq!(
            store_error(alice.approve(&request).await),
            StoreError::OwnRequest
        );
        // A narrower edit by anybody is made at once and withdraws the request.
        let mut narrowed = now.draft.clone();
        narrowed.conditions.allow = AllowList::parse("10.0.0.0/8").expect("a list").list;
        let done = bob
            .edit(&KeyVersion::of(&now), &narrowed)
            .await
            .expect("edited");
        assert_eq!(done.waiting, 0);
        assert!(pending(&local).await.is_empty());
        assert!(matches!(
            store_error(bob.approve(&request).await),
            StoreError::NotPending(_)
        ));

        let again = read(&local, &made.key).await;
        let asked = alice
            .edit(&KeyVersion::of(&again), &draft)
            .await
            .expect("asked");
        assert_eq!(asked.waiting, 1);
        let request = only(&local).await;
        assert_eq!(request.lines(&local.areas().await.expect("areas")).len(), 3);
        // Another request takes the place of the first one.
        let now = read(&local, &made.key).await;
        let mut draft = draft;
        draft.description = "Bob's".parse().expect("a text");
        let asked = bob
            .edit(&KeyVersion::of(&now), &draft)
            .await
            .expect("asked");
        assert_eq!(
            (asked.waiting, asked.withdrawn),
            (1, vec!["key.edited by alice".to_owned()])
        );
        assert!(matches!(
            store_error(local.approve(&request).await),
            StoreError::NotPending(_)
        ));
        let request = only(&local).await;
        assert_eq!(
            store_error(bob.approve(&request).await),
            StoreError::OwnRequest
        );
        let _ = alice.approve(&request).await.expect("approved");
        assert_eq!(read(&local, &made.key).await.draft, draft);
        assert!(pending(&local).await.is_empty());

        // Rejected, nothing is changed; the own one can be taken back.
        for rejects in [&bob, &alice] {
            let now = read(&local, &made.key).await;
            let mut wider = now.draft.clone();
            wider.conditions.allow = AllowList::Anywhere;
            wider
                .conditions
                .grants
                .set("contacts".parse().expect("a slug"), Actions::ALL);
            assert_eq!(
                alice
                    .edit(&KeyVersion::of(&now), &wider)
                    .await
                    .expect("asked")
                    .waiting,
                1
            );
            let _ = rejects.reject(&only(&local).await).await.expect("rejected");
            assert!(pending(&local).await.is_empty());
            assert_eq!(read(&local, &made.key).await.draft, draft);
        }
        assert!(local.verify(&[]).await.is_ok());
    });
}

#[test]
fn enabling_waits_and_what_is_revoked_does_not_wait_any_more() {
    on_both(&async |world: &World| {
        let local = world.keyring().await;
        let one = make(&local, "one").await;
        let two = make(&local, "two").await;
        let People {
            local,
            alice,
            bob,
            olga,
        } = people(world).await;
        let at = [seen(&local, &one.key).await, seen(&local, &two.key).await];
        assert_eq!(alice.switch(&at, true).await.expect("disabled").waiting, 0);
        let at = [seen(&local, &one.key).await, seen(&local, &two.key).await];
        assert_eq!(alice.switch(&at, false).await.expect("asked").waiting, 2);
        assert!(read(&local, &one.key).await.disabled_at.is_some());
        let [first, second] = pending(&local).await.try_into().expect("two");
        let _ = bob.approve(&first).await.expect("approved");
        assert!(matches!(
            store_error(bob.approve(&first).await),
            StoreError::NotPending(_)
        ));
        let id = second.subject.parse().expect("an id");
        let key = local.key(&id).await.expect("a key");
        let _ = bob
            .revoke(&[KeyVersion::of(&key)], RevokeReason::Other)
            .await
            .expect("revoked");
        assert!(pending(&local).await.is_empty());
        let other = local
            .key(&first.subject.parse().expect("an id"))
            .await
            .expect("a key");
        assert!(other.disabled_at.is_none());

        // A rejected new key is revoked.
        let made = olga
            .create(None, granting(draft("new"), "contacts=read"))
            .await
            .expect("made");
        let _ = alice.reject(&only(&local).await).await.expect("rejected");
        assert!(matches!(
            store_error(local.key(&made.key.id).await),
            StoreError::Gone { .. }
        ));
        assert!(pending(&local).await.is_empty());
    });
}

fn area(slug: &str, routes: &[&str], form: PathForm) -> DefinedArea {
    let routes = routes.iter().map(|route| route.parse().expect("a route"));
    DefinedArea {
        area: Area {
            slug: slug.parse().expect("a slug"),
            title: format!("{slug} Access"),
            badge: slug.to_uppercase(),
        },
        rules: PathRules::new(routes.collect(), form, false),
    }
}

#[test]
fn routes_and_the_form_of_paths_wait_too() {
    on_both(&async |world: &World| {
        let People {
            local, alice, olga, ..
        } = people(world).await;
        let new = area("billing", &["/billing"], PathForm::Strict);
        assert_eq!(local.add_area(&new).await.expect("asked").waiting, 1);
        assert!(local.defined_area(&new.area.slug).await.is_err());
        let _ = olga.approve(&only(&olga).await).await.expect("approved");
        let found = local.defined_area(&new.area.slug).await;
        assert_eq!(found.expect("an area"), new);
        let bare = area("bare", &[], PathForm::Strict);
        assert_eq!(local.add_area(&bare).await.expect("added").waiting, 0);
        let wider = area("billing", &["/billing", "/invoices"], PathForm::Strict);
        let opaque = area("billing", &["/billing"], PathForm::Opaque);
        for edited in [&wider, &opaque] {
            assert_eq!(
                local.edit_area(&new, edited).await.expect("asked").waiting,
                1
            );
            assert_eq!(
                local.defined_area(&new.area.slug).await.expect("an area"),
                new
            );
        }
        let request = only(&olga).await;
        assert_eq!(request.subject, "area:billing");
        let denied = alice.approve(&request).await;
        assert!(matches!(
            denied,
            Err(KeyringError::Denied(Denied::Role { .. }))
        ));
        let _ = olga.approve(&request).await.expect("approved");
        assert_eq!(
            local.defined_area(&new.area.slug).await.expect("an area"),
            opaque
        );
        let mut titled = opaque.clone();
        titled.area.title = "Money".into();
        assert_eq!(
            local
                .edit_area(&opaque, &titled)
                .await
                .expect("edited")
                .waiting,
            0
        );
        assert_eq!(local.remove_area(&titled).await.expect("asked").waiting, 1);
        let _ = olga.approve(&only(&olga).await).await.expect("approved");
        assert!(local.defined_area(&new.area.slug).await.is_err());
    });
}

#[test]
fn members_and_the_policy_itself_wait_too() {
    on_both(&async |world: &World| {
        let People { local, olga, .. } = people(world).await;
        let dave = member("dave", Role::Viewer, 3);
        assert_eq!(
            local
                .add_member(&dave)
                .await
                .expect("asked")
                .recorded
                .waiting,
            1
        );
        assert!(local.member("dave").await.is_err());
        let request = olga.pending_change("member:dave").await.expect("it waits");
        let _ = olga.approve(&request).await.expect("approved");
        let added = local.member("dave").await.expect("a member");
        assert_eq!(
            (&added.draft, format!("member:{}", added.id)),
            (&dave, request.subject)
        );
        let mut owner = dave.clone();
        owner.role = Role::Owner;
        assert_eq!(
            olga.edit_member(&added, &owner)
                .await
                .expect("asked")
                .waiting,
            1
        );
        let request = only(&local).await;
        // What it changes is not as it was: the request is out of date.
        let mut renamed = dave.clone();
        renamed.name = "david".parse().expect("a name");
        assert_eq!(
            local
                .edit_member(&added, &renamed)
                .await
                .expect("edited")
                .waiting,
            0
        );
        assert!(matches!(
            store_error(local.approve(&request).await),
            StoreError::OutOfDate(_)
        ));
        assert!(pending(&local).await.is_empty());
        let added = local.member("david").await.expect("a member");
        let _ = local.remove_member(&added).await.expect("removed");

        let off = Policy::default();
        assert_eq!(local.set_policy(off).await.expect("asked").waiting, 1);
        assert_eq!(local.policy().await.expect("a policy"), POLICY);
        let request = only(&olga).await;
        assert_eq!(
            store_error(local.approve(&request).await),
            StoreError::OwnRequest
        );
        let _ = olga.approve(&request).await.expect("approved");
        assert_eq!(local.policy().await.expect("a policy"), off);
        let made = make(&local, "free").await;
        assert!(read(&local, &made.key).await.pending_at.is_none());
    });
}

#[test]
fn only_what_could_be_made_is_requested_and_of_a_new_member_once() {
    on_both(&async |world: &World| {
        let People { local, olga, .. } = people(world).await;
        let contacts = local
            .defined_area(&"contacts".parse().expect("a slug"))
            .await;
        let contacts = contacts.expect("an area");
        let made = make(&local, "key").await;
        let in_use = local.remove_area(&contacts).await;
        assert!(matches!(store_error(in_use), StoreError::AreaInUse { .. }));
        let bob = local.member("bob").await.expect("a member");
        let mut taken = member("dave", Role::Viewer, 3);
        taken.keys.clone_from(&bob.draft.keys);
        let taken = local.add_member(&taken).await.map(drop);
        assert!(matches!(store_error(taken), StoreError::Member(_)));
        let mut renamed = bob.draft.clone();
        renamed.name = "robert".parse().expect("a name");
        let _ = local.edit_member(&bob, &renamed).await.expect("renamed");
        let mut owner = bob.draft.clone();
        owner.role = Role::Owner;
        let stale = local.edit_member(&bob, &owner).await;
        assert!(matches!(store_error(stale), StoreError::Member(_)));
        let id = made.key.id.as_str();
        let waiting = pending(&local).await;
        assert!(waiting.iter().all(|one| one.subject == id), "{waiting:?}");
        for _ in 0..2 {
            let dave = local.add_member(&member("dave", Role::Viewer, 3)).await;
            assert_eq!(dave.expect("asked").recorded.waiting, 1);
        }
        let waiting = pending(&local).await;
        let theirs = waiting.iter().filter(|one| one.name == "dave");
        assert_eq!(theirs.count(), 1, "{waiting:?}");
        // A change of another policy than the present one changes nothing.
        let seen = Policy {
            must_expire: true,
            ..POLICY
        };
        let (one, other) = tokio::join!(local.set_policy(seen), olga.set_policy(seen));
        let made = [one, other].into_iter().flatten().count();
        assert!(made >= 1);
        assert_eq!(local.policy().await.expect("a policy"), seen);
        assert!(local.verify(&[]).await.is_ok());
    });
}

#[test]
fn what_does_not_widen_costs_nobody_the_right_to_approve_and_the_same_request_is_made_once() {
    on_both(&async |world: &World| {
        let People {
            local, alice, bob, ..
        } = people(world).await;
        let new = granting(draft("new"), "contacts=read");
        let made = alice.create(None, new).await.expect("made");
        let key = read(&local, &made.key).await;
        let mut described = key.draft.clone();
        described.description = "for the night".parse().expect("a text");
        let _ = bob
            .edit(&KeyVersion::of(&key), &described)
            .await
            .expect("edited");
        let _ = bob.approve(&only(&local).await).await.expect("approved");

        let key = read(&local, &made.key).await;
        let asked = alice.edit(&KeyVersion::of(&key), &widened(&key)).await;
        assert_eq!(asked.expect("asked").waiting, 1);
        let key = read(&local, &made.key).await;
        let same = bob.edit(&KeyVersion::of(&key), &widened(&key)).await;
        let AlreadyRequested { by, .. } = store_error(same) else {
            panic!("it was requested twice")
        };
        assert_eq!(by, "alice");
        // Another change of the key tells in its event what it withdraws.
        let mut narrowed = key.draft.clone();
        narrowed.conditions.allow = AllowList::parse("10.0.0.0/8").expect("a list").list;
        let edited = bob.edit(&KeyVersion::of(&key), &narrowed).await;
        assert_eq!(edited.expect("edited").withdrawn, ["key.edited by alice"]);
        let events = local
            .events(&EventFilter::default(), EventCursor::Before(i64::MAX), 1)
            .await
            .expect("events");
        let details = &events[0].draft.details;
        assert!(
            details.contains("\"withdrawn\":[\"key.edited by alice\"]"),
            "{details}"
        );
        assert!(local.verify(&[]).await.is_ok());
    });
}

#[test]
fn a_request_that_cannot_be_read_hides_no_other() {
    on_both(&async |world: &World| {
        let People {
            local, alice, bob, ..
        } = people(world).await;
        for name in ["one", "two"] {
            let made = alice.create(None, draft(name)).await;
            made.expect("made");
        }
        world
            .plant("UPDATE pending_changes SET state_after = '[]' WHERE subject_name = 'one'")
            .await;
        let request = only(&bob).await;
        assert_eq!(request.name, "two");
        let damaged = local.damaged_requests().await.expect("errors");
        assert!(matches!(damaged.as_slice(), [StoreError::Corrupt { .. }]));
        let _ = bob.approve(&request).await.expect("approved");
        // Its key can still be revoked.
        let one = local.resolve("one").await.expect("a key");
        let at = [KeyVersion::of(&one)];
        let _ = local
            .revoke(&at, RevokeReason::Other)
            .await
            .expect("revoked");
        assert_eq!(local.damaged_requests().await, Ok(Vec::new()));
    });
}

#[test]
fn who_is_alone_can_still_bring_somebody_in_and_end_the_policy() {
    on_both(&async |world: &World| {
        let local = world.keyring().await;
        let _ = local.set_policy(POLICY).await.expect("set");
        let made = make(&local, "key").await;
        assert!(read(&local, &made.key).await.pending_at.is_some());
        assert_eq!(
            store_error(local.approve(&only(&local).await).await),
            StoreError::OwnRequest
        );
        let owner = local
            .add_member(&member("olga", Role::Owner, 0))
            .await
            .expect("added");
        assert_eq!(owner.recorded.waiting, 0);
        let more = local
            .add_member(&member("alice", Role::Owner, 1))
            .await
            .expect("asked");
        assert_eq!(more.recorded.waiting, 1);
        let olga = session(world, &owner.id).await;
        let both = pending(&olga).await;
        for request in &both {
            let _ = olga.approve(request).await.expect("approved");
        }
        assert_eq!(both.len(), 2);
    });
}

#[test]
fn the_policy_holds_for_a_change_that_began_before_it() {
    on_both(&async |world: &World| {
        let local = world.keyring().await;
        let narrow = crate::support::limited(draft("key"), "10.0.0.0/29");
        let made = local.create(None, narrow).await.expect("made");
        let olga = add(&local, &member("olga", Role::Owner, 0)).await;
        let olga = session(world, &olga).await;
        // Many edits at once with the switch of the policy: each is either before it or waits.
        let (edits, policy) = tokio::join!(
            async {
                let mut done = Vec::new();
                for n in 1..=20 {
                    let now = read(&local, &made.key).await;
                    let mut draft = now.draft.clone();
                    let list = format!("10.0.0.0/{}", 29 - n);
                    draft.conditions.allow = AllowList::parse(&list).expect("a list").list;
                    done.push(
                        local
                            .edit(&KeyVersion::of(&now), &draft)
                            .await
                            .expect("edited"),
                    );
                }
                done
            },
            olga.set_policy(POLICY)
        );
        let _ = policy.expect("set");
        let events = changes(&local).await;
        let at = events
            .iter()
            .position(|it| *it == Change::PolicyChanged)
            .expect("set");
        assert!(!events[at..].contains(&Change::Edited), "{events:?}");
        let waiting = edits.iter().filter(|it| it.waiting > 0).count();
        let asked = events
            .iter()
            .filter(|it| **it == Change::ApprovalRequested)
            .count();
        assert_eq!(asked, waiting);
    });
}
