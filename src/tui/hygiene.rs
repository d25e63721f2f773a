//! The screen of hygiene: findings, which of them is selected, and which proposals are marked.
use std::collections::BTreeSet;

use crate::domain::{
    hygiene::{HygieneChange, HygieneRow, together},
    key::Key,
    moment::Moment,
};

/// What was found about all keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HygieneFindings {
    /// Since when uses are counted.
    pub since: Option<Moment>,
    /// The findings, those of the newest key first.
    pub rows: Vec<HygieneRow>,
    /// Whether there are more than are shown.
    pub more: bool,
}

/// The screen.
#[derive(Debug, Clone)]
pub struct HygieneDialog {
    /// What was found; none while it is looked for.
    pub found: Option<HygieneFindings>,
    /// Whether it must be looked for, again or for the first time.
    pub stale: bool,
    /// What was just done.
    pub said: Option<String>,
    /// Why it could not be.
    pub problem: Option<String>,
    /// Which row is selected.
    pub at: usize,
    /// Which rows are marked.
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

    /// Moves the selection.
    pub fn walk(&mut self, rows: isize) {
        let last = self.rows().len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(rows).min(last);
    }

    /// Marks the selected proposal, or unmarks it, and goes one down.
    pub fn mark(&mut self) {
        if self.selected().is_some_and(|row| row.proposal.is_ok()) && !self.marks.remove(&self.at) {
            self.marks.insert(self.at);
        }
        self.walk(1);
    }

    /// The changes that the marked proposals make together, or the selected one where none is
    /// marked: one for each key.
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
        // The rows of a key stand together.
        rows.chunk_by(|one, other| one.key.id == other.key.id)
            .filter_map(|of_key| Some((of_key.first()?.key.clone(), together(of_key)?)))
            .collect()
    }

    /// Whether there is anything to apply: a marked proposal, or else that of the selected row.
    #[must_use]
    pub fn may_apply(&self) -> bool {
        let proposed = |row: &HygieneRow| row.proposal.is_ok();
        !self.marks.is_empty() || self.selected().is_some_and(proposed)
    }

    /// What was found arrived; the marks were about what was before.
    pub fn take_in(&mut self, found: HygieneFindings) {
        self.marks.clear();
        self.found = Some(found);
        self.walk(0);
    }
}
