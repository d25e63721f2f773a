//! The choice of an agent: whose keys are shown, or for whom a new one is made.
use crate::domain::agent::AgentName;

/// What the choice is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentChoicePurpose {
    /// Whose keys are shown; all are a choice too.
    Shown,
    /// For whom a new key is made.
    NewKey,
}

/// The dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentChoice {
    /// What it is for.
    pub choosing: AgentChoicePurpose,
    /// What there is to choose from; none stands for all of them.
    pub choices: Vec<Option<AgentName>>,
    /// Which one is selected.
    pub at: usize,
}

impl AgentChoice {
    /// Whose keys are shown, beginning with those that are.
    #[must_use]
    pub fn shown(agents: &[AgentName], now: Option<&AgentName>) -> Self {
        let mut choices = vec![None];
        choices.extend(agents.iter().cloned().map(Some));
        let at = choices.iter().position(|one| one.as_ref() == now);
        Self {
            choosing: AgentChoicePurpose::Shown,
            at: at.unwrap_or(0),
            choices,
        }
    }

    /// For whom a new key is made.
    #[must_use]
    pub fn for_new_key(agents: &[AgentName]) -> Self {
        Self {
            choosing: AgentChoicePurpose::NewKey,
            choices: agents.iter().cloned().map(Some).collect(),
            at: 0,
        }
    }

    /// Moves the selection, round the end.
    pub fn walk(&mut self, forward: bool) {
        let count = self.choices.len().max(1);
        self.at = (self.at + if forward { 1 } else { count - 1 }) % count;
    }
}
