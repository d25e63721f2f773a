//! Maps a draft to the columns of `keys`, and to rows of `allowed_networks` and `grants`.
//!
//! Creating and editing a key bind the same columns here, so neither can omit a column.
use crate::{
    domain::{
        allowlist::AllowList, conditions::Conditions, facet::Facet, key::Draft,
        listing::searched_text, moment::Moment, text, token::KeyId,
    },
    store::{
        StoreError,
        change::{ChangeTransaction, execute},
        rows::number,
    },
};

/// The number of characters that are stored of a text to sort by; see the migration.
const SORTED_CHARACTERS: usize = 200;

/// The columns of `keys` that store a draft, in the order in which [`bind_draft`] binds them.
/// Networks and grants are stored as rows of other tables.
macro_rules! draft_columns {
    () => {
        "name, description, origin, network_count, expires_at, name_sort, name_skeleton, \
         search_text, access_sort, not_before, denied, rate_limit, quota, owner, labels, facets"
    };
}
pub(super) use draft_columns;

/// The placeholders of the columns; further placeholders start at `$17`.
macro_rules! draft_values {
    () => {
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16"
    };
}
pub(super) use draft_values;

/// Binds a draft's columns to the placeholders of [`draft_values`].
macro_rules! bind_draft {
    ($query:expr, $columns:expr) => {
        $query
            .bind($columns.name.as_str())
            .bind($columns.description.as_str())
            .bind($columns.origin)
            .bind($columns.network_count)
            .bind($columns.expires_at)
            .bind($columns.name_sort.as_str())
            .bind($columns.name_skeleton.as_str())
            .bind($columns.search_text.as_str())
            .bind($columns.access_sort.as_str())
            .bind($columns.not_before)
            .bind($columns.denied.as_str())
            .bind($columns.rate_limit.as_deref())
            .bind($columns.quota.as_deref())
            .bind($columns.owner.as_deref())
            .bind($columns.labels.as_str())
            .bind($columns.facets.as_str())
    };
}
pub(super) use bind_draft;

/// A draft as it is stored in the columns of `keys`, including the derived texts for searching and
/// sorting.
pub(super) struct DraftColumns {
    pub name: String,
    pub description: String,
    pub origin: &'static str,
    pub network_count: i64,
    pub expires_at: Option<i64>,
    pub name_sort: String,
    pub name_skeleton: String,
    pub search_text: String,
    pub access_sort: String,
    pub not_before: Option<i64>,
    pub denied: String,
    pub rate_limit: Option<String>,
    pub quota: Option<String>,
    pub owner: Option<String>,
    pub labels: String,
    pub facets: String,
}

impl DraftColumns {
    pub(super) fn of(id: &KeyId, draft: &Draft) -> Self {
        let Conditions {
            allow,
            deny,
            grants,
            not_before,
            expires_at,
            rate_limit,
            quota,
        } = &draft.conditions;
        let (origin, network_count) = match allow {
            AllowList::Anywhere => ("anywhere", 0),
            AllowList::Only(networks) => ("listed", number(networks.as_slice().len())),
        };
        let name = text::folded(draft.name.as_str());
        let areas: Vec<&str> = grants.iter().map(|(area, _)| area.as_str()).collect();
        Self {
            name: draft.name.as_str().to_owned(),
            description: draft.description.as_str().to_owned(),
            origin,
            network_count,
            expires_at: expires_at.map(Moment::millis),
            name_sort: cut(&name),
            name_skeleton: cut(&text::skeleton(draft.name.as_str())),
            search_text: searched_text(draft, id.as_str()),
            access_sort: cut(&areas.join(" ")),
            not_before: not_before.map(Moment::millis),
            denied: joined(deny.as_slice()),
            rate_limit: rate_limit.map(|limit| limit.to_string()),
            quota: quota.map(|quota| quota.to_string()),
            owner: draft.owner.as_ref().map(ToString::to_string),
            labels: joined(
                draft
                    .labels
                    .iter()
                    .map(|(name, value)| format!("{name}={value}")),
            ),
            facets: Facet::all_of(draft),
        }
    }
}

/// Inserts the networks and grants of a draft.
pub(super) async fn insert_sets(
    change: &mut ChangeTransaction<'_>,
    id: &KeyId,
    draft: &Draft,
) -> Result<(), StoreError> {
    if let AllowList::Only(networks) = &draft.conditions.allow {
        for (position, network) in (1_i64..).zip(networks.as_slice()) {
            execute!(
                change,
                sqlx::query(
                    "INSERT INTO allowed_networks (key_id, position, network) VALUES ($1, $2, $3)",
                )
                .bind(id.as_str())
                .bind(position)
                .bind(network.to_string())
            )?;
        }
    }
    for (area, actions) in draft.conditions.grants.iter() {
        for action in actions.iter() {
            execute!(
                change,
                sqlx::query("INSERT INTO grants (key_id, area, action) VALUES ($1, $2, $3)",)
                    .bind(id.as_str())
                    .bind(area.as_str())
                    .bind(action.word())
            )?;
        }
    }
    Ok(())
}

fn joined<T: ToString>(each: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = each.into_iter().map(|it| it.to_string()).collect();
    texts.join(",")
}

/// Returns the part of a text that is stored to sort by: at most [`SORTED_CHARACTERS`] characters.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(SORTED_CHARACTERS).collect()
}
