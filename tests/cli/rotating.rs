//! Rotation, expiry dates and the policy for them, and the key's use as `show` prints it.
use crate::command::Home;

#[test]
fn rotating_prints_the_new_token_and_keeps_the_old_one_for_a_while() {
    let home = Home::new();
    let (id, old) = home.create("acme", &["--grant", "contacts=read"]);
    let rotated = home.run(&["rotate", "acme"]).done();
    let new = rotated.stdout.trim_end().to_owned();
    assert!(new.starts_with(&format!("clv_{id}_")) && new != old);
    assert!(
        rotated.stderr.contains("The old token stays good until"),
        "{}",
        rotated.stderr
    );
    for (token, from) in [(&new, "10.0.0.1"), (&old, "10.0.0.2"), (&old, "10.0.0.2")] {
        assert_eq!(home.check(token, "contacts", "read", Some(from)), (0, None));
    }
    let shown = home.run(&["show", &id, "--json"]).done().json();
    assert_eq!(shown["former_tokens"][0]["uses"], 2, "{shown}");
    assert_eq!(shown["allowed_48h"], 3);
    let text = home.run(&["show", &id]).done().stdout;
    assert!(text.contains("Status      active, old token 23h"), "{text}");
    assert!(text.contains("Old token   good until"), "{text}");
    assert!(text.contains("48 hours    3 allowed, 0 refused"), "{text}");

    home.run(&["rotate", &id, "--finish"]).done();
    assert_eq!(
        home.check(&old, "contacts", "read", None),
        (1, Some("expired".into()))
    );
    assert_eq!(home.check(&new, "contacts", "read", None), (0, None));
    let nothing = home.run(&["rotate", &id, "--finish"]);
    assert_eq!(nothing.status, 1);
    assert!(
        nothing.stderr.contains("nothing to finish"),
        "{}",
        nothing.stderr
    );

    let rotated = home
        .run(&["rotate", &id, "--overlap", "0", "--json"])
        .done()
        .json();
    assert_eq!(rotated["id"], id);
    assert_eq!(rotated["former_valid_until"], serde_json::Value::Null);
    let newest = rotated["token"].as_str().expect("a token");
    assert_eq!(
        home.check(&new, "contacts", "read", None),
        (1, Some("expired".into()))
    );
    assert_eq!(home.check(newest, "contacts", "read", None), (0, None));
    assert_eq!(
        home.run(&["reveal", &id]).done().stdout,
        format!("{newest}\n")
    );
    let audit = home.run(&["audit"]).done().stdout;
    assert!(
        audit.contains("key.rotated") && audit.contains("key.rotation_finished"),
        "{audit}"
    );
}

