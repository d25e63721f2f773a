//! Test access: from a refusal to the fixed rule and its proof, in five key presses.
use claviger::{
    domain::{
        access::{Action, Actions},
        allowlist::AllowList,
        decision::Decision,
        key::{Draft, Key, KeyVersion},
        moment::{DAY, HOUR, Moment},
    },
    keyring::CheckRequest,
    tui::explain::{ExplainDialog, ExplainRow},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::story::{NOW, Story};

/// Creates a partner's key; returns it with its token.
fn partner(story: &mut Story) -> (Key, SecretString) {
    let key = story.given("Partner: Acme", |draft| {
        draft
            .conditions
            .grants
            .set("contacts".parse().expect("a slug"), Actions::READ);
        draft.conditions.allow = AllowList::parse("10.0.0.0/24, 192.168.1.1")
            .expect("a list")
            .list;
        draft.conditions.expires_at = Some(Moment::from_millis(NOW + 69 * DAY).end_of_day());
    });
    let opened = story.wait(
        story
            .keyring
            .token(&key.id, claviger::domain::audit::Change::Copied),
    );
    (key, opened.expect("opened").token.expose().clone())
}

/// Requests access with the token; records the decision and returns it.
fn ask(story: &mut Story, token: &SecretString, action: Action, from: &str) -> Decision {
    let presented = CheckRequest {
        token,
        area: "contacts".parse().expect("a slug"),
        action,
        address: Some(from.parse().expect("an address")),
        agent: None,
    };
    let decided = story
        .wait(story.keyring.decide(&presented))
        .expect("decided");
    story
        .wait(story.keyring.record(&decided))
        .expect("recorded");
    decided.decision
}

#[test]
fn from_a_refusal_to_the_rule_mended_and_proven_in_five_presses() {
    let mut story = Story::at(80, 24);
    story.given("another", |_| ());
    let (key, token) = partner(&mut story);
    // This key is above the other and needs attention too: the cursor goes to the refused one.
    story.given("and another", |draft| {
        draft.conditions.expires_at = Some(Moment::from_millis(NOW + DAY));
    });
    ask(&mut story, &token, Action::Read, "10.0.1.1");
    story.press("!");
    story.shows("1 refused");
    story.press("t");
    let screen = story.screen();
    assert!(screen.contains("DENIED  address_not_allowed"), "{screen}");
    assert!(
        screen.contains("10.0.1.1 is on none of 2 entries; nearest is 10.0.0.0/24"),
        "{screen}"
    );
    assert!(
        screen.contains("list set 2026-11-23 07:00 UTC by alice@gw1")
            || screen.contains("list changed 2026-11-23"),
        "{screen}"
    );
    insta::assert_snapshot!("test_access_80x24", story.snapshot());
    story.press("f");
    let screen = story.screen();
    assert!(
        screen.contains("10.0.0.0/24, 192.168.1.1, 10.0.1.1"),
        "{screen}"
    );
    story.press("<enter>");
    story.shows("Widens: adds 10.0.1.1.");
    // The edit covers the whole test, and only the topmost dialog shows key hints.
    let screen = story.screen();
    assert!(!screen.contains("The last refusal"), "{screen}");
    assert_eq!(screen.matches("Enter Save changes").count(), 1, "{screen}");
    story.press("?");
    let screen = story.screen();
    assert!(!screen.contains("Enter Save changes ·"), "{screen}");
    story.press("<esc><enter>");
    let screen = story.screen();
    assert!(screen.contains("ALLOWED"), "{screen}");
    assert!(
        screen.contains("was refused 2026-11-23 07:00 UTC for address_not_allowed"),
        "{screen}"
    );
    insta::assert_snapshot!("test_access_mended_80x24", story.snapshot());
    let allowed = Decision::Allow {
        key_id: key.id.clone(),
    };
    assert_eq!(ask(&mut story, &token, Action::Read, "10.0.1.1"), allowed);
    // Exactly that address is allowed, nothing wider.
    assert!(matches!(
        ask(&mut story, &token, Action::Read, "10.0.1.2"),
        Decision::Deny { .. }
    ));
    assert_eq!(story.audit().last(), Some(&"key.edited"));
}

#[test]
fn the_proof_is_in_view_on_the_smallest_screen_too() {
    let mut story = Story::at(40, 12);
    let (_, token) = partner(&mut story);
    for address in ["10.0.1.1", "10.0.1.1"] {
        ask(&mut story, &token, Action::Read, address);
    }
    story.press("!tf<enter><enter>");
    story.shows("ALLOWED");
    // The list of refusals can still be reached.
    story.press("<down>");
    story.shows("▸ 11-23 07:00");
    story.press("<up>");
    story.shows("ALLOWED");
}

#[test]
fn what_its_new_rules_still_refuse_calls_for_attention_still() {
    let mut story = Story::at(80, 24);
    let (key, token) = partner(&mut story);
    ask(&mut story, &token, Action::Delete, "10.0.0.9");
    ask(&mut story, &token, Action::Read, "10.0.1.1");
    ask(&mut story, &token, Action::Read, "10.0.1.1");
    story.refresh();
    story.shows("3 refused");
    // One of the three requests would pass now.
    let mut draft = key.draft.clone();
    let contacts: claviger::domain::access::AreaSlug = "contacts".parse().expect("a slug");
    draft.conditions.grants.set(contacts, Actions::ALL);
    let edit = |story: &Story, draft: &Draft| {
        let at = KeyVersion::of(&story.wait(story.keyring.key(&key.id)).expect("the key"));
        story.wait(story.keyring.edit(&at, draft)).expect("edited");
    };
    edit(&story, &draft);
    story.refresh();
    story.shows("2 refused");
    // Disabling and enabling the key fixes nothing.
    for disable in [true, false] {
        let at = KeyVersion::of(&story.wait(story.keyring.key(&key.id)).expect("the key"));
        story
            .wait(story.keyring.switch(&[at], disable))
            .expect("switched");
    }
    story.refresh();
    story.shows("2 refused");
    draft.conditions.allow = AllowList::Anywhere;
    edit(&story, &draft);
    story.refresh();
    story.hides("refused");
}

#[test]
fn what_leads_nowhere_names_no_area() {
    let mut story = Story::at(80, 24);
    partner(&mut story);
    story.press("t<tab><tab><tab>OPTIONS /elsewhere<enter>");
    let screen = story.screen();
    assert!(screen.contains("Area none    Action none"), "{screen}");
    assert!(screen.contains("Request OPTIONS /elsewhere"), "{screen}");
    story.press("<tab><tab><tab><tab><c-u><enter>");
    let screen = story.screen();
    assert!(screen.contains("choose an area and an action"), "{screen}");
    story.press("<s-tab><s-tab><right><tab><right><right><enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Area Contact Access    Action Read"),
        "{screen}"
    );
}

