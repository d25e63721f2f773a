//! Members, roles, agents and the audit log, as a user sees them on the screen.
use claviger::tui::{members::MemberForm, palette::Palette};
use claviger::{
    domain::{
        agent::{AgentName, AgentScope},
        key::{KeyVersion, RevokeReason},
        member::Role,
        token::TokenPrefix,
    },
    tui::message::Effect,
};

use crate::story::{SSH_KEYS, Story, draft, member};

fn agent(name: &str) -> AgentName {
    name.parse().expect("a name")
}

#[test]
fn what_a_role_may_not_do_is_neither_offered_nor_done_and_is_said() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.sign_in(Role::Viewer);
    let screen = story.screen();
    assert!(screen.contains("carol, viewer"), "{screen}");
    let footer = screen.lines().last().expect("a footer");
    assert!(
        footer.contains("t test") && footer.contains("/ filter"),
        "{footer}"
    );
    for word in ["copy", "edit", "revoke", "new", "disable"] {
        assert!(!footer.contains(word), "{word}: {footer}");
    }
    let before = story.audit();
    for (key, words) in [
        ("x", "may not revoke keys"),
        ("d", "may not disable and enable keys"),
        ("c", "may not copy or reveal tokens"),
        ("v", "may not copy or reveal tokens"),
        ("e", "may not edit keys"),
        ("n", "may not create keys"),
        ("N", "may not create keys"),
        ("R", "may not rotate keys"),
    ] {
        story.press(key);
        let screen = story.screen().replace('\n', " ");
        assert!(
            screen.contains("your role is viewer") && screen.contains(words),
            "{key}: {screen}"
        );
        assert!(story.model.modals.is_empty(), "{key}");
    }
    // The help and the palette leave out the same commands.
    story.press("?");
    let help = story.screen();
    assert!(
        !help.contains("revoke") && !help.contains("suspend"),
        "{help}"
    );
    story.press("<esc>:");
    let palette = story.screen();
    assert!(
        palette.contains("test access") && !palette.contains("revoke"),
        "{palette}"
    );
    // A viewer sees members, but cannot change them.
    story.press("<esc>m");
    story.shows("carol");
    story.press("n");
    let screen = story.screen();
    assert!(screen.contains("may not add, change or"), "{screen}");
    story.press("x");
    story.shows("Members · PROD");
    assert_eq!(story.audit(), before);
}

#[test]
fn an_operator_disables_and_a_role_that_is_taken_is_gone_within_a_second() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    let owner = story.someone_else("alice@gw1");
    story.sign_in(Role::Operator);
    story.press("d<tab><enter>");
    story.shows("API key disabled.");
    let carol = story.wait(owner.member("carol")).expect("there");
    let mut lesser = carol.draft.clone();
    lesser.role = Role::Viewer;
    story
        .wait(owner.edit_member(&carol, &lesser))
        .expect("changed");
    // The change is refused even before the screen was read again.
    story.press("d<tab><enter>");
    let screen = story.screen().replace('\n', " ");
    assert!(screen.contains("your role is viewer"), "{screen}");
    story.refresh();
    story.shows("carol, viewer");
}

#[test]
fn a_member_suspends_nothing_and_saves_no_file() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.sign_in(Role::Manager);
    story.press("<c-z>");
    assert!(!story.shell.contains(&Effect::Suspend));
    story.press("v");
    story.shows("clv_");
    story.press("s");
    assert!(
        story
            .shell
            .iter()
            .all(|effect| !matches!(effect, Effect::Save(_)))
    );
    story.hides("save to a file");
}

