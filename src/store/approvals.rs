//! The requests for approval, and the check of the policy in the transaction of every change.
use serde_json::{Map, Value};

use super::{
    Store, StoreError,
    change::{ChangeTransaction, Committed, execute, with_connection},
    keys::one_row,
    rows::moment,
    with_pool,
};
use crate::domain::{
    approval::{PendingChange, fields},
    audit::{Change, EventDraft, Gate},
    key::{Draft, Revision},
    member::Permission,
    token::KeyId,
};

#[derive(sqlx::FromRow)]
struct RequestRow {
    subject_id: String,
    subject_name: String,
    agent: String,
    change: String,
    revision: i64,
    requested_at: i64,
    requested_by: String,
    proposers: String,
    state_before: String,
    state_after: String,
}

impl RequestRow {
    fn read(self) -> Result<PendingChange, StoreError> {
        let bad = |column| StoreError::corrupt("pending_changes", column, &self.subject_id);
        let fields = |column, text: &str| serde_json::from_str(text).map_err(|_| bad(column));
        let agent = match self.agent.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|_| bad("agent"))?),
        };
        let proposers = self.proposers.split(',').filter(|one| !one.is_empty());
        Ok(PendingChange {
            agent,
            change: Change::from_word(&self.change).ok_or_else(|| bad("change"))?,
            revision: self.revision,
            at: moment(self.requested_at).ok_or_else(|| bad("requested_at"))?,
            by: self.requested_by.clone(),
            proposers: proposers.map(ToOwned::to_owned).collect(),
            before: fields("state_before", &self.state_before)?,
            after: fields("state_after", &self.state_after)?,
            name: self.subject_name,
            subject: self.subject_id,
        })
    }
}

impl Store {
    /// Returns all changes that wait for approval, the oldest first, and the errors of those that cannot
    /// be read.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database fails.
    pub(crate) async fn pending_changes(
        &self,
    ) -> Result<(Vec<PendingChange>, Vec<StoreError>), StoreError> {
        let rows: Vec<RequestRow> = with_pool!(self, pool => sqlx::query_as(
            "SELECT subject_id, subject_name, agent, change, revision, requested_at, requested_by, \
             proposers, state_before, state_after FROM pending_changes \
             ORDER BY requested_at, subject_id",
        )
        .fetch_all(pool)
        .await)?;
        let (mut pending, mut unreadable) = (Vec::new(), Vec::new());
        for row in rows {
            match row.read() {
                Ok(request) => pending.push(request),
                Err(error) => unreadable.push(error),
            }
        }
        Ok((pending, unreadable))
    }

    /// Requests changes, all or none. A request replaces an earlier one of its subject. Of a key,
    /// its revision must be the one that the caller saw; it is raised.
    ///
    /// # Errors
    /// Returns [`StoreError::Conflict`] if a key has another revision now.
    pub(crate) async fn request_approval(
        &self,
        requests: &[(PendingChange, EventDraft)],
    ) -> Result<Committed, StoreError> {
        let events: Vec<&EventDraft> = requests.iter().map(|(_, event)| event).collect();
        let mut change = self.begin_change(&events).await?;
        for (request, event) in by_subject(requests) {
            let revision = match request.subject.parse::<KeyId>() {
                Ok(id) => {
                    let done = execute!(
                        change,
                        sqlx::query(
                            "UPDATE keys SET revision = revision + 1 WHERE id = $1 AND revision = $2",
                        )
                        .bind(id.as_str())
                        .bind(request.revision)
                    )?;
                    one_row(done, &id)?;
                    request.revision + 1
                }
                Err(_) => change.next_sequence,
            };
            // A new member has another id each time.
            let replaced: Vec<(String, String)> = with_connection!(change, connection => sqlx::query_as(
                    "DELETE FROM pending_changes WHERE subject_id = $1 \
                     OR (change = $2 AND change = 'member.added' AND subject_name = $3) \
                     RETURNING change, requested_by",
                )
                .bind(request.subject.as_str())
                .bind(request.change.word())
                .bind(request.name.as_str())
                .fetch_all(connection)
                .await)?;
            change.insert_request(request, revision).await?;
            let replaced: Vec<String> = replaced.iter().map(withdrawn_words).collect();
            change.withdrawn.extend(replaced.iter().cloned());
            change.record(&event.clone().withdrawing(&replaced)).await?;
        }
        change.commit().await
    }

