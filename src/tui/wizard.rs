//! The wizard that creates and edits a key. Step two holds the validated step one, so that it
//! cannot exist without it.
//!
//! Typed text is never lost: not by going back, not by a failed save, and not by another user's
//! change. The messages about a field are derived from its text whenever they are needed, in
//! [`words`]. The wizard draws nothing and saves nothing.
mod conflict;
mod fields;
mod values;
mod words;

pub use conflict::{ConcurrentEdit, FieldConflict};
pub use fields::{BasicsFocus, Field, MatrixFocus};
use strum::EnumCount as _;
use tui_input::Input;

use super::{
    dialog::{Dialog, Leave, Typed},
    keymap::{Place, neighbour},
    read::Read,
    typing::{TextEdit, type_into},
};

use crate::domain::{
    access::{Action, Actions, Area, Grants},
    agent::{AgentName, AgentScope},
    conditions::Validity,
    explain::Fix,
    key::{Draft, Key, KeyName, Namesakes},
    moment::Moment,
    policy::Policy,
    token::KeyId,
};

/// The purpose of the wizard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WizardPurpose {
    /// Creating a new key.
    New,
    /// Editing this key, as the user saw it.
    Edit(Box<Key>),
}

/// The step and focus of the wizard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WizardStep {
    /// "Enter basic information".
    Basics(BasicsFocus),
    /// "Configure permissions", with the draft that a valid step one gave; its grants are those of
    /// that moment, and [`Wizard::draft`] has the present ones.
    Permissions(Box<Draft>, MatrixFocus),
}

/// The state of the wizard.
#[derive(Debug, Clone)]
pub struct Wizard {
    /// The purpose of the wizard.
    pub purpose: WizardPurpose,
    /// The policy for the ends of keys.
    pub policy: Policy,
    /// The agent of a new key; `None` leaves the choice to the keyring.
    pub agent: Option<AgentName>,
    /// The current step and focus.
    pub step: WizardStep,
    /// The actions granted in each area.
    pub grants: Grants,
    /// Whether the next Esc discards what was typed.
    pub armed: bool,
    /// Whether a save is under way.
    pub saving: bool,
    /// Why the last save failed.
    pub trouble: Option<String>,
    /// The field into which something did not fit, and a sentence about it.
    pub cut: Option<(Field, String)>,
    /// The changes that another user made to the key since the edit began.
    pub meanwhile: Option<ConcurrentEdit>,
    /// How far the text of step two is scrolled, if it does not fit.
    pub scroll: u16,
    /// The name that was last compared with those of other keys, and the result.
    namesakes: Option<(KeyName, Namesakes)>,
    /// Whether the fields are shown that are not always.
    unfolded: bool,
    inputs: [Input; Field::COUNT],
    left: [bool; Field::COUNT],
    began: ([String; Field::COUNT], Grants),
}

impl Wizard {
    /// Creates a wizard for a new key: all fields are empty and nothing is granted.
    #[must_use]
    pub fn new_key() -> Self {
        Self::begin(WizardPurpose::New, Default::default(), Grants::none())
    }

