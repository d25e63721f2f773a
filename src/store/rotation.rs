//! Rotation: a key gets a new token, and the old one stays valid for a while, or ends at once.
//!
//! The digest of a previous token is kept, so that the token can be distinguished from an unknown
//! one. The sealed token is not kept.
use super::{
    Store, StoreError,
    change::{ChangeTransaction, Committed, execute},
    keys::one_row,
    rows::moment,
    rows::number,
    with_pool,
};
use crate::domain::{
    audit::EventDraft,
    key::{KEPT_PREVIOUS_TOKENS, KeyVersion, LastUse, PreviousTokenSummary},
    moment::Moment,
    sealed::SealedToken,
    token::KeyId,
};

impl Store {
    /// Gives a key a new token. The old one stays valid until `until`; if that is `None`, it and
    /// all previous tokens end at once.
    ///
    /// # Errors
    /// Returns [`StoreError::Conflict`] if the key has another revision now.
    pub(crate) async fn rotate_key(
        &self,
        seen: &KeyVersion,
        token: &SealedToken,
        until: Option<Moment>,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        execute!(
            change,
            sqlx::query(
                "INSERT INTO former_tokens (digest, key_id, rotated_at, valid_until) \
                 SELECT digest, key_id, $1, $2 FROM tokens WHERE key_id = $3",
            )
            .bind(event.at.millis())
            .bind(until.map_or(0, Moment::millis))
            .bind(seen.id.as_str())
        )?;
        if until.is_none() {
            change.end_previous_tokens(&seen.id).await?;
        }
        // Keeps the tokens that are still valid first, then the newest, and forgets the others.
        execute!(
            change,
            sqlx::query(
                "DELETE FROM former_tokens WHERE key_id = $1 AND digest NOT IN \
                 (SELECT digest FROM former_tokens WHERE key_id = $1 \
                 ORDER BY CASE WHEN valid_until <= $3 THEN 1 ELSE 0 END, rotated_at DESC, digest \
                 LIMIT $2)",
            )
            .bind(seen.id.as_str())
            .bind(number(KEPT_PREVIOUS_TOKENS))
            .bind(event.at.millis())
        )?;
        let updated = execute!(
            change,
            sqlx::query(
                "UPDATE tokens SET digest = $1, data_key_id = $2, sealed = $3 WHERE key_id = $4",
            )
            .bind(token.digest.encoded())
            .bind(token.data_key_id.as_str())
            .bind(token.sealed.as_str())
            .bind(seen.id.as_str())
        )?;
        one_row(updated, &seen.id)?;
        let committed = change.raise_revision_and_commit(seen, event).await?;
        self.truncate_wal().await; // it holds the old sealed token
        Ok(committed)
    }

    /// Ends all previous tokens of a key.
    ///
    /// # Errors
    /// Returns [`StoreError::Conflict`] if the key has another revision now.
    pub(crate) async fn finish_rotation(
        &self,
        seen: &KeyVersion,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        change.end_previous_tokens(&seen.id).await?;
        change.raise_revision_and_commit(seen, event).await
    }

    /// Returns the previous tokens of a key, the most recently replaced first.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a row is invalid, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn previous_tokens(
        &self,
        id: &KeyId,
    ) -> Result<Vec<PreviousTokenSummary>, StoreError> {
        let rows: Vec<PreviousTokenRow> = with_pool!(self, pool => sqlx::query_as(
            "SELECT rotated_at, valid_until, uses, last_used_at, last_used_from \
             FROM former_tokens WHERE key_id = $1 ORDER BY rotated_at DESC, digest",
        )
        .bind(id.as_str())
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(|row| row.read(id)).collect()
    }
}

#[derive(sqlx::FromRow)]
struct PreviousTokenRow {
    rotated_at: i64,
    valid_until: i64,
    uses: i64,
    last_used_at: Option<i64>,
    last_used_from: Option<String>,
}

impl PreviousTokenRow {
    fn read(self, id: &KeyId) -> Result<PreviousTokenSummary, StoreError> {
        let corrupt = |column| StoreError::corrupt("former_tokens", column, id.as_str());
        let from = self.last_used_from.map(|from| from.parse()).transpose();
        let from = from.map_err(|_| corrupt("last_used_from"))?;
        Ok(PreviousTokenSummary {
            rotated_at: moment(self.rotated_at).ok_or_else(|| corrupt("rotated_at"))?,
            until: moment(self.valid_until).ok_or_else(|| corrupt("valid_until"))?,
            uses: self.uses,
            last_use: match self.last_used_at {
                Some(at) => {
                    let at = moment(at).ok_or_else(|| corrupt("last_used_at"))?;
                    Some(LastUse { at, from })
                }
                None => None,
            },
        })
    }
}

impl ChangeTransaction<'_> {
    async fn end_previous_tokens(&mut self, id: &KeyId) -> Result<(), StoreError> {
        execute!(
            self,
            sqlx::query("UPDATE former_tokens SET valid_until = 0 WHERE key_id = $1")
                .bind(id.as_str())
        )?;
        Ok(())
    }

    /// Raises the key's revision, updates when its last old token ends, records the event, and
    /// commits.
    async fn raise_revision_and_commit(
        mut self,
        seen: &KeyVersion,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let updated = execute!(
            self,
            sqlx::query(
                "UPDATE keys SET revision = revision + 1, former_until = (SELECT \
                 CASE WHEN max(valid_until) > 0 THEN max(valid_until) END \
                 FROM former_tokens WHERE key_id = $1) WHERE id = $1 AND revision = $2",
            )
            .bind(seen.id.as_str())
            .bind(seen.revision.0)
        )?;
        one_row(updated, &seen.id)?;
        self.record(event).await?;
        self.commit().await
    }
}
