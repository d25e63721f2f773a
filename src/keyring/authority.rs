//! Who acts, and what they may: asked before a use case begins, so that nothing is half done, and
//! once more by the store within the transaction of every change and every reveal.
//!
//! Whoever works on the machine itself has the database anyway and may do everything; nothing is
//! read for that. A member is looked up each time: one who was removed is powerless at once.
use super::{Keyring, KeyringError};
use crate::domain::{
    agent::AgentName,
    audit::{Actor, Login},
    key::Key,
    member::{Authority, Denied, Fingerprint, MemberId, Permission},
    token::KeyId,
};

impl Keyring {
    /// Lets a member act from here on, as sshd let them in. With what key is told by sshd, or it is
    /// the only one that they have. That they came in is noted where anything can be written.
    ///
    /// # Errors
    /// [`Denied::NotAMember`] if there is no such member, or the key is none of theirs; the store's.
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
            // A disk that is full keeps nobody from looking, or from revoking.
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

    /// Whether a member acts, and not the operating system's user.
    #[must_use]
    pub fn is_members(&self) -> bool {
        self.actor().login.is_some()
    }

    /// What whoever acts may do at this moment.
    ///
    /// # Errors
    /// [`Denied::NotAMember`]; the store's.
    pub async fn authority(&self) -> Result<Authority, KeyringError> {
        match &self.actor().login {
            None => Ok(Authority::local()),
            Some(login) => Ok(self.store.authority(login).await?),
        }
    }

    /// Lets pass whoever may do that.
    ///
    /// # Errors
    /// [`Denied`]; the store's.
    pub async fn demand(&self, permission: Permission) -> Result<Authority, KeyringError> {
        let authority = self.authority().await?;
        authority.demand(permission)?;
        Ok(authority)
    }

    /// Lets pass whoever may do that to a key.
    pub(super) async fn demand_for(
        &self,
        permission: Permission,
        key: &Key,
    ) -> Result<(), KeyringError> {
        Ok(self.demand(permission).await?.demand_agent(&key.agent)?)
    }

    /// Lets pass whoever may see what there is about a key, be it revoked by now; without one, about
    /// what is no key's.
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
