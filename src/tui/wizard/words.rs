//! The wizard's messages about the typed values. An error is shown once the user has left its
//! field.
use super::{Field, Wizard, WizardPurpose};
use crate::domain::{
    access::Area,
    allowlist::{AllowList, DenyList},
    conditions::Contradiction,
    key::{Description, KeyName},
    label::Labels,
    moment::Moment,
    owner::Owner,
    quota::Quota,
    rate_limit::RateLimit,
    review,
    text::{length, visible},
};

impl Wizard {
    /// Returns why a field is invalid, once the user has left it.
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
            Field::Begins => self.not_before(now).err(),
            Field::Denied => DenyList::parse(self.value(field))
                .err()
                .map(|e| e.to_string()),
            Field::RateLimit => self.set::<RateLimit>(field).err().map(|e| e.to_string()),
            Field::Quota => self.set::<Quota>(field).err().map(|e| e.to_string()),
            Field::Owner => Owner::read(self.value(field)).err().map(|e| e.to_string()),
            Field::Labels => Labels::read(self.value(field)).err().map(|e| e.to_string()),
        }
        .or_else(|| self.contradiction(field, now))
    }

    /// Returns warnings that other keys have this name or a similar one, once the user has left the
    /// name.
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

    /// Returns notes on a valid field: its meaning, and which entries were merged.
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
                // The limit is shown before the user makes a mistake, and not again beside the
                // error.
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
            Field::Begins => match self.not_before(now) {
                Ok(Some(start)) if start == start.start_of_day() => {
                    vec![format!("{}, in UTC", start.date())]
                }
                Ok(Some(start)) => vec![start.as_start()],
                Ok(None) => vec!["at once".to_owned()],
                Err(_) => Vec::new(),
            },
            Field::Denied => match DenyList::parse(self.value(field)) {
                Ok((_, merged)) if self.left[field as usize] => {
                    merged.iter().map(ToString::to_string).collect()
                }
                _ => Vec::new(),
            },
            Field::RateLimit => match self.set::<RateLimit>(field) {
                Ok(limit) => limit.map(RateLimit::words).into_iter().collect(),
                Err(_) => Vec::new(),
            },
            Field::Quota => match self.set::<Quota>(field) {
                Ok(quota) => quota.map(Quota::words).into_iter().collect(),
                Err(_) => Vec::new(),
            },
            Field::Name | Field::Description | Field::Owner | Field::Labels => Vec::new(),
        }
    }

    /// Returns why this field and another one together would refuse every request.
    fn contradiction(&self, field: Field, now: Moment) -> Option<String> {
        if !matches!(field, Field::Begins | Field::Denied) {
            return None;
        }
        let error = self.unchecked_basics(now).ok()?.conditions.check().err()?;
        let to_blame = match error {
            Contradiction::EndsBeforeItBegins { .. } => Field::Begins,
            Contradiction::NoAddressLeft => Field::Denied,
        };
        (to_blame == field).then(|| error.to_string())
    }

    /// Returns the counter, such as `12/100`, for fields that show one.
    #[must_use]
    pub fn counter(&self, field: Field) -> Option<String> {
        let limit = field.limit()?;
        Some(format!("{}/{limit}", length(self.value(field))))
    }

    /// Returns the changes of an edit, those that widen access first.
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

    /// Returns what the key will and will not be able to do, or `None` in step one.
    #[must_use]
    pub fn sentence(&self, areas: &[Area]) -> Option<String> {
        Some(review::sentence(&self.draft()?.conditions, areas))
    }
}
