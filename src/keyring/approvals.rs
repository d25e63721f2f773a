//! Approval: a change that widens waits for another manager or owner, if the workspace's policy says
//! so.
//!
//! Every use case first tries to make its change. The store refuses it with
//! [`StoreError::NeedsApproval`] in the transaction, and only then it is requested instead. So the
//! policy is checked in one place for every use case.
use serde_json::{Map, Value};

use super::{Keyring, KeyringError, Recorded};
use crate::{
    domain::{
        agent::AgentScope,
        approval::{PendingChange, fields},
        audit::{Change, EventDetails, EventDraft, Gate},
        decision::Rules,
        key::{Draft, Key, KeyVersion, Revision, RevokeReason},
        member::{MemberId, Permission},
        policy::Policy,
        token::KeyId,
    },
    store::{Committed, DefinedArea, StoreError},
};

type Fields = Map<String, Value>;

impl Keyring {
    /// Returns the changes that wait for approval, of these agents' keys and of everything that is
    /// no key; the oldest first. Those that cannot be read are left out.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn pending_changes(
        &self,
        scope: &AgentScope,
    ) -> Result<Vec<PendingChange>, KeyringError> {
        let scope = scope.within(&self.demand(Permission::See).await?.scope);
        let (mut pending, _) = self.store.pending_changes().await?;
        pending.retain(|one| one.agent.as_ref().is_none_or(|agent| scope.includes(agent)));
        Ok(pending)
    }

    /// Returns the errors of requests that cannot be read. They can be neither approved nor rejected.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn damaged_requests(&self) -> Result<Vec<StoreError>, KeyringError> {
        self.demand(Permission::See).await?;
        Ok(self.store.pending_changes().await?.1)
    }

    /// Returns the request that this text names: a key (see [`Keyring::resolve`]),
    /// `area:SLUG`, `member:` with an id or a name, or `workspace`.
    ///
    /// # Errors
    /// Returns [`StoreError::NotPending`] if nothing waits there, and the errors of
    /// [`Keyring::resolve`] and [`Keyring::pending_changes`].
    pub async fn pending_change(&self, text: &str) -> Result<PendingChange, KeyringError> {
        let mut pending = self.pending_changes(&AgentScope::Everything).await?;
        let member = text.strip_prefix("member:");
        let is_meant = |one: &PendingChange| {
            one.subject == text
                || (one.subject.starts_with("member:") && member == Some(one.name.as_str()))
        };
        if let Some(at) = pending.iter().position(is_meant) {
            return Ok(pending.swap_remove(at));
        }
        if text == "workspace" || text.starts_with("area:") || text.starts_with("member:") {
            return Err(StoreError::NotPending(crate::domain::text::visible(text)).into());
        }
        let key = self.resolve(text).await?;
        let at = pending
            .iter()
            .position(|one| one.subject == key.id.as_str());
        match at {
            Some(at) => Ok(pending.swap_remove(at)),
            None => Err(StoreError::NotPending(key.id.to_string()).into()),
        }
    }

    /// Approves a change that waits, which makes it.
    ///
    /// # Errors
    /// Returns [`StoreError::OwnRequest`] if the actor has requested it, [`StoreError::NotPending`]
    /// if it does not wait any more with this revision, or what it changes is not as it was,
    /// [`KeyringError::Denied`] if the actor may not approve it, and the errors of the change.
    pub async fn approve(&self, request: &PendingChange) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Approve).await?;
        let authority = self.demand_change(request.change).await?;
        if let Some(agent) = &request.agent {
            authority.demand_agent(agent)?;
        }
        if request.is_of(self.actor()) {
            return Err(StoreError::OwnRequest.into());
        }
        let committed = match request.change {
            Change::Created | Change::Edited | Change::Enabled => self.approve_key(request).await?,
            Change::AreaAdded | Change::AreaEdited | Change::AreaRemoved => {
                self.approve_area(request).await?
            }
            Change::MemberAdded | Change::MemberEdited => self.approve_member(request).await?,
            Change::PolicyChanged => self.approve_policy(request).await?,
            _ => return Err(corrupt(request)),
        };
        Ok(self.recorded(&committed))
    }

    async fn approve_key(&self, request: &PendingChange) -> Result<Committed, KeyringError> {
        let id: KeyId = request.subject.parse().map_err(|_| corrupt(request))?;
        let key = self.key(&id).await?;
        let seen = KeyVersion {
            id,
            revision: Revision(request.revision),
        };
        if key.revision != seen.revision {
            return Err(StoreError::NotPending(request.subject.clone()).into());
        }
        Ok(match request.change {
            Change::Created => {
                let gate = Gate::Approves(request.revision);
                let event = EventDraft::about_request(
                    self.now(),
                    self.actor(),
                    Change::Approved,
                    request,
                    gate,
                );
                self.store
                    .approve_key(&seen.id, seen.revision, &event)
                    .await?
            }
            Change::Edited => {
                let draft = fields::read_key(&request.after).ok_or_else(|| corrupt(request))?;
                self.check_edit(&seen, &draft).await?;
                let event = self.event(Change::Edited, &key, EventDetails::Edited(&draft));
                let left = self.left_refusals(&key, &draft).await;
                let event = event.approving(request);
                self.store
                    .edit_key(&seen.id, seen.revision, (&draft, left), &event)
                    .await?
            }
            _ => {
                let event = self.event(Change::Enabled, &key, EventDetails::None);
                let switched = |rules: &mut Rules| rules.disabled_at = None;
                let left = self.still_refused(&key, switched).await;
                let switch = (key.id, seen.revision, event.approving(request), left);
                self.store.switch_keys(&[switch], None).await?
            }
        })
    }

    async fn approve_area(&self, request: &PendingChange) -> Result<Committed, KeyringError> {
        let slug = request.subject.strip_prefix("area:").unwrap_or_default();
        let slug = slug.parse().map_err(|_| corrupt(request))?;
        if request.change == Change::AreaAdded {
            let (area, rules) =
                fields::read_area(slug, &request.after).ok_or_else(|| corrupt(request))?;
            let new = DefinedArea { area, rules };
            let event = self.area_event(None, Some(&new)).approving(request);
            return Ok(self.store.add_area(&new, &event).await?);
        }
        let now = self.defined_area(&slug).await?;
        demand_as_before(request, &area_fields(&now))?;
        if request.change == Change::AreaRemoved {
            let event = self.area_event(Some(&now), None).approving(request);
            return Ok(self.store.remove_area(&now, &event).await?);
        }
        let (area, rules) =
            fields::read_area(slug, &request.after).ok_or_else(|| corrupt(request))?;
        let edited = DefinedArea { area, rules };
        let event = self
            .area_event(Some(&now), Some(&edited))
            .approving(request);
        Ok(self.store.edit_area(&now, &edited, &event).await?)
    }

    async fn approve_member(&self, request: &PendingChange) -> Result<Committed, KeyringError> {
        let id = request.subject.strip_prefix("member:").unwrap_or_default();
        let id: MemberId = id.parse().map_err(|_| corrupt(request))?;
        let draft = fields::read_member(&request.after).ok_or_else(|| corrupt(request))?;
        self.check_member(&draft).await?;
        let (now, actor) = (self.now(), self.actor());
        if request.change == Change::MemberAdded {
            let event = EventDraft::about_member(now, actor, &id, None, Some(&draft));
            let event = event.approving(request);
            return Ok(self.store.add_member(&id, &draft, &event).await?);
        }
        let seen = self.member(id.as_str()).await?;
        demand_as_before(request, &fields::of_member(&seen.draft))?;
        let before = Some(&seen.draft);
        let event = EventDraft::about_member(now, actor, &id, before, Some(&draft));
        let event = event.approving(request);
        Ok(self.store.edit_member(&seen, &draft, &event).await?)
    }

    async fn approve_policy(&self, request: &PendingChange) -> Result<Committed, KeyringError> {
        let workspace = self.store.workspace().await?;
        demand_as_before(request, &fields::of_policy(workspace.policy))?;
        let policy = fields::read_policy(&request.after).ok_or_else(|| corrupt(request))?;
        let (now, actor) = (self.now(), self.actor());
        let event = EventDraft::policy(now, actor, &workspace.label, workspace.policy, policy);
        let event = event.approving(request);
        Ok(self
            .store
            .set_policy(workspace.policy, policy, &event)
            .await?)
    }

    /// Rejects a change that waits, or takes back one of the actor's own: nothing is changed. A new
    /// key is revoked.
    ///
    /// # Errors
    /// Returns [`StoreError::NotPending`] if it does not wait any more with this revision,
    /// [`KeyringError::Denied`] if the actor may not reject it, and [`KeyringError::Store`] if the
    /// database fails.
    pub async fn reject(&self, request: &PendingChange) -> Result<Recorded, KeyringError> {
        let own = request.is_of(self.actor());
        if !own {
            self.demand(Permission::Approve).await?;
        }
        let authority = self.demand_change(request.change).await?;
        if let Some(agent) = &request.agent {
            authority.demand_agent(agent)?;
        }
        if request.change == Change::Created {
            let id: KeyId = request.subject.parse().map_err(|_| corrupt(request))?;
            let key = self.key(&id).await?;
            if key.revision.0 != request.revision {
                return Err(StoreError::NotPending(request.subject.clone()).into());
            }
            self.demand_for(Change::Revoked, &key).await?;
            let reason = RevokeReason::Other;
            let event = self.event(Change::Revoked, &key, EventDetails::Revoked(reason));
            let revoked = (id, key.revision, event.rejecting(request));
            let committed = self.store.revoke_keys(&[revoked], reason).await?;
            return Ok(self.recorded(&committed));
        }
        let gate = Gate::Rejects {
            change: request.change,
            own,
        };
        let (now, change) = (self.now(), Change::ApprovalRejected);
        let event = EventDraft::about_request(now, self.actor(), change, request, gate);
        Ok(self.recorded(&self.store.reject_change(request, &event).await?))
    }

    /// Returns the request for a change of a key, made by the actor now.
    pub(super) fn request_for_key(
        &self,
        change: Change,
        key: &Key,
        after: Option<&Draft>,
    ) -> PendingChange {
        let before = match change {
            Change::Edited => fields::of_key(&key.draft),
            _ => Fields::new(),
        };
        PendingChange {
            agent: Some(key.agent.clone()),
            revision: key.revision.0,
            ..self.request_for(
                change,
                (key.id.to_string(), key.name().to_owned()),
                (before, after.map(fields::of_key).unwrap_or_default()),
            )
        }
    }

    /// Returns the request for a change, made by the actor now.
    pub(super) fn request_for(
        &self,
        change: Change,
        (subject, name): (String, String),
        (before, after): (Fields, Fields),
    ) -> PendingChange {
        PendingChange {
            subject,
            name,
            agent: None,
            change,
            revision: 0,
            at: self.now(),
            by: self.actor().name.clone(),
            proposers: vec![self.actor().approver().to_owned()],
            before,
            after,
        }
    }

    /// Returns the request for a change of the policy.
    pub(super) fn request_for_policy(
        &self,
        label: &str,
        before: Policy,
        after: Policy,
    ) -> PendingChange {
        self.request_for(
            Change::PolicyChanged,
            ("workspace".to_owned(), label.to_owned()),
            (fields::of_policy(before), fields::of_policy(after)),
        )
    }

    /// Returns what was recorded of a change, or, if the policy holds it back, of its request.
    pub(super) async fn made_or_requested(
        &self,
        made: Result<Committed, StoreError>,
        requests: impl FnOnce() -> Vec<PendingChange>,
    ) -> Result<Recorded, KeyringError> {
        let refused = match made {
            Ok(committed) => return Ok(self.recorded(&committed)),
            Err(refused) => refused,
        };
        if refused != StoreError::NeedsApproval {
            return Err(refused.into());
        }
        let (now, change) = (self.now(), Change::ApprovalRequested);
        let with_event = |request: PendingChange| {
            let gate = Gate::Requests(request.change);
            let event = EventDraft::about_request(now, self.actor(), change, &request, gate);
            (request, event)
        };
        let requests = requests();
        let (waiting, _) = self.store.pending_changes().await?;
        for request in &requests {
            let same = |one: &&PendingChange| {
                let subjects = one.subject == request.subject;
                let changes = one.change == request.change && one.after == request.after;
                subjects && changes && one.before == request.before
            };
            let same = waiting.iter().find(same);
            if let Some(same) = same.filter(|same| !same.is_of(self.actor())) {
                return Err(StoreError::AlreadyRequested {
                    subject: same.subject.clone(),
                    by: crate::domain::text::visible(&same.by),
                }
                .into());
            }
        }
        let requests: Vec<_> = requests.into_iter().map(with_event).collect();
        let committed = self.store.request_approval(&requests).await?;
        Ok(Recorded {
            waiting: requests.len(),
            ..self.recorded(&committed)
        })
    }
}

/// Returns the fields of an area.
pub(super) fn area_fields(defined: &DefinedArea) -> Fields {
    fields::of_area(&defined.area, &defined.rules)
}

/// Checks that the values that a request changes are the same as when it was made.
fn demand_as_before(request: &PendingChange, now: &Fields) -> Result<(), KeyringError> {
    if request.before == *now {
        Ok(())
    } else {
        Err(StoreError::OutOfDate(request.subject.clone()).into())
    }
}

fn corrupt(request: &PendingChange) -> KeyringError {
    StoreError::corrupt("pending_changes", "state_after", &request.subject).into()
}
