//! What the wizard says of what was typed. Errors are shown once their field was left.
use super::{Field, Wizard, WizardPurpose};
use crate::domain::{
    access::Area,
    allowlist::AllowList,
    key::{Description, KeyName},
    moment::Moment,
    review,
    text::{length, visible},
};

impl Wizard {
    /// Why a field is refused, once it was left.
    #[must_use]
    pub fn error(&self, field: Field, now: Moment) -> Option<String> {
        if !self.left[field as usize] {
            return None;
        }
        match field {
            Field::Name => self
                .value(field)
                .parse::<KeyName>()
                .err()
                .map(|e| e.to_string()),
            Field::Description => self
                .value(field)
                .parse::<Description>()
                .err()
                .map(|e| e.to_string()),
            Field::Addresses => AllowList::parse(self.value(field))
                .err()
                .map(|e| e.to_string()),
            Field::Expires => self.expires_at(now).err(),
        }
    }

    /// That other keys have this name, or one that looks like it, once the name was left.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let Some((name, found)) = &self.namesakes else {
            return Vec::new();
        };
        if self.value(Field::Name) != name.as_str() {
            return Vec::new();
        }
        let mut warnings = Vec::new();
        match found.same.as_slice() {
            [] => {}
            [id] => warnings.push(format!(
                "Another key has this name, {id}: only their ids tell them apart"
            )),
            [id, rest @ ..] => warnings.push(format!(
                "{id} and {} more have this name: only their ids tell them apart",
                rest.len()
            )),
        }
        for name in &found.look_alikes {
            warnings.push(format!(
                "The name looks like that of another key, {}",
                visible(name)
            ));
        }
        warnings
    }

    /// What is worth saying about a field that is well: what it means, what was merged.
    #[must_use]
    pub fn notes(&self, field: Field, now: Moment) -> Vec<String> {
        match field {
            Field::Addresses => match AllowList::parse(self.value(field)) {
                Ok(parsed) if parsed.list == AllowList::Anywhere => vec!["Any IP".to_owned()],
                Ok(parsed) if self.left[field as usize] => {
                    parsed.merged.iter().map(ToString::to_string).collect()
                }
                _ => Vec::new(),
            },
            Field::Expires => match self.expires_at(now) {
                // Said before anybody can do wrong, and not a second time as an error.
                Err(_) if !self.left[field as usize] => self
                    .policy
                    .latest(now)
                    .map(|latest| format!("{} at the latest", latest.date()))
                    .into_iter()
                    .collect(),
                Ok(None) => vec!["no end date".to_owned()],
                Ok(Some(end)) if end == end.end_of_day() => vec![format!("{}, in UTC", end.date())],
                Ok(Some(end)) => vec![end.as_expiry()],
                Err(_) => Vec::new(),
            },
            Field::Name | Field::Description => Vec::new(),
        }
    }

    /// `12/100`, where characters are counted.
    #[must_use]
    pub fn counter(&self, field: Field) -> Option<String> {
        let limit = field.limit()?;
        Some(format!("{}/{limit}", length(self.value(field))))
    }

    /// What an edit changes, what widens first.
    #[must_use]
    pub fn changes(&self, areas: &[Area]) -> Vec<String> {
        let (WizardPurpose::Edit(key), Some(draft)) = (&self.purpose, self.draft()) else {
            return Vec::new();
        };
        let changes = review::changes(&key.draft, &draft, areas);
        if changes.is_empty() {
            return vec!["Nothing changes.".to_owned()];
        }
        changes
    }

    /// What the key will and will not be able to do; step one does not know yet.
    #[must_use]
    pub fn sentence(&self, areas: &[Area]) -> Option<String> {
        Some(review::sentence(&self.draft()?.conditions, areas))
    }
}