#[test]
fn a_member_is_added_with_a_pasted_key_changed_and_removed() {
    let mut story = Story::at(80, 24);
    story.press("m");
    story.shows("There are no members yet");
    story.press("ndave<tab><left><tab>");
    story.paste("-----BEGIN OPENSSH PRIVATE KEY-----");
    story.press("<enter>");
    story.shows("private key");
    story.press("<c-u>");
    story.paste(SSH_KEYS[0]);
    story.press("<enter>");
    let screen = story.screen();
    assert!(screen.contains("Member added."), "{screen}");
    assert!(
        screen.contains("dave") && screen.contains("operator"),
        "{screen}"
    );
    assert!(screen.contains("ssh-ed25519 laptop"), "{screen}");
    // An SSH key that another member has is refused.
    story.press("neve<tab><tab>");
    story.paste(SSH_KEYS[0]);
    story.press("<enter>");
    story.shows("dave already: every member needs");
    story.press("<esc>");
    story.shows("unsaved changes");
    story.press("<esc>");
    // The edit makes dave an owner; the last owner cannot be removed.
    story.press("e<right><right><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Member updated.") && screen.contains("owner"),
        "{screen}"
    );
    story.press("x<tab><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("dave is the last owner") && screen.contains("dave "),
        "{screen}"
    );
    story.press("e<left><enter>");
    let screen = story.screen();
    assert!(screen.contains("dave is the last owner"), "{screen}");
    story.press("<esc><esc>");
    let new = member("ann", Role::Owner, 1);
    story.wait(story.keyring.add_member(&new)).expect("added");
    story.refresh();
    story.shows("2 members");
    story.press("x");
    story.shows("Remove dave from PROD?");
    story.press("<enter>");
    assert!(story.screen().contains("2 members"), "it starts on Cancel");
    story.press("x<tab><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Member removed.") && !screen.contains("dave"),
        "{screen}"
    );
    assert_eq!(
        story.audit(),
        [
            "member.added",
            "member.edited",
            "member.added",
            "member.removed"
        ]
    );
}

#[test]
fn an_edit_of_a_member_who_was_changed_meanwhile_tells_theirs_and_is_saved_on_top() {
    let mut story = Story::at(80, 24);
    let new = member("dave", Role::Viewer, 0);
    story.wait(story.keyring.add_member(&new)).expect("added");
    story.press("me");
    let bob = story.someone_else("bob@gw2");
    let dave = story.wait(bob.member("dave")).expect("there");
    let mut theirs = dave.draft.clone();
    theirs.role = Role::Operator;
    story.wait(bob.edit_member(&dave, &theirs)).expect("first");
    // The save is refused before the list was read again, and then the other version is shown.
    story.press("<left><left><enter>");
    story.refresh();
    let screen = story.screen();
    assert!(
        screen.contains("somebody else changed this member meanwhile")
            && screen.contains("role is"),
        "{screen}"
    );
    story.press("<enter>");
    story.shows("Member updated.");
    // A question about a member who was changed is withdrawn.
    story.press("x");
    let dave = story.wait(bob.member("dave")).expect("there");
    let mut again = dave.draft.clone();
    again.role = Role::Viewer;
    story.wait(bob.edit_member(&dave, &again)).expect("changed");
    story.refresh();
    let screen = story.screen();
    assert!(
        screen.contains("the question was withdrawn") && !screen.contains("Remove dave"),
        "{screen}"
    );
}

#[test]
fn the_audit_log_is_filtered_read_and_followed() {
    let mut story = Story::at(80, 24);
    for name in ["one", "two", "three"] {
        story.given(name, |_| ());
    }
    story.press("gd<tab><enter>a");
    let screen = story.screen();
    assert!(
        screen.contains("1 of 4") && screen.contains("disabled           three"),
        "{screen}"
    );
    story.press("j");
    // After a change by another user the new event comes on top, and the cursor stays on its event.
    let bob = story.someone_else("bob@gw2");
    story
        .wait(bob.create(None, draft("four")))
        .expect("created");
    story.refresh();
    let screen = story.screen();
    assert!(
        screen.contains("3 of 5") && screen.contains("bob@gw2"),
        "{screen}"
    );
    let focused = screen
        .lines()
        .find(|line| line.contains("▸ 2026"))
        .expect("a focus");
    assert!(
        focused.contains("created") && focused.contains("three"),
        "{focused}"
    );
    story.press("/actor:bob<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("1 of 1") && screen.contains("/ actor:bob"),
        "{screen}"
    );
    story.press("/<c-u>nonsense:x<enter>");
    story.shows("nonsense: means nothing here");
    story.press("<esc><esc>");
    story.shows("1 of 5");
    story.press("/action:nothing<enter>");
    story.shows("No event is like that");
    story.press("<esc>jo");
    let screen = story.screen();
    assert!(
        screen.contains("1 of 2") && screen.contains("/ key:"),
        "{screen}"
    );
    story.press("<esc>");
    story.press("<esc>");
    assert!(story.model.modals.is_empty());
}

