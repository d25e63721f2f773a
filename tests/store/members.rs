//! Members: permissions are checked again within every change, and a removed member can do nothing
//! from then on, even in open sessions.
use std::sync::Arc;

use claviger::{
    domain::{
        agent::{AgentName, AgentScope},
        audit::{Change, EventCursor, EventFilter},
        key::{KeyVersion, RevokeReason},
        listing::{Direction, Filter, PageRequest, Sort},
        member::{
            Denied, Fingerprint, Member, MemberDraft, MemberError, MemberId, Permission, Role,
            SshKey,
        },
        policy::Policy,
        token::TokenPrefix,
    },
    keyring::{Keyring, KeyringError, StoreError},
};

use crate::support::{World, draft, make, now, on_both, read, seen};

/// Public keys whose private halves do not exist.
const KEYS: [&str; 4] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti one",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA two",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB three",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC four",
];

fn key(at: usize) -> SshKey {
    SshKey::parse(KEYS[at], 1).expect("a key")
}

pub fn member(name: &str, role: Role, at: usize) -> MemberDraft {
    MemberDraft {
        name: name.parse().expect("a name"),
        role,
        scope: AgentScope::Everything,
        keys: vec![key(at)],
    }
}

fn only(agents: &[&str]) -> AgentScope {
    AgentScope::Only(agents.iter().map(|name| agent(name)).collect())
}

fn agent(name: &str) -> AgentName {
    name.parse().expect("an agent")
}

pub async fn add(keyring: &Keyring, draft: &MemberDraft) -> MemberId {
    keyring.add_member(draft).await.expect("added").id
}

/// Opens a session of a member, as sshd would start it.
pub async fn session(world: &World, id: &MemberId) -> Keyring {
    signed_in(world, id, None).await.expect("signed in")
}

async fn signed_in(
    world: &World,
    id: &MemberId,
    with: Option<Fingerprint>,
) -> Result<Keyring, KeyringError> {
    world.keyring().await.sign_in(id.clone(), with).await
}

fn denied<T: std::fmt::Debug>(result: Result<T, KeyringError>) -> Denied {
    match result {
        Err(KeyringError::Denied(denied) | KeyringError::Store(StoreError::Denied(denied))) => {
            denied
        }
        other => panic!("it should have been denied: {other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, KeyringError>) -> MemberError {
    match result {
        Err(KeyringError::Member(error) | KeyringError::Store(StoreError::Member(error))) => error,
        other => panic!("it should have been refused: {other:?}"),
    }
}

/// Tries everything that changes or reveals something; returns the changes that were allowed.
async fn everything(owner: &Keyring, tried: &Keyring) -> Vec<Change> {
    let made = make(owner, "tried").await.key;
    let at = async || KeyVersion::of(&read(owner, &made).await);
    let mut edited = made.draft.clone();
    edited.description = "changed".parse().expect("text");
    let victim = member("victim", Role::Viewer, 3);
    let agent = agent("tried");
    let area = claviger::keyring::DefinedArea {
        area: claviger::domain::access::Area {
            slug: "tried".parse().expect("a slug"),
            title: "Tried".into(),
            badge: "Tried".into(),
        },
        rules: claviger::domain::route::PathRules::default(),
    };
    let results = [
        (
            Change::Created,
            tried.create(None, draft("new")).await.map(drop),
        ),
        (
            Change::Edited,
            tried.edit(&at().await, &edited).await.map(drop),
        ),
        (
            Change::Disabled,
            tried.switch(&[at().await], true).await.map(drop),
        ),
        (
            Change::Enabled,
            tried.switch(&[at().await], false).await.map(drop),
        ),
        (
            Change::Rotated,
            tried.rotate(&at().await, 1000).await.map(drop),
        ),
        (
            Change::RotationFinished,
            tried.finish_rotation(&at().await).await.map(drop),
        ),
        (
            Change::Copied,
            tried.token(&made.id, Change::Copied).await.map(drop),
        ),
        (
            Change::Revealed,
            tried.token(&made.id, Change::Revealed).await.map(drop),
        ),
        (
            Change::Revoked,
            tried
                .revoke(&[at().await], RevokeReason::Other)
                .await
                .map(drop),
        ),
        (Change::Relabelled, tried.relabel("OTHER").await.map(drop)),
        (
            Change::PolicyChanged,
            tried
                .set_policy(Policy {
                    longest_life: Some(90),
                    ..Policy::default()
                })
                .await
                .map(drop),
        ),
        (Change::AreaAdded, tried.add_area(&area).await.map(drop)),
        (
            Change::AgentAdded,
            tried
                .add_agent(&agent, &TokenPrefix::default())
                .await
                .map(drop),
        ),
        (
            Change::MemberAdded,
            tried.add_member(&victim).await.map(drop),
        ),
    ];
    let mut allowed = Vec::new();
    for (change, result) in results {
        match result {
            Ok(()) => allowed.push(change),
            // A member without the permission cannot have started a rotation, so there is none to
            // finish.
            Err(KeyringError::NothingToFinish(_)) => {}
            other => {
                let denied = denied(other).to_string();
                assert!(denied.contains("nothing was done"), "{change:?}: {denied}");
            }
        }
    }
    allowed
}

#[test]
fn each_role_may_do_what_the_table_says_and_no_more() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        for (at, role) in [Role::Viewer, Role::Operator, Role::Manager]
            .into_iter()
            .enumerate()
        {
            let id = add(&owner, &member(role.word(), role, at)).await;
            let theirs = session(world, &id).await;
            let before = owner.epoch().await.expect("an epoch");
            let allowed = everything(&owner, &theirs).await;
            for change in &allowed {
                assert!(role.may(change.permission()), "{role}: {change:?}");
            }
            let expected = Change::ALL
                .iter()
                .filter(|it| role.may(it.permission()) && it.permission() != Permission::Approve)
                .filter(|it| role != Role::Manager || **it != Change::RotationFinished)
                .count();
            let finished = allowed.contains(&Change::RotationFinished);
            assert_eq!(
                allowed.len() - usize::from(finished),
                expected,
                "{role}: {allowed:?}"
            );
            // The denied attempts left nothing behind: there is one event for the key itself, and
            // one for each allowed change.
            let events = owner.epoch().await.expect("an epoch") - before;
            assert_eq!(usize::try_from(events), Ok(allowed.len() + 1), "{role}");
        }
        assert!(owner.verify(&[]).await.is_ok());
    });
}