#[test]
fn new_refusals_are_followed_where_one_is() {
    let mut story = Story::at(80, 24);
    let (_, token) = partner(&mut story);
    ask(&mut story, &token, Action::Delete, "10.0.0.9");
    story.refresh();
    story.shows("1 refused");
    story.press("t<down>");
    let focused = |story: &Story| {
        let test = story
            .model
            .top::<ExplainDialog>()
            .expect("the test")
            .focused();
        match test {
            Some(ExplainRow::Refused(refusal)) => refusal.id.clone(),
            other => panic!("not on a refusal: {other:?}"),
        }
    };
    let before = focused(&story);
    for n in 1..5 {
        ask(&mut story, &token, Action::Update, &format!("10.0.0.{n}"));
    }
    story.refresh();
    let screen = story.screen();
    assert!(screen.contains("The last 5 refusals"), "{screen}");
    // The screen is still about the same request, and the cursor is still on its row.
    assert!(screen.contains("grants Read, not Delete"), "{screen}");
    assert_eq!(focused(&story), before);
}

#[test]
fn tokens_that_match_no_key_are_found_and_explained_without_any_id() {
    let mut story = Story::at(80, 24);
    let (key, token) = partner(&mut story);
    story.press("u");
    let screen = story.screen();
    assert!(
        screen.contains("no refusal is kept of a request that matches no key"),
        "{screen}"
    );
    story.press("<esc>");
    let mut mistyped = token.expose_secret().to_owned();
    let last = mistyped.pop();
    mistyped.push(if last == Some('0') { '1' } else { '0' });
    for wrong in [mistyped.as_str(), "nonsense"] {
        ask(&mut story, &wrong.into(), Action::Read, "10.0.0.9");
    }
    story.press("u");
    let screen = story.screen();
    assert!(screen.contains("Test access · no key · PROD"), "{screen}");
    assert!(screen.contains("DENIED  malformed_token"), "{screen}");
    assert!(
        screen.contains("The last 2 refusals that match no key"),
        "{screen}"
    );
    let names = format!("names {}", key.id);
    assert!(screen.contains(&names), "{screen}");
    // One of the two refused tokens names the key, the other names none; no change of the key would
    // fix either.
    let mut evidence = Vec::new();
    for keys in ["<down><enter>", "<down><down><enter>"] {
        story.press(keys);
        let screen = story.screen();
        assert!(!screen.contains("fix this check"), "{screen}");
        evidence.push(screen.contains("it names the"));
    }
    evidence.sort_unstable();
    assert_eq!(evidence, [false, true]);
    insta::assert_snapshot!("unmatched_80x24", story.snapshot());
}

