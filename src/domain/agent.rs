//! Agents: the applications and environments whose data keys open, and which of them are meant.
//!
//! Every key belongs to one. Which ones somebody looks at, or may look at, is a [`AgentScope`]; an
//! empty one means none, never all.
use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{access::AreaSlug, text::visible};

/// The agent whose data a key opens: 1 to 32 of `a-z`, `0-9` and `-`, the first no `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(String);

/// Why an agent's name is refused, or means no agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// It cannot be the name of an agent.
    #[error(
        "{0} cannot be the name of an agent: use 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"
    )]
    BadName(String),
    /// There is no such agent.
    #[error("there is no agent {name} (known: {known}): `claviger agent add {name}` makes it")]
    Unknown {
        /// What was named.
        name: AgentName,
        /// Those that there are.
        known: String,
    },
    /// Several agents could be meant.
    #[error("there are several agents ({0}): say with --agent for which one")]
    Unsaid(String),
}

impl AgentName {
    /// The agent that every workspace begins with.
    #[must_use]
    pub fn default_agent() -> Self {
        Self("default".to_owned())
    }

    /// The name as text.
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

/// `default, staging and prod`, for a sentence.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a AgentName>) -> String {
    let names: Vec<&str> = names.into_iter().map(AgentName::as_str).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        names => names.join(", "),
    }
}

/// The agent that a new key is for: the one that was said, else the only one there is, else the
/// one that every workspace begins with.
///
/// # Errors
/// [`AgentError::Unknown`]; [`AgentError::Unsaid`] where nothing was said and several are meant.
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
        (None, _) => Err(AgentError::Unsaid(listed(all))),
    }
}

/// Which agents' keys are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AgentScope {
    /// Those of every agent, of future ones too.
    #[default]
    Everything,
    /// Those of these agents alone.
    Only(BTreeSet<AgentName>),
}

impl AgentScope {
    /// One agent's keys, or everybody's.
    #[must_use]
    pub fn of(agent: Option<&AgentName>) -> Self {
        agent.map_or(Self::Everything, |one| Self::Only([one.clone()].into()))
    }

    /// Whether keys of an agent are meant.
    #[must_use]
    pub fn includes(&self, agent: &AgentName) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(agents) => agents.contains(agent),
        }
    }

    /// What both mean.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Everything, narrower) | (narrower, Self::Everything) => narrower.clone(),
            (Self::Only(one), Self::Only(two)) => Self::Only(one & two),
        }
    }

    /// For a database: empty for everything, else `,one,two,`; `,` means none.
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
