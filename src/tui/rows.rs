//! Rows that a dialog reads as a whole, with a selected row: the state of a screen that is a list.
use super::keymap::Intent;

/// The number of rows by which a page key moves the selection.
const PAGE: isize = 10;

/// The rows of a screen, the selected row, and the sentences above the rows.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    all: Option<Vec<T>>,
    at: usize,
    /// Whether the rows must be read, again or for the first time.
    pub stale: bool,
    /// The result of the last action.
    pub said: Option<String>,
    /// Why the last action or read failed.
    pub problem: Option<String>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            all: None,
            at: 0,
            stale: true,
            said: None,
            problem: None,
        }
    }
}

impl<T> Rows<T> {
    /// Whether the rows were read.
    #[must_use]
    pub fn are_read(&self) -> bool {
        self.all.is_some()
    }

    /// The rows, none until they are read.
    #[must_use]
    pub fn all(&self) -> &[T] {
        self.all.as_deref().unwrap_or_default()
    }

    /// The index of the selected row.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The selected row.
    #[must_use]
    pub fn selected(&self) -> Option<&T> {
        self.all().get(self.at)
    }

    /// Moves the selection by `rows`, within the rows.
    pub fn walk(&mut self, rows: isize) {
        let last = self.all().len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(rows).min(last);
    }

    /// Moves the selection as the intent says; does nothing if it says nothing about that.
    pub fn step(&mut self, intent: Intent) {
        match intent {
            Intent::Up => self.walk(-1),
            Intent::Down => self.walk(1),
            Intent::PageUp => self.walk(-PAGE),
            Intent::PageDown => self.walk(PAGE),
            _ => {}
        }
    }

    /// Takes in the rows that were read. The selection moves to the row that `is_same` as the
    /// selected one; if there is none, its index stays.
    pub fn take_in(&mut self, rows: Vec<T>, is_same: impl Fn(&T, &T) -> bool) {
        let is_selected = |row: &T| self.selected().is_some_and(|old| is_same(old, row));
        let at = rows.iter().position(is_selected);
        self.at = at.unwrap_or(self.at);
        self.all = Some(rows);
        self.walk(0);
    }

    /// Returns whether the rows must be read now. They count as requested from then on.
    pub fn take_stale(&mut self) -> bool {
        std::mem::take(&mut self.stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_on_its_row_and_within_the_rows() {
        let mut rows = Rows::default();
        assert!(rows.take_stale() && !rows.take_stale() && !rows.are_read());
        rows.step(Intent::Down);
        assert_eq!(rows.selected(), None);
        rows.take_in(vec!['a', 'b', 'c'], |old, new| old == new);
        rows.step(Intent::Down);
        assert_eq!(rows.selected(), Some(&'b'));
        rows.take_in(vec!['x', 'y', 'z', 'b'], |old, new| old == new);
        assert_eq!((rows.at(), rows.selected()), (3, Some(&'b')));
        rows.take_in(vec!['x', 'y'], |old, new| old == new);
        assert_eq!(rows.selected(), Some(&'y'));
        rows.step(Intent::PageUp);
        assert_eq!(rows.selected(), Some(&'x'));
        rows.step(Intent::Mark);
        assert_eq!(rows.at(), 0);
    }
}