#[test]
fn every_failing_check_is_shown_and_fixed_at_its_own_field() {
    let mut story = Story::at(100, 40);
    let (key, token) = partner(&mut story);
    ask(&mut story, &token, Action::Delete, "10.0.1.1");
    let at = KeyVersion::of(&story.wait(story.keyring.key(&key.id)).expect("the key"));
    story.wait(story.keyring.switch(&[at], true)).expect("off");
    let mut over = key.draft.clone();
    over.conditions.expires_at = Some(Moment::from_millis(NOW - DAY));
    let at = KeyVersion::of(&story.wait(story.keyring.key(&key.id)).expect("the key"));
    story.wait(story.keyring.edit(&at, &over)).expect("over");
    story.refresh();
    story.press("t");
    let screen = story.screen();
    for words in [
        "FAILS state",
        "FAILS expiry",
        "FAILS address",
        "FAILS action",
    ] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    // The cursor is on the first check: f asks whether to enable the key.
    story.press("f<tab><enter>");
    story.hides("FAILS state");
    story.press("f");
    story.shows("2027-02-21");
    story.press("<enter><enter>");
    story.hides("FAILS expiry");
    // The second of the two remaining checks.
    story.press("<down>f");
    story.shows("Step 2 of 2");
    story.shows("Widens: Contact Access gains delete");
    story.press("<enter>");
    story.hides("FAILS action");
    story.press("f<esc><esc>");
    assert!(
        story.screen().contains("FAILS address"),
        "discarding mends nothing"
    );
    story.press("f<enter><enter>");
    story.shows("ALLOWED");
}

#[test]
fn a_request_can_be_described_and_another_refusal_chosen() {
    let mut story = Story::at(80, 24);
    let (_, token) = partner(&mut story);
    ask(&mut story, &token, Action::Delete, "10.0.0.9");
    ask(&mut story, &token, Action::Read, "10.9.9.9");
    story.press("t");
    story.shows("The last 2 refusals");
    // Moves past the failing check to the other refusal, wherever two refusals of the same time are
    // listed.
    let screen = story.screen();
    let (head, other) = (screen.find("The last 2"), screen.find("delete contacts"));
    let rows = screen[head.expect("a head")..other.expect("a row")]
        .lines()
        .count()
        - 1;
    story.press(&"<down>".repeat(rows)).press("<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Contact Access grants Read, not Delete"),
        "{screen}"
    );

    // Another address, area and action.
    story.press("<tab>");
    story
        .paste("")
        .press("<c-u>10.0.0.7<tab><right><tab><right><enter>");
    let screen = story.screen();
    assert!(screen.contains("Address 10.0.0.7"), "{screen}");
    assert!(
        screen.contains("Document Extraction Access grants nothing, not Create"),
        "{screen}"
    );
    // A method and a path lead where the routes say.
    story.press("<tab><tab><tab><tab>GET /contacts/7?x=1<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("ALLOWED")
            && screen.contains("GET /contacts/7 leads to Contact Access, Read"),
        "{screen}"
    );
    for (typed, why) in [
        ("brew /x", "no route can name this method"),
        ("GET //x", "its path could leave its own prefix"),
        ("GET x", "its path does not begin with /"),
        ("GET", "it has no path"),
    ] {
        story.press("<tab><tab><tab><tab><c-u>");
        story.press(&format!("{typed}<enter>"));
        assert!(story.screen().contains(why), "{typed}: {}", story.screen());
        story.press("<esc>");
    }
    story.press("<tab><c-u>nonsense<enter>");
    story.shows("nonsense is no address");
    story.press("<esc><esc>");
    story.shows("Partner: Acme");
}

