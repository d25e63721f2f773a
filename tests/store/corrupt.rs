//! Rows that claviger would never write: each is an error that names the row, and never an allow.
use claviger::domain::agent::AgentScope;
use claviger::domain::listing::{Direction, Filter, PageRequest, Sort, SortField};
use claviger::{
    domain::{audit::Change, decision::Decision, key::RevokeReason},
    keyring::{Created, Keyring, KeyringError, StoreError},
};
use secrecy::ExposeSecret as _;

use crate::{
    decisions::decide,
    support::{World, draft, granting, limited, make, now, on_both, read, store_error},
};

/// The SQL that is planted for the key `$id`, and the column that the error must name.
const PLANTS: [(&str, &str); 27] = [
    (
        "UPDATE keys SET sequence = 0 WHERE id = '$id'",
        "keys.sequence",
    ),
    (
        "UPDATE keys SET agent = 'No Agent' WHERE id = '$id'",
        "keys.agent",
    ),
    ("UPDATE keys SET name = '' WHERE id = '$id'", "keys.name"),
    (
        "UPDATE keys SET name = 'a' || '\u{202e}' WHERE id = '$id'",
        "keys.name",
    ),
    (
        "UPDATE keys SET description = '\u{1b}[2J' WHERE id = '$id'",
        "keys.description",
    ),
    (
        "UPDATE keys SET origin = 'anywhere' WHERE id = '$id'",
        "allowed_networks.network",
    ),
    (
        "UPDATE keys SET origin = 'anywhere', network_count = 0 WHERE id = '$id'",
        "allowed_networks.network",
    ),
    (
        "UPDATE keys SET origin = 'everywhere' WHERE id = '$id'",
        "allowed_networks.network",
    ),
    (
        "UPDATE keys SET origin = '' WHERE id = '$id'",
        "allowed_networks.network",
    ),
    (
        "UPDATE keys SET network_count = 1 WHERE id = '$id'",
        "allowed_networks.position",
    ),
    (
        "UPDATE keys SET network_count = 3 WHERE id = '$id'",
        "allowed_networks.position",
    ),
    (
        "UPDATE keys SET created_at = -1 WHERE id = '$id'",
        "keys.created_at",
    ),
    (
        "UPDATE keys SET expires_at = 9223372036854775807 WHERE id = '$id'",
        "keys.expires_at",
    ),
    (
        "UPDATE keys SET expires_at = -5 WHERE id = '$id'",
        "keys.expires_at",
    ),
    (
        "UPDATE keys SET disabled_at = -9223372036854775808 WHERE id = '$id'",
        "keys.disabled_at",
    ),
    (
        "UPDATE keys SET last_used_at = -1 WHERE id = '$id'",
        "keys.last_used_at",
    ),
    (
        "UPDATE keys SET last_used_from = '10.0.0.1' WHERE id = '$id'",
        "keys.last_used_at",
    ),
    (
        "UPDATE keys SET last_used_at = 5, last_used_from = 'home' WHERE id = '$id'",
        "keys.last_used_from",
    ),
    (
        "UPDATE keys SET revision = 0 WHERE id = '$id'",
        "keys.revision",
    ),
    (
        "DELETE FROM allowed_networks WHERE key_id = '$id'",
        "allowed_networks.network",
    ),
    (
        "DELETE FROM allowed_networks WHERE key_id = '$id' AND position = 2",
        "allowed_networks.position",
    ),
    (
        "UPDATE allowed_networks SET network = '10.0.0.7/8' WHERE key_id = '$id' AND position = 1",
        "allowed_networks.network",
    ),
    (
        "UPDATE allowed_networks SET network = '::ffff:0.0.0.0/96' WHERE key_id = '$id' AND position = 1",
        "allowed_networks.network",
    ),
    (
        "UPDATE allowed_networks SET network = '' WHERE key_id = '$id' AND position = 1",
        "allowed_networks.network",
    ),
    (
        "UPDATE allowed_networks SET network = 'any' WHERE key_id = '$id'",
        "allowed_networks.network",
    ),
    (
        "UPDATE grants SET action = 'own' WHERE key_id = '$id' AND action = 'read'",
        "grants.action",
    ),
    (
        "UPDATE grants SET area = 'All Areas' WHERE key_id = '$id' AND action = 'read'",
        "grants.action",
    ),
];

