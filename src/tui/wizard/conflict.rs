//! Theirs beside mine: what a key was changed to by somebody else while it was edited here, field by
//! field.
use super::{Field, Wizard, texts_of};
use crate::domain::{
    access::{Action, Actions, Area},
    key::Draft,
};

/// What somebody else did to the key meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrentEdit {
    /// Who.
    pub by: String,
    /// What the key was when the edit began, or when it was last told of.
    pub base: Draft,
    /// What it is by now.
    pub theirs: Draft,
}

/// A field in which theirs and mine differ, or that they changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// What the field is called.
    pub title: String,
    /// What it is by now.
    pub theirs: String,
    /// What saving makes of it.
    pub mine: String,
    /// Whether both changed it, each to something else.
    pub clash: bool,
}

impl Wizard {
    /// Every field that differs or that they changed, in the order of the wizard; empty while nobody
    /// else did anything.
    #[must_use]
    pub fn beside(&self, areas: &[Area]) -> Vec<FieldConflict> {
        let Some(ConcurrentEdit { base, theirs, .. }) = &self.meanwhile else {
            return Vec::new();
        };
        let (was, is) = (texts_of(base), texts_of(theirs));
        let fields = Field::ALL.map(|field| {
            let at = field as usize;
            let mine = self.inputs[at].value().trim();
            let told = |text: &str| match (text, field) {
                ("", Field::Addresses) => "Any IP".to_owned(),
                ("", Field::Expires) => "no end date".to_owned(),
                ("", _) => "empty".to_owned(),
                (text, _) => text.to_owned(),
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
