//! The changes that another user made to the key meanwhile: taken over where this user changed
//! nothing, and compared with this edit field by field.
use tui_input::Input;

use super::{BasicsFocus, Field, MatrixFocus, Wizard, WizardPurpose, WizardStep, texts_of};
use crate::domain::{
    access::{Action, Actions, Area},
    key::{Draft, Key},
    moment::Moment,
    text::visible,
};

/// The changes that another user made to the key meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrentEdit {
    /// The actor who made the changes.
    pub by: String,
    /// The key when the edit began, or when it was last rebased.
    pub base: Draft,
    /// The key with the other user's changes.
    pub theirs: Draft,
}

/// A field that the other user changed, or in which the two versions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The title of the field.
    pub title: String,
    /// The stored value.
    pub theirs: String,
    /// The value that saving would store.
    pub mine: String,
    /// Whether both users changed the field to different values.
    pub clash: bool,
}

impl Wizard {
    /// Takes over another user's concurrent change to the key: values that only they changed are
    /// taken over, values that this user changed are kept, and saving again writes those over
    /// theirs.
    pub fn rebase(&mut self, theirs: &Key, by: &str, areas: &[Area]) {
        let WizardPurpose::Edit(base) = &self.purpose else {
            return;
        };
        let (old, new) = (texts_of(&base.draft), texts_of(&theirs.draft));
        for at in 0..old.len() {
            if self.inputs[at].value() == old[at] {
                self.inputs[at] = Input::new(new[at].clone());
            }
        }
        for area in areas {
            if self.grants.of(&area.slug) == base.draft.conditions.grants.of(&area.slug) {
                self.grants.set(
                    area.slug.clone(),
                    theirs.draft.conditions.grants.of(&area.slug),
                );
            }
        }
        self.unfolded |= new[Field::USUAL..].iter().any(|text| !text.is_empty());
        self.began = (new, theirs.draft.conditions.grants.clone());
        let what = if base.draft == theirs.draft {
            ": it was disabled or enabled"
        } else {
            ""
        };
        self.trouble = Some(format!(
            "{} changed this key meanwhile{what}. What you typed is kept: save again to put it on top, or Esc to discard it",
            visible(by)
        ));
        self.scroll = 0;
        self.meanwhile = Some(ConcurrentEdit {
            by: by.to_owned(),
            base: base.draft.clone(),
            theirs: theirs.draft.clone(),
        });
        self.purpose = WizardPurpose::Edit(Box::new(theirs.clone()));
        // The changes are shown right above the buttons and must be visible on a small screen.
        if let WizardStep::Permissions(_, focus) = &mut self.step {
            *focus = MatrixFocus::Save;
        }
    }

    /// Validates step one again after a rebase, and goes back to it if it is no longer valid.
    pub fn revalidate(&mut self, now: Moment) {
        if let WizardStep::Permissions(_, focus) = self.step {
            match self.basics(now) {
                Ok(basics) => self.step = WizardStep::Permissions(Box::new(basics), focus),
                Err(field) => self.step = WizardStep::Basics(BasicsFocus::Field(field)),
            }
        }
    }

    /// Returns every field that the other user changed or in which the two versions differ, in the
    /// order of the wizard. Empty while no other user has changed the key.
    #[must_use]
    pub fn beside(&self, areas: &[Area]) -> Vec<FieldConflict> {
        let Some(ConcurrentEdit { base, theirs, .. }) = &self.meanwhile else {
            return Vec::new();
        };
        let (was, is) = (texts_of(base), texts_of(theirs));
        let fields = Field::ALL.map(|field| {
            let at = field as usize;
            let mine = self.inputs[at].value().trim();
            let told = |text: &str| match text {
                "" => field.empty_words().to_owned(),
                text => text.to_owned(),
            };
            let changed = (is[at] != was[at], mine != was[at].trim());
            row(field.title(), changed, (told(&is[at]), told(mine)))
        });
        let grants = areas.iter().map(|area| {
            let slug = &area.slug;
            let (was, is) = (
                base.conditions.grants.of(slug),
                theirs.conditions.grants.of(slug),
            );
            let mine = self.grants.of(slug);
            row(
                &area.badge,
                (is != was, mine != was),
                (words(is), words(mine)),
            )
        });
        fields.into_iter().chain(grants).flatten().collect()
    }
}

fn row(
    title: &str,
    changed: (bool, bool),
    (theirs, mine): (String, String),
) -> Option<FieldConflict> {
    let clash = changed == (true, true) && theirs != mine;
    (changed.0 || theirs != mine).then(|| FieldConflict {
        title: title.to_owned(),
        theirs,
        mine,
        clash,
    })
}

fn words(actions: Actions) -> String {
    let words: Vec<&str> = actions.iter().map(Action::word).collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}
