//! The members screen, the form that adds or edits a member, and the confirmation before a member
//! is removed.
use std::collections::BTreeSet;

use tui_input::Input;

use super::{
    dialog::{Dialog, Leave, Typed},
    keymap::{Intent, Place, neighbour},
    read::Read,
    rows::Rows,
    typing::{FieldLimit, TextEdit, type_into},
};
use crate::domain::{
    agent::{AgentName, AgentScope, listed},
    member::{Member, MemberDraft, Role, add_key, parse_keys},
};

/// The separator between several keys in one line; no key and no ordinary comment contains it.
const KEYS_APART: &str = " ; ";
/// The limits of the field for SSH keys: a dozen of the longest keys. Each pasted line remains a
/// key of its own.
const KEYS_ROOM: FieldLimit = FieldLimit {
    separator: KEYS_APART,
    ..FieldLimit::of(1 << 15)
};

/// The state of the screen.
#[derive(Debug, Clone, Default)]
pub struct MembersDialog {
    /// The members.
    pub rows: Rows<Member>,
}

/// The part of the form that has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields and buttons")]
pub enum FormFocus {
    Name,
    Role,
    Agents,
    Keys,
    Cancel,
    Save,
}

impl FormFocus {
    const ORDER: [Self; 6] = [
        Self::Name,
        Self::Role,
        Self::Agents,
        Self::Keys,
        Self::Cancel,
        Self::Save,
    ];

    /// Whether this is a text field.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Name | Self::Agents | Self::Keys)
    }
}

/// The form for a member.
#[derive(Debug, Clone)]
pub struct MemberForm {
    /// The member being edited, as the user saw it; `None` for a new member.
    pub seen: Option<Box<Member>>,
    /// The name.
    pub name: Input,
    /// The role.
    pub role: Role,
    /// The agents, separated by commas; empty for all.
    pub agents: Input,
    /// The public key of a new member, or further public keys of an existing one.
    pub keys: Input,
    /// The part of the form that has the focus.
    pub focus: FormFocus,
    /// Whether the field for agents is shown.
    pub several: bool,
    /// Whether a save is under way.
    pub working: bool,
    /// Why the last save failed.
    pub problem: Option<String>,
    /// Whether the next Esc discards what was typed.
    pub armed: bool,
}

impl MemberForm {
    /// Creates a form for a new member, with the role that has the fewest permissions.
    #[must_use]
    pub fn new(several: bool) -> Self {
        Self {
            seen: None,
            name: Input::default(),
            role: Role::Viewer,
            agents: Input::default(),
            keys: Input::default(),
            focus: FormFocus::Name,
            several,
            working: false,
            problem: None,
            armed: false,
        }
    }

    /// Creates a form that edits this member. The focus starts on the role, which is changed most
    /// often.
    #[must_use]
    pub fn of(member: &Member, several: bool) -> Self {
        Self {
            name: Input::new(member.name().to_owned()),
            role: member.draft.role,
            agents: Input::new(agents_text(&member.draft.scope)),
            focus: FormFocus::Role,
            seen: Some(Box::new(member.clone())),
            ..Self::new(several || member.draft.scope != AgentScope::Everything)
        }
    }

    /// Whether anything was typed or chosen.
    #[must_use]
    pub fn changed(&self) -> bool {
        let (name, role, agents) = match &self.seen {
            Some(seen) => (
                seen.name().to_owned(),
                seen.draft.role,
                agents_text(&seen.draft.scope),
            ),
            None => (String::new(), Role::Viewer, String::new()),
        };
        self.name.value() != name
            || self.role != role
            || self.agents.value() != agents
            || !self.keys.value().is_empty()
    }

    /// Moves the focus to the next or the previous part.
    pub fn move_focus(&mut self, forward: bool) {
        self.focus = neighbour(&FormFocus::ORDER, self.focus, forward);
        if self.focus == FormFocus::Agents && !self.several {
            self.move_focus(forward);
        }
    }

    /// Chooses the next or the previous role, or moves to the other button.
    pub fn sideways(&mut self, forward: bool) {
        match self.focus {
            FormFocus::Role => {
                self.role = neighbour(&Role::ALL, self.role, forward);
                self.problem = None;
            }
            FormFocus::Cancel => self.focus = FormFocus::Save,
            FormFocus::Save => self.focus = FormFocus::Cancel,
            _ => {}
        }
    }

    /// Types into the focused field.
    fn type_text(&mut self, typing: TextEdit<'_>) {
        let input = match self.focus {
            FormFocus::Name => &mut self.name,
            FormFocus::Agents => &mut self.agents,
            FormFocus::Keys => &mut self.keys,
            _ => return,
        };
        let room = if self.focus == FormFocus::Keys {
            KEYS_ROOM
        } else {
            FieldLimit::LINE
        };
        self.problem = type_into(input, typing, room);
    }

    /// Takes over another user's concurrent change to the member: fields that only they changed
    /// take their value, fields that this user changed are kept, and `problem` lists their changes.
    pub fn rebase(&mut self, theirs: &Member) {
        let Some(seen) = self.seen.as_ref().filter(|seen| seen.draft != theirs.draft) else {
            return;
        };
        let (was, is) = (&seen.draft, &theirs.draft);
        let mut told = Vec::new();
        if was.name != is.name {
            told.push(format!("the name is {}", is.name.as_str()));
            if self.name.value() == was.name.as_str() {
                self.name = Input::new(is.name.as_str().to_owned());
            }
        }
        if was.role != is.role {
            told.push(format!("the role is {}", is.role));
            if self.role == was.role {
                self.role = is.role;
            }
        }
        if was.scope != is.scope {
            let theirs = match &is.scope {
                AgentScope::Everything => "all agents".to_owned(),
                AgentScope::Only(agents) => listed(agents),
            };
            told.push(format!("they are let at {theirs}"));
            if self.agents.value() == agents_text(&was.scope) {
                self.agents = Input::new(agents_text(&is.scope));
            }
        }
        if was.keys != is.keys {
            told.push(format!("they have {} SSH keys", is.keys.len()));
        }
        self.problem = Some(format!(
            "somebody else changed this member meanwhile: {}. What you chose is kept: save again to put it on top",
            told.join("; ")
        ));
        self.seen = Some(Box::new(theirs.clone()));
    }

