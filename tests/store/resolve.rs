//! How a KEY argument is resolved, and which names look alike.
use claviger::keyring::{Keyring, KeyringError};

use crate::support::{World, draft, make, on_both};

async fn ids(keyring: &Keyring, text: &str) -> Result<String, usize> {
    match keyring.resolve(text).await {
        Ok(key) => Ok(key.id.to_string()),
        Err(KeyringError::NoSuchKey(_)) => Err(0),
        Err(KeyringError::Ambiguous { keys, .. }) => Err(keys.len()),
        Err(other) => panic!("{text}: {other}"),
    }
}

/// Creates a key and plants its id.
async fn with_id(world: &World, keyring: &Keyring, name: &str, id: &str) -> String {
    let made = make(keyring, name).await.key.id;
    world.lift_constraints().await;
    world
        .plant(&format!(
            "UPDATE tokens SET key_id = '{id}' WHERE key_id = '{made}'; \
             UPDATE grants SET key_id = '{id}' WHERE key_id = '{made}'; \
             UPDATE keys SET id = '{id}' WHERE id = '{made}'"
        ))
        .await;
    id.to_owned()
}

#[test]
fn an_id_comes_before_a_name_and_that_before_the_beginning_of_an_id() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let one = with_id(world, &keyring, "first", "abcdEFGH0001").await;
        let two = with_id(world, &keyring, "second", "abcdEFGH0002").await;
        let named_like_an_id = with_id(world, &keyring, "abcdEFGH0001", "zzzzEFGH0003").await;
        let named_like_a_start = with_id(world, &keyring, "abcd", "yyyyEFGH0004").await;

        assert_eq!(ids(&keyring, "abcdEFGH0001").await, Ok(one.clone()));
        assert_eq!(ids(&keyring, "second").await, Ok(two.clone()));
        assert_eq!(ids(&keyring, "abcd").await, Ok(named_like_a_start));
        assert_eq!(ids(&keyring, "abcdE").await, Err(2));
        assert_eq!(ids(&keyring, "abcdEFGH0002").await, Ok(two));
        assert_eq!(ids(&keyring, "zzzz").await, Ok(named_like_an_id));
        assert_eq!(
            ids(&keyring, "zzz").await,
            Err(0),
            "three characters are too few"
        );
        assert_eq!(
            ids(&keyring, "ZZZZ").await,
            Err(0),
            "upper and lower case differ"
        );
        assert_eq!(
            ids(&keyring, "Second").await,
            Err(0),
            "a name is meant exactly"
        );
        for nobody in ["", "____", "%%%%", "nobody", "abcdEFGH00011"] {
            assert_eq!(ids(&keyring, nobody).await, Err(0), "{nobody}");
        }
        let error = keyring.resolve("abcdE").await.expect_err("two").to_string();
        assert!(
            error.contains("2 keys") && error.contains(&one) && error.contains("second"),
            "{error}"
        );
    });
}

#[test]
fn a_name_that_several_keys_have_is_ambiguous() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        for _ in 0..25 {
            make(&keyring, "twin").await;
        }
        make(&keyring, "Twin").await;
        assert_eq!(
            ids(&keyring, "twin").await,
            Err(21),
            "one more than are listed"
        );
        assert!(ids(&keyring, "Twin").await.is_ok());
        let error = keyring.resolve("twin").await.expect_err("many").to_string();
        assert!(error.contains("many keys"), "{error}");
        assert_eq!(error.lines().count(), 21, "{error}");
    });
}

#[test]
fn long_names_that_begin_alike_are_told_apart() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        // 100 characters as a reader counts them, 99 of them of several code points each.
        let long = "👩‍👩‍👧‍👦".repeat(99);
        let (a, b) = (format!("{long}a"), format!("{long}b"));
        let one = make(&keyring, &a).await.key;
        let two = make(&keyring, &b).await.key;
        assert_eq!(ids(&keyring, &a).await, Ok(one.id.to_string()));
        assert_eq!(ids(&keyring, &b).await, Ok(two.id.to_string()));
    });
}

#[test]
fn look_alikes_are_named_and_equals_are_not() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        make(&keyring, "admin").await;
        make(&keyring, "Admin").await;
        make(&keyring, "deploy").await;
        // The name starts with a Cyrillic letter.
        let created = keyring
            .create(None, draft("\u{430}dmin"))
            .await
            .expect("made");
        assert_eq!(created.look_alikes, ["admin", "Admin"]);
        let again = keyring.create(None, draft("deploy")).await.expect("made");
        assert_eq!(again.look_alikes, Vec::<String>::new());
    });
}