#[test]
fn an_event_tells_which_member_with_which_key_through_which_account() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        let id = add(&owner, &member("carol", Role::Manager, 0)).await;
        let theirs = session(world, &id).await;
        make(&theirs, "hers").await;
        let filter = EventFilter {
            actor: "carol".into(),
            ..EventFilter::default()
        };
        let events = owner
            .events(&filter, EventCursor::After(0), 10)
            .await
            .expect("events");
        let actor = &events[0].draft.actor;
        let login = actor.login.as_ref().expect("a login");
        assert_eq!(actor.name, "carol");
        assert_eq!((&login.member, login.account.as_str()), (&id, "alice@gw1"));
        assert_eq!(login.fingerprint.as_ref(), Some(key(0).fingerprint()));
        assert_eq!(events[0].draft.agent, Some(AgentName::default_agent()));
        let seen = owner.member("carol").await.expect("there").last_seen;
        assert_eq!(seen, Some((now(), Some(key(0).fingerprint().clone()))));
    });
}

#[test]
fn whoever_is_removed_or_loses_a_role_or_a_key_is_powerless_at_once() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        let id = add(&owner, &member("carol", Role::Manager, 0)).await;
        let theirs = session(world, &id).await;
        let made = make(&theirs, "hers").await.key;
        let at = seen(&owner, &made).await;

        let carol = owner.member("carol").await.expect("there");
        let mut lesser = carol.draft.clone();
        lesser.role = Role::Viewer;
        owner.edit_member(&carol, &lesser).await.expect("demoted");
        for result in [
            theirs
                .revoke(std::slice::from_ref(&at), RevokeReason::Other)
                .await
                .map(drop),
            theirs.token(&made.id, Change::Revealed).await.map(drop),
        ] {
            assert!(matches!(
                denied(result),
                Denied::Role {
                    role: Role::Viewer,
                    ..
                }
            ));
        }
        assert!(theirs.key(&made.id).await.is_ok(), "a viewer still sees");

        // The SSH key that she signed in with is replaced by another one.
        let carol = owner.member("carol").await.expect("there");
        let mut other_key = carol.draft.clone();
        other_key.role = Role::Manager;
        other_key.keys = vec![key(1)];
        owner
            .edit_member(&carol, &other_key)
            .await
            .expect("another key");
        assert_eq!(denied(theirs.key(&made.id).await), Denied::NotAMember);
        let again = signed_in(world, &id, Some(key(1).fingerprint().clone())).await;
        let again = again.expect("with the new key");
        assert_eq!(
            denied(signed_in(world, &id, Some(key(0).fingerprint().clone())).await),
            Denied::NotAMember
        );

        let carol = owner.member("carol").await.expect("there");
        owner.remove_member(&carol).await.expect("removed");
        assert_eq!(
            denied(again.token(&made.id, Change::Copied).await),
            Denied::NotAMember
        );
        assert_eq!(
            denied(again.create(None, draft("new")).await),
            Denied::NotAMember
        );
        assert_eq!(denied(again.switch(&[at], true).await), Denied::NotAMember);
        assert_eq!(denied(again.key(&made.id).await), Denied::NotAMember);
        assert_eq!(denied(again.list_version().await), Denied::NotAMember);
        assert_eq!(denied(again.members().await), Denied::NotAMember);
        assert_eq!(denied(again.verify(&[]).await), Denied::NotAMember);
        let request = page_request(AgentScope::Everything);
        assert_eq!(denied(again.page(&request).await), Denied::NotAMember);
        assert_eq!(
            denied(signed_in(world, &id, None).await),
            Denied::NotAMember
        );
    });
}

