//! The usage screen: counts of requests, grouped in one way at a time.
use super::{
    dialog::{Dialog, Leave},
    keymap::{Intent, Place},
    read::{Read, UsageLine, UsageQuery},
    rows::Rows,
};
use crate::domain::{agent::AgentScope, key::Key, token::KeyId, usage::UsageDimension};

/// The numbers of days that can be chosen.
const SPANS: [i64; 4] = [1, 7, 30, 90];

/// The state of the screen.
#[derive(Debug, Clone)]
pub struct UsageDialog {
    /// The key whose requests are counted, with its name; `None` for all keys that are listed.
    pub key: Option<(KeyId, String)>,
    /// Whether the key was chosen on this screen, so that leaving it leads back.
    chosen_here: bool,
    /// What the counts are grouped by.
    pub by: UsageDimension,
    /// The number of days back from now.
    pub days: i64,
    /// The counts.
    pub rows: Rows<UsageLine>,
}

impl UsageDialog {
    /// Opens the screen on a key, or on all keys that are listed.
    #[must_use]
    pub fn of(key: Option<&Key>) -> Self {
        Self {
            key: key.map(|key| (key.id.clone(), key.name().to_owned())),
            chosen_here: false,
            by: UsageDimension::Day,
            days: 30,
            rows: Rows::default(),
        }
    }

    /// Groups in the next or the previous way. One key is not grouped by keys.
    pub fn turn(&mut self, forward: bool) {
        let all = UsageDimension::ALL;
        let step = if forward { 1 } else { all.len() - 1 };
        let mut at = (self.by as usize + step) % all.len();
        if self.key.is_some() && all[at] == UsageDimension::Key {
            at = (at + step) % all.len();
        }
        self.by = all[at];
        self.ask();
    }

    /// Chooses the next number of days.
    pub fn next_span(&mut self) {
        let at = SPANS.iter().position(|days| *days == self.days);
        self.days = SPANS[at.map_or(0, |at| (at + 1) % SPANS.len())];
        self.ask();
    }

    /// Counts the requests of the selected key alone, if the counts are grouped by keys.
    pub fn choose(&mut self) {
        if let Some(line) = self.chosen() {
            self.key = line.key.clone().map(|id| (id, line.text.clone()));
            self.chosen_here = true;
            self.by = UsageDimension::Day;
            self.ask();
        }
    }

    fn chosen(&self) -> Option<&UsageLine> {
        let selected = self.rows.selected();
        selected.filter(|line| line.key.is_some())
    }

    fn ask(&mut self) {
        self.rows = Rows::default();
    }
}

impl Dialog for UsageDialog {
    fn place(&self) -> Place {
        Place::Usage
    }

    fn leave(&mut self) -> Leave {
        if !self.chosen_here {
            return Leave::Close;
        }
        self.key = None;
        self.chosen_here = false;
        self.by = UsageDimension::Key;
        self.ask();
        Leave::Stay
    }

    fn refuse(&mut self, why: String) -> Option<String> {
        self.rows.problem = Some(why);
        None
    }

    fn allows(&self, intent: Intent) -> Option<bool> {
        match intent {
            Intent::Open => Some(self.chosen().is_some()),
            _ => None,
        }
    }

    fn mark_stale(&mut self) {
        self.rows.stale = true;
    }

    fn to_read(&mut self, agents: &AgentScope, is_topmost: bool) -> Option<Read> {
        let asks = is_topmost && self.rows.take_stale();
        asks.then(|| {
            Read::Usage(UsageQuery {
                key: self.key.as_ref().map(|(id, _)| id.clone()),
                scope: agents.clone(),
                by: self.by,
                days: self.days,
            })
        })
    }
}
