//! Refusals: each is stored with all inputs of its decision, so that it can be decided again.
use std::collections::HashMap;

use super::target;
use crate::store::rows::number;
use crate::{
    domain::{
        access::{Action, AreaSlug},
        agent::AgentScope,
        decision::{DecisionId, Detail, Reason, Target},
        forwarded::{ClientAddress, Hop},
        moment::Moment,
        route::{AreaSelector, Method},
        token::KeyId,
        usage::{
            KEPT_OF_SOURCE, KEPT_REFUSALS, KEPT_UNMATCHED, Refusal, RequestedAccess,
            RequestedTarget, Source,
        },
    },
    store::{
        Store, StoreError,
        change::{ChangeTransaction, execute},
        rows::{digest_of, moment},
        with_pool,
    },
};

/// The stored scope of a request whose path selected the area; if the gateway's location selected
/// it, the scope is the slug after `area:`.
const BY_PATH: &str = "path";
const BY_AREA: &str = "area:";
/// The number of old refusals that are deleted in one transaction.
const FORGOTTEN: i64 = 1000;

/// Selects a refusal, up to the condition.
macro_rules! refusal_columns {
    () => {
        "SELECT id, key_id, named, digest, at, reason, address, hop, agent, scope, method, path, area, \
         action, detail, reason_detail, unreadable, passes_at FROM refusals"
    };
}
impl Store {
    /// Returns the newest refusals of a key or, without a key, of credentials that match no key;
    /// the newest first.
    ///
    /// # Errors
    /// Returns the errors of [`Store::tallies`].
    pub(crate) async fn refusals(
        &self,
        key: Option<&KeyId>,
        limit: usize,
    ) -> Result<Vec<Refusal>, StoreError> {
        let rows: Vec<RefusalRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            refusal_columns!(), " WHERE key_id = $1 ORDER BY at DESC, id DESC LIMIT $2",
        ))
        .bind(key.map_or("", KeyId::as_str))
        .bind(number(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(RefusalRow::read).collect()
    }

    /// Returns the newest refusals of all requests, or only those of these agents' keys; the newest
    /// first.
    ///
    /// # Errors
    /// Returns the errors of [`Store::tallies`].
    pub(crate) async fn recent_refusals(
        &self,
        scope: &AgentScope,
        limit: usize,
    ) -> Result<Vec<Refusal>, StoreError> {
        let rows: Vec<RefusalRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            refusal_columns!(), " WHERE $1 = '' OR key_id IN \
             (SELECT id FROM keys WHERE instr($1, ',' || keys.agent || ',') > 0) \
             ORDER BY at DESC, id DESC LIMIT $2",
        ))
        .bind(scope.written())
        .bind(number(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(RefusalRow::read).collect()
    }

    /// Returns how many of the kept refusals since a time were for a limit, for each key that has
    /// some.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn limited_keys(
        &self,
        since: Moment,
    ) -> Result<HashMap<KeyId, usize>, StoreError> {
        let rows: Vec<(String, i64)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT key_id, count(*) FROM refusals WHERE at > $1 \
             AND reason IN ('rate_limited', 'quota_exceeded') GROUP BY key_id",
        )
        .bind(since.millis())
        .fetch_all(pool)
        .await)?;
        let read =
            |(id, count): (String, i64)| Some((id.parse().ok()?, usize::try_from(count).ok()?));
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Returns the refusals of credentials that name this key without being one of its tokens; the
    /// newest first.
    ///
    /// # Errors
    /// Returns the errors of [`Store::tallies`].
    pub(crate) async fn misnamed(&self, key: &KeyId) -> Result<Vec<Refusal>, StoreError> {
        let rows: Vec<RefusalRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            refusal_columns!(), " WHERE key_id = '' AND named = $1 ORDER BY at DESC, id DESC",
        ))
        .bind(key.as_str())
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(RefusalRow::read).collect()
    }

    /// Returns the refusal with this decision id.
    ///
    /// # Errors
    /// Returns the errors of [`Store::tallies`].
    pub(crate) async fn refusal(&self, id: &DecisionId) -> Result<Option<Refusal>, StoreError> {
        let row: Option<RefusalRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            refusal_columns!(), " WHERE id = $1",
        ))
        .bind(id.as_str())
        .fetch_optional(pool)
        .await)?;
        row.map(RefusalRow::read).transpose()
    }
}

