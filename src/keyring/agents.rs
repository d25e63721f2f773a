//! Agents: listed, made and removed, each change with its audit event.
use super::{Keyring, KeyringError, Recorded};
use crate::domain::{
    agent::{self, AgentName, AgentScope},
    audit::EventDraft,
    member::{Member, Permission},
};

impl Keyring {
    /// The agents whose keys whoever acts may see, in the order of their making.
    ///
    /// # Errors
    /// The store's.
    pub async fn agents(&self) -> Result<Vec<AgentName>, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        let mut agents = self.store.agents().await?;
        agents.retain(|agent| scope.includes(agent));
        Ok(agents)
    }

    /// The same with the number of their keys.
    ///
    /// # Errors
    /// The store's.
    pub async fn counted_agents(&self) -> Result<Vec<(AgentName, i64)>, KeyringError> {
        let scope = self.demand(Permission::See).await?.scope;
        let mut agents = self.store.counted_agents().await?;
        agents.retain(|(agent, _)| scope.includes(agent));
        Ok(agents)
    }

    /// Which keys are meant by an agent that was named, or by none.
    ///
    /// # Errors
    /// [`agent::AgentError::Unknown`]; the store's.
    pub async fn scope_of(&self, named: Option<&AgentName>) -> Result<AgentScope, KeyringError> {
        if let Some(name) = named {
            let authority = self.demand(Permission::See).await?;
            authority.demand_agent(name)?;
            agent::choose(Some(name), &self.agents().await?)?;
        }
        Ok(AgentScope::of(named))
    }

    /// Makes an agent.
    ///
    /// # Errors
    /// [`super::StoreError::AgentExists`]; the store's.
    pub async fn add_agent(&self, name: &AgentName) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Agents).await?;
        let event = EventDraft::agent_added(self.now(), self.actor(), name);
        Ok(self.recorded(&self.store.add_agent(name, &event).await?))
    }

    /// Removes an agent that has no keys.
    ///
    /// # Errors
    /// [`agent::AgentError::Unknown`], [`super::StoreError::AgentInUse`],
    /// [`super::StoreError::LastAgent`]; the store's.
    pub async fn remove_agent(&self, name: &AgentName) -> Result<Recorded, KeyringError> {
        self.demand(Permission::Agents).await?;
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