    /// Sets the workspace's policy for the ends of keys.
    #[must_use]
    pub fn under(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the agent of the key.
    #[must_use]
    pub fn of_agent(mut self, agent: Option<AgentName>) -> Self {
        self.agent = agent;
        self
    }

    /// Creates a wizard for a new key that begins as a copy of this one.
    #[must_use]
    pub fn like(key: &Key, now: Moment) -> Self {
        let mut texts = texts_of(&key.draft);
        match key.validity(now) {
            Validity::Expired(_) => texts[Field::Expires as usize].clear(),
            Validity::Valid | Validity::NotYet(_) => {}
        }
        let mut wizard = Self::begin(
            WizardPurpose::New,
            texts,
            key.draft.conditions.grants.clone(),
        );
        // Nothing of the copy is saved yet, so closing the wizard must ask first.
        wizard.began = (Default::default(), Grants::none());
        wizard.of_agent(Some(key.agent.clone()))
    }

    /// Creates a wizard that edits this key.
    #[must_use]
    pub fn edit(key: &Key) -> Self {
        let texts = texts_of(&key.draft);
        Self::begin(
            WizardPurpose::Edit(Box::new(key.clone())),
            texts,
            key.draft.conditions.grants.clone(),
        )
    }

    /// Creates a wizard that edits this key, with the fix for one check filled in and focused.
    #[must_use]
    pub fn fixes(key: &Key, fix: &Fix, areas: &[Area], now: Moment) -> Self {
        let mut wizard = Self::edit(key);
        let mut fill = |field: Field, text: String| {
            wizard.unfolded |= field as usize >= Field::USUAL;
            wizard.inputs[field as usize] = Input::new(text);
            wizard.step = WizardStep::Basics(BasicsFocus::Field(field));
        };
        match fix {
            Fix::Enable | Fix::Approve | Fix::Wait(_) => {}
            Fix::Begin => fill(Field::Begins, String::new()),
            Fix::Undeny(address) => {
                if let Some(left) = key.draft.conditions.deny.without(*address) {
                    fill(Field::Denied, left);
                }
            }
            Fix::Address(address) => {
                fill(Field::Addresses, key.draft.conditions.allow.with(*address));
            }
            Fix::End(end) => fill(Field::Expires, end.as_expiry_input()),
            Fix::Grant(area, action) => {
                let granted = wizard.grants.of(area).with(*action);
                wizard.grants.set(area.clone(), granted);
                wizard.next_step(now);
                let row = areas.iter().position(|known| known.slug == *area);
                if let (WizardStep::Permissions(_, focus), Some(row)) = (&mut wizard.step, row) {
                    *focus = MatrixFocus::Cell(row, *action as usize);
                }
            }
        }
        wizard
    }

    fn begin(purpose: WizardPurpose, texts: [String; Field::COUNT], grants: Grants) -> Self {
        // What is set must be seen.
        let unfolded = texts[Field::USUAL..].iter().any(|text| !text.is_empty());
        Self {
            unfolded,
            purpose,
            policy: Policy::default(),
            agent: None,
            step: WizardStep::Basics(BasicsFocus::Field(Field::Name)),
            inputs: texts.clone().map(Input::new),
            left: [false; Field::COUNT],
            began: (texts, grants.clone()),
            grants,
            armed: false,
            saving: false,
            trouble: None,
            cut: None,
            meanwhile: None,
            scroll: 0,
            namesakes: None,
        }
    }

    /// Returns the name that must be compared with those of other keys now, if any, and the id of
    /// the edited key, which the comparison leaves out. The name counts as compared from now on.
    pub fn to_compare(&mut self) -> Option<(KeyName, Option<KeyId>)> {
        if self.focused_field() == Some(Field::Name) {
            return None;
        }
        let name: KeyName = self.value(Field::Name).parse().ok()?;
        let edited = match &self.purpose {
            WizardPurpose::New => None,
            WizardPurpose::Edit(key) => Some(key),
        };
        let is_known = self.namesakes.as_ref().is_some_and(|(it, _)| *it == name);
        if is_known || edited.is_some_and(|key| key.draft.name == name) {
            return None;
        }
        self.namesakes = Some((name.clone(), Namesakes::default()));
        Some((name, edited.map(|key| key.id.clone())))
    }

    /// Takes in the result of a comparison; a result for another name is dropped.
    pub fn compared(&mut self, name: KeyName, namesakes: Namesakes) {
        if self.namesakes.as_ref().is_some_and(|(it, _)| *it == name) {
            self.namesakes = Some((name, namesakes));
        }
    }

    /// A field's text and cursor.
    #[must_use]
    pub fn input(&self, field: Field) -> &Input {
        &self.inputs[field as usize]
    }

    /// Whether anything differs from the state in which the wizard began.
    #[must_use]
    pub fn changed(&self) -> bool {
        let same = self
            .inputs
            .iter()
            .zip(&self.began.0)
            .all(|(input, text)| input.value() == text);
        !same || self.grants != self.began.1
    }

    /// The field that has the focus, if any.
    #[must_use]
    pub fn focused_field(&self) -> Option<Field> {
        match self.step {
            WizardStep::Basics(BasicsFocus::Field(field)) => Some(field),
            _ => None,
        }
    }

    /// Types into the field that has the focus, if any.
    fn type_text(&mut self, typing: TextEdit<'_>) {
        if let Some(field) = self.focused_field() {
            let input = &mut self.inputs[field as usize];
            self.cut = type_into(input, typing, field.room()).map(|cut| (field, cut));
            self.trouble = None;
        }
    }

    /// Moves the focus to the next or the previous part; invalid values do not prevent it.
    pub fn move_focus(&mut self, forward: bool) {
        self.cut = None;
        let order = BasicsFocus::order(self.fields());
        match &mut self.step {
            WizardStep::Basics(focus) => {
                if let BasicsFocus::Field(field) = *focus {
                    self.left[field as usize] = true;
                }
                *focus = neighbour(&order, *focus, forward);
            }
            WizardStep::Permissions(_, focus) => {
                let order = [
                    MatrixFocus::Cell(0, 0),
                    MatrixFocus::Back,
                    MatrixFocus::Save,
                ];
                let here = if matches!(focus, MatrixFocus::Cell(..)) {
                    order[0]
                } else {
                    *focus
                };
                *focus = neighbour(&order, here, forward);
            }
        }
    }

    /// The fields that are shown, in order.
    #[must_use]
    pub fn fields(&self) -> &'static [Field] {
        const ALL: &[Field] = &Field::ALL;
        if self.unfolded {
            ALL
        } else {
            &ALL[..Field::USUAL]
        }
    }

    /// Shows all fields, and moves the focus to the first of those that were hidden.
    pub fn unfold(&mut self) {
        self.unfolded = true;
        self.step = WizardStep::Basics(BasicsFocus::Field(Field::ALL[Field::USUAL]));
    }