#[test]
fn an_events_details_tell_what_was_and_what_is() {
    let mut story = Story::at(80, 24);
    let key = story.given("acme", |_| ());
    let mut edited = key.draft.clone();
    edited.name = "acme two".parse().expect("a name");
    edited.conditions.allow = claviger::domain::allowlist::AllowList::parse("10.0.0.0/24")
        .expect("a list")
        .list;
    story
        .wait(story.keyring.edit(&KeyVersion::of(&key), &edited))
        .expect("edited");
    story.sign_in(Role::Manager);
    story
        .wait(
            story
                .keyring
                .token(&key.id, claviger::domain::audit::Change::Revealed),
        )
        .expect("revealed");
    story.refresh();
    story.press("a<enter>");
    let screen = story.screen();
    for words in [
        "carol",
        "keys@gw1",
        "SHA256:UCUiLr7P",
        "key.revealed",
        "acme two",
    ] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    // The next event down is the member's addition, and the one after that is the edit.
    story.press("jj");
    let screen = story.screen();
    for words in [
        "Event 2 · edited",
        "Name",
        "acme",
        "→ acme two",
        "Any IP",
        "→ 10.0.0.0/24",
    ] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    story.press("<esc>");
    story.shows("Audit log · PROD");
}

#[test]
fn a_hostile_name_in_the_log_acts_on_no_terminal() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    let folder = story.someone_else("x").place().to_string();
    story.wait(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{folder}"))
            .await
            .expect("the file");
        for statement in [
            "DROP TRIGGER audit_events_keep",
            "UPDATE audit_events SET subject_name = 'a' || char(8238) || char(27), \
             actor = 'm' || char(155), details = '{\"after\":{\"x\":\"' || char(8238) || '\"}}'",
        ] {
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .expect("planted");
        }
    });
    story.press("a");
    for keys in ["", "<enter>", "<esc>o", "<esc>p"] {
        story.press(keys);
        let screen = story.screen();
        assert!(
            !screen.contains(['\u{202e}', '\u{1b}', '\u{9b}']),
            "{screen:?}"
        );
        assert!(screen.contains("<U+"), "{screen}");
    }
}

#[test]
fn there_is_no_word_of_agents_until_there_is_a_second() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story.press("A");
    assert!(story.model.modals.is_empty());
    story.press("?");
    for _ in 0..3 {
        assert!(
            !story.screen().to_lowercase().contains("agent"),
            "{}",
            story.screen()
        );
        story.press("<pgdn>");
    }
    story.press("<esc><enter>");
    story.hides("Agent");
    story.press("<esc>n");
    story.shows("New API key in PROD");
    story.press("<esc>");
    story
        .wait(
            story
                .keyring
                .add_agent(&agent("prod"), &TokenPrefix::default()),
        )
        .expect("added");
    story.refresh();
    story.shows("PROD / all agents");
    // The agent for a new key is asked for where it is not clear.
    story.press("n");
    story.shows("for which agent?");
    story.press("j<enter>");
    story.shows("New API key for prod in PROD");
    story.press("in prod<enter><enter>");
    story.shows("API key created successfully.");
    assert_eq!(story.model.selected().expect("there").agent, agent("prod"));
    story.press("<esc><enter>");
    story.shows("Agent");
    story.press("<esc>A<down><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("PROD / default") && screen.contains("1 key"),
        "{screen}"
    );
    assert!(
        screen.contains("acme") && !screen.contains("in prod"),
        "{screen}"
    );
    // A new key is for the agent that is shown; a copy of a key is for the agent of that key.
    story.press("nmore<enter><enter><esc>");
    assert_eq!(
        story.model.selected().expect("there").agent,
        AgentName::default_agent()
    );
    story.press("A<down><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("PROD / prod") && !screen.contains("acme"),
        "{screen}"
    );
    story.press("Nagain<enter><enter><esc>");
    assert_eq!(story.model.selected().expect("there").agent, agent("prod"));
    story.shows("2 keys");
}

