//! The choice of an agent: whose keys are shown, or for which agent a new key is made.
use super::{dialog::Dialog, keymap::Place};
use crate::domain::agent::AgentName;

/// The purpose of the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentChoicePurpose {
    /// Choosing the agent whose keys are shown; "all agents" is a choice too.
    Shown,
    /// Choosing the agent for which a new key is made.
    NewKey,
}

/// The dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentChoice {
    /// The purpose of the choice.
    pub purpose: AgentChoicePurpose,
    /// The choices; `None` means all agents.
    pub choices: Vec<Option<AgentName>>,
    /// The index of the selected choice.
    pub at: usize,
}

impl AgentChoice {
    /// Creates the choice of the agent whose keys are shown, with the current one (`now`) selected.
    #[must_use]
    pub fn shown(agents: &[AgentName], now: Option<&AgentName>) -> Self {
        let mut choices = vec![None];
        choices.extend(agents.iter().cloned().map(Some));
        let at = choices.iter().position(|one| one.as_ref() == now);
        Self {
            purpose: AgentChoicePurpose::Shown,
            at: at.unwrap_or(0),
            choices,
        }
    }

    /// Creates the choice of the agent for which a new key is made.
    #[must_use]
    pub fn for_new_key(agents: &[AgentName]) -> Self {
        Self {
            purpose: AgentChoicePurpose::NewKey,
            choices: agents.iter().cloned().map(Some).collect(),
            at: 0,
        }
    }

    /// Moves the selection by one, wrapping around at both ends.
    pub fn walk(&mut self, forward: bool) {
        let count = self.choices.len().max(1);
        self.at = (self.at + if forward { 1 } else { count - 1 }) % count;
    }
}

impl Dialog for AgentChoice {
    fn place(&self) -> Place {
        Place::Agents
    }
}
