//! What changes a keyring: each change in the name of the machine's actor, with its audit event.
//!
//! Opening a token is one of them: it is recorded first. The data key that tokens are sealed with
//! is opened when it is first needed, so that everything else works without the master key.
use super::{Keyring, KeyringError, Recorded, StoreError};
use crate::{
    domain::{
        access::find_area,
        agent::{self, AgentName},
        audit::{Change, Details, EventDraft},
        decision::Rules,
        key::{
            Draft, KEPT_PREVIOUS_TOKENS, Key, KeyName, KeyVersion, Namesakes, Revision,
            RevokeReason,
        },
        member::{Denied, Permission},
        moment::Moment,
        policy::Policy,
        sealed::SealedToken,
        text::{self, TextError},
        token::{KeyId, Token},
    },
    store::NewKey,
    vault::{DataKey, MasterKey},
};

/// The limits of a workspace's label.
const LABEL_LIMITS: text::Limits = text::Limits {
    field: "Label",
    characters: 24,
    bytes: 256,
};
/// How many look-alikes are named.
const NAMED_LOOK_ALIKES: i64 = 3;

/// A key that was just made.
#[derive(Debug)]
pub struct Created {
    /// The key.
    pub key: Key,
    /// Its token.
    pub token: Token,
    /// Names of other keys that look like its name without being the same.
    pub look_alikes: Vec<String>,
    /// What was recorded.
    pub recorded: Recorded,
}