    /// Approves a new key: it is no longer refused for that.
    ///
    /// # Errors
    /// Returns [`StoreError::NotPending`] if the key does not wait with this revision, and
    /// [`StoreError::OwnRequest`] if the actor has requested it.
    pub(crate) async fn approve_key(
        &self,
        id: &KeyId,
        seen: Revision,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let done = execute!(
            change,
            sqlx::query(
                "UPDATE keys SET pending_at = NULL, revision = revision + 1 \
                 WHERE id = $1 AND revision = $2 AND pending_at IS NOT NULL",
            )
            .bind(id.as_str())
            .bind(seen.0)
        )?;
        one_row(done, id)?;
        change.record(event).await?;
        change.commit().await
    }

    /// Deletes a request, so that nothing waits there any more.
    ///
    /// # Errors
    /// Returns [`StoreError::NotPending`] if there is no such request with this revision.
    pub(crate) async fn reject_change(
        &self,
        request: &PendingChange,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let own = event.actor.approver();
        let done = execute!(
            change,
            sqlx::query(
                "DELETE FROM pending_changes WHERE subject_id = $1 AND revision = $2 \
                 AND ($3 = '' OR instr(proposers, ',' || $3 || ',') > 0)",
            )
            .bind(request.subject.as_str())
            .bind(request.revision)
            .bind(match event.gate {
                Gate::Rejects { own: true, .. } => own,
                _ => "",
            })
        )?;
        if done == 0 {
            return Err(StoreError::NotPending(request.subject.clone()));
        }
        change.record(event).await?;
        change.commit().await
    }
}

/// Returns the requests in the order of their subjects: every transaction that writes to several keys
/// does so in the order of their ids.
fn by_subject(requests: &[(PendingChange, EventDraft)]) -> Vec<&(PendingChange, EventDraft)> {
    let mut ordered: Vec<_> = requests.iter().collect();
    ordered.sort_by(|one, other| one.0.subject.cmp(&other.0.subject));
    ordered
}