async fn corruptible(keyring: &Keyring) -> Created {
    let draft = granting(
        limited(draft("key"), "10.0.0.0/24, 10.9.0.0/16"),
        "contacts=all",
    );
    keyring.create(None, draft).await.expect("made")
}

#[test]
fn every_bad_column_is_an_error_that_names_it_and_never_an_allow() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        world.lift_constraints().await;
        let sound = make(&keyring, "sound").await;
        for (plant, named) in PLANTS {
            let created = corruptible(&keyring).await;
            let id = created.key.id.as_str();
            let token = created.token.expose().expose_secret().to_owned();
            let allowed = decide(&keyring, &token, Some("10.0.0.9")).await;
            assert!(matches!(allowed, Ok(Decision::Allow { .. })), "{allowed:?}");
            world.plant(&plant.replace("$id", id)).await;

            let error = store_error(keyring.key(&created.key.id).await);
            let StoreError::Corrupt {
                table,
                column,
                id: row,
            } = &error
            else {
                panic!("{plant}: {error}");
            };
            assert_eq!(
                (format!("{table}.{column}").as_str(), row.as_str()),
                (named, id),
                "{plant}"
            );
            for address in [Some("10.0.0.9"), Some("192.0.2.1"), None] {
                let decided = decide(&keyring, &token, address).await;
                assert!(decided.is_err(), "{plant}: {decided:?}");
            }
            let listed = page(&keyring).await;
            assert_eq!(store_error(listed), error, "{plant}");
            let health = keyring.health(&[]).await.expect("looked at");
            assert_eq!(health.keys, Some(KeyringError::Store(error)), "{plant}");

            // Other keys keep working.
            let token = sound.token.expose().expose_secret();
            assert!(matches!(
                decide(&keyring, token, None).await,
                Ok(Decision::Allow { .. })
            ));

            // The damaged key has a row, is the most urgent one, and can be revoked; then it is
            // gone.
            assert_eq!(keyring.look_for_damage().await, Ok(1), "{plant}");
            let mut urgent = request(50);
            urgent.filter.attention = true;
            urgent.sort.field = SortField::Attention;
            urgent.sort.descending = false;
            let found = keyring.page(&urgent).await.expect("a page");
            let ids: Vec<&str> = found.damaged.iter().map(|it| it.1.id.as_str()).collect();
            assert_eq!(ids, [id], "{plant}");
            let count = keyring.count(&urgent.filter, &urgent.scope).await;
            assert_eq!(count.expect("a count").matching, 1, "{plant}");
            let reason = RevokeReason::Other;
            let revoked = keyring.revoke_damaged(&created.key.id, reason).await;
            assert_eq!(revoked.map(drop), Ok(()), "{plant}");
            let again = keyring.revoke_damaged(&created.key.id, reason).await;
            assert!(
                matches!(again, Err(KeyringError::Store(StoreError::Gone { .. }))),
                "{plant}"
            );
            let sound = keyring.revoke_damaged(&sound.key.id, reason).await;
            assert!(
                matches!(sound, Err(KeyringError::Store(StoreError::Conflict { .. }))),
                "{plant}: one that can be read is revoked as it was seen"
            );
            let token = created.token.expose().expose_secret();
            let decided = decide(&keyring, token, None).await;
            assert!(
                !matches!(decided, Ok(Decision::Allow { .. })),
                "{plant}: {decided:?}"
            );
            assert!(page(&keyring).await.is_ok());
        }
    });
}

#[test]
fn a_page_of_bad_rows_alone_still_leads_on_to_the_next() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let sound = make(&keyring, "sound").await;
        for name in ["one", "two", "three"] {
            make(&keyring, name).await;
        }
        world
            .plant("UPDATE keys SET name = '\u{202e}' WHERE name <> 'sound'")
            .await;
        let mut request = request(2);
        let first = keyring.page(&request).await.expect("a page");
        assert_eq!((first.rows.len(), first.unreadable.len()), (0, 2));
        assert!(first.more);
        request.direction = Direction::After(first.reached.expect("a place"));
        let second = keyring.page(&request).await.expect("a page");
        assert_eq!(second.unreadable.len(), 1);
        assert_eq!(second.rows[0].key.id, sound.key.id);
    });
}

