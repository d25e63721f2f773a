//! Lists, adds and removes agents; each change writes its audit event.
use super::{Keyring, KeyringError, Recorded};
use crate::domain::{
    agent::{self, AgentName, AgentScope, AgentSummary},
    audit::{Change, EventDraft},
    member::{Member, Permission},
    token::{self, TokenPrefix},
};

impl Keyring {
    /// Returns the agents whose keys the actor may see, in the order of their creation.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn agents(&self) -> Result<Vec<AgentName>, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        let mut agents = self.store.agents().await?;
        agents.retain(|agent| scope.includes(agent));
        Ok(agents)
    }

    /// Returns the same agents with the number of their keys and the prefix of their tokens.
    ///
    /// # Errors
    /// Returns [`KeyringError::Denied`] if the actor may not see keys, and [`KeyringError::Store`]
    /// if the database fails.
    pub async fn agent_summaries(&self) -> Result<Vec<AgentSummary>, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        let mut agents = self.store.agent_summaries().await?;
        agents.retain(|agent| scope.includes(&agent.name));
        Ok(agents)
    }

    /// Returns the scope that a named agent selects: only that agent or, without a name, all
    /// agents.
    ///
    /// # Errors
    /// Returns [`agent::AgentError::Unknown`] if there is no such agent, [`KeyringError::Denied`]
    /// if the actor may not see it, and [`KeyringError::Store`] if the database fails.
    pub async fn scope_of(&self, named: Option<&AgentName>) -> Result<AgentScope, KeyringError> {
        if let Some(name) = named {
            let authority = self.demand(Permission::See).await?;
            authority.demand_agent(name)?;
            agent::choose(Some(name), &self.agents().await?)?;
        }
        Ok(AgentScope::of(named))
    }

    /// Adds an agent whose tokens begin with a prefix.
    ///
    /// # Errors
    /// Returns [`super::StoreError::AgentExists`] if the name is taken, [`KeyringError::Denied`] if
    /// the actor may not add agents, and [`KeyringError::Store`] if the database fails.
    pub async fn add_agent(
        &self,
        name: &AgentName,
        prefix: &TokenPrefix,
    ) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::AgentAdded).await?;
        let event = EventDraft::agent_prefix(self.now(), self.actor(), name, None, prefix);
        let committed = self.store.add_agent(name, prefix, &event).await?;
        token::remember(&[prefix.clone()].into_iter().collect());
        Ok(self.recorded(&committed))
    }

    /// Sets what new tokens of an agent begin with. Existing tokens keep their prefix and stay
    /// valid. Nothing is recorded if the agent has this prefix already.
    ///
    /// # Errors
    /// Returns [`agent::AgentError::Unknown`] if there is no such agent, [`KeyringError::Denied`] if
    /// the actor may not change agents, and [`KeyringError::Store`] if the database fails.
    pub async fn set_agent_prefix(
        &self,
        name: &AgentName,
        prefix: &TokenPrefix,
    ) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::AgentEdited).await?;
        agent::choose(Some(name), &self.store.agents().await?)?;
        let before = self.store.agent_prefix(name).await?;
        if before == *prefix {
            return Ok(Recorded::default());
        }
        let event = EventDraft::agent_prefix(self.now(), self.actor(), name, Some(&before), prefix);
        let committed = self.store.set_agent_prefix(name, prefix, &event).await?;
        token::remember(&[prefix.clone()].into_iter().collect());
        Ok(self.recorded(&committed))
    }

    /// Removes an agent that has no keys.
    ///
    /// # Errors
    /// Returns [`agent::AgentError::Unknown`] if there is no such agent,
    /// [`super::StoreError::AgentInUse`] if it has keys, [`super::StoreError::LastAgent`] if it is
    /// the only one, [`KeyringError::Denied`] if the actor may not remove agents, and
    /// [`KeyringError::Store`] if the database fails.
    pub async fn remove_agent(&self, name: &AgentName) -> Result<Recorded, KeyringError> {
        self.demand_change(Change::AgentRemoved).await?;
        agent::choose(Some(name), &self.store.agents().await?)?;
        let members = self.store.members().await?;
        let limited: Vec<&str> = members
            .iter()
            .filter(
                |it| matches!(&it.draft.scope, AgentScope::Only(agents) if agents.contains(name)),
            )
            .map(Member::name)
            .collect();
        let event = EventDraft::agent_removed(self.now(), self.actor(), name, &limited);
        Ok(self.recorded(&self.store.remove_agent(name, &event).await?))
    }
}
