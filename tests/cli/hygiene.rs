//! Hygiene in scripts: each finding comes with the command that fixes it.
use crate::command::Home;

/// Moves all recorded times back by a number of days.
fn age(home: &Home, days: i64) {
    let back = days * 24 * 60 * 60 * 1000;
    home.tamper(&[
        format!(
            "UPDATE keys SET created_at = created_at - {back}, last_used_at = last_used_at - {back}"
        ),
        format!("UPDATE recording SET counted_since = counted_since - {back}"),
        // A shift by whole days keeps the spans aligned.
        format!("UPDATE uses SET began_at = began_at - {back}"),
    ]);
}

#[test]
fn each_finding_names_the_command_that_puts_it_right() {
    let home = Home::new();
    let (busy, token) = home.create(
        "busy",
        &["--grant", "contacts=all", "--grant", "documents=read"],
    );
    let (nobody, _) = home.create("nobody", &["--expires", "never"]);
    home.check(&token, "contacts", "read", Some("10.0.0.9"));
    let young = home.run(&["hygiene", "--json"]).done().json();
    let none = |row: &serde_json::Value| row["proposal"].is_null();
    assert!(
        young["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .all(none),
        "{young}"
    );
    assert!(
        home.run(&["hygiene"])
            .done()
            .stderr
            .contains("nothing is proposed before 30 days")
    );

    age(&home, 40);
    home.check(&token, "contacts", "read", Some("10.0.0.9"));
    // Another action within the same minute still counts as a use.
    home.check(&token, "contacts", "update", Some("10.0.0.9"));
    let found = home.run(&["hygiene", "--json"]).done().json();
    assert!(found["watching_since"].is_string());
    let rows = found["findings"].as_array().expect("findings").clone();
    let command = |finding: &str, id: &str| {
        let row = rows
            .iter()
            .find(|row| row["finding"] == finding && row["key_id"] == id);
        let row = row.unwrap_or_else(|| panic!("{finding}: {found}"));
        row["command"].as_str().expect("a command").to_owned()
    };
    assert_eq!(
        command("never_used", &nobody),
        format!("claviger revoke {nobody} --reason unused")
    );
    assert_eq!(
        command("any_address", &busy),
        format!("claviger edit {busy} --allow-ip '10.0.0.9'")
    );
    assert_eq!(
        command("unexercised", &busy),
        format!("claviger edit {busy} --grant contacts=read,update --grant documents=none")
    );
    assert!(
        command("never_expires", &busy).starts_with(&format!("claviger edit {busy} --expires 20"))
    );
    let text = home.run(&["hygiene"]).done();
    assert!(text.stderr.contains("Watching since"), "{}", text.stderr);
    assert_eq!(text.stdout.lines().count(), rows.len());
}

#[test]
fn an_empty_workspace_has_nothing_to_put_right() {
    let home = Home::new();
    home.run(&["workspace", "--label", "X"]).done();
    let found = home.run(&["hygiene", "--json"]).done().json();
    assert_eq!(
        found,
        serde_json::json!({ "watching_since": null, "findings": [] })
    );
    let text = home.run(&["hygiene"]).done();
    assert!(
        text.stderr.contains("Nothing was counted yet")
            && text.stderr.contains("Nothing to put right.")
    );
}
