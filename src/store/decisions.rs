//! What decisions read, and the uses they leave behind.
//!
//! A credential is found by the key id that its token names and then compared by digest in
//! constant time. Uses are no changes: they raise no epoch, record no event, and may be lost
//! without harm; whoever writes them does it after the decision is out.
use super::{
    Store, StoreError,
    change::execute,
    keys::by_id,
    rows::{KeyRow, key_columns},
    with_pool,
};
use crate::domain::{
    decision::Credential,
    key::LastUse,
    token::{Digest, KeyId, Token},
};

/// A key, and the digest by which its token is known.
#[derive(sqlx::FromRow)]
struct CredentialRow {
    #[sqlx(flatten)]
    key: KeyRow,
    digest: String,
}

/// How many uses one statement writes; places that are not needed are bound to the empty id.
const TOGETHER: usize = 32;
/// An older use never overwrites a newer one.
const RECORD_USES: &str = "WITH uses (id, at, origin) AS (VALUES \
     ($1, $2, $3), ($4, $5, $6), ($7, $8, $9), ($10, $11, $12), \
     ($13, $14, $15), ($16, $17, $18), ($19, $20, $21), ($22, $23, $24), \
     ($25, $26, $27), ($28, $29, $30), ($31, $32, $33), ($34, $35, $36), \
     ($37, $38, $39), ($40, $41, $42), ($43, $44, $45), ($46, $47, $48), \
     ($49, $50, $51), ($52, $53, $54), ($55, $56, $57), ($58, $59, $60), \
     ($61, $62, $63), ($64, $65, $66), ($67, $68, $69), ($70, $71, $72), \
     ($73, $74, $75), ($76, $77, $78), ($79, $80, $81), ($82, $83, $84), \
     ($85, $86, $87), ($88, $89, $90), ($91, $92, $93), ($94, $95, $96)) \
     UPDATE keys SET last_used_at = uses.at, last_used_from = uses.origin FROM uses \
     WHERE keys.id = uses.id AND coalesce(keys.last_used_at, 0) <= uses.at";

/// Within this time one use from one address is enough to know.
const LATELY: i64 = 60_000;

impl Store {
    /// What the presented token turns out to be.
    ///
    /// # Errors
    /// The store's faults and [`StoreError::Corrupt`]: neither is ever an allow.
    pub async fn credential(&self, token: &Token) -> Result<Credential, StoreError> {
        let id = token.key_id();
        let found: Option<CredentialRow> = with_pool!(self, pool => sqlx::query_as(concat!(
            "SELECT ", key_columns!(), ", tokens.digest FROM tokens \
             JOIN keys ON keys.id = tokens.key_id WHERE tokens.key_id = $1"
        ))
        .bind(id.as_str())
        .fetch_optional(pool)
        .await)?;
        let Some(CredentialRow { key, digest }) = found else {
            return self.buried(token).await;
        };
        let digest = Digest::decode(&digest)
            .ok_or_else(|| StoreError::corrupt("tokens", "digest", id.as_str()))?;
        if digest == token.digest() {
            Ok(Credential::Known(std::sync::Arc::new(key.into_rules()?)))
        } else {
            Ok(Credential::Unknown)
        }
    }

    async fn buried(&self, token: &Token) -> Result<Credential, StoreError> {
        let id = token.key_id();
        let stone: Option<(String,)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT digest FROM tombstones WHERE key_id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(pool)
        .await)?;
        let Some((digest,)) = stone else {
            return Ok(Credential::Unknown);
        };
        let digest = Digest::decode(&digest)
            .ok_or_else(|| StoreError::corrupt("tombstones", "digest", id.as_str()))?;
        let known = digest == token.digest();
        Ok(if known {
            Credential::Revoked(id.clone())
        } else {
            Credential::Unknown
        })
    }

    /// Whether this use would tell nothing new: the key was used from the same address within
    /// the last minute already, and a minute is all that is shown of a use.
    ///
    /// # Errors
    /// The store's faults.
    pub async fn used_lately(&self, id: &KeyId, usage: &LastUse) -> Result<bool, StoreError> {
        let from = usage.from.map(|address| address.to_string());
        let (lately,): (i64,) = with_pool!(self, pool => sqlx::query_as(
            "SELECT count(*) FROM keys WHERE id = $1 AND last_used_at > $2 AND last_used_at <= $3 \
             AND coalesce(last_used_from, '') = $4",
        )
        .bind(id.as_str())
        .bind(usage.at.millis() - LATELY)
        .bind(usage.at.millis())
        .bind(from.unwrap_or_default())
        .fetch_one(pool)
        .await)?;
        Ok(lately > 0)
    }

    /// Records allowed uses, all in one transaction. An older use never overwrites a newer one.
    ///
    /// # Errors
    /// The store's faults; the decisions stand all the same.
    pub async fn record_uses(&self, uses: &[(KeyId, LastUse)]) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly(self.place.clone()));
        }
        let mut write = self.begin_write().await?;
        for some in by_id(uses, |(id, _)| id).chunks(TOGETHER) {
            execute!(
                write,
                (0..TOGETHER).fold(sqlx::query(RECORD_USES), |query, at| {
                    let usage = some.get(at);
                    let from = usage.and_then(|(_, usage)| usage.from);
                    query
                        .bind(usage.map_or("", |(id, _)| id.as_str()))
                        .bind(usage.map_or(0, |(_, usage)| usage.at.millis()))
                        .bind(from.map(|address| address.to_string()))
                })
            )?;
        }
        write.commit_write().await
    }
}
