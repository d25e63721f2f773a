//! What the wizard says of what was typed. Errors are shown once their field was left.
use super::{Field, Purpose, Wizard};
use crate::domain::{
    access::Area,
    allowlist::AllowList,
    key::{Description, KeyName},
    moment::Moment,
    review,
    text::length,
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

    /// What step two says: for an edit what changes, what widens first; then what the key can do.
    #[must_use]
    pub fn review(&self, areas: &[Area]) -> Vec<String> {
        let Some(draft) = self.draft() else {
            return Vec::new();
        };
        let mut lines = match &self.purpose {
            Purpose::New => Vec::new(),
            Purpose::Edit(key) => review::changes(&key.draft, &draft, areas),
        };
        if lines.is_empty() && matches!(self.purpose, Purpose::Edit(_)) {
            lines.push("Nothing changes.".to_owned());
        }
        lines.push(review::sentence(&draft, areas));
        lines
    }
}
