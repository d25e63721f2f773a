//! The hygiene screen: the findings, the selected finding and the marked proposals.
use std::collections::BTreeSet;

use super::{
    dialog::Dialog,
    keymap::{Intent, Place},
    read::{HygieneFindings, Read},
};
use crate::domain::{
    agent::AgentScope,
    hygiene::{HygieneChange, HygieneRow, together},
    key::Key,
};

/// The state of the screen.
#[derive(Debug, Clone)]
pub struct HygieneDialog {
    /// The findings; `None` until they are read.
    pub found: Option<HygieneFindings>,
    /// Whether the findings must be read, again or for the first time.
    pub stale: bool,
    /// The result of the last action.
    pub said: Option<String>,
    /// Why the last action or read failed.
    pub problem: Option<String>,
    /// The index of the selected row.
    pub at: usize,
    /// The indexes of the marked rows.
    pub marks: BTreeSet<usize>,
}

impl Default for HygieneDialog {
    fn default() -> Self {
        Self {
            found: None,
            stale: true,
            said: None,
            problem: None,
            at: 0,
            marks: BTreeSet::new(),
        }
    }
}

impl HygieneDialog {
    fn rows(&self) -> &[HygieneRow] {
        self.found.as_ref().map_or(&[], |found| &found.rows)
    }

    /// The selected row.
    #[must_use]
    pub fn selected(&self) -> Option<&HygieneRow> {
        self.rows().get(self.at)
    }

    /// Moves the selection by `rows`, within the findings.
    pub fn walk(&mut self, rows: isize) {
        let last = self.rows().len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(rows).min(last);
    }

    /// Marks or unmarks the selected proposal and moves the selection one row down.
    pub fn mark(&mut self) {
        if self.selected().is_some_and(|row| row.proposal.is_ok()) && !self.marks.remove(&self.at) {
            self.marks.insert(self.at);
        }
        self.walk(1);
    }

    /// Returns the changes that the marked proposals make together, or the selected one if none is
    /// marked: one change per key.
    #[must_use]
    pub fn chosen(&self) -> Vec<(Key, HygieneChange)> {
        let rows: Vec<&HygieneRow> = if self.marks.is_empty() {
            self.selected().into_iter().collect()
        } else {
            self.marks
                .iter()
                .filter_map(|at| self.rows().get(*at))
                .collect()
        };
        // The rows of a key are adjacent.
        rows.chunk_by(|one, other| one.key.id == other.key.id)
            .filter_map(|of_key| Some((of_key.first()?.key.clone(), together(of_key)?)))
            .collect()
    }

    /// Whether there is anything to apply: a marked proposal, or the proposal of the selected row.
    #[must_use]
    pub fn may_apply(&self) -> bool {
        let proposed = |row: &HygieneRow| row.proposal.is_ok();
        !self.marks.is_empty() || self.selected().is_some_and(proposed)
    }

    /// Takes in new findings and clears the marks, which referred to the previous findings.
    pub fn take_in(&mut self, found: HygieneFindings) {
        self.marks.clear();
        self.found = Some(found);
        self.walk(0);
    }
}

impl Dialog for HygieneDialog {
    fn place(&self) -> Place {
        Place::Hygiene
    }

    fn refuse(&mut self, why: String) -> Option<String> {
        self.problem = Some(why);
        None
    }

    fn allows(&self, intent: Intent) -> Option<bool> {
        match intent {
            Intent::Explain => Some(self.selected().is_some()),
            Intent::Mark => Some(self.selected().is_some_and(|row| row.proposal.is_ok())),
            Intent::Apply => Some(self.may_apply()),
            _ => None,
        }
    }

    fn to_read(&mut self, agents: &AgentScope, is_topmost: bool) -> Option<Read> {
        let asks = is_topmost && std::mem::take(&mut self.stale);
        asks.then(|| Read::Hygiene(agents.clone()))
    }
}
