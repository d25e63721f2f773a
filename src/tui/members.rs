//! The screen of members, the form that adds or changes one, and the question before one goes.
use std::collections::BTreeSet;

use tui_input::Input;

use super::typing::{FieldLimit, TextEdit, type_into};
use crate::domain::{
    agent::{AgentName, AgentScope, listed},
    member::{Member, MemberDraft, Role, add_key, parse_keys},
};

/// What stands between several keys in one line; no key and no ordinary comment holds it.
const KEYS_APART: &str = " ; ";
/// A dozen of the longest keys; each line stays one of its own.
const KEYS_ROOM: FieldLimit = FieldLimit {
    separator: KEYS_APART,
    ..FieldLimit::of(1 << 15)
};

/// The screen.
#[derive(Debug, Clone)]
pub struct MembersDialog {
    /// Who there is; none while that is read.
    pub found: Option<Vec<Member>>,
    /// Whether it must be read, again or for the first time.
    pub stale: bool,
    /// Which one is selected.
    pub at: usize,
    /// What was just done.
    pub said: Option<String>,
    /// Why it could not be.
    pub problem: Option<String>,
}

impl Default for MembersDialog {
    fn default() -> Self {
        Self {
            found: None,
            stale: true,
            at: 0,
            said: None,
            problem: None,
        }
    }
}

impl MembersDialog {
    /// Who there is.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        self.found.as_deref().unwrap_or_default()
    }

    /// The selected one.
    #[must_use]
    pub fn selected(&self) -> Option<&Member> {
        self.members().get(self.at)
    }

    /// Moves the selection.
    pub fn walk(&mut self, rows: isize) {
        let last = self.members().len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(rows).min(last);
    }

    /// Who there is was read: the selection stays with its member.
    pub fn take_in(&mut self, members: Vec<Member>) {
        let selected = self.selected().map(|member| member.id.clone());
        let at = members
            .iter()
            .position(|member| Some(&member.id) == selected.as_ref());
        self.found = Some(members);
        self.at = at.unwrap_or(self.at);
        self.walk(0);
    }
}

/// What has the keys in the form.
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

    /// Whether it is text that is typed here.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Name | Self::Agents | Self::Keys)
    }
}

/// The form of a member.
#[derive(Debug, Clone)]
pub struct MemberForm {
    /// Who is changed, as they were seen; none for a new one.
    pub seen: Option<Box<Member>>,
    /// The name.
    pub name: Input,
    /// The role.
    pub role: Role,
    /// The agents, separated by commas; empty for all.
    pub agents: Input,
    /// A public key: the first one, or a further one.
    pub keys: Input,
    /// What has the keys.
    pub focus: FormFocus,
    /// Whether agents are spoken of at all.
    pub several: bool,
    /// Whether a save is under way.
    pub working: bool,
    /// Why the last one failed.
    pub problem: Option<String>,
    /// Whether the next Esc discards what was typed.
    pub armed: bool,
}

impl MemberForm {
    /// For a new member: the role that may do least.
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

    /// For a change of this one; what is changed mostly is the role.
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

    /// The next or the previous thing to focus.
    pub fn move_focus(&mut self, forward: bool) {
        let order = FormFocus::ORDER;
        let at = order.iter().position(|one| *one == self.focus).unwrap_or(0);
        let step = if forward { 1 } else { order.len() - 1 };
        self.focus = order[(at + step) % order.len()];
        if self.focus == FormFocus::Agents && !self.several {
            self.move_focus(forward);
        }
    }

    /// The next or the previous role, or the other button.
    pub fn sideways(&mut self, forward: bool) {
        match self.focus {
            FormFocus::Role => {
                let at = Role::ALL.iter().position(|one| *one == self.role);
                let step = if forward { 1 } else { Role::ALL.len() - 1 };
                self.role = Role::ALL[(at.unwrap_or(0) + step) % Role::ALL.len()];
                self.problem = None;
            }
            FormFocus::Cancel => self.focus = FormFocus::Save,
            FormFocus::Save => self.focus = FormFocus::Cancel,
            _ => {}
        }
    }

    /// Types into the focused field.
    pub fn type_into(&mut self, typing: TextEdit<'_>) {
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

    /// Somebody else changed the member meanwhile: what they changed and this person did not is taken
    /// over, what this person chose is kept, and it is said what theirs is.
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

    /// Whose keys. What was not touched stays as it was: somebody who is limited to agents that are
    /// all gone is let at none, and an empty field must not turn that into all.
    ///
    /// # Errors
    /// A name that is none.
    pub fn scope(&self) -> Result<AgentScope, String> {
        match &self.seen {
            Some(seen) if agents_text(&seen.draft.scope) == self.agents.value() => {
                Ok(seen.draft.scope.clone())
            }
            _ => scope(self.agents.value()),
        }
    }

    /// What would be saved.
    ///
    /// # Errors
    /// Where the first thing is that is refused, and why.
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

/// The question before a member goes.
#[derive(Debug, Clone)]
pub struct Removal {
    /// Who, as they were seen.
    pub member: Box<Member>,
    /// Whether the button that removes is focused, and not Cancel.
    pub act: bool,
    /// Whether it is under way.
    pub working: bool,
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
