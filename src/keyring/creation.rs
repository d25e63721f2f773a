//! Creates keys, and finds those with the same or a similar name.
use super::{Keyring, KeyringError, Recorded, resolve::MOST_LISTED};
use crate::{
    domain::{
        agent::{self, AgentName, AgentScope},
        audit::{Change, EventDetails, EventDraft},
        key::{Draft, Key, KeyName, Namesakes, Revision},
        member::{Denied, Permission},
        sealed::SealedToken,
        text,
        token::{KeyId, Token},
    },
    store::{Committed, InsertOutcome, NewKey},
};

/// The number of similar names that are reported.
const NAMED_LOOK_ALIKES: i64 = 3;

/// A key that was just created.
#[derive(Debug)]
pub struct Created {
    /// The new key.
    pub key: Key,
    /// The key's token.
    pub token: Token,
    /// The names of other keys that look like its name without being equal.
    pub look_alikes: Vec<String>,
    /// What was recorded.
    pub recorded: Recorded,
}

/// The result of creating a key unless its agent has one of that name.
#[derive(Debug)]
pub enum CreateOutcome {
    /// The key was created.
    Created(Box<Created>),
    /// The agent has this key of that name; nothing was made or changed.
    Existing(Box<Key>),
}

/// A key that is ready to be stored: with its token, sealed, and with its event.
struct PreparedKey {
    new: NewKey,
    key: Key,
    token: Token,
    new_token: SealedToken,
    event: EventDraft,
}

impl Keyring {
    /// Creates a key for an agent, and its token. Without an agent, [`agent::choose`] picks one.
    ///
    /// # Errors
    /// Returns [`KeyringError::Agent`] or [`KeyringError::Access`] if there is no such agent or
    /// area, [`KeyringError::Policy`] if the policy refuses the expiry,
    /// [`KeyringError::Contradiction`] if no request could ever pass, [`KeyringError::Denied`] if
    /// the actor may not create keys, [`KeyringError::Vault`] if the vault fails, before anything
    /// is written, and [`KeyringError::Store`] if the database fails.
    pub async fn create(
        &self,
        agent: Option<&AgentName>,
        draft: Draft,
    ) -> Result<Created, KeyringError> {
        let agent = self.agent_of_new_key(agent).await?;
        let prepared = self.prepare_key(agent, draft).await?;
        let committed = self
            .store
            .create_key(&prepared.new, &prepared.new_token, &prepared.event)
            .await?;
        Ok(self.created(prepared, &committed).await)
    }

    /// Creates a key unless its agent has one with exactly this name. That is decided in the
    /// transaction, so of two that run at once one creates the key. If the key exists, nothing is
    /// made or changed, the draft's other settings do not matter, and no master key is needed.
    ///
    /// # Errors
    /// Returns [`KeyringError::SameName`] if the agent has several keys with this name, and else
    /// the errors of [`Keyring::create`].
    pub async fn create_if_absent(
        &self,
        agent: Option<&AgentName>,
        draft: Draft,
    ) -> Result<CreateOutcome, KeyringError> {
        let agent = self.agent_of_new_key(agent).await?;
        let most = i64::try_from(MOST_LISTED + 1).unwrap_or(i64::MAX);
        let scope = AgentScope::of(Some(&agent));
        let name = draft.name.as_str();
        let existing = self.store.keys_named(name, &scope, most).await?;
        if !existing.is_empty() {
            return existing_key(existing);
        }
        let prepared = self.prepare_key(agent, draft).await?;
        let inserted = self
            .store
            .create_key_if_absent(&prepared.new, &prepared.new_token, &prepared.event, most)
            .await?;
        match inserted {
            InsertOutcome::Existing(keys) => existing_key(keys),
            InsertOutcome::Created(committed) => {
                let created = self.created(prepared, &committed).await;
                Ok(CreateOutcome::Created(Box::new(created)))
            }
        }
    }

    /// Returns the agent that a new key belongs to, if the actor may create keys for it.
    async fn agent_of_new_key(&self, agent: Option<&AgentName>) -> Result<AgentName, KeyringError> {
        let scope = self.demand_change(Change::Created).await?.scope;
        let agents = self.agents().await?;
        if agents.is_empty() {
            return Err(Denied::Agent(scope).into());
        }
        Ok(agent::choose(agent, &agents)?)
    }

    /// Checks a draft, draws an id and a token for it, and seals the token.
    async fn prepare_key(
        &self,
        agent: AgentName,
        draft: Draft,
    ) -> Result<PreparedKey, KeyringError> {
        self.demand_writable()?;
        self.demand_areas(&draft).await?;
        draft.conditions.check()?;
        let policy = self.policy().await?;
        policy.check_end(draft.conditions.expires_at, self.now())?;
        let data_key = self.data_key().await?;
        let prefix = self.store.agent_prefix(&agent).await?;
        let (id, token) = {
            let mut chance = |buffer: &mut [u8]| self.machine.fill(buffer);
            let id = KeyId::draw(&mut chance);
            let token = Token::mint(&prefix, &id, &mut chance);
            (id, token)
        };
        let sealed = data_key.seal(&token, &self.machine)?;
        let created_at = self.now();
        let key = Key {
            id,
            sequence: 0,
            agent,
            draft,
            created_at,
            disabled_at: None,
            pending_at: policy.approve_widening.then_some(created_at),
            last_use: None,
            refused: None,
            previous_until: None,
            revision: Revision(1),
        };
        let event = self.event(Change::Created, &key, EventDetails::Created);
        let event = match key.pending_at {
            Some(_) => event.waiting(),
            None => event.widening(true),
        };
        let request = || self.request_for_key(Change::Created, &key, Some(&key.draft));
        let new = NewKey {
            id: key.id.clone(),
            agent: key.agent.clone(),
            draft: key.draft.clone(),
            created_at,
            request: key.pending_at.map(|_| request()),
        };
        let new_token = SealedToken {
            digest: token.digest(),
            data_key_id: data_key.id(),
            sealed,
        };
        Ok(PreparedKey {
            new,
            key,
            token,
            new_token,
            event,
        })
    }

    /// Returns the result for a key that was just stored.
    async fn created(&self, prepared: PreparedKey, committed: &Committed) -> Created {
        let PreparedKey { key, token, .. } = prepared;
        // The key exists now; an error here must not hide that.
        let look_alikes = self.look_alikes(&key.draft.name).await.unwrap_or_default();
        Created {
            key,
            token,
            look_alikes,
            recorded: self.recorded(committed),
        }
    }

    /// Returns the names of other keys that look like this name without being equal to it.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn look_alikes(&self, name: &KeyName) -> Result<Vec<String>, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        Ok(self
            .store
            .look_alikes(name.as_str(), &scope, NAMED_LOOK_ALIKES)
            .await?)
    }

    /// Returns the keys, other than `except`, whose name equals this name or looks like it.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
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
}

/// Returns the outcome if the agent has these keys of the name already.
fn existing_key(mut keys: Vec<Key>) -> Result<CreateOutcome, KeyringError> {
    if keys.len() > 1 {
        let name = text::visible(keys[0].name());
        return Err(KeyringError::SameName { name, keys });
    }
    Ok(CreateOutcome::Existing(Box::new(keys.remove(0))))
}