impl ChangeTransaction<'_> {
    /// Checks that a change is approved if the policy wants that; the request that it approves is
    /// deleted. Of a change that can widen it must be said whether it does.
    pub(super) async fn pass_gate(&mut self, event: &EventDraft) -> Result<(), StoreError> {
        match event.gate {
            Gate::Widens if self.wants_approval && !self.is_alone => Err(StoreError::NeedsApproval),
            Gate::Unjudged if self.wants_approval && event.change.can_widen() => {
                Err(StoreError::NeedsApproval)
            }
            Gate::Approves(revision) => self.take_request(event, revision).await,
            _ => Ok(()),
        }
    }

    /// Returns whether nobody could approve these changes: those who work on the machine itself change
    /// the members or the policy, and no member is an owner. If they had to wait, the policy could
    /// never be ended.
    pub(super) async fn is_alone_with(
        &mut self,
        events: &[&EventDraft],
    ) -> Result<bool, StoreError> {
        let by_owners = |event: &&EventDraft| {
            event.actor.login.is_none()
                && matches!(
                    event.permission(),
                    Permission::Members | Permission::Workspace
                )
        };
        if !events.iter().all(by_owners) {
            return Ok(false);
        }
        let (owners,): (i64,) = with_connection!(self, connection => {
            sqlx::query_as("SELECT count(*) FROM members WHERE role = 'owner'")
                .fetch_one(connection)
                .await
        })?;
        Ok(owners == 0)
    }

    /// Deletes the request that an event approves.
    async fn take_request(&mut self, event: &EventDraft, revision: i64) -> Result<(), StoreError> {
        let proposers: Option<(String,)> = with_connection!(self, connection => sqlx::query_as(
            "DELETE FROM pending_changes WHERE subject_id = $1 AND revision = $2 \
             RETURNING proposers",
        )
        .bind(event.subject_id.as_str())
        .bind(revision)
        .fetch_optional(connection)
        .await)?;
        let Some((proposers,)) = proposers else {
            return Err(StoreError::NotPending(event.subject_id.clone()));
        };
        if proposers.contains(&format!(",{},", event.actor.approver())) {
            return Err(StoreError::OwnRequest);
        }
        Ok(())
    }

    /// Inserts a request with this revision.
    pub(super) async fn insert_request(
        &mut self,
        request: &PendingChange,
        revision: i64,
    ) -> Result<(), StoreError> {
        let json = |fields: &Map<String, Value>| Value::Object(fields.clone()).to_string();
        let agent = request.agent.as_ref();
        execute!(
            self,
            sqlx::query(
                "INSERT INTO pending_changes (subject_id, subject_name, agent, change, revision, \
                 requested_at, requested_by, proposers, state_before, state_after) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(request.subject.as_str())
            .bind(request.name.as_str())
            .bind(agent.map_or("", |agent| agent.as_str()))
            .bind(request.change.word())
            .bind(revision)
            .bind(request.at.millis())
            .bind(request.by.as_str())
            .bind(format!(",{},", request.proposers.join(",")))
            .bind(json(&request.before))
            .bind(json(&request.after))
        )?;
        Ok(())
    }

    /// Makes the request for a new key that waits show the key as it was just edited.
    pub(super) async fn follow_new_key(
        &mut self,
        id: &KeyId,
        draft: &Draft,
    ) -> Result<(), StoreError> {
        if !self.has_pending {
            return Ok(());
        }
        execute!(
            self,
            sqlx::query(
                "UPDATE pending_changes SET state_after = $1, subject_name = $2 \
                 WHERE subject_id = $3 AND change = 'key.created'",
            )
            .bind(Value::Object(fields::of_key(draft)).to_string())
            .bind(draft.name.as_str())
            .bind(id.as_str())
        )?;
        Ok(())
    }

    /// Withdraws the request about the subject of a change that was just made, and returns it in words. A
    /// new key goes on waiting, with its new revision; the person who widens it may not approve it
    /// either.
    pub(super) async fn outdate_request(
        &mut self,
        event: &EventDraft,
    ) -> Result<Vec<String>, StoreError> {
        let keeps = event.change != Change::Revoked;
        let withdrawn: Vec<(String, String)> = with_connection!(self, connection => sqlx::query_as(
            "DELETE FROM pending_changes WHERE subject_id = $1 \
             AND ($2 = 0 OR change <> 'key.created') RETURNING change, requested_by",
        )
        .bind(event.subject_id.as_str())
        .bind(i64::from(keeps))
        .fetch_all(connection)
        .await)?;
        let editor = match event.gate {
            Gate::WidensNewKey => event.actor.approver(),
            _ => "",
        };
        execute!(
            self,
            sqlx::query(
                "UPDATE pending_changes SET revision = revision + 1, proposers = \
                 CASE WHEN $2 = '' OR instr(proposers, ',' || $2 || ',') > 0 THEN proposers \
                 ELSE proposers || $2 || ',' END WHERE subject_id = $1",
            )
            .bind(event.subject_id.as_str())
            .bind(editor)
        )?;
        Ok(withdrawn.iter().map(withdrawn_words).collect())
    }
}

/// Returns a withdrawn request in words: `key.edited by alice`.
fn withdrawn_words((change, by): &(String, String)) -> String {
    format!("{change} by {by}")
}