#[test]
fn marks_of_another_agents_keys_are_never_acted_on() {
    let mut story = Story::at(80, 24);
    story
        .wait(
            story
                .keyring
                .add_agent(&agent("prod"), &TokenPrefix::default()),
        )
        .expect("added");
    story.given("acme", |_| ());
    story
        .wait(story.keyring.create(Some(&agent("prod")), draft("in prod")))
        .expect("created");
    story.refresh();
    story.press("gj A<down><down><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("PROD / prod") && !screen.contains("marked"),
        "{screen}"
    );
    story.press("x");
    assert!(
        story.screen().contains("Revoke in prod (") && story.screen().contains(", prod) in PROD?"),
        "{}",
        story.screen()
    );
    story.press("<esc>");
    let bob = story.someone_else("bob@gw2");
    let key = story.wait(bob.resolve("in prod")).expect("there");
    story
        .wait(bob.revoke(&[KeyVersion::of(&key)], RevokeReason::Other))
        .expect("revoked");
    story.refresh();
    story.shows("There are no API keys");
}

#[test]
fn who_is_limited_to_agents_that_are_gone_is_let_at_none_by_an_edit_too() {
    let mut story = Story::at(80, 24);
    story
        .wait(
            story
                .keyring
                .add_agent(&agent("prod"), &TokenPrefix::default()),
        )
        .expect("added");
    let mut limited = member("dave", Role::Viewer, 0);
    limited.scope = AgentScope::Only([agent("prod")].into());
    story
        .wait(story.keyring.add_member(&limited))
        .expect("added");
    story
        .wait(story.keyring.remove_agent(&agent("prod")))
        .expect("removed");
    story.refresh();
    story.press("me");
    story.shows("none of them");
    story.press("<left><enter>");
    story.shows("Member updated.");
    let dave = story.wait(story.keyring.member("dave")).expect("there");
    assert_eq!(dave.draft.scope, AgentScope::Only([].into()));
    assert_eq!(dave.draft.role, Role::Operator);
    // The event lists the members who lost the agent.
    story.press("<esc>a/action:agent.removed<enter><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Members who lose it") && screen.contains("dave"),
        "{screen}"
    );
}

#[test]
fn a_screen_whose_agent_is_gone_shows_all_of_them_again() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    story
        .wait(
            story
                .keyring
                .add_agent(&agent("prod"), &TokenPrefix::default()),
        )
        .expect("added");
    story.refresh();
    story.press("A<down><down><enter>");
    story.shows("PROD / prod");
    let bob = story.someone_else("bob@gw2");
    story
        .wait(bob.remove_agent(&agent("prod")))
        .expect("removed");
    story.refresh();
    let screen = story.screen();
    assert!(
        screen.contains("acme") && screen.contains("is gone") && !screen.contains("PROD /"),
        "{screen}"
    );
    story.press("nnew<enter><enter>");
    story.shows("API key created successfully.");
}

#[test]
fn a_reach_that_is_narrowed_takes_its_keys_off_the_screen() {
    let mut story = Story::at(80, 24);
    for name in ["prod", "staging"] {
        story
            .wait(
                story
                    .keyring
                    .add_agent(&agent(name), &TokenPrefix::default()),
            )
            .expect("added");
    }
    for (name, of) in [("one", "prod"), ("two", "staging")] {
        story
            .wait(story.keyring.create(Some(&agent(of)), draft(name)))
            .expect("created");
    }
    let owner = story.someone_else("alice@gw1");
    story.sign_in(Role::Manager);
    story.press("G ");
    assert_eq!(story.model.selected().expect("there").name(), "one");
    let carol = story.wait(owner.member("carol")).expect("there");
    let mut narrowed = carol.draft.clone();
    narrowed.scope = AgentScope::Only([agent("staging")].into());
    story
        .wait(owner.edit_member(&carol, &narrowed))
        .expect("narrowed");
    story.refresh();
    let screen = story.screen();
    assert!(
        screen.contains("▸ two") && !screen.contains(" one ") && screen.contains("1 key"),
        "{screen}"
    );
    assert!(story.model.list.marks.is_empty());
    story.press("e<esc>");
    assert_eq!(story.model.selected().expect("there").name(), "two");
}

