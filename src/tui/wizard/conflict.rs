//! The comparison, field by field, of this edit with the changes that another user made meanwhile.
use super::{Field, Wizard, texts_of};
use crate::domain::{
    access::{Action, Actions, Area},
    key::Draft,
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
