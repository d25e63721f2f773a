//! The rows of the tables, and their conversion into domain values.
//!
//! A value that the domain refuses is [`StoreError::Corrupt`] with its table, column and id. A list
//! that lost a row is corrupt, too: it would allow less or, if it were empty, seem to allow all.
use std::{net::IpAddr, str::FromStr, sync::Arc};

use super::StoreError;
use crate::domain::{
    access::{Action, Grants},
    allowlist::{AllowList, DenyList, Networks},
    audit::{Actor, Change, Event, EventDraft, Gate, Login},
    conditions::Conditions,
    decision::{PreviousToken, Rules},
    key::{Draft, Key, LastUse, Refused, Revision},
    label::Labels,
    moment::Moment,
    token::{Digest, KeyId},
};

/// Returns the time, or `None` if it is outside the years that can be represented: clamped to them,
/// it would be another time, such as an expiry that was never set.
pub(super) fn moment(millis: i64) -> Option<Moment> {
    Some(Moment::from_millis(millis)).filter(|moment| moment.millis() == millis)
}

/// Returns a count as the database stores it.
pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The columns of a key, with its networks and its grants aggregated into one text each.
/// `string_agg` and its `ORDER BY` are the same on both databases.
macro_rules! key_columns {
    () => {
        "keys.id, keys.sequence, keys.agent, keys.name, keys.description, keys.origin, \
         keys.network_count, keys.created_at, keys.expires_at, keys.disabled_at, \
         keys.last_used_at, keys.last_used_from, keys.refused_at, keys.refused_count, \
         keys.former_until, keys.revision, keys.not_before, keys.denied, keys.rate_limit, \
         keys.quota, keys.owner, keys.labels, keys.pending_at, \
         (SELECT string_agg(network, ',' ORDER BY position) FROM allowed_networks \
          WHERE key_id = keys.id) AS networks, \
         (SELECT string_agg(area || '=' || action, ',') FROM grants \
          WHERE key_id = keys.id) AS granted"
    };
}
pub(super) use key_columns;

/// Returns the column of a key that could not be decoded.
pub(super) fn column_of(error: &sqlx::Error) -> &'static str {
    let sqlx::Error::ColumnDecode { index, .. } = error else {
        return "id";
    };
    let name = index.trim_matches('"');
    let known = KEY_COLUMNS.iter().find(|column| **column == name);
    known.copied().unwrap_or("id")
}

/// Defines the row of a key, and the names of its columns.
macro_rules! key_row {
    ($($column:ident: $type:ty,)*) => {
        #[derive(sqlx::FromRow)]
        pub(super) struct KeyRow {
            $($column: $type,)*
        }

        const KEY_COLUMNS: &[&str] = &[$(stringify!($column)),*];
    };
}

key_row! {
    id: String,
    sequence: i64,
    agent: String,
    name: String,
    description: String,
    origin: String,
    network_count: i64,
    created_at: i64,
    expires_at: Option<i64>,
    disabled_at: Option<i64>,
    last_used_at: Option<i64>,
    last_used_from: Option<String>,
    refused_at: Option<i64>,
    refused_count: i64,
    former_until: Option<i64>,
    revision: i64,
    not_before: Option<i64>,
    denied: String,
    rate_limit: Option<String>,
    quota: Option<String>,
    owner: Option<String>,
    labels: String,
    pending_at: Option<i64>,
    networks: Option<String>,
    granted: Option<String>,
}

/// Selects a key with its token's digest, up to the condition on `tokens.key_id`.
macro_rules! credentials {
    () => {
        concat!(
            "SELECT ",
            $crate::store::rows::key_columns!(),
            ", tokens.digest, \
             (SELECT string_agg(digest || '=' || valid_until, ',') FROM former_tokens \
              WHERE former_tokens.key_id = keys.id) AS previous_tokens \
             FROM tokens JOIN keys ON keys.id = tokens.key_id WHERE tokens.key_id"
        )
    };
}
pub(super) use credentials;

#[derive(sqlx::FromRow)]
pub(super) struct CredentialRow {
    #[sqlx(flatten)]
    key: KeyRow,
    digest: String,
    previous_tokens: Option<String>,
}

impl CredentialRow {
    pub(super) fn read(self) -> Result<(Digest, Rules), StoreError> {
        let digest = digest_of(&self.digest, "tokens", &self.key.id)?;
        let bad = || StoreError::corrupt("former_tokens", "digest", &self.key.id);
        let previous_tokens = self.previous_tokens.iter();
        let previous_tokens: Option<Vec<PreviousToken>> = previous_tokens
            .flat_map(|all| all.split(','))
            .map(|one| {
                // At the last `=`, because base64 ends with one.
                let (digest, until) = one.rsplit_once('=')?;
                Some(PreviousToken {
                    digest: Digest::decode(digest)?,
                    until: moment(until.parse().ok()?)?,
                })
            })
            .collect();
        let previous_tokens = previous_tokens.ok_or_else(bad)?;
        let mut rules = self.key.into_rules()?;
        rules.previous_tokens = previous_tokens;
        Ok((digest, rules))
    }
}

