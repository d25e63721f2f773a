//! The hygiene screen: the findings, the selected finding and the marked proposals.
use std::collections::BTreeSet;

use super::{
    dialog::Dialog,
    keymap::{Intent, Place},
    read::{HygieneFindings, Read},
    rows::Rows,
};
use crate::domain::{
    agent::AgentScope,
    hygiene::{HygieneChange, HygieneRow, together},
    key::Key,
    moment::Moment,
};

/// The state of the screen.
#[derive(Debug, Clone, Default)]
pub struct HygieneDialog {
    /// The findings, those of the newest key first.
    pub rows: Rows<HygieneRow>,
    /// The time since which uses are counted, as read with the rows.
    pub since: Option<Moment>,
    /// Whether there are more findings than the rows.
    pub more: bool,
    /// The indexes of the marked rows.
    pub marks: BTreeSet<usize>,
}

impl HygieneDialog {
    /// Marks or unmarks the selected proposal and moves the selection one row down.
    pub fn mark(&mut self) {
        let at = self.rows.at();
        if self.may_mark() && !self.marks.remove(&at) {
            self.marks.insert(at);
        }
        self.rows.walk(1);
    }

    /// Whether the selected row has a proposal.
    fn may_mark(&self) -> bool {
        let selected = self.rows.selected();
        selected.is_some_and(|row| row.proposal.is_ok())
    }

    /// Returns the changes that the marked proposals make together, or the selected one if none is
    /// marked: one change per key.
    #[must_use]
    pub fn chosen(&self) -> Vec<(Key, HygieneChange)> {
        let rows: Vec<&HygieneRow> = if self.marks.is_empty() {
            self.rows.selected().into_iter().collect()
        } else {
            self.marks
                .iter()
                .filter_map(|at| self.rows.all().get(*at))
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
        !self.marks.is_empty() || self.may_mark()
    }

    /// Takes in new findings and clears the marks, which referred to the previous findings.
    pub fn take_in(&mut self, found: HygieneFindings) {
        self.marks.clear();
        (self.since, self.more) = (found.since, found.more);
        self.rows.take_in(found.rows, |_, _| false);
    }
}

impl Dialog for HygieneDialog {
    fn place(&self) -> Place {
        Place::Hygiene
    }

    fn refuse(&mut self, why: String) -> Option<String> {
        self.rows.problem = Some(why);
        None
    }

    fn allows(&self, intent: Intent) -> Option<bool> {
        match intent {
            Intent::Explain => Some(self.rows.selected().is_some()),
            Intent::Mark => Some(self.may_mark()),
            Intent::Apply => Some(self.may_apply()),
            _ => None,
        }
    }

    fn to_read(&mut self, agents: &AgentScope, is_topmost: bool) -> Option<Read> {
        let asks = is_topmost && self.rows.take_stale();
        asks.then(|| Read::Hygiene(agents.clone()))
    }
}