fn page_request(scope: AgentScope) -> PageRequest {
    PageRequest {
        scope,
        filter: Filter::default(),
        sort: Sort::NEWEST,
        direction: Direction::First,
        limit: 50,
        now: now(),
        damaged: Vec::new(),
    }
}

#[test]
fn a_change_that_was_let_pass_is_asked_after_again_within_its_transaction() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        let id = add(&owner, &member("carol", Role::Manager, 0)).await;
        let theirs = session(world, &id).await;
        let made = make(&theirs, "hers").await.key;
        let reveal = async || theirs.token(&made.id, Change::Revealed).await;
        reveal().await.expect("a manager may");
        // The keyring's own check passes: carol is removed after it.
        let removed = format!("DELETE FROM members WHERE id = '{id}'");
        world.before_any_change(&removed).await;
        let before = owner.epoch().await.expect("an epoch");
        let refused = reveal().await.expect_err("removed");
        let denied = StoreError::Denied(Denied::NotAMember);
        assert_eq!(refused, KeyringError::Store(denied));
        assert_eq!(owner.epoch().await.expect("an epoch"), before);
    });
}

#[test]
fn changes_that_race_with_a_removal_come_before_it_or_are_denied() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        let id = add(&owner, &member("carol", Role::Manager, 0)).await;
        let theirs = Arc::new(session(world, &id).await);
        let working = {
            let theirs = Arc::clone(&theirs);
            tokio::spawn(async move {
                let mut made = 0;
                loop {
                    match theirs.create(None, draft("racing")).await {
                        Ok(_) => made += 1,
                        Err(error) => return (made, error.is_expulsion()),
                    }
                }
            })
        };
        while owner.epoch().await.expect("an epoch") < 10 {
            tokio::task::yield_now().await;
        }
        let carol = owner.member("carol").await.expect("there");
        owner.remove_member(&carol).await.expect("removed");
        let (made, expelled) = working.await.expect("worked");
        assert!(expelled);
        let events = owner
            .events(&EventFilter::default(), EventCursor::After(0), 100_000)
            .await
            .expect("events");
        let removal = events
            .iter()
            .position(|event| event.draft.change == Change::MemberRemoved)
            .expect("the removal");
        assert!(
            events[removal..]
                .iter()
                .all(|event| event.draft.actor.name != "carol")
        );
        let hers = events
            .iter()
            .filter(|event| event.draft.actor.name == "carol");
        assert_eq!(hers.count(), made);
    });
}

#[test]
fn the_last_owner_stays_and_names_and_keys_are_one_members_alone() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        let ann = add(&owner, &member("ann", Role::Owner, 0)).await;
        let theirs = session(world, &ann).await;
        let seen_ann = theirs.member("ann").await.expect("there");
        let mut lesser = seen_ann.draft.clone();
        lesser.role = Role::Manager;
        for result in [
            theirs.remove_member(&seen_ann).await,
            theirs.edit_member(&seen_ann, &lesser).await,
            owner.remove_member(&seen_ann).await,
        ] {
            assert_eq!(refused(result), MemberError::LastOwner("ann".into()));
        }
        let taken = |result: Result<_, KeyringError>| refused(result);
        assert_eq!(
            taken(theirs.add_member(&member("ann", Role::Viewer, 1)).await),
            MemberError::NameTaken("ann".into())
        );
        assert!(matches!(
            taken(theirs.add_member(&member("bob", Role::Viewer, 0)).await),
            MemberError::KeyTaken { member, .. } if member == "ann"
        ));
        let mut limited = member("bob", Role::Owner, 1);
        limited.scope = only(&["default"]);
        assert_eq!(
            taken(theirs.add_member(&limited).await),
            MemberError::LimitedOwner
        );
        let mut keyless = member("bob", Role::Viewer, 1);
        keyless.keys.clear();
        assert_eq!(taken(theirs.add_member(&keyless).await), MemberError::NoKey);
        add(&theirs, &member("bob", Role::Owner, 1)).await;
        theirs
            .edit_member(&seen_ann, &lesser)
            .await
            .expect("another owner is there");
        // An edit of an outdated version, and a lookup of a member who does not exist.
        assert_eq!(
            refused(owner.edit_member(&seen_ann, &lesser).await),
            MemberError::Conflict("ann".into())
        );
        assert!(matches!(
            refused(owner.member("nobody").await),
            MemberError::Unknown(name) if name == "nobody"
        ));
    });
}