#[test]
fn a_new_key_is_tested_from_its_dialog_and_a_change_of_others_is_followed() {
    let mut story = Story::at(80, 24);
    story.press("nacme<enter>1<enter>t");
    let screen = story.screen();
    assert!(
        screen.contains("Test access · acme · PROD") && screen.contains("ALLOWED"),
        "{screen}"
    );
    let bob = story.someone_else("bob@gw2");
    let key = story.wait(bob.resolve("acme")).expect("the key");
    story
        .wait(bob.switch(&[KeyVersion::of(&key)], true))
        .expect("off");
    story.refresh();
    let screen = story.screen();
    assert!(
        screen.contains("DENIED  disabled") && screen.contains("by bob@gw2"),
        "{screen}"
    );
}

#[test]
fn what_no_change_of_the_key_mends_says_the_way_out_and_offers_no_fix() {
    let mut story = Story::at(80, 24);
    partner(&mut story);
    story.press("t<tab><tab><tab>GET /elsewhere<enter>");
    // The address is not known, and the path matches no route.
    let screen = story.screen();
    assert!(screen.contains("DENIED"), "{screen}");
    assert!(screen.contains("claviger area edit"), "{screen}");
    for keys in ["f", "<enter>", "<down>f", "<enter>"] {
        story.press(keys);
        let now = story.screen();
        assert!(!now.contains("fix"), "{now}");
        assert!(
            now.contains("DENIED") && now.contains("FAILS route"),
            "{now}"
        );
    }
}

#[test]
fn an_edited_request_never_stands_beside_the_verdict_on_another() {
    for (width, height) in [(80, 24), (40, 12), (160, 50)] {
        let mut story = Story::at(width, height);
        let (_, token) = partner(&mut story);
        for n in 0..20 {
            ask(&mut story, &token, Action::Delete, &format!("10.0.0.{n}"));
        }
        story.refresh();
        story.press("t");
        story.shows("DENIED");
        story.press("<up><up>");
        story.shows("DENIED");
        story.press("<tab><c-u>bad<enter>");
        let screen = story.screen();
        assert!(screen.contains("bad is no address"), "{screen}");
        for verdict in ["DENIED", "ALLOWED"] {
            assert!(!screen.contains(verdict), "{screen}");
        }
        // After Escape the fields show the request of the verdict again.
        story.press("<esc>");
        let screen = story.screen();
        assert!(
            screen.contains("DENIED") && !screen.contains("bad"),
            "{screen}"
        );
    }
}

#[test]
fn after_a_rotation_the_new_token_is_tested_and_the_old_one_has_a_way_out() {
    let mut story = Story::at(80, 24);
    let (_, old) = partner(&mut story);
    // Ends the old token at once: Shift-Tab to the overlap, then Left twice from 24 hours.
    story.press("R<s-tab><left><left><tab><tab><enter>");
    ask(&mut story, &old, Action::Read, "10.0.0.9");
    story.press("t10.0.0.9<enter>");
    let screen = story.screen();
    assert!(screen.contains("with the current token"), "{screen}");
    assert!(!screen.contains("FAILS expiry"), "{screen}");
    story.press("<esc><esc>t");
    let screen = story.screen();
    assert!(screen.contains("DENIED  expired"), "{screen}");
    assert!(screen.contains("give its client the"), "{screen}");
    assert!(
        screen.contains("No change of the key would mend that."),
        "{screen}"
    );
}

#[test]
fn what_stays_refused_is_said_when_it_is_enabled_or_rotated() {
    let mut story = Story::at(140, 30);
    let then = story.days_ago(10);
    let end = story.model.now.plus(-DAY);
    story.wait(async {
        let mut draft = crate::draft::draft("over", "", &[]);
        draft.conditions.expires_at = Some(end);
        then.create(None, draft).await.expect("created");
    });
    story.refresh();
    story.press("R");
    story.shows("The key has ended: its old token ends for good");
    story.press("<s-tab><right><tab><tab><enter>");
    story.shows("The key has ended: the old token has ended with it, and the new one");
    story.press("<esc>d<tab><enter>d");
    story.shows("It has ended, and stays refused until it gets a new end.");
    story.press("<esc>");
    story.given("well", |_| ());
    story.press("kd<tab><enter>R");
    story.shows("Both tokens are refused");
    story.press("<s-tab><right><tab><tab><enter>");
    story.shows("The key is disabled: both tokens are refused until it is enabled.");
    story.press("<esc> <down> d");
    story.shows("They are let in again from the next request on, except 1");
}