impl ChangeTransaction<'_> {
    pub(super) async fn refusal(&mut self, refusal: &Refusal) -> Result<(), StoreError> {
        let (area, action) = match (&refusal.target, &refusal.wanted.requested) {
            (Target::Routed(area, action), _) | (_, RequestedTarget::Named(area, action)) => {
                (area.as_str(), action.word())
            }
            _ => ("", ""),
        };
        let (scope, detail) = match &refusal.wanted.requested {
            RequestedTarget::Routed(AreaSelector::Path, _) => (BY_PATH.to_owned(), ""),
            RequestedTarget::Routed(AreaSelector::Area(area), _) => {
                (format!("{BY_AREA}{area}"), "")
            }
            RequestedTarget::Named(..) => (String::new(), ""),
            RequestedTarget::Unroutable(detail) => (String::new(), detail.word()),
        };
        execute!(
            self,
            sqlx::query(
                "INSERT INTO refusals (id, key_id, named, digest, at, reason, address, hop, agent, scope, \
                 method, path, area, action, detail, reason_detail, unreadable, passes_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
                 $18) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(refusal.id.as_str())
            .bind(refusal.key.as_ref().map_or("", KeyId::as_str))
            .bind(refusal.named.as_ref().map_or("", KeyId::as_str))
            .bind(refusal.token.map(|token| token.encoded()).unwrap_or_default())
            .bind(refusal.at.millis())
            .bind(refusal.reason.word())
            .bind(Source::from(refusal.address).word())
            .bind(refusal.hop.word())
            .bind(refusal.agent.as_ref().map_or("", |agent| agent.as_str()))
            .bind(scope)
            .bind(refusal.wanted.method.as_str())
            .bind(refusal.wanted.path.as_str())
            .bind(area)
            .bind(action)
            .bind(detail)
            .bind(refusal.detail.map_or("", Detail::word))
            .bind(refusal.unreadable.as_deref().unwrap_or_default())
            .bind(refusal.passes_at.map(Moment::millis))
        )?;
        Ok(())
    }

    pub(super) async fn forget_older(&mut self, key: Option<&KeyId>) -> Result<(), StoreError> {
        let Some(key) = key else {
            execute!(
                self,
                sqlx::query(
                    "DELETE FROM refusals WHERE key_id = '' AND id NOT IN (SELECT id FROM \
                     (SELECT id, at, row_number() OVER (PARTITION BY address ORDER BY at DESC, id DESC) \
                     AS place FROM refusals WHERE key_id = '') AS placed \
                     WHERE place <= $1 ORDER BY at DESC, id DESC LIMIT $2)",
                )
                .bind(number(KEPT_OF_SOURCE))
                .bind(number(KEPT_UNMATCHED))
            )?;
            return Ok(());
        };
        execute!(
            self,
            sqlx::query(
                "DELETE FROM refusals WHERE key_id = $1 AND id NOT IN \
                 (SELECT id FROM refusals WHERE key_id = $1 ORDER BY at DESC, id DESC LIMIT $2)",
            )
            .bind(key.as_str())
            .bind(number(KEPT_REFUSALS))
        )?;
        Ok(())
    }
}

impl Store {
    /// Deletes some refusals from before a time, and returns `true` if there may be more of them.
    pub(super) async fn forget_refusals(&self, before: i64) -> Result<bool, StoreError> {
        let mut write = self.begin_write().await?;
        write.lock_recording(None, 0).await?;
        let deleted = execute!(
            write,
            sqlx::query(
                "DELETE FROM refusals WHERE id IN \
                 (SELECT id FROM refusals WHERE at < $1 ORDER BY at LIMIT $2)",
            )
            .bind(before)
            .bind(FORGOTTEN)
        )?;
        write.commit_write().await?;
        Ok(deleted > 0)
    }
}

