//! The screen of the requests for approval, and the question before one is decided.
use super::{
    dialog::{Dialog, Leave},
    keymap::{Intent, Place},
    read::Read,
    rows::Rows,
};
use crate::domain::{agent::AgentScope, approval::PendingChange};

/// The state of the screen.
#[derive(Debug, Clone, Default)]
pub struct ApprovalsDialog {
    /// The requests, the oldest first.
    pub rows: Rows<PendingChange>,
    /// The question that is asked.
    pub asked: Option<ApprovalQuestion>,
}

/// The question before a request is decided. It starts on Cancel.
#[derive(Debug, Clone)]
pub struct ApprovalQuestion {
    /// The request.
    pub request: PendingChange,
    /// Whether to approve it, or to reject it.
    pub approve: bool,
    /// Whether the button that does so has the focus, and not Cancel.
    pub acts: bool,
}

impl ApprovalsDialog {
    /// Asks whether to approve or to reject the selected request.
    pub fn ask(&mut self, approve: bool) {
        self.asked = self.rows.selected().map(|request| ApprovalQuestion {
            request: request.clone(),
            approve,
            acts: false,
        });
    }

    /// Takes in the requests. A question about one that has changed is taken back.
    pub fn take_in(&mut self, found: Vec<PendingChange>) {
        let asked = self.asked.as_ref();
        if asked.is_some_and(|asked| !found.contains(&asked.request)) {
            self.asked = None;
            self.rows.problem =
                Some("It was changed or decided meanwhile: nothing was done.".into());
        }
        self.rows
            .take_in(found, |old, new| old.subject == new.subject);
    }
}

impl Dialog for ApprovalsDialog {
    fn place(&self) -> Place {
        Place::Approvals
    }

    fn is_second_step(&self) -> bool {
        self.asked.is_some()
    }

    fn leave(&mut self) -> Leave {
        match self.asked.take() {
            Some(_) => Leave::Stay,
            None => Leave::Close,
        }
    }

    fn refuse(&mut self, why: String) -> Option<String> {
        self.rows.problem = Some(why);
        None
    }

    fn accept_word(&self) -> Option<&'static str> {
        let asked = self.asked.as_ref()?;
        Some(match (asked.acts, asked.approve) {
            (false, _) => "cancel",
            (true, true) => "approve",
            (true, false) => "reject",
        })
    }

    fn allows(&self, intent: Intent) -> Option<bool> {
        match intent {
            Intent::Accept => Some(self.rows.selected().is_some()),
            Intent::Revoke => Some(self.asked.is_none() && self.rows.selected().is_some()),
            Intent::Next => Some(self.asked.is_some()),
            _ => None,
        }
    }

    fn mark_stale(&mut self) {
        self.rows.stale = true;
    }

    fn to_read(&mut self, agents: &AgentScope, is_topmost: bool) -> Option<Read> {
        let asks = is_topmost && self.rows.take_stale();
        asks.then(|| Read::Approvals(agents.clone()))
    }
}
