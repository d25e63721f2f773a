//! Reads the counts of the usage screen.
use crate::{
    domain::{
        moment::DAY,
        token::KeyId,
        usage::{UsageDimension, UsageGrouping},
    },
    keyring::{Keyring, KeyringError, StoreError},
    tui::read::{MOST_USAGE_LINES, UsageLine, UsageQuery},
};

/// Reads the counts: days from the newest on, everything else from the largest on.
pub(super) async fn read(
    query: &UsageQuery,
    keyring: &Keyring,
) -> Result<Vec<UsageLine>, KeyringError> {
    let since = keyring.now().start_of_day().plus((1 - query.days) * DAY);
    let grouping = UsageGrouping::by(query.by);
    let key = query.key.as_ref();
    let mut rows = keyring
        .usage_report(key, &query.scope, since, grouping)
        .await?;
    if query.by == UsageDimension::Day {
        rows.reverse();
    } else {
        rows.sort_by_key(|row| std::cmp::Reverse(row.allowed.saturating_add(row.refused)));
    }
    rows.truncate(MOST_USAGE_LINES);
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let id: Option<KeyId> = match query.by {
            UsageDimension::Key => row.key.parse().ok(),
            _ => None,
        };
        let text = match &id {
            Some(id) => name_of(id, keyring).await?,
            None => row.text(query.by),
        };
        lines.push(UsageLine {
            text,
            key: id,
            allowed: row.allowed,
            refused: row.refused,
        });
    }
    Ok(lines)
}

/// Returns the name of a key, or its id if it was revoked or cannot be read.
async fn name_of(id: &KeyId, keyring: &Keyring) -> Result<String, KeyringError> {
    match keyring.key(id).await {
        Ok(key) => Ok(key.name().to_owned()),
        Err(KeyringError::Store(StoreError::Gone { .. })) => Ok(format!("{id}, revoked")),
        Err(KeyringError::Store(StoreError::Corrupt { .. })) => Ok(format!("{id}, damaged")),
        Err(error) => Err(error),
    }
}