/// Decodes the digest of a token that a table stores under a key's id.
pub(super) fn digest_of(text: &str, table: &'static str, id: &str) -> Result<Digest, StoreError> {
    Digest::decode(text).ok_or_else(|| StoreError::corrupt(table, "digest", id))
}

/// Selects a revoked key's id with the digests of all its tokens, up to the condition on the id.
macro_rules! tombstones {
    () => {
        "SELECT key_id, digest || coalesce((SELECT string_agg(',' || digest, '') \
         FROM former_tokens WHERE former_tokens.key_id = tombstones.key_id), '') \
         FROM tombstones WHERE key_id"
    };
}
pub(super) use tombstones;

pub(super) fn digests_of(texts: &str, id: &str) -> Result<Arc<[Digest]>, StoreError> {
    let each = texts
        .split(',')
        .map(|text| digest_of(text, "tombstones", id));
    each.collect()
}

impl KeyRow {
    pub(super) fn bad(&self, column: &'static str) -> StoreError {
        StoreError::corrupt("keys", column, &self.id)
    }

    /// Returns the id, if it can be read.
    pub(super) fn id(&self) -> Option<KeyId> {
        self.id.parse().ok()
    }

    /// Returns the position in the order of creation, as the row contains it.
    pub(super) fn sequence(&self) -> i64 {
        self.sequence
    }

    fn allow(&self) -> Result<AllowList, StoreError> {
        let bad = |column| StoreError::corrupt("allowed_networks", column, &self.id);
        let networks = match (self.origin.as_str(), &self.networks) {
            ("anywhere", None) => return Ok(AllowList::Anywhere),
            ("listed", Some(networks)) => networks,
            _ => return Err(bad("network")),
        };
        let parsed: Result<Vec<_>, _> = networks.split(',').map(str::parse).collect();
        let networks = Networks::new(parsed.map_err(|_| bad("network"))?);
        let networks = networks.map_err(|_| bad("network"))?;
        if i64::try_from(networks.as_slice().len()) != Ok(self.network_count) {
            return Err(bad("position"));
        }
        Ok(AllowList::Only(networks))
    }

    fn deny(&self) -> Result<DenyList, StoreError> {
        if self.denied.is_empty() {
            return Ok(DenyList::default());
        }
        let parsed: Result<Vec<_>, _> = self.denied.split(',').map(str::parse).collect();
        let networks = parsed.map_err(|_| self.bad("denied"))?;
        DenyList::new(networks).map_err(|_| self.bad("denied"))
    }

    /// Reads a value that people set, or nothing.
    fn set<T: FromStr>(
        &self,
        column: &'static str,
        text: Option<&String>,
    ) -> Result<Option<T>, StoreError> {
        let read = text.map(|text| text.parse());
        read.transpose().map_err(|_| self.bad(column))
    }

