//! The agents, and the number of keys of each.
use super::{
    Store, StoreError,
    change::{ChangeTransaction, Committed, execute, with_connection},
    with_pool,
};
use crate::domain::{
    agent::{self, AgentName, AgentSummary},
    audit::EventDraft,
    token::{Prefixes, TokenPrefix},
};

/// The number of key names that an error lists.
const NAMED: i64 = 5;

pub(super) fn agent_of(name: &str) -> Result<AgentName, StoreError> {
    name.parse()
        .map_err(|_| StoreError::corrupt("agents", "name", name))
}

/// Selects all prefixes that are or were in use, but `clv`.
pub(super) const PREFIXES: &str = "SELECT prefix FROM token_prefixes";

pub(super) fn prefixes_of<'a>(
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Prefixes, StoreError> {
    let texts = texts.into_iter();
    texts
        .map(|text| prefix_of(text, "token_prefixes"))
        .collect()
}

fn prefix_of(text: &str, table: &'static str) -> Result<TokenPrefix, StoreError> {
    text.parse()
        .map_err(|_| StoreError::corrupt(table, "prefix", text))
}

impl Store {
    /// Returns the prefixes of tokens that are or were in use.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if one is invalid, and another [`StoreError`] if the database
    /// fails.
    pub(crate) async fn prefixes(&self) -> Result<Prefixes, StoreError> {
        let texts: Vec<String> = with_pool!(self, pool => {
            sqlx::query_scalar(PREFIXES).fetch_all(pool).await
        })?;
        prefixes_of(texts.iter().map(String::as_str))
    }

    /// Returns what new tokens of an agent begin with; `clv` if there is no such agent.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] if it is invalid, and another [`StoreError`] if the database
    /// fails.
    pub(crate) async fn agent_prefix(&self, name: &AgentName) -> Result<TokenPrefix, StoreError> {
        let prefix: Option<Option<String>> = with_pool!(self, pool => sqlx::query_scalar(
            "SELECT prefix FROM agents WHERE name = $1",
        )
        .bind(name.as_str())
        .fetch_optional(pool)
        .await)?;
        let own = prefix.flatten().map(|own| prefix_of(&own, "agents"));
        Ok(own.transpose()?.unwrap_or_default())
    }

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

    /// Returns the agents with the number of their keys and the prefix of their tokens.
    ///
    /// # Errors
    /// Returns the errors of [`Store::agents`].
    pub(crate) async fn agent_summaries(&self) -> Result<Vec<AgentSummary>, StoreError> {
        let rows: Vec<(String, Option<String>, i64)> = with_pool!(self, pool => sqlx::query_as(
            "SELECT name, prefix, (SELECT count(*) FROM keys WHERE agent = agents.name) \
             FROM agents ORDER BY sequence",
        )
        .fetch_all(pool)
        .await)?;
        let summary = |(name, prefix, keys): (String, Option<String>, i64)| {
            let own = prefix.map(|own| prefix_of(&own, "agents"));
            Ok(AgentSummary {
                name: agent_of(&name)?,
                prefix: own.transpose()?.unwrap_or_default(),
                keys,
            })
        };
        rows.into_iter().map(summary).collect()
    }

    /// Adds an agent whose tokens begin with a prefix.
    ///
    /// # Errors
    /// Returns [`StoreError::AgentExists`] if the name is taken, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn add_agent(
        &self,
        name: &AgentName,
        prefix: &TokenPrefix,
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
        change.set_prefix(name, prefix, event).await?;
        change.record(event).await?;
        change.commit().await
    }

    /// Sets what new tokens of an agent begin with.
    ///
    /// # Errors
    /// Returns [`StoreError::Agent`] if there is no such agent, and another [`StoreError`] if the
    /// database fails.
    pub(crate) async fn set_agent_prefix(
        &self,
        name: &AgentName,
        prefix: &TokenPrefix,
        event: &EventDraft,
    ) -> Result<Committed, StoreError> {
        let mut change = self.begin_change(&[event]).await?;
        change.demand_agent(name).await?;
        change.set_prefix(name, prefix, event).await?;
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
    /// Sets an agent's prefix, and keeps it among those that are or were in use.
    async fn set_prefix(
        &mut self,
        name: &AgentName,
        prefix: &TokenPrefix,
        event: &EventDraft,
    ) -> Result<(), StoreError> {
        let own = Some(prefix).filter(|prefix| **prefix != TokenPrefix::default());
        let own = own.map(TokenPrefix::as_str);
        execute!(
            self,
            sqlx::query("UPDATE agents SET prefix = $1 WHERE name = $2")
                .bind(own)
                .bind(name.as_str())
        )?;
        if let Some(own) = own {
            execute!(
                self,
                sqlx::query(
                    "INSERT INTO token_prefixes (prefix, since) VALUES ($1, $2) \
                     ON CONFLICT (prefix) DO NOTHING",
                )
                .bind(own)
                .bind(event.at.millis())
            )?;
        }
        Ok(())
    }

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