#[derive(sqlx::FromRow)]
struct RefusalRow {
    id: String,
    key_id: String,
    named: String,
    digest: String,
    at: i64,
    reason: String,
    address: String,
    hop: String,
    agent: String,
    scope: String,
    method: String,
    path: String,
    area: String,
    action: String,
    detail: String,
    reason_detail: String,
    unreadable: String,
    passes_at: Option<i64>,
}

/// Parses a text; an empty text means `None`.
fn maybe<T: std::str::FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some)
}

impl RefusalRow {
    fn read(self) -> Result<Refusal, StoreError> {
        let bad = |column| StoreError::corrupt("refusals", column, &self.id);
        let named = target(&self.area, &self.action).map_err(|_| bad("area"))?;
        let address = Source::from_word(&self.address).and_then(known_address);
        let requested = self.requested(named.as_ref()).ok_or_else(|| bad("scope"))?;
        let reason = Reason::from_word(&self.reason).ok_or_else(|| bad("reason"))?;
        let detail = match self.reason_detail.as_str() {
            "" => None,
            word => Some(Detail::from_word(word).ok_or_else(|| bad("reason_detail"))?),
        };
        let target = match (&requested, named) {
            (RequestedTarget::Named(..), _) if reason == Reason::NoRoute => {
                Target::NoRoute(Detail::UnknownArea)
            }
            (_, Some((area, action))) => Target::Routed(area, action),
            (RequestedTarget::Unroutable(detail), None) => Target::NoRoute(*detail),
            (_, None) => Target::NoRoute(detail.unwrap_or(Detail::NoMatch)),
        };
        Ok(Refusal {
            id: self.id.parse().map_err(|_| bad("id"))?,
            at: moment(self.at).ok_or_else(|| bad("at"))?,
            reason,
            detail,
            passes_at: self.passes_at.and_then(moment),
            key: maybe(&self.key_id).map_err(|_| bad("key_id"))?,
            named: maybe(&self.named).map_err(|_| bad("named"))?,
            token: match self.digest.as_str() {
                "" => None,
                digest => Some(digest_of(digest, "refusals", &self.id)?),
            },
            address: address.ok_or_else(|| bad("address"))?,
            hop: Hop::from_word(&self.hop).ok_or_else(|| bad("hop"))?,
            unreadable: Some(self.unreadable).filter(|text| !text.is_empty()),
            agent: maybe(&self.agent).map_err(|_| bad("agent"))?,
            wanted: RequestedAccess {
                requested,
                method: self.method,
                path: self.path,
            },
            target,
        })
    }

    fn requested(&self, named: Option<&(AreaSlug, Action)>) -> Option<RequestedTarget> {
        let scope = match self.scope.strip_prefix(BY_AREA) {
            Some(area) => Some(AreaSelector::Area(area.parse().ok()?)),
            None if self.scope == BY_PATH => Some(AreaSelector::Path),
            None if self.scope.is_empty() => None,
            None => return None,
        };
        Some(match (scope, named) {
            (Some(scope), _) => RequestedTarget::Routed(scope, Method::from_word(&self.method)?),
            (None, Some((area, action))) if self.detail.is_empty() => {
                RequestedTarget::Named(area.clone(), *action)
            }
            (None, _) => RequestedTarget::Unroutable(Detail::from_word(&self.detail)?),
        })
    }
}

fn known_address(source: Source) -> Option<ClientAddress> {
    match source {
        Source::Address(address) => Some(ClientAddress::Known(address)),
        Source::Unknown => Some(ClientAddress::Unknown),
        Source::Unreadable => Some(ClientAddress::Unreadable),
        Source::Rest => None,
    }
}