    fn labels(&self) -> Result<Labels, StoreError> {
        if self.labels.is_empty() {
            return Ok(Labels::default());
        }
        let pairs = self.labels.split(',').map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.parse().ok()?, value.to_owned()))
        });
        let pairs: Option<Vec<_>> = pairs.collect();
        let pairs = pairs.ok_or_else(|| self.bad("labels"))?;
        Labels::new(pairs).map_err(|_| self.bad("labels"))
    }

    fn grants(&self) -> Result<Grants, StoreError> {
        let bad = || StoreError::corrupt("grants", "action", &self.id);
        let mut grants = Grants::none();
        for grant in self.granted.iter().flat_map(|granted| granted.split(',')) {
            let (area, action) = grant.split_once('=').ok_or_else(bad)?;
            let area = area.parse().map_err(|_| bad())?;
            let action: Action = action.parse().map_err(|_| bad())?;
            let actions = grants.of(&area).with(action);
            grants.set(area, actions);
        }
        Ok(grants)
    }

    fn last_use(&self) -> Result<Option<LastUse>, StoreError> {
        let from = self.last_used_from.as_ref();
        let from = from.map(|text| text.parse::<IpAddr>()).transpose();
        let from = from.map_err(|_| self.bad("last_used_from"))?;
        match (self.maybe("last_used_at", self.last_used_at)?, from) {
            (Some(at), from) => Ok(Some(LastUse { at, from })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(self.bad("last_used_at")),
        }
    }

    fn refused(&self) -> Result<Option<Refused>, StoreError> {
        let at = self.maybe("refused_at", self.refused_at)?;
        let count = self.refused_count;
        Ok(at.filter(|_| count > 0).map(|at| Refused { count, at }))
    }

    fn moment(&self, column: &'static str, millis: i64) -> Result<Moment, StoreError> {
        moment(millis).ok_or_else(|| self.bad(column))
    }

    fn maybe(&self, column: &'static str, at: Option<i64>) -> Result<Option<Moment>, StoreError> {
        at.map(|millis| self.moment(column, millis)).transpose()
    }

    /// Checks that a number is at least 1.
    fn counted(&self, column: &'static str, number: i64) -> Result<i64, StoreError> {
        if number > 0 {
            Ok(number)
        } else {
            Err(self.bad(column))
        }
    }

    pub(super) fn into_key(self) -> Result<Key, StoreError> {
        Ok(Key {
            id: self.id.parse().map_err(|_| self.bad("id"))?,
            sequence: self.counted("sequence", self.sequence)?,
            agent: self.agent.parse().map_err(|_| self.bad("agent"))?,
            draft: Draft {
                name: self.name.parse().map_err(|_| self.bad("name"))?,
                description: self
                    .description
                    .parse()
                    .map_err(|_| self.bad("description"))?,
                owner: self.set("owner", self.owner.as_ref())?,
                labels: self.labels()?,
                conditions: Conditions {
                    allow: self.allow()?,
                    deny: self.deny()?,
                    grants: self.grants()?,
                    not_before: self.maybe("not_before", self.not_before)?,
                    expires_at: self.maybe("expires_at", self.expires_at)?,
                    rate_limit: self.set("rate_limit", self.rate_limit.as_ref())?,
                    quota: self.set("quota", self.quota.as_ref())?,
                },
            },
            created_at: self.moment("created_at", self.created_at)?,
            disabled_at: self.maybe("disabled_at", self.disabled_at)?,
            pending_at: self.maybe("pending_at", self.pending_at)?,
            last_use: self.last_use()?,
            refused: self.refused()?,
            previous_until: self.maybe("former_until", self.former_until)?,
            revision: Revision(self.counted("revision", self.revision)?),
        })
    }

    pub(super) fn into_rules(self) -> Result<Rules, StoreError> {
        let key = self.into_key()?;
        Ok(Rules {
            id: key.id,
            name: key.draft.name.as_str().to_owned(),
            agent: key.agent,
            owner: key.draft.owner,
            labels: key.draft.labels,
            conditions: key.draft.conditions,
            disabled_at: key.disabled_at,
            pending_at: key.pending_at,
            previous_tokens: Vec::new(),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct EventRow {
    sequence: i64,
    at: i64,
    actor: String,
    actor_from: Option<String>,
    change: String,
    subject_id: String,
    subject_name: String,
    details: String,
    previous_hash: String,
    hash: String,
    member: String,
    fingerprint: String,
    account: String,
    agent: String,
    program: String,
}

/// The columns of an event.
macro_rules! event_columns {
    () => {
        "sequence, at, actor, actor_from, change, subject_id, subject_name, details, \
         previous_hash, hash, member, fingerprint, account, agent, program"
    };
}
pub(super) use event_columns;

impl EventRow {
    fn login(&self) -> Result<Option<Login>, StoreError> {
        let bad = |column| StoreError::corrupt("audit_events", column, &self.sequence.to_string());
        if self.member.is_empty() {
            return match (self.fingerprint.as_str(), self.account.as_str()) {
                ("", "") => Ok(None),
                _ => Err(bad("member")),
            };
        }
        let fingerprint = match self.fingerprint.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| bad("fingerprint"))?),
        };
        Ok(Some(Login {
            member: self.member.parse().map_err(|_| bad("member"))?,
            fingerprint,
            account: self.account.clone(),
        }))
    }

    pub(super) fn into_event(self) -> Result<Event, StoreError> {
        let bad = |column| StoreError::corrupt("audit_events", column, &self.sequence.to_string());
        let from = self
            .actor_from
            .as_ref()
            .map(|text| text.parse())
            .transpose();
        let from = from.map_err(|_| bad("actor_from"))?;
        let change = Change::from_word(&self.change).ok_or_else(|| bad("change"))?;
        // An event without a program version is hashed without these fields, so they must be empty.
        if self.program.is_empty() && !(self.member.is_empty() && self.agent.is_empty()) {
            return Err(bad("program"));
        }
        let login = self.login()?;
        let agent = match self.agent.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|_| bad("agent"))?),
        };
        Ok(Event {
            sequence: self.sequence,
            draft: EventDraft {
                at: moment(self.at).ok_or_else(|| bad("at"))?,
                actor: Actor {
                    name: self.actor,
                    from,
                    login,
                },
                change,
                subject_id: self.subject_id,
                subject_name: self.subject_name,
                agent,
                details: self.details,
                program: self.program,
                gate: Gate::Open,
            },
            previous_hash: self.previous_hash,
            hash: self.hash,
        })
    }
}