fn request(limit: u32) -> PageRequest {
    PageRequest {
        scope: AgentScope::Everything,
        filter: Filter::default(),
        sort: Sort::NEWEST,
        direction: Direction::First,
        limit,
        now: now(),
        damaged: Vec::new(),
    }
}

async fn page(keyring: &Keyring) -> Result<Vec<claviger::domain::listing::Row>, KeyringError> {
    let mut page = keyring.page(&request(50)).await?;
    if page.unreadable.is_empty() {
        return Ok(page.rows);
    }
    Err(page.unreadable.remove(0).into())
}

#[test]
fn a_bad_digest_or_tombstone_is_an_error_and_a_bad_area_too() {
    on_both(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "key").await;
        let token = created.token.expose().expose_secret();
        let corrupt = |table, column, id: &str| StoreError::Corrupt {
            table,
            column,
            id: id.to_owned(),
        };
        let id = created.key.id.as_str();

        world
            .plant("CREATE TABLE kept AS SELECT * FROM tokens")
            .await;
        for digest in ["", "AAAA", "not base64!"] {
            world
                .plant(&format!("UPDATE tokens SET digest = '{digest}'"))
                .await;
            assert_eq!(
                store_error(decide(&keyring, token, None).await),
                corrupt("tokens", "digest", id)
            );
            let revealed = keyring.token(&created.key.id, Change::Revealed).await;
            assert_eq!(store_error(revealed), corrupt("tokens", "digest", id));
        }
        // A key without a row for its token is unknown.
        world.plant("DELETE FROM tokens").await;
        let decision = decide(&keyring, token, None).await.expect("decided");
        assert!(
            matches!(decision, Decision::Deny { key_id: None, .. }),
            "{decision:?}"
        );

        world
            .plant(&format!(
                "INSERT INTO tombstones VALUES ('{id}', 'x', 'key', 1, 'alice', 'other')"
            ))
            .await;
        assert_eq!(
            store_error(decide(&keyring, token, None).await),
            corrupt("tombstones", "digest", id)
        );

        world
            .plant(
                "INSERT INTO areas (slug, sequence, title, badge) VALUES ('No Slug', 3, 'x', 'x')",
            )
            .await;
        assert_eq!(
            store_error(decide(&keyring, token, None).await),
            corrupt("areas", "slug", "No Slug")
        );
        assert_eq!(read(&keyring, &created.key).await.name(), "key");
    });
}

/// SQLite stores a value of any type: a text in a number column is an error, not a panic or an
/// allow.
#[test]
fn a_value_of_the_wrong_type_is_an_error() {
    crate::support::on_sqlite(&async |world: &World| {
        let keyring = world.keyring().await;
        let created = make(&keyring, "key").await;
        let token = created.token.expose().expose_secret();
        for (column, value) in [
            ("network_count", "'none'"),
            ("created_at", "x'00'"),
            ("expires_at", "'never'"),
            ("expires_at", "1e300"),
            ("disabled_at", "'no'"),
            ("last_used_at", "'today'"),
            ("revision", "x'01'"),
            ("name", "x'ff'"),
            ("origin", "x'ff'"),
        ] {
            world
                .plant("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT * FROM keys")
                .await;
            world
                .plant(&format!("UPDATE keys SET {column} = {value}"))
                .await;
            let decided = decide(&keyring, token, None).await;
            assert!(decided.is_err(), "{column} = {value}: {decided:?}");
            assert!(page(&keyring).await.is_err(), "{column} = {value}");
            world
                .plant(&format!(
                    "UPDATE keys SET {column} = (SELECT {column} FROM kept)"
                ))
                .await;
            assert!(decide(&keyring, token, None).await.is_ok());
        }
    });
}
