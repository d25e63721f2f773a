//! Changes of a keyring; each is made by the machine's actor and writes its audit event.
//!
//! Opening a token is one of them: the event is recorded first. The data key that seals the tokens
//! is opened when it is first needed, so that everything else works without the master key.
use super::{Keyring, KeyringError, Recorded, StoreError};
use crate::{
    domain::{
        access::find_area,
        audit::{Change, EventDetails, EventDraft, Gate},
        decision::Rules,
        key::{Draft, KEPT_PREVIOUS_TOKENS, Key, KeyVersion, Refused, RevokeReason},
        moment::Moment,
        policy::Policy,
        sealed::SealedToken,
        text::{self, TextError},
        token::{KeyId, Token},
    },
    vault::{DataKey, MasterKey},
};

/// The limits of a workspace's label.
const LABEL_LIMITS: text::Limits = text::Limits {
    field: "Label",
    characters: 24,
    bytes: 256,
};
/// A key whose token was just rotated.
#[derive(Debug)]
pub struct Rotated {
    /// The new key.
    pub key: Key,
    /// The key's new token.
    pub token: Token,
    /// The time until which the previous token stays valid; `None` if it ended at once.
    pub until: Option<Moment>,
    /// What was recorded.
    pub recorded: Recorded,
}

/// A token that was opened to be copied or shown.
#[derive(Debug)]
pub struct OpenedToken {
    /// The token.
    pub token: Token,
    /// What was recorded.
    pub recorded: Recorded,
}