/// A key that just got a new token.
#[derive(Debug)]
pub struct Rotated {
    /// The key.
    pub key: Key,
    /// Its new token.
    pub token: Token,
    /// Until when the old one stays good, if it does.
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
    /// Gives the workspace another label.
    ///
    /// # Errors
    /// A label that is empty, longer than 24 characters or not plain; the store's.
    pub async fn relabel(&self, label: &str) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Workspace).await?;
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

    /// Makes a key for an agent, and its token; [`agent::choose`] tells for which, if none is said.
    ///
    /// # Errors
    /// An agent or an area that there is not; the vault's, before anything is written; the store's.
    pub async fn create(
        &self,
        agent: Option<&AgentName>,
        draft: Draft,
    ) -> Result<Created, KeyringError> {
        let scope = self.demand(Permission::Create).await?.scope;
        let agents = self.agents().await?;
        if agents.is_empty() {
            return Err(Denied::Agent(scope).into());
        }
        let agent = agent::choose(agent, &agents)?;
        self.demand_writable()?;
        self.demand_areas(&draft).await?;
        self.policy()
            .await?
            .check_end(draft.conditions.expires_at, self.now())?;
        let data_key = self.data_key().await?;
        let (id, token) = {
            let mut chance = |buffer: &mut [u8]| self.machine.fill(buffer);
            let id = KeyId::draw(&mut chance);
            let token = Token::mint(&id, &mut chance);
            (id, token)
        };
        let sealed = data_key.seal(&token, &self.machine)?;
        let new = NewKey {
            id,
            agent,
            draft,
            created_at: self.now(),
        };
        let key = Key {
            id: new.id.clone(),
            sequence: 0,
            agent: new.agent.clone(),
            draft: new.draft.clone(),
            created_at: new.created_at,
            disabled_at: None,
            last_use: None,
            refused: None,
            previous_until: None,
            revision: Revision(1),
        };
        let event = EventDraft::new(
            self.now(),
            self.actor(),
            Change::Created,
            &key,
            Details::Made,
        );
        let new_token = SealedToken {
            digest: token.digest(),
            data_key_id: data_key.id(),
            sealed,
        };
        let committed = self.store.create_key(&new, &new_token, &event).await?;
        // The key is made; a failure here must not hide that.
        let look_alikes = self.look_alikes(&key.draft.name).await.unwrap_or_default();
        Ok(Created {
            key,
            token,
            look_alikes,
            recorded: self.recorded(&committed),
        })
    }

    /// Names of other keys that look like this one without being the same.
    ///
    /// # Errors
    /// The store's.
    pub async fn look_alikes(&self, name: &KeyName) -> Result<Vec<String>, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        Ok(self
            .store
            .look_alikes(name.as_str(), &scope, NAMED_LOOK_ALIKES)
            .await?)
    }

    /// Other keys than this one that have a name, or one that looks like it.
    ///
    /// # Errors
    /// The store's.
    pub async fn namesakes(
        &self,
        name: &KeyName,
        except: Option<&KeyId>,
    ) -> Result<Namesakes, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        let except = except.map_or("", KeyId::as_str);
        let found = self.store.namesakes(name.as_str(), except, &scope).await?;
        let mut namesakes = Namesakes::default();
        for (id, other) in found {
            if other == name.as_str() {
                namesakes.same.push(id);
            } else if !namesakes.look_alikes.contains(&other) {
                namesakes.look_alikes.push(other);
            }
        }
        let most = usize::try_from(NAMED_LOOK_ALIKES).unwrap_or(usize::MAX);
        namesakes.look_alikes.truncate(most);
        Ok(namesakes)
    }

    /// Changes what people decided about a key; does nothing if nothing differs.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the key was changed since it was seen, [`StoreError::Gone`]
    /// if it was revoked; an area that there is not; the store's.
    pub async fn edit(&self, seen: &KeyVersion, draft: &Draft) -> Result<Recorded, KeyringError> {
        self.demand_areas(draft).await?;
        let key = self.seen_key(Permission::Edit, seen).await?;
        if key.draft == *draft {
            return Ok(Recorded::default());
        }
        if key.draft.conditions.expires_at != draft.conditions.expires_at {
            self.policy()
                .await?
                .check_end(draft.conditions.expires_at, self.now())?;
        }
        let left = if key.draft.conditions == draft.conditions {
            None
        } else {
            let edited = |rules: &mut Rules| rules.conditions.clone_from(&draft.conditions);
            Some(self.still_refused(&key, edited).await)
        };
        let event = self.event(Change::Edited, &key, Details::Edited(draft));
        let edited = (draft, left);
        let edit = self.store.edit_key(&seen.id, seen.revision, edited, &event);
        Ok(self.recorded(&edit.await?))
    }

    /// Gives a key a new token. The old one stays good for so many milliseconds, and never beyond
    /// the key's own end; with 0 it ends at once, and with it all that were rotated out before.
    ///
    /// # Errors
    /// As for [`Keyring::edit`]; [`KeyringError::TooManyGood`] if no more old tokens can be kept; the
    /// vault's. Each comes before anything is written.
    pub async fn rotate(&self, seen: &KeyVersion, overlap: i64) -> Result<Rotated, KeyringError> {
        self.demand_writable()?;
        let key = self.seen_key(Permission::Rotate, seen).await?;
        let data_key = self.data_key().await?;
        let token = Token::mint(&key.id, &mut |buffer: &mut [u8]| self.machine.fill(buffer));
        let now = self.now();
        let latest = key
            .draft
            .conditions
            .expires_at
            .unwrap_or_else(|| now.plus(overlap));
        let until = Some(now.plus(overlap).min(latest)).filter(|until| *until > now);
        if until.is_some() {
            let former = self.store.previous_tokens(&key.id).await?;
            let good = former.iter().filter(|it| it.is_good(&key, now)).count();
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
        let event = self.event(Change::Rotated, &key, Details::Overlap(until));
        let committed = self
            .store
            .rotate_key(seen, &new_token, until, &event)
            .await?;
        Ok(Rotated {
            // It is done, whatever comes of reading it back: the new token must not be lost.
            key: self.key(&key.id).await.unwrap_or(key),
            token,
            until,
            recorded: self.recorded(&committed),
        })
    }

    /// Ends the tokens of a key that were rotated out, before their time.
    ///
    /// # Errors
    /// As for [`Keyring::edit`], and [`KeyringError::NothingToFinish`].
    pub async fn finish_rotation(&self, seen: &KeyVersion) -> Result<Recorded, KeyringError> {
        let key = self.seen_key(Permission::Rotate, seen).await?;
        if key.previous_until.is_none_or(|until| until < self.now()) {
            return Err(KeyringError::NothingToFinish(text::visible(key.name())));
        }
        let event = self.event(Change::RotationFinished, &key, Details::None);
        Ok(self.recorded(&self.store.finish_rotation(seen, &event).await?))
    }

    /// Gives the workspace another policy for the ends of keys; those that have theirs keep it.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_policy(&self, policy: Policy) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Workspace).await?;
        let workspace = self.store.workspace().await?;
        if workspace.policy == policy {
            return Ok(Recorded::default());
        }
        let (now, actor) = (self.now(), self.actor());
        let event = EventDraft::policy(now, actor, &workspace.label, workspace.policy, policy);
        Ok(self.recorded(&self.store.set_policy(policy, &event).await?))
    }

    /// Switches keys off or on, all or none. Those that are so already are left alone.
    ///
    /// # Errors
    /// As for [`Keyring::edit`].
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
        for one in seen {
            let key = self.seen_key(Permission::Switch, one).await?;
            if key.disabled_at.is_some() != disable {
                let event = self.event(change, &key, Details::None);
                let switched = |rules: &mut Rules| rules.disabled_at = disabled_at;
                let left = self.still_refused(&key, switched).await;
                changes.push((key.id, one.revision, event, left));
            }
        }
        if changes.is_empty() {
            return Ok(Recorded::default());
        }
        Ok(self.recorded(&self.store.switch_keys(&changes, disabled_at).await?))
    }

    /// Deletes keys for good, all or none.
    ///
    /// # Errors
    /// As for [`Keyring::edit`].
    pub async fn revoke(
        &self,
        seen: &[KeyVersion],
        reason: RevokeReason,
    ) -> Result<Recorded, KeyringError> {
        let mut changes = Vec::with_capacity(seen.len());
        for one in seen {
            let key = self.seen_key(Permission::Revoke, one).await?;
            let event = self.event(Change::Revoked, &key, Details::Gone(reason));
            changes.push((key.id, one.revision, event));
        }
        Ok(self.recorded(&self.store.revoke_keys(&changes, reason).await?))
    }

    /// Opens a key's token to be copied or revealed. That is recorded first: without the record
    /// there is no token.
    ///
    /// # Errors
    /// The vault's, the store's.
    pub async fn token(&self, id: &KeyId, purpose: Change) -> Result<OpenedToken, KeyringError> {
        self.demand_writable()?;
        let key = self.key(id).await?;
        self.demand_for(Permission::Copy, &key).await?;
        let data_key = self.data_key().await?;
        let event = self.event(purpose, &key, Details::None);
        let recorded = self.recorded(&self.store.record(&event).await?);
        let sealed = self.store.sealed_token(id).await?;
        let token = data_key.open(&sealed.sealed, id, &sealed.digest)?;
        Ok(OpenedToken { token, recorded })
    }

    fn event(&self, change: Change, key: &Key, details: Details<'_>) -> EventDraft {
        EventDraft::new(self.now(), self.actor(), change, key, details)
    }

    /// The key, if it is as it was seen, and if that may be done to it.
    async fn seen_key(
        &self,
        permission: Permission,
        seen: &KeyVersion,
    ) -> Result<Key, KeyringError> {
        let key = self.key(&seen.id).await?;
        self.demand_for(permission, &key).await?;
        if key.revision == seen.revision {
            Ok(key)
        } else {
            Err(StoreError::Conflict {
                id: seen.id.to_string(),
            }
            .into())
        }
    }

    /// Asked before the master key: where nothing can be written, that it cannot be read either
    /// is not what stands in the way.
    fn demand_writable(&self) -> Result<(), KeyringError> {
        if self.is_writable() {
            Ok(())
        } else {
            Err(StoreError::ReadOnly(self.place().clone()).into())
        }
    }

    async fn demand_areas(&self, draft: &Draft) -> Result<(), KeyringError> {
        if draft.conditions.grants.is_empty() {
            return Ok(());
        }
        let areas = self.store.areas().await?;
        for (slug, _) in draft.conditions.grants.iter() {
            find_area(&areas, slug)?;
        }
        Ok(())
    }

    /// The data key, opened once. The first one is drawn here, and only when the store has none:
    /// where tokens are sealed already, a missing master key is an error and never made anew.
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
