//! The actor and their permissions. They are checked before a use case begins, so that nothing is
//! left half done, and again by the store in the transaction of every change and every reveal.
//!
//! A user of the machine itself can read the database anyway and may do everything; nothing is
//! looked up for them. A member is looked up each time, so a member who was removed loses all
//! permissions at once.
use super::{Keyring, KeyringError};
use crate::domain::{
    agent::AgentName,
    audit::{Actor, Change, Login},
    key::Key,
    member::{Authority, Denied, Fingerprint, MemberId, Permission},
    token::KeyId,
};

impl Keyring {
    /// Makes a member the actor from now on, as sshd authenticated them. The SSH key is the one
    /// that sshd reported, or else the member's only one. The login is recorded if the store is
    /// writable.
    ///
    /// # Errors
    /// Returns [`Denied::NotAMember`] if there is no such member or the SSH key is not theirs, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn sign_in(
        mut self,
        id: MemberId,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Self, KeyringError> {
        let (name, keys) = self.store.who(&id).await?.ok_or(Denied::NotAMember)?;
        let only = || match keys.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        let here = self.machine.actor();
        let login = Login {
            member: id,
            fingerprint: fingerprint.or_else(only),
            account: here.name.clone(),
        };
        self.store.authority(&login).await?;
        if self.is_writable() {
            // If the disk is full, a member can still log in to look at keys or to revoke them.
            let _ = self.store.note_login(&login, self.now()).await;
        }
        let actor = Actor {
            name,
            from: here.from,
            login: Some(login),
        };
        self.machine = self.machine.acted_on_by(actor);
        Ok(self)
    }

    /// Returns `true` if the actor is a member, and not the operating system's user.
    #[must_use]
    pub fn is_members(&self) -> bool {
        self.actor().login.is_some()
    }

    /// Returns the role and the scope that the actor has now.
    ///
    /// # Errors
    /// Returns [`Denied::NotAMember`] if the member was removed, and [`KeyringError::Store`] if the
    /// database fails.
    pub async fn authority(&self) -> Result<Authority, KeyringError> {
        match &self.actor().login {
            None => Ok(Authority::local()),
            Some(login) => Ok(self.store.authority(login).await?),
        }
    }

    /// Checks that the actor has a permission, and returns their role and scope.
    ///
    /// # Errors
    /// Returns [`Denied`] if the actor does not have it, and [`KeyringError::Store`] if the
    /// database fails.
    pub async fn demand(&self, permission: Permission) -> Result<Authority, KeyringError> {
        let authority = self.authority().await?;
        authority.demand(permission)?;
        Ok(authority)
    }

    /// Checks that the actor may make a change, and returns the actor's authority.
    pub(super) async fn demand_change(&self, change: Change) -> Result<Authority, KeyringError> {
        self.demand(change.permission()).await
    }

    /// Checks that the actor may make a change of this key.
    pub(super) async fn demand_for(&self, change: Change, key: &Key) -> Result<(), KeyringError> {
        Ok(self.demand_change(change).await?.demand_agent(&key.agent)?)
    }

    /// Checks that the actor may see the records about a key, even one that was revoked; without a
    /// key, the records that belong to no key.
    pub(super) async fn demand_sight(&self, id: Option<&KeyId>) -> Result<(), KeyringError> {
        let authority = self.demand(Permission::See).await?;
        if authority.scope == crate::domain::agent::AgentScope::Everything {
            return Ok(());
        }
        let agent = match id {
            Some(id) => self.agent_of(id).await?,
            None => None,
        };
        let agent = agent.ok_or_else(|| Denied::Agent(authority.scope.clone()))?;
        Ok(authority.demand_agent(&agent)?)
    }

    async fn agent_of(&self, id: &KeyId) -> Result<Option<AgentName>, KeyringError> {
        if let Some(key) = self.store.key(id).await? {
            return Ok(Some(key.agent));
        }
        let newest = self.store.newest_event_about(id.as_str()).await?;
        let noted = |event: crate::domain::audit::Event| event.draft.agent;
        Ok(newest.map(|event| noted(event).unwrap_or_else(AgentName::default_agent)))
    }
}