impl Keyring {
    /// Sets the workspace's label.
    ///
    /// # Errors
    /// Returns [`KeyringError::Text`] if the label is empty, longer than 24 characters or not
    /// plain, [`KeyringError::Denied`] if the actor may not change the workspace, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn relabel(&self, label: &str) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::Relabelled).await?;
        text::check(label, LABEL_LIMITS)?;
        if label.trim().is_empty() {
            return Err(TextError::Empty {
                field: LABEL_LIMITS.field,
            }
            .into());
        }
        let before = self.store.workspace().await?.label;
        let event = EventDraft::relabelled(self.now(), self.actor(), &before, label);
        Ok(self.recorded(&self.store.relabel(label, &event).await?))
    }

    /// Changes a key's editable settings; does nothing if they are the same. If the change widens and
    /// the policy wants that approved, it is requested and the key stays as it is.
    ///
    /// # Errors
    /// Returns [`StoreError::Conflict`] if the key was changed since the caller read it,
    /// [`StoreError::Gone`] if it was revoked, [`KeyringError::Access`] if there is no such area,
    /// [`KeyringError::Policy`] if the policy refuses the expiry, [`KeyringError::Contradiction`] if
    /// no request could ever pass, [`KeyringError::Denied`] if the actor may not edit the key, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn edit(&self, seen: &KeyVersion, draft: &Draft) -> Result<Recorded, KeyringError> {
        let key = self.check_edit(seen, draft).await?;
        if key.draft == *draft {
            return Ok(Recorded::default());
        }
        let left = self.left_refusals(&key, draft).await;
        let widens = self.widens(&key, draft).await?;
        let event = self.event(Change::Edited, &key, EventDetails::Edited(draft));
        let event = match key.pending_at {
            // The key is refused anyhow.
            Some(_) => event.of_new_key(widens),
            None => event.widening(widens),
        };
        let edited = (draft, left);
        let edit = self.store.edit_key(&seen.id, seen.revision, edited, &event);
        let edit = edit.await;
        let request = || vec![self.request_for_key(Change::Edited, &key, Some(draft))];
        self.made_or_requested(edit, request).await
    }

    /// Returns whether an edit lets more requests of the key pass than before.
    async fn widens(&self, key: &Key, draft: &Draft) -> Result<bool, KeyringError> {
        let (before, after) = (&key.draft.conditions, &draft.conditions);
        if before == after {
            return Ok(false);
        }
        let areas = self.store.areas().await?;
        Ok(!before.changes(after, &areas).widens.is_empty())
    }

    /// Returns the refusals of a key that remain recent after an edit; `None` if the edit does not
    /// change its conditions.
    pub(super) async fn left_refusals(&self, key: &Key, draft: &Draft) -> Option<Option<Refused>> {
        if key.draft.conditions == draft.conditions {
            return None;
        }
        let edited = |rules: &mut Rules| rules.conditions.clone_from(&draft.conditions);
        Some(self.still_refused(key, edited).await)
    }

    /// Checks whether an edit would be accepted, and returns the key as it is.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::edit`].
    pub async fn check_edit(&self, seen: &KeyVersion, draft: &Draft) -> Result<Key, KeyringError> {
        self.demand_areas(draft).await?;
        let key = self.seen_key(Change::Edited, seen).await?;
        if key.draft.conditions != draft.conditions {
            draft.conditions.check()?;
        }
        if key.draft.conditions.expires_at != draft.conditions.expires_at {
            self.policy()
                .await?
                .check_end(draft.conditions.expires_at, self.now())?;
        }
        Ok(key)
    }

    /// Gives a key a new token. The old one stays valid for `overlap` milliseconds, but not beyond
    /// the key's own expiry. With an overlap of 0, it and all previous tokens end at once.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::edit`], [`KeyringError::TooManyGood`] if no more previous
    /// tokens can be kept, and [`KeyringError::Vault`] if the vault fails; all of them before
    /// anything is written.
    pub async fn rotate(&self, seen: &KeyVersion, overlap: i64) -> Result<Rotated, KeyringError> {
        self.demand_writable()?;
        let key = self.seen_key(Change::Rotated, seen).await?;
        let data_key = self.data_key().await?;
        let prefix = self.store.agent_prefix(&key.agent).await?;
        let mut chance = |buffer: &mut [u8]| self.machine.fill(buffer);
        let token = Token::mint(&prefix, &key.id, &mut chance);
        let now = self.now();
        let latest = key
            .draft
            .conditions
            .expires_at
            .unwrap_or_else(|| now.plus(overlap));
        let until = Some(now.plus(overlap).min(latest)).filter(|until| *until > now);
        if until.is_some() {
            let previous = self.store.previous_tokens(&key.id).await?;
            let good = previous.iter().filter(|it| it.is_good(&key, now)).count();
            if good >= KEPT_PREVIOUS_TOKENS {
                let name = text::visible(key.name());
                return Err(KeyringError::TooManyGood { name, good });
            }
        }
        let new_token = SealedToken {
            digest: token.digest(),
            data_key_id: data_key.id(),
            sealed: data_key.seal(&token, &self.machine)?,
        };
        let event = self.event(Change::Rotated, &key, EventDetails::Overlap(until));
        let committed = self
            .store
            .rotate_key(seen, &new_token, until, &event)
            .await?;
        Ok(Rotated {
            // The rotation is committed. If reading the key back fails, the new token must not be
            // lost.
            key: self.key(&key.id).await.unwrap_or(key),
            token,
            until,
            recorded: self.recorded(&committed),
        })
    }

    /// Ends the previous tokens of a key before their time.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::edit`], and [`KeyringError::NothingToFinish`] if no
    /// previous token is valid.
    pub async fn finish_rotation(&self, seen: &KeyVersion) -> Result<Recorded, KeyringError> {
        let key = self.seen_key(Change::RotationFinished, seen).await?;
        if key.previous_until.is_none_or(|until| until <= self.now()) {
            return Err(KeyringError::NothingToFinish(text::visible(key.name())));
        }
        let event = self.event(Change::RotationFinished, &key, EventDetails::None);
        Ok(self.recorded(&self.store.finish_rotation(seen, &event).await?))
    }

    /// Sets the workspace's policy; existing keys keep their expiry. A policy that widens waits for
    /// approval if the one before says so.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not change the workspace, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn set_policy(&self, policy: Policy) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::PolicyChanged).await?;
        let workspace = self.store.workspace().await?;
        if workspace.policy == policy {
            return Ok(Recorded::default());
        }
        let (now, actor) = (self.now(), self.actor());
        let before = workspace.policy;
        let event = EventDraft::policy(now, actor, &workspace.label, before, policy);
        let event = event.widening(policy.widens(before));
        let made = self.store.set_policy(before, policy, &event).await;
        let request = || vec![self.request_for_policy(&workspace.label, before, policy)];
        self.made_or_requested(made, request).await
    }

    /// Disables or enables keys, all or none. Keys that are in that state already are left
    /// unchanged. If the policy wants it approved, enabling them is requested for all of them; new
    /// keys that wait for approval themselves are enabled in a change of their own.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::edit`].
    pub async fn switch(
        &self,
        seen: &[KeyVersion],
        disable: bool,
    ) -> Result<Recorded, KeyringError> {
        let change = if disable {
            Change::Disabled
        } else {
            Change::Enabled
        };
        let disabled_at = disable.then(|| self.now());
        let mut changes = Vec::with_capacity(seen.len());
        let mut requests = Vec::new();
        for one in seen {
            let key = self.seen_key(change, one).await?;
            if key.disabled_at.is_some() != disable {
                let widens = !disable && key.pending_at.is_none();
                let event = self.event(change, &key, EventDetails::None);
                let switched = |rules: &mut Rules| rules.disabled_at = disabled_at;
                let left = self.still_refused(&key, switched).await;
                let event = event.widening(widens);
                changes.push((key.id.clone(), one.revision, event, left));
                if widens {
                    requests.push(self.request_for_key(change, &key, None));
                }
            }
        }
        if changes.is_empty() {
            return Ok(Recorded::default());
        }
        let switched = self.store.switch_keys(&changes, disabled_at).await;
        let recorded = self.made_or_requested(switched, || requests).await?;
        if recorded.waiting == 0 {
            return Ok(recorded);
        }
        // The new keys among them are refused anyhow, so they need no approval for this.
        changes.retain(|(_, _, event, _)| event.gate == Gate::Open);
        if changes.is_empty() {
            return Ok(recorded);
        }
        let switched = self.store.switch_keys(&changes, disabled_at).await?;
        Ok(recorded.and(self.recorded(&switched)))
    }

    /// Deletes keys permanently, all or none.
    ///
    /// # Errors
    /// Returns the errors of [`Keyring::edit`].
    pub async fn revoke(
        &self,
        seen: &[KeyVersion],
        reason: RevokeReason,
    ) -> Result<Recorded, KeyringError> {
        let mut changes = Vec::with_capacity(seen.len());
        for one in seen {
            let key = self.seen_key(Change::Revoked, one).await?;
            let event = self.event(Change::Revoked, &key, EventDetails::Revoked(reason));
            changes.push((key.id, one.revision, event));
        }
        Ok(self.recorded(&self.store.revoke_keys(&changes, reason).await?))
    }

    /// Opens a key's token to copy or reveal it. The event is recorded first; if that fails, the
    /// token is not opened.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not copy tokens, [`KeyringError::Vault`]
    /// if the vault fails, and [`KeyringError::Store`] if the database fails.
    pub async fn token(&self, id: &KeyId, purpose: Change) -> Result<OpenedToken, KeyringError> {
        self.demand_writable()?;
        let key = self.key(id).await?;
        self.demand_for(purpose, &key).await?;
        let data_key = self.data_key().await?;
        let event = self.event(purpose, &key, EventDetails::None);
        let recorded = self.recorded(&self.store.record(&event).await?);
        let sealed = self.store.sealed_token(id).await?;
        let token = data_key.open(&sealed.sealed, id, &sealed.digest)?;
        Ok(OpenedToken { token, recorded })
    }

    pub(super) fn event(&self, change: Change, key: &Key, details: EventDetails<'_>) -> EventDraft {
        EventDraft::about_key(self.now(), self.actor(), change, key, details)
    }

    /// Returns the key if it is still at the revision that the caller saw, and if the actor may make
    /// this change of it.
    async fn seen_key(&self, change: Change, seen: &KeyVersion) -> Result<Key, KeyringError> {
        let key = self.key(&seen.id).await?;
        self.demand_for(change, &key).await?;
        if key.revision == seen.revision {
            Ok(key)
        } else {
            Err(StoreError::Conflict {
                id: seen.id.to_string(),
            }
            .into())
        }
    }

    /// Checks that the store is writable. This comes before opening the master key: in a read-only
    /// store, an unreadable master key is not the cause of the failure.
    pub(super) fn demand_writable(&self) -> Result<(), KeyringError> {
        if self.is_writable() {
            Ok(())
        } else {
            Err(StoreError::ReadOnly(self.place().clone()).into())
        }
    }

    pub(super) async fn demand_areas(&self, draft: &Draft) -> Result<(), KeyringError> {
        if draft.conditions.grants.is_empty() {
            return Ok(());
        }
        let areas = self.store.areas().await?;
        for (slug, _) in draft.conditions.grants.iter() {
            find_area(&areas, slug)?;
        }
        Ok(())
    }

    /// Returns the data key, which is opened once. The first data key is created here, and only if
    /// the store has none: if the store has one, a missing master key is an error, and no new one
    /// is created.
    pub(super) async fn data_key(&self) -> Result<&DataKey, KeyringError> {
        self.data_key.get_or_try_init(|| self.open_data_key()).await
    }

    async fn open_data_key(&self) -> Result<DataKey, KeyringError> {
        let store = &self.workspace.uuid;
        let (master, stored) = if let Some(stored) = self.store.data_key().await? {
            (MasterKey::load(&self.master_key)?, stored)
        } else {
            let master = MasterKey::load_or_make(&self.master_key, &self.machine)?;
            let drawn = DataKey::draw(&master, store, &self.machine)?;
            (master, self.store.first_data_key(&drawn, self.now()).await?)
        };
        Ok(DataKey::unwrap(&stored, &master, store)?)
    }
}
