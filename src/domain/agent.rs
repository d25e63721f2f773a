//! Agents: the applications and environments whose data keys give access to, and selections of
//! them.
//!
//! Every key belongs to one agent. The agents that a person looks at, or may look at, are an
//! [`AgentScope`]; an empty scope means no agent, never all.
use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{access::AreaSlug, text::visible, token::TokenPrefix};

/// The name of an agent: 1 to 32 of `a-z`, `0-9` and `-`, not beginning with `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(String);

/// The reason why an agent's name was refused, or why it selects no agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// The text cannot be the name of an agent.
    #[error(
        "{0} cannot be the name of an agent: use 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"
    )]
    BadName(String),
    /// No agent has this name.
    #[error("there is no agent {name}: the agents are {known}; `claviger agent add` adds one")]
    Unknown {
        /// The unknown name.
        name: AgentName,
        /// The names of the existing agents.
        known: String,
    },
    /// No agent was named, and several are possible.
    #[error("there are several agents ({0}): name one with --agent")]
    NotNamed(String),
}

/// An agent as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSummary {
    /// The agent's name.
    pub name: AgentName,
    /// What its new tokens begin with.
    pub prefix: TokenPrefix,
    /// The number of its keys.
    pub keys: i64,
}

impl AgentName {
    /// Returns the name of the agent that every new workspace has.
    #[must_use]
    pub fn default_agent() -> Self {
        Self("default".to_owned())
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentName {
    type Err = AgentError;

    fn from_str(name: &str) -> Result<Self, AgentError> {
        let slug: Result<AreaSlug, _> = name.parse();
        slug.map(|slug| Self(slug.as_str().to_owned()))
            .map_err(|_| {
                AgentError::BadName(if name.is_empty() {
                    "an empty text".to_owned()
                } else {
                    visible(name)
                })
            })
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Joins names for use in a sentence: `default, staging and prod`, or `none`.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a AgentName>) -> String {
    let names: Vec<&str> = names.into_iter().map(AgentName::as_str).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        names => names.join(", "),
    }
}

/// Chooses the agent of a new key: the named agent, or else the only agent, or else the agent that
/// every new workspace has.
///
/// # Errors
/// Returns [`AgentError::Unknown`] if the named agent does not exist, and [`AgentError::NotNamed`] if
/// none was named and there is neither a single agent nor the default one.
pub fn choose(said: Option<&AgentName>, all: &[AgentName]) -> Result<AgentName, AgentError> {
    let default = AgentName::default_agent();
    match (said, all) {
        (Some(name), _) if all.contains(name) => Ok(name.clone()),
        (Some(name), _) => Err(AgentError::Unknown {
            name: name.clone(),
            known: listed(all),
        }),
        (None, [only]) => Ok(only.clone()),
        (None, _) if all.contains(&default) => Ok(default),
        (None, _) => Err(AgentError::NotNamed(listed(all))),
    }
}

/// A selection of agents; it selects the keys of these agents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AgentScope {
    /// All agents, including future ones.
    #[default]
    Everything,
    /// Only these agents.
    Only(BTreeSet<AgentName>),
}

impl AgentScope {
    /// Returns the scope of one agent, or of all agents for `None`.
    #[must_use]
    pub fn of(agent: Option<&AgentName>) -> Self {
        agent.map_or(Self::Everything, |one| Self::Only([one.clone()].into()))
    }

    /// Returns `true` if the scope includes the agent.
    #[must_use]
    pub fn includes(&self, agent: &AgentName) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(agents) => agents.contains(agent),
        }
    }

    /// Returns the agents that are in both scopes.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Everything, narrower) | (narrower, Self::Everything) => narrower.clone(),
            (Self::Only(one), Self::Only(two)) => Self::Only(one & two),
        }
    }

    /// Returns the scope for a database query: empty for all agents, `,one,two,` for some, `,` for
    /// none.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Self::Everything => String::new(),
            Self::Only(agents) => agents
                .iter()
                .fold(",".to_owned(), |text, agent| format!("{text}{agent},")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentName {
        name.parse().expect("a name")
    }

    #[test]
    fn an_empty_scope_means_none_and_never_all() {
        let prod = AgentScope::of(Some(&agent("prod")));
        let none = prod.within(&AgentScope::of(Some(&agent("staging"))));
        assert_eq!(none.written(), ",");
        assert!(!none.includes(&agent("prod")) && !none.includes(&agent("staging")));
        assert_eq!(AgentScope::Everything.within(&prod), prod);
        assert_eq!(prod.within(&AgentScope::Everything).written(), ",prod,");
        assert_eq!(AgentScope::Everything.written(), "");
    }

    #[test]
    fn a_new_key_is_for_the_agent_that_is_said_or_the_one_that_is_certain() {
        let (default, prod) = (AgentName::default_agent(), agent("prod"));
        assert_eq!(choose(None, std::slice::from_ref(&prod)), Ok(prod.clone()));
        let both = [default.clone(), prod.clone()];
        assert_eq!(choose(None, &both), Ok(default));
        assert_eq!(choose(Some(&prod), &both), Ok(prod.clone()));
        let unsaid = choose(None, &[prod, agent("staging")]).expect_err("several");
        assert!(unsaid.to_string().contains("prod and staging"), "{unsaid}");
        let unknown = choose(Some(&agent("x")), &both).expect_err("unknown");
        assert!(
            unknown.to_string().contains("default and prod"),
            "{unknown}"
        );
    }
}