    /// Returns the agents in the form. An untouched field keeps the member's scope: a member
    /// limited to agents that no longer exist has access to none, and the empty field must not turn
    /// that into all.
    ///
    /// # Errors
    /// Returns a sentence if a typed agent name is invalid.
    pub fn scope(&self) -> Result<AgentScope, String> {
        match &self.seen {
            Some(seen) if agents_text(&seen.draft.scope) == self.agents.value() => {
                Ok(seen.draft.scope.clone())
            }
            _ => scope(self.agents.value()),
        }
    }

    /// Returns the member as it would be saved.
    ///
    /// # Errors
    /// Returns the part of the form with the first invalid value, and why it is invalid.
    pub fn draft(&self) -> Result<MemberDraft, (FormFocus, String)> {
        let wrong = |focus| move |error: &dyn std::fmt::Display| (focus, error.to_string());
        let name = self.name.value().parse();
        let mut keys = match &self.seen {
            Some(seen) => seen.draft.keys.clone(),
            None => Vec::new(),
        };
        if !self.keys.value().trim().is_empty() || self.seen.is_none() {
            let typed = parse_keys(&self.keys.value().replace(KEYS_APART, "\n"));
            for key in typed.map_err(|error| wrong(FormFocus::Keys)(&error))? {
                add_key(&mut keys, key);
            }
        }
        let draft = MemberDraft {
            name: name.map_err(|error| wrong(FormFocus::Name)(&error))?,
            role: self.role,
            scope: self.scope().map_err(|error| (FormFocus::Agents, error))?,
            keys,
        };
        draft
            .check()
            .map_err(|error| wrong(FormFocus::Role)(&error))?;
        Ok(draft)
    }
}

fn agents_text(scope: &AgentScope) -> String {
    match scope {
        AgentScope::Everything => String::new(),
        AgentScope::Only(agents) => {
            let names: Vec<&str> = agents.iter().map(AgentName::as_str).collect();
            names.join(", ")
        }
    }
}

fn scope(text: &str) -> Result<AgentScope, String> {
    if text.trim().is_empty() {
        return Ok(AgentScope::Everything);
    }
    let names = text.split([',', ' ']).filter(|name| !name.is_empty());
    let names: Result<BTreeSet<AgentName>, _> = names.map(str::parse).collect();
    names
        .map(AgentScope::Only)
        .map_err(|error| error.to_string())
}

/// The confirmation before a member is removed.
#[derive(Debug, Clone)]
pub struct Removal {
    /// The member, as the user saw it.
    pub member: Box<Member>,
    /// Whether the button that removes has the focus, rather than Cancel.
    pub act: bool,
    /// Whether the removal is under way.
    pub working: bool,
}

impl Dialog for MembersDialog {
    fn place(&self) -> Place {
        Place::Members
    }

    fn refuse(&mut self, why: String) -> Option<String> {
        self.rows.problem = Some(why);
        None
    }

    fn allows(&self, intent: Intent) -> Option<bool> {
        match intent {
            Intent::New => Some(true),
            Intent::Edit | Intent::Revoke => Some(self.rows.selected().is_some()),
            _ => None,
        }
    }

    fn mark_stale(&mut self) {
        self.rows.stale = true;
    }

    fn to_read(&mut self, _agents: &AgentScope, _is_topmost: bool) -> Option<Read> {
        self.rows.take_stale().then_some(Read::Members)
    }
}

impl Dialog for MemberForm {
    fn place(&self) -> Place {
        if self.focus.is_text() {
            Place::MemberField
        } else {
            Place::MemberChoice
        }
    }

    fn type_into(&mut self, text: TextEdit<'_>) -> Typed {
        self.armed = false;
        self.type_text(text);
        Typed::cut_if(self.problem.as_ref())
    }

    fn leave(&mut self) -> Leave {
        if self.working || !self.may_quit() {
            Leave::Stay
        } else {
            Leave::Close
        }
    }

    fn leave_field(&mut self) -> Option<Leave> {
        self.focus.is_text().then(|| {
            self.focus = FormFocus::Cancel;
            Leave::Stay
        })
    }

    fn may_quit(&mut self) -> bool {
        let asks = self.changed() && !self.armed;
        self.armed |= asks;
        !asks
    }

    fn accept_word(&self) -> Option<&'static str> {
        (self.focus == FormFocus::Cancel).then_some("Cancel")
    }
}

impl Dialog for Removal {
    fn place(&self) -> Place {
        Place::Confirmation
    }

    fn leave(&mut self) -> Leave {
        if self.working {
            Leave::Stay
        } else {
            Leave::Close
        }
    }

    fn accept_word(&self) -> Option<&'static str> {
        Some(if self.act { "Remove" } else { "Cancel" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_of_agents_is_all_of_them_and_a_bad_one_is_refused() {
        assert_eq!(scope("  "), Ok(AgentScope::Everything));
        let prod = "prod".parse().expect("a name");
        let staging = "staging".parse().expect("a name");
        assert_eq!(
            scope("prod, staging"),
            Ok(AgentScope::Only([prod, staging].into()))
        );
        assert!(scope("Prod").is_err());
    }
}