#[test]
fn a_member_may_have_several_keys_and_each_lets_them_in() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        let mut draft = member("carol", Role::Viewer, 0);
        draft.keys.push(key(1));
        let id = add(&owner, &draft).await;
        for at in [0, 1] {
            let print = key(at).fingerprint().clone();
            let theirs = signed_in(world, &id, Some(print.clone()))
                .await
                .expect("in");
            let login = theirs.actor().login.clone().expect("a login");
            assert_eq!(login.fingerprint, Some(print));
        }
        // With several SSH keys, none is guessed as the one in use.
        let theirs = session(world, &id).await;
        assert_eq!(
            theirs
                .actor()
                .login
                .as_ref()
                .and_then(|it| it.fingerprint.clone()),
            None
        );
        let members: Vec<Member> = owner.members().await.expect("members");
        assert_eq!(members[0].draft, draft);
    });
}

#[test]
fn a_damaged_key_of_another_agent_is_out_of_reach() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        for name in ["prod", "staging"] {
            owner
                .add_agent(&agent(name), &TokenPrefix::default())
                .await
                .expect("added");
        }
        let mut limited = member("carol", Role::Manager, 0);
        limited.scope = only(&["prod"]);
        let theirs = session(world, &add(&owner, &limited).await).await;
        let made = owner
            .create(Some(&agent("staging")), draft("damaged"))
            .await;
        let id = made.expect("made").key.id;
        world
            .plant(&format!(
                "UPDATE keys SET name = '\u{202e}' WHERE id = '{id}'"
            ))
            .await;
        let reason = RevokeReason::Other;
        let beyond = Denied::Agent(only(&["prod"]));
        assert_eq!(denied(theirs.revoke_damaged(&id, reason).await), beyond);
        assert_eq!(theirs.look_for_damage().await, Ok(0));
        assert_eq!(owner.look_for_damage().await, Ok(1));
        owner.revoke_damaged(&id, reason).await.expect("revoked");
    });
}

