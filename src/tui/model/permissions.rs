//! Whether an intent may be wanted, and makes sense now: dispatch, footer, palette and help all ask
//! here, so that the menu cannot lie.
use super::Model;
use crate::{
    domain::{
        explain::Mend,
        listing::Filter,
        member::{Denied, Power},
    },
    tui::{
        dialog::Modal,
        explain::AccessRow,
        keymap::{Intent, Place},
    },
};

impl Model {
    /// Whether whoever acts may want that at all: asked by dispatch, footer, palette and help alike.
    ///
    /// # Errors
    /// Why not, as a sentence.
    pub fn demand(&self, intent: Intent) -> Result<(), String> {
        self.demand_in(self.place(), intent)
    }

    /// The same, as it is in some place.
    ///
    /// # Errors
    /// Why not, as a sentence.
    pub fn demand_in(&self, place: Place, intent: Intent) -> Result<(), String> {
        if self.is_member && intent == Intent::Export {
            return Err("Over SSH it is written where you are: `ssh … claviger audit --csv > FILE`, or --json.".to_owned());
        }
        let own = self.is_member && matches!(intent, Intent::Suspend | Intent::Save);
        if own {
            return Err("That is for those who work on the machine itself.".to_owned());
        }
        let role = self.role;
        // What mends a check may be more than an edit, or less.
        let mend = self
            .access_test()
            .and_then(|test| test.to_mend()?.mend.as_ref());
        let power = match (intent, mend) {
            (Intent::Fix, Some(Mend::Enable)) => Some(Power::Switch),
            _ => intent.power(place),
        };
        match power {
            Some(power) if !role.may(power) => Err(Denied::Role { role, power }.to_string()),
            _ => Ok(()),
        }
    }

    /// Whether an intent makes sense now: asked by dispatch, footer and palette alike.
    #[must_use]
    pub fn allows(&self, intent: Intent) -> bool {
        if self.demand(intent).is_err() {
            return false;
        }
        let on_list = matches!(self.place(), Place::List | Place::Details | Place::Palette);
        match intent {
            Intent::Accept if self.place() == Place::Access => {
                self.access_test().is_some_and(|test| match test.focused() {
                    Some(AccessRow::Failing(_)) => {
                        test.to_mend().is_some() && self.demand(Intent::Fix).is_ok()
                    }
                    Some(AccessRow::Refused(_)) => true,
                    None => false,
                })
            }
            // A decision about no key has no token to ask with.
            Intent::Next if self.place() == Place::Access => {
                self.access_test().is_some_and(|test| test.id.is_some())
            }
            Intent::Test if self.place() == Place::NewToken => true,
            Intent::Test | Intent::Mark | Intent::Apply if self.place() == Place::Hygiene => {
                self.hygiene().is_some_and(|hygiene| match intent {
                    Intent::Test => hygiene.selected().is_some(),
                    Intent::Mark => hygiene.selected().is_some_and(|row| row.proposal.is_ok()),
                    _ => hygiene.may_apply(),
                })
            }
            Intent::Agents => self.agents.len() > 1,
            Intent::Overwrite => self.copied.is_some(),
            Intent::New if self.place() == Place::Members => true,
            Intent::Edit | Intent::Revoke if self.place() == Place::Members => {
                matches!(self.modals.last(), Some(Modal::Members(it)) if it.selected().is_some())
            }
            Intent::Open | Intent::OnlySubject | Intent::OnlyActor | Intent::Export
                if matches!(self.place(), Place::Audit | Place::AuditEvent) =>
            {
                matches!(self.modals.last(), Some(Modal::Audit(it)) if it.selected().is_some())
            }
            Intent::Filter if matches!(self.place(), Place::Audit | Place::AuditEvent) => true,
            Intent::Fix => self
                .access_test()
                .is_some_and(|test| test.to_mend().is_some()),
            Intent::Edit
            | Intent::NewLike
            | Intent::Mark
            | Intent::Open
            | Intent::Rotate
            | Intent::Test => self.selected().is_some(),
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