#[test]
fn overlaps_that_are_none_are_refused_with_the_way_out() {
    let home = Home::new();
    let (id, old) = home.create("acme", &["--grant", "contacts=read"]);
    for (overlap, why) in [
        ("soon", "is no overlap"),
        ("31d", "at most 30 days"),
        ("", "is no overlap"),
    ] {
        let refused = home.run(&["rotate", &id, "--overlap", overlap]);
        assert_eq!(refused.status, 2, "{overlap}");
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    assert_eq!(
        home.run(&["rotate", &id, "--finish", "--overlap", "1h"])
            .status,
        2
    );
    assert_eq!(home.run(&["rotate", "nobody"]).status, 1);
    assert_eq!(home.check(&old, "contacts", "read", None), (0, None));
}

#[test]
fn keys_that_end_soon_are_listed_the_soonest_first() {
    let home = Home::new();
    for (name, end) in [
        ("later", "20d"),
        ("soon", "13d"),
        ("sooner", "2d"),
        ("never", "never"),
        ("at-once", "1h"),
    ] {
        home.create(name, &["--expires", end]);
    }
    let names = |arguments: &[&str]| {
        let listed = home.run(arguments).done().json();
        let keys = listed.as_array().expect("a list").clone();
        let name = |key: &serde_json::Value| key["name"].as_str().expect("a name").to_owned();
        keys.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(
        names(&["list", "--expiring", "14d", "--json"]),
        ["at-once", "sooner", "soon"]
    );
    assert_eq!(names(&["list", "--json", "--expiring", "30m"]), [""; 0]);
    // A key that has expired already does not count as expiring soon.
    home.past("UPDATE keys SET expires_at = 1000 WHERE name = 'sooner'");
    assert_eq!(
        names(&["list", "--expiring", "14d", "--json"]),
        ["at-once", "soon"]
    );
    for wrong in [
        &["list", "--expiring", "soon"][..],
        &["list", "--expiring", "14d", "--sort", "name"],
    ] {
        assert_eq!(home.run(wrong).status, 2, "{wrong:?}");
    }
}

#[test]
fn a_policy_for_ends_is_kept_by_create_and_edit() {
    let home = Home::new();
    let (id, _) = home.create("old", &[]);
    let set = home
        .run(&["workspace", "--longest-life", "90d", "--must-expire", "yes"])
        .done();
    assert!(
        set.stdout.contains("Every key must end within 90 days."),
        "{}",
        set.stdout
    );
    let shown = home.run(&["workspace", "--json"]).done().json();
    assert_eq!(
        (&shown["longest_life_days"], &shown["must_expire"]),
        (&90.into(), &true.into())
    );
    for (arguments, why) in [
        (&["create", "new"][..], "every key must have an end here"),
        (
            &["create", "new", "--expires", "91d"],
            "keys live at most 90 days",
        ),
        (
            &["edit", &id, "--expires", "2099-01-01"],
            "keys live at most 90 days",
        ),
    ] {
        let refused = home.run(arguments);
        assert_eq!(refused.status, 2, "{arguments:?}");
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    // A limit on the life of keys rules out keys without an expiry.
    let policy = ["workspace", "--longest-life", "30d", "--must-expire", "no"];
    home.run(&policy).refused(2, "every key must end");
    let shown = home
        .run(&["workspace", "--longest-life", "90d", "--json"])
        .done()
        .json();
    assert_eq!(shown["must_expire"], true);
    home.run(&["edit", &id, "--name", "older"]).done();
    home.create("new", &["--expires", "90d"]);
    home.run(&["workspace", "--longest-life", "none", "--must-expire", "no"])
        .done();
    home.create("endless", &[]);
    assert_eq!(home.run(&["workspace", "--longest-life", "soon"]).status, 2);
}

#[test]
fn refusals_are_told_by_show_and_call_for_attention() {
    let home = Home::new();
    let arguments = ["--grant", "contacts=read", "--allow-ip", "10.0.0.0/24"];
    let (id, token) = home.create("acme", &arguments);
    home.check(&token, "contacts", "read", Some("10.0.1.1"));
    home.check(&token, "contacts", "delete", Some("10.0.0.9"));
    home.check(&token, "contacts", "read", Some("10.0.0.9"));
    let text = home.run(&["show", &id]).done().stdout;
    assert!(text.contains("Status      active, 2 refused"), "{text}");
    assert!(text.contains("48 hours    1 allowed, 2 refused"), "{text}");
    assert!(
        text.contains("10.0.1.1  read contacts  address_not_allowed  d_"),
        "{text}"
    );
    let shown = home.run(&["show", &id, "--json"]).done().json();
    let refusals = shown["refusals"].as_array().expect("refusals");
    assert_eq!(refusals.len(), 2);
    assert_eq!(refusals[0]["reason"], "action_not_permitted");
    assert_eq!(refusals[0]["address_from"], "whoever asked");
    let listed = home.run(&["list", "--attention"]).done().stdout;
    assert!(listed.contains("2 refused"), "{listed}");
    // The new grants would still refuse one of the two requests, until the addresses are fixed too.
    home.run(&["edit", &id, "--grant", "contacts=all"]).done();
    let listed = home.run(&["list", "--attention"]).done().stdout;
    assert!(listed.contains("1 refused"), "{listed}");
    home.run(&["edit", &id, "--allow-ip", "any"]).done();
    assert_eq!(home.run(&["list", "--attention"]).done().stdout, "");
}