#[test]
fn who_is_limited_to_agents_sees_and_changes_their_keys_alone() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        for name in ["prod", "staging"] {
            let added = owner.add_agent(&agent(name), &TokenPrefix::default()).await;
            added.expect("added");
        }
        let in_prod = owner.create(Some(&agent("prod")), draft("in prod")).await;
        let in_prod = in_prod.expect("made").key;
        let elsewhere = owner
            .create(Some(&agent("staging")), draft("elsewhere"))
            .await;
        let elsewhere = elsewhere.expect("made").key;
        let mut limited = member("carol", Role::Manager, 0);
        limited.scope = only(&["prod"]);
        let theirs = session(world, &add(&owner, &limited).await).await;

        let names = async |scope: AgentScope| {
            let page = theirs.page(&page_request(scope)).await.expect("a page");
            let names = page.rows.iter().map(|row| row.key.name().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(AgentScope::Everything).await, ["in prod"]);
        assert_eq!(names(only(&["prod"])).await, ["in prod"]);
        assert!(names(only(&["staging"])).await.is_empty());
        let count = theirs
            .count(&Filter::default(), &AgentScope::Everything)
            .await;
        assert_eq!(count.expect("a count").total, 1);
        assert_eq!(theirs.agents().await.expect("agents"), [agent("prod")]);

        let beyond = Denied::Agent(only(&["prod"]));
        let at = seen(&owner, &elsewhere).await;
        assert_eq!(denied(theirs.key(&elsewhere.id).await), beyond);
        assert_eq!(denied(theirs.activity(&elsewhere.id).await), beyond);
        assert_eq!(denied(theirs.last_change(&elsewhere.id).await), beyond);
        let copied = theirs.token(&elsewhere.id, Change::Copied).await;
        assert_eq!(denied(copied), beyond);
        let switched = theirs.switch(std::slice::from_ref(&at), true).await;
        assert_eq!(denied(switched), beyond);
        assert_eq!(denied(theirs.refusals(None).await), beyond);
        assert!(matches!(
            theirs.resolve("elsewhere").await,
            Err(KeyringError::NoSuchKey(_))
        ));
        assert!(matches!(
            theirs.create(Some(&agent("staging")), draft("new")).await,
            Err(KeyringError::Agent(_))
        ));
        let made = theirs.create(None, draft("new")).await.expect("made").key;
        assert_eq!(made.agent, agent("prod"), "the only one that they know");
        theirs
            .token(&in_prod.id, Change::Revealed)
            .await
            .expect("theirs");
        // The look-alike warning reveals no key of another agent, and keys of other agents do not
        // hide her own key.
        let alike = theirs.create(None, draft("\u{435}lsewhere")).await;
        let alike = alike.expect("made");
        assert_eq!(alike.look_alikes, [""; 0]);
        for _ in 0..25 {
            let more = owner
                .create(Some(&agent("staging")), draft("in prod"))
                .await;
            more.expect("made");
        }
        let found = theirs.resolve("in prod").await.expect("hers");
        assert_eq!(found.id, in_prod.id);
        // The same holds after the key was revoked.
        owner
            .revoke(&[at], RevokeReason::Other)
            .await
            .expect("revoked");
        assert_eq!(denied(theirs.last_change(&elsewhere.id).await), beyond);
        let events = theirs
            .events(&EventFilter::default(), EventCursor::After(0), 100)
            .await
            .expect("events");
        assert!(
            events
                .iter()
                .all(|event| event.draft.subject_name != "elsewhere")
        );
        assert!(
            events
                .iter()
                .any(|event| event.draft.subject_name == "in prod")
        );

        // An empty scope means no agent, never every agent.
        owner
            .revoke(
                &[
                    seen(&owner, &in_prod).await,
                    seen(&owner, &made).await,
                    seen(&owner, &alike.key).await,
                ],
                RevokeReason::Other,
            )
            .await
            .expect("revoked");
        owner.remove_agent(&agent("prod")).await.expect("removed");
        assert!(names(AgentScope::Everything).await.is_empty());
        assert_eq!(
            denied(theirs.create(None, draft("new")).await),
            Denied::Agent(only(&[]))
        );
    });
}

#[test]
fn an_agent_with_keys_is_removed_only_after_they_are_revoked() {
    on_both(&async |world: &World| {
        let owner = world.keyring().await;
        let prod = agent("prod");
        assert!(matches!(
            owner.create(Some(&prod), draft("early")).await,
            Err(KeyringError::Agent(_))
        ));
        owner
            .add_agent(&prod, &TokenPrefix::default())
            .await
            .expect("added");
        assert!(matches!(
            owner.add_agent(&prod, &TokenPrefix::default()).await,
            Err(KeyringError::Store(StoreError::AgentExists(_)))
        ));
        let made = owner
            .create(Some(&prod), draft("one"))
            .await
            .expect("made")
            .key;
        assert_eq!(read(&owner, &made).await.agent, prod);
        assert_eq!(
            make(&owner, "ordinary").await.key.agent,
            AgentName::default_agent()
        );
        let error = owner
            .remove_agent(&prod)
            .await
            .expect_err("it has a key")
            .to_string();
        let command = format!("`claviger revoke {}`", made.id);
        assert!(
            error.contains("prod has 1 key") && error.contains(&command),
            "{error}"
        );
        let counted = owner.agent_summaries().await.expect("agents");
        let counted: Vec<_> = counted.iter().map(|it| (&it.name, it.keys)).collect();
        assert_eq!(counted, [(&AgentName::default_agent(), 1), (&prod, 1)]);
        let at = seen(&owner, &made).await;
        owner
            .revoke(&[at], RevokeReason::Other)
            .await
            .expect("revoked");
        owner.remove_agent(&prod).await.expect("removed");
        assert!(matches!(
            owner.remove_agent(&prod).await,
            Err(KeyringError::Agent(_))
        ));
        let ordinary = owner.resolve("ordinary").await.expect("there");
        owner
            .revoke(&[KeyVersion::of(&ordinary)], RevokeReason::Other)
            .await
            .expect("revoked");
        assert!(matches!(
            owner.remove_agent(&AgentName::default_agent()).await,
            Err(KeyringError::Store(StoreError::LastAgent(_)))
        ));
    });
}
