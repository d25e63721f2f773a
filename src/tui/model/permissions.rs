//! Whether an intent is permitted, and whether it makes sense now. Dispatch, footer, palette and
//! help all use these functions, so that the menu always agrees with what a key does.
use super::Model;
use crate::{
    domain::{audit::Change, explain::Fix, listing::Filter, member::Denied},
    tui::{
        explain::ExplainDialog,
        keymap::{Intent, Place},
        modal::Modal,
    },
};

impl Model {
    /// Checks whether the acting user is permitted to use the intent at the current place. Used by
    /// dispatch, footer, palette and help alike.
    ///
    /// # Errors
    /// Returns the reason as a sentence if the intent is not permitted.
    pub fn demand(&self, intent: Intent) -> Result<(), String> {
        self.demand_in(self.place(), intent)
    }

    /// Does the same as [`Model::demand`] for a given place.
    ///
    /// # Errors
    /// Returns the reason as a sentence if the intent is not permitted.
    pub fn demand_in(&self, place: Place, intent: Intent) -> Result<(), String> {
        if self.is_member && intent == Intent::Export {
            return Err("Over SSH it is written where you are: `ssh … claviger audit --csv > FILE`, or --json.".to_owned());
        }
        let own = self.is_member && matches!(intent, Intent::Suspend | Intent::Save);
        if own {
            return Err("That is for those who work on the machine itself.".to_owned());
        }
        let role = self.role;
        // The fix for a check may need another permission than an edit.
        let explained = self.top::<ExplainDialog>();
        let fix = explained.and_then(|test| test.to_fix()?.fix.as_ref());
        let permission = match (intent, fix) {
            (Intent::Fix, Some(Fix::Enable)) => Some(Change::Enabled.permission()),
            _ => intent.permission(place),
        };
        match permission {
            Some(permission) if !role.may(permission) => {
                Err(Denied::Role { role, permission }.to_string())
            }
            _ => Ok(()),
        }
    }

    /// Whether the intent makes sense now and is permitted. Used by dispatch, footer and palette
    /// alike.
    #[must_use]
    pub fn allows(&self, intent: Intent) -> bool {
        if self.demand(intent).is_err() {
            return false;
        }
        let on_list = matches!(self.place(), Place::List | Place::Details | Place::Palette);
        let dialog = self.modals.last().map(Modal::dialog);
        if let Some(answer) = dialog.and_then(|dialog| dialog.allows(intent)) {
            // Enter on a failing check fixes it.
            let fixes = intent == Intent::Accept
                && self
                    .top::<ExplainDialog>()
                    .is_some_and(ExplainDialog::is_on_failing);
            return answer && (!fixes || self.demand(Intent::Fix).is_ok());
        }
        match intent {
            Intent::Fix => false,
            Intent::Agents => self.agents.len() > 1,
            Intent::Overwrite => self.copied.is_some(),
            Intent::Edit
            | Intent::NewLike
            | Intent::Mark
            | Intent::Open
            | Intent::Rotate
            | Intent::Explain => self.selected().is_some(),
            Intent::Copy | Intent::CopyAs | Intent::Reveal if on_list => self.selected().is_some(),
            Intent::Revoke if self.selected_damaged().is_some() => true,
            Intent::Switch | Intent::Revoke => !self.targets().is_empty(),
            Intent::Filter | Intent::SortNext | Intent::SortReverse => self.list.count.total > 0,
            Intent::OnlyAttention => self.list.count.total > 0 || self.list.filter.attention,
            Intent::Close if self.place() == Place::List => {
                self.list.filter != Filter::default() || !self.list.marks.is_empty()
            }
            Intent::Help => self.place() != Place::Help,
            Intent::Palette => self.place() != Place::Palette,
            _ => true,
        }
    }
}