#[test]
fn what_mends_a_check_is_offered_to_whom_it_is_open() {
    let mut story = Story::at(80, 24);
    let key = story.given("acme", |_| ());
    story
        .wait(story.keyring.switch(&[KeyVersion::of(&key)], true))
        .expect("off");
    story.refresh();
    let owner = story.someone_else("alice@gw1");
    story.sign_in(Role::Viewer);
    story.press("t");
    story.hides("fix");
    for press in ["f", "<enter>"] {
        story.press(press);
        assert!(
            story.screen().contains("Test access · acme"),
            "{press}: {}",
            story.screen()
        );
    }
    // An operator may enable the key, and that fixes the refusal.
    let carol = story.wait(owner.member("carol")).expect("there");
    let mut more = carol.draft.clone();
    more.role = Role::Operator;
    story.wait(owner.edit_member(&carol, &more)).expect("more");
    story.refresh();
    story.press("f");
    story.shows("Enable acme in PROD?");
    story.press("<tab><enter>");
    story.shows("API key enabled.");
}

#[test]
fn several_pasted_keys_stay_several() {
    let mut story = Story::at(80, 24);
    story.press("mndave<tab><tab>");
    story.paste(&format!("{}\r\n{}\n", SSH_KEYS[0], SSH_KEYS[1]));
    story.press("<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("ssh-ed25519 laptop") && screen.contains("ssh-ed25519 desk"),
        "{screen}"
    );
}

#[test]
fn a_failed_save_comes_back_to_its_form_whatever_lies_on_top() {
    let mut story = Story::at(80, 24);
    let new = member("ann", Role::Owner, 0);
    story.wait(story.keyring.add_member(&new)).expect("added");
    story.press("me<right>");
    // The palette opens while the save is still running.
    let seen = story.wait(story.keyring.member("ann")).expect("there");
    let form = story.model.top_mut::<MemberForm>().expect("the form");
    form.working = true;
    assert_eq!(form.seen.as_deref(), Some(&seen));
    story.press("<tab><tab>");
    story.model.open(Palette::default());
    story.happen(claviger::tui::message::Message::MemberSaved(Err(
        "it did not work".to_owned(),
    )));
    story.press("<esc>");
    let screen = story.screen();
    assert!(
        screen.contains("Change ann in PROD") && screen.contains("it did not work"),
        "{screen}"
    );
}

#[test]
fn what_is_shown_of_the_log_is_written_to_a_file_and_over_ssh_it_is_said_how() {
    let mut story = Story::at(80, 24);
    story.given("=1+1", |_| ());
    story.given("other", |_| ());
    story.press("a/other<enter>w");
    story.shows("CSV, for a spreadsheet");
    story.press("j<enter>");
    let screen = story.screen();
    assert!(screen.contains("1 event written to"), "{screen}");
    let home = std::env::var("HOME").expect("a home");
    let path = std::path::Path::new(&home).join("claviger-audit-2026-11-23-07-00-00.csv");
    let written = std::fs::read_to_string(&path).expect("the file");
    // An existing file is never overwritten.
    story.press("wj<enter>");
    let again = story.screen();
    std::fs::remove_file(&path).expect("removed");
    assert!(again.contains("Not written"), "{again}");
    assert_eq!(written.lines().count(), 2, "the head and one event");
    assert!(written.contains(",other,default,") && !written.contains("=1+1"));
    story.press("<esc><esc><esc>");
    story.sign_in(Role::Owner);
    story.press("aw");
    let screen = story.screen();
    assert!(
        screen.contains("Over SSH it is written where you are"),
        "{screen}"
    );
}

#[test]
fn without_a_record_nothing_is_copied_or_shown() {
    let mut story = Story::at(80, 24);
    story.given("acme", |_| ());
    let file = story.someone_else("x").place().to_string();
    story.wait(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{file}"))
            .await
            .expect("the file");
        sqlx::query(
            "CREATE TRIGGER no_record BEFORE INSERT ON audit_events \
             BEGIN SELECT RAISE(ABORT, 'the audit log is full'); END",
        )
        .execute(&mut connection)
        .await
        .expect("planted");
    });
    for key in ["c", "v"] {
        story.press(key);
        let screen = story.screen();
        assert!(screen.contains("the audit log is full"), "{screen}");
        assert!(!screen.contains("clv_") && story.sent.is_empty(), "{key}");
    }
}