#[test]
fn a_key_is_rotated_its_old_token_watched_and_ended() {
    let mut story = Story::at(140, 30);
    let (key, old) = partner(&mut story);
    story.press("R");
    insta::assert_snapshot!("rotate_140x30", story.snapshot());
    // The focus starts on Cancel; the overlap is above it, and its next choice is seven days.
    story.press("<s-tab><right><tab><tab><enter>");
    let screen = story.screen();
    assert!(screen.contains("API key rotated."), "{screen}");
    assert!(
        screen.contains("The old token stays good until 2026-11-30 07:00 UTC"),
        "{screen}"
    );
    story.press("<esc>");
    let allowed = Decision::Allow {
        key_id: key.id.clone(),
    };
    assert_eq!(ask(&mut story, &old, Action::Read, "10.0.0.9"), allowed);
    story.press("!");
    let screen = story.screen();
    assert!(screen.contains("old token 7d"), "{screen}");
    assert!(screen.contains("1 use since 2026-11-23"), "{screen}");
    story.press("R");
    story.shows("end the old token now, make no new one");
    story.press("<tab><enter>");
    assert!(matches!(
        ask(&mut story, &old, Action::Read, "10.0.0.9"),
        Decision::Deny { .. }
    ));
    assert_eq!(story.audit().last(), Some(&"key.rotation_finished"));
    let current = story.wait(story.keyring.rotate(
        &KeyVersion::of(&story.wait(story.keyring.key(&key.id)).expect("the key")),
        HOUR,
    ));
    assert!(current.is_ok());
}

#[test]
fn the_details_tell_two_days_of_use_without_colour() {
    let mut story = Story::at(140, 30);
    let (_, token) = partner(&mut story);
    for n in 0..5 {
        ask(&mut story, &token, Action::Read, &format!("10.0.0.{n}"));
    }
    ask(&mut story, &token, Action::Delete, "10.0.0.9");
    story.press("!");
    let screen = story.screen();
    assert!(screen.contains("█ 5 allowed"), "{screen}");
    assert!(screen.contains("▂ 1 refused"), "{screen}");
    assert!(screen.contains("action_not_permitted from"), "{screen}");
    insta::assert_snapshot!("details_of_use_140x30", story.snapshot());
}

#[test]
fn a_decision_is_explained_by_its_id_in_the_palette() {
    let mut story = Story::at(80, 24);
    let (_, token) = partner(&mut story);
    let presented = CheckRequest {
        token: &token,
        area: "contacts".parse().expect("a slug"),
        action: Action::Delete,
        address: Some([10, 0, 0, 9].into()),
        agent: None,
    };
    let known = story
        .wait(story.keyring.decide(&presented))
        .expect("decided");
    story.wait(story.keyring.record(&known)).expect("recorded");
    let nobody = SecretString::from("nonsense");
    let presented = CheckRequest {
        token: &nobody,
        ..presented
    };
    let unknown = story
        .wait(story.keyring.decide(&presented))
        .expect("decided");
    story
        .wait(story.keyring.record(&unknown))
        .expect("recorded");

    story.press(":").paste(known.id.as_str());
    story.shows("▸ explain d_");
    story.press("<enter>");
    let screen = story.screen();
    assert!(
        screen.contains("Test access · Partner: Acme · PROD"),
        "{screen}"
    );
    assert!(
        screen.contains("Contact Access grants Read, not Delete"),
        "{screen}"
    );
    story
        .press("<esc>:")
        .paste(unknown.id.as_str())
        .press("<enter>");
    let screen = story.screen();
    assert!(screen.contains("DENIED  malformed_token"), "{screen}");
    // There is no token to send the request with.
    assert!(!screen.contains("edit the request"), "{screen}");
    story.press("<tab>");
    assert_eq!(story.screen(), screen);
    story.press("<esc>:d_0000000000000000<enter>");
    story.shows("no refusal d_0000000000000000 is known");
}