    /// Leaves the field and moves the focus to the button that closes.
    fn focus_buttons(&mut self) {
        if let WizardStep::Basics(focus) = &mut self.step {
            if let BasicsFocus::Field(field) = *focus {
                self.left[field as usize] = true;
            }
            *focus = BasicsFocus::Cancel;
        }
    }

    /// Moves within the matrix, stopping at its edges.
    pub fn move_cell(&mut self, rows: isize, columns: isize, areas: usize) {
        if let WizardStep::Permissions(_, MatrixFocus::Cell(row, column)) = &mut self.step {
            *row = row.saturating_add_signed(rows).min(areas.saturating_sub(1));
            *column = column
                .saturating_add_signed(columns)
                .min(Action::ALL.len() - 1);
        }
    }

    /// Toggles the focused cell.
    pub fn toggle(&mut self, areas: &[Area]) {
        if let WizardStep::Permissions(_, MatrixFocus::Cell(row, column)) = &self.step
            && let Some(area) = areas.get(*row)
        {
            let actions = self.grants.of(&area.slug).toggled(Action::ALL[*column]);
            self.grants.set(area.slug.clone(), actions);
            self.trouble = None;
            self.scroll = 0;
        }
    }

    /// Replaces the actions of the focused row with these.
    pub fn preset(&mut self, actions: Actions, areas: &[Area]) {
        if let WizardStep::Permissions(_, MatrixFocus::Cell(row, _)) = &self.step
            && let Some(area) = areas.get(*row)
        {
            self.grants.set(area.slug.clone(), actions);
            self.trouble = None;
            self.scroll = 0;
        }
    }

    /// Goes to step two if step one is valid, or else to the first invalid field.
    pub fn next_step(&mut self, now: Moment) {
        self.left = [true; Field::COUNT];
        self.scroll = 0;
        match self.basics(now) {
            Ok(basics) => {
                self.step = WizardStep::Permissions(Box::new(basics), MatrixFocus::Cell(0, 0));
            }
            Err(field) => self.step = WizardStep::Basics(BasicsFocus::Field(field)),
        }
    }

    /// Goes back to step one; everything is kept.
    pub fn back(&mut self) {
        self.step = WizardStep::Basics(BasicsFocus::Field(Field::Name));
    }

    /// Returns the word on the button that saves.
    #[must_use]
    pub fn save_word(&self) -> &'static str {
        match self.purpose {
            WizardPurpose::New => "Give Access",
            WizardPurpose::Edit(_) => "Save changes",
        }
    }

    /// Returns the key as it would be saved, or `None` in step one.
    #[must_use]
    pub fn draft(&self) -> Option<Draft> {
        let WizardStep::Permissions(basics, _) = &self.step else {
            return None;
        };
        let mut draft = Draft::clone(basics);
        draft.conditions.grants.clone_from(&self.grants);
        Some(draft)
    }
}

fn texts_of(draft: &Draft) -> [String; Field::COUNT] {
    Field::ALL.map(|field| field.text(draft))
}

impl Dialog for Wizard {
    fn place(&self) -> Place {
        match &self.step {
            WizardStep::Basics(BasicsFocus::Field(_)) => Place::Field,
            WizardStep::Permissions(_, MatrixFocus::Cell(..)) => Place::Matrix,
            WizardStep::Basics(_) | WizardStep::Permissions(..) => Place::Buttons,
        }
    }

    fn is_second_step(&self) -> bool {
        matches!(self.step, WizardStep::Permissions(..))
    }

    fn key_pressed(&mut self) {
        self.armed = false;
    }

    fn type_into(&mut self, text: TextEdit<'_>) -> Typed {
        self.armed = false;
        self.type_text(text);
        Typed::cut_if(self.cut.as_ref().map(|(_, sentence)| sentence))
    }

    fn leave(&mut self) -> Leave {
        if self.saving || !self.may_quit() {
            Leave::Stay
        } else {
            Leave::Close
        }
    }

    fn leave_field(&mut self) -> Option<Leave> {
        (self.place() == Place::Field).then(|| {
            self.focus_buttons();
            Leave::Stay
        })
    }

    fn may_quit(&mut self) -> bool {
        let asks = self.changed() && !self.armed;
        self.armed |= asks;
        !asks
    }

    fn ignore_paste(&mut self, why: &str) -> Option<String> {
        self.trouble = Some(why.to_owned());
        None
    }

    fn accept_word(&self) -> Option<&'static str> {
        Some(match self.step {
            WizardStep::Basics(BasicsFocus::Cancel) => "Cancel",
            WizardStep::Basics(BasicsFocus::More) => "More",
            WizardStep::Basics(_) => "Next",
            WizardStep::Permissions(_, MatrixFocus::Back) => "Back",
            WizardStep::Permissions(..) => self.save_word(),
        })
    }

    fn to_read(&mut self, _agents: &AgentScope, is_topmost: bool) -> Option<Read> {
        let (name, except) = is_topmost.then(|| self.to_compare()).flatten()?;
        Some(Read::Namesakes(name, except))
    }
}
