//! The values of step one, parsed from the texts of its fields.
use std::str::FromStr;

use super::{Field, Wizard, WizardPurpose};
use crate::domain::{
    allowlist::{AllowList, DenyList},
    conditions::{Conditions, Contradiction},
    key::Draft,
    label::Labels,
    moment::{Moment, parse_expiry, parse_start},
    owner::Owner,
    quota::QuotaError,
    rate_limit::RateLimitError,
};

impl Wizard {
    /// Returns what step one says, or the first field that is wrong.
    pub(super) fn basics(&self, now: Moment) -> Result<Draft, Field> {
        let draft = self.unchecked_basics(now)?;
        match draft.conditions.check() {
            Ok(()) => Ok(draft),
            Err(Contradiction::EndsBeforeItBegins { .. }) => Err(Field::Begins),
            Err(Contradiction::NoAddressLeft) => Err(Field::Denied),
        }
    }

    /// Returns what step one says; its conditions may contradict each other.
    pub(super) fn unchecked_basics(&self, now: Moment) -> Result<Draft, Field> {
        Ok(Draft {
            name: self.value(Field::Name).parse().map_err(|_| Field::Name)?,
            description: self
                .value(Field::Description)
                .parse()
                .map_err(|_| Field::Description)?,
            owner: Owner::read(self.value(Field::Owner)).map_err(|_| Field::Owner)?,
            labels: Labels::read(self.value(Field::Labels)).map_err(|_| Field::Labels)?,
            conditions: Conditions {
                allow: AllowList::parse(self.value(Field::Addresses))
                    .map_err(|_| Field::Addresses)?
                    .list,
                grants: self.grants.clone(),
                expires_at: self.expires_at(now).map_err(|_| Field::Expires)?,
                not_before: self.not_before(now).map_err(|_| Field::Begins)?,
                deny: DenyList::parse(self.value(Field::Denied))
                    .map_err(|_| Field::Denied)?
                    .0,
                rate_limit: self
                    .set(Field::RateLimit)
                    .map_err(|_: RateLimitError| Field::RateLimit)?,
                quota: self
                    .set(Field::Quota)
                    .map_err(|_: QuotaError| Field::Quota)?,
            },
        })
    }

    /// Returns the text of a field.
    pub(super) fn value(&self, field: Field) -> &str {
        self.inputs[field as usize].value()
    }

    /// Returns the draft of the edited key if the text of a field is still the key's. Its value is
    /// then kept, even if it would not be accepted as a new one.
    pub(super) fn unchanged(&self, field: Field) -> Option<&Draft> {
        let WizardPurpose::Edit(key) = &self.purpose else {
            return None;
        };
        (field.text(&key.draft) == self.value(field).trim()).then_some(&key.draft)
    }

    /// Parses the end of the key. Empty text means no end; an edited key may keep its end even if
    /// that is in the past.
    pub(super) fn expires_at(&self, now: Moment) -> Result<Option<Moment>, String> {
        if let Some(draft) = self.unchanged(Field::Expires) {
            return Ok(draft.conditions.expires_at);
        }
        let end = match self.value(Field::Expires).trim() {
            "" => None,
            text => parse_expiry(text, now).map_err(|error| error.to_string())?,
        };
        self.policy
            .check_end(end, now)
            .map_err(|error| error.to_string())?;
        Ok(end)
    }

    /// Parses the start of the key. Empty text means that it begins at once.
    pub(super) fn not_before(&self, now: Moment) -> Result<Option<Moment>, String> {
        if let Some(draft) = self.unchanged(Field::Begins) {
            return Ok(draft.conditions.not_before);
        }
        match self.value(Field::Begins).trim() {
            "" => Ok(None),
            text => parse_start(text, now).map_err(|error| error.to_string()),
        }
    }

    /// Parses the value of a field; empty text and `none` mean that there is none.
    pub(super) fn set<T: FromStr>(&self, field: Field) -> Result<Option<T>, T::Err> {
        match self.value(field).trim() {
            "" => Ok(None),
            none if none.eq_ignore_ascii_case("none") => Ok(None),
            text => text.parse().map(Some),
        }
    }
}
