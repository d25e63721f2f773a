//! The agents, and the number of keys of each.
use super::{
    Store, StoreError,
    change::{ChangeTransaction, Committed, execute, with_connection},
    with_pool,
};
use crate::domain::{
    agent::{self, AgentName},
    audit::EventDraft,
};

/// The number of key names that an error lists.
const NAMED: i64 = 5;

pub(super) fn agent_of(name: &str) -> Result<AgentName, StoreError> {
    name.parse()
        .map_err(|_| StoreError::corrupt("agents", "name", name))
}

impl Store {
    /// Returns the agents in the order of their creation.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if a name is invalid, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn agents(&self) -> Result<Vec<AgentName>, StoreError> {
        let names: Vec<(String,)> = with_pool!(self, pool => {
            sqlx::query_as("SELECT name FROM agents ORDER BY sequence").fetch_all(pool).await
        })?;
        names.iter().map(|(name,)| agent_of(name)).collect()
    }

    /// Returns the agents with the number of their keys.
    ///
    /// # Errors
    /// Returns the errors of [`Store::agents`].
    pub(crate) async fn counted_agents(&self) -> Result<Vec<(AgentName, i64)>, StoreError> {
        let rows: Vec<(String, i64)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT name, (SELECT count(*) FROM keys WHERE agent = agents.name) \
             FROM agents ORDER BY sequence",
        )
        .fetch_all(pool)
        .await)?;
        rows.into_iter()
            .map(|(name, keys)| Ok((agent_of(&name)?, keys)))
            .collect()
    }

    /// Adds an agent.
    ///
    /// # Errors
    /// Returns [`StoreError::AgentExists`] if the name is taken, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn add_agent(
        &self,
        name: &AgentName,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let done = execute!(
            change,
            sqlx::query(
                "INSERT INTO agents (name, sequence) \
             SELECT $1, coalesce(max(sequence), 0) + 1 FROM agents WHERE true \
             ON CONFLICT (name) DO NOTHING",
            )
            .bind(name.as_str())
        )?;
        if done == 0 {
            return Err(StoreError::AgentExists(name.clone()));
        }
        change.record(event).await?;
        change.commit().await
    }

    /// Removes an agent that has no keys. Members who are limited to it lose it from their scope.
    ///
    /// # Errors
    /// Returns [`StoreError::AgentInUse`] with the ids of some of its keys if it has keys,
    /// [`StoreError::LastAgent`] if it is the only agent, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn remove_agent(
        &self,
        name: &AgentName,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        let (keys,): (i64,) = with_connection!(change, connection => sqlx::query_as(
            "SELECT count(*) FROM keys WHERE agent = $1",
        )
        .bind(name.as_str())
        .fetch_one(connection)
        .await)?;
        if keys > 0 {
            let ids: Vec<(String,)> = with_connection!(change, connection => sqlx::query_as(
                "SELECT id FROM keys WHERE agent = $1 ORDER BY sequence LIMIT $2",
            )
            .bind(name.as_str())
            .bind(NAMED)
            .fetch_all(connection)
            .await)?;
            return Err(StoreError::AgentInUse {
                agent: name.clone(),
                keys,
                ids: ids.into_iter().map(|(id,)| id).collect(),
            });
        }
        let done = execute!(
            change,
            sqlx::query(
                "DELETE FROM agents WHERE name = $1 \
                 AND EXISTS (SELECT 1 FROM agents AS others WHERE others.name <> $1)",
            )
            .bind(name.as_str())
        )?;
        if done == 0 {
            return Err(StoreError::LastAgent(name.clone()));
        }
        change.record(event).await?;
        change.commit().await
    }
}

impl ChangeTransaction<'_> {
    /// Checks that the agent still exists.
    pub(super) async fn demand_agent(&mut self, name: &AgentName) -> Result<(), StoreError> {
        let names: Vec<(String,)> = with_connection!(self, connection => {
            sqlx::query_as("SELECT name FROM agents ORDER BY sequence").fetch_all(connection).await
        })?;
        let names: Result<Vec<AgentName>, _> = names.iter().map(|(it,)| agent_of(it)).collect();
        agent::choose(Some(name), &names?)?;
        Ok(())
    }
}
