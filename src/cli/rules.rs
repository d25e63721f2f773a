//! The options of `create` and `edit` that set the rules of a key, its owner and its labels.
//!
//! An empty value is refused everywhere: it most likely comes from an unset variable, and must not
//! take a rule away. `none` does that.
use super::{CreateArguments, Failure, arguments::RuleArguments, output, refused};
use crate::domain::{
    access::{AccessError, Area, Grants, find_area, parse_grant},
    allowlist::{AllowList, CoveredEntry, DenyList},
    conditions::Conditions,
    key::Draft,
    label::LabelChange,
    moment::{EXPIRY_FORMS, Moment, START_FORMS, parse_expiry, parse_start},
    owner::Owner,
    quota::QUOTA_FORMS,
    rate_limit::RATE_LIMIT_FORMS,
};

impl CreateArguments {
    /// Returns the names of the rules that were given and are not those of an existing key.
    pub(super) fn differing(&self, asked: &Draft, existing: &Draft) -> Vec<String> {
        let description = self.description.is_some() && asked.description != existing.description;
        let description = description.then_some("description");
        let rules = self.rules.differing(asked, existing);
        let differing = description.into_iter().chain(rules);
        differing.map(str::to_owned).collect()
    }
}

impl RuleArguments {
    /// Returns each option with whether it was given.
    fn given(&self) -> [(&'static str, bool); 9] {
        let Self {
            allow_ip,
            grants,
            expires,
            not_before,
            deny_ip,
            rate_limit,
            quota,
            owner,
            labels,
        } = self;
        [
            ("allow-ip", allow_ip.is_some()),
            ("deny-ip", deny_ip.is_some()),
            ("grants", !grants.is_empty()),
            ("not-before", not_before.is_some()),
            ("expires", expires.is_some()),
            ("rate-limit", rate_limit.is_some()),
            ("quota", quota.is_some()),
            ("owner", owner.is_some()),
            ("labels", !labels.is_empty()),
        ]
    }

    /// Whether no option was given.
    pub(super) fn is_empty(&self) -> bool {
        !self.given().iter().any(|(_, given)| *given)
    }

    /// Returns the names of the rules that were given and are not those of an existing key. Two lists
    /// that have the same addresses are the same.
    fn differing(&self, asked: &Draft, existing: &Draft) -> impl Iterator<Item = &'static str> {
        let (new, old) = (&asked.conditions, &existing.conditions);
        let denied = new.deny.difference(&old.deny);
        // In the order of the options.
        let differs = [
            new.allow.widens(&old.allow) || old.allow.widens(&new.allow),
            !denied.added.is_empty() || !denied.dropped.is_empty(),
            new.grants != old.grants,
            new.not_before != old.not_before,
            new.expires_at != old.expires_at,
            new.rate_limit != old.rate_limit,
            new.quota != old.quota,
            asked.owner != existing.owner,
            asked.labels != existing.labels,
        ];
        let options = self.given().into_iter().zip(differs);
        options.filter_map(|((name, given), differs)| (given && differs).then_some(name))
    }

    /// Applies the options that were given.
    pub(super) fn apply(
        &self,
        draft: &mut Draft,
        areas: &[Area],
        now: Moment,
    ) -> Result<(), Failure> {
        let Conditions {
            allow,
            deny,
            grants,
            not_before,
            expires_at,
            rate_limit,
            quota,
        } = &mut draft.conditions;
        if let Some(list) = &self.allow_ip {
            *allow = allow_list(list)?;
        }
        if let Some(list) = &self.deny_ip {
            *deny = deny_list(list)?;
        }
        apply_grants(grants, &self.grants, areas)?;
        if let Some(when) = given(self.not_before.as_ref(), "--not-before", START_FORMS)? {
            *not_before = parse_start(when, now).map_err(refused)?;
        }
        if let Some(when) = given(self.expires.as_ref(), "--expires", EXPIRY_FORMS)? {
            *expires_at = parse_expiry(when, now).map_err(refused)?;
        }
        if let Some(text) = given(self.rate_limit.as_ref(), "--rate-limit", RATE_LIMIT_FORMS)? {
            *rate_limit = unless_none(text, str::parse)?;
        }
        if let Some(text) = given(self.quota.as_ref(), "--quota", QUOTA_FORMS)? {
            *quota = unless_none(text, str::parse)?;
        }
        if let Some(text) = given(self.owner.as_ref(), "--owner", "a name, or none")? {
            draft.owner = Owner::read(text).map_err(refused)?;
        }
        let changes: Result<Vec<LabelChange>, _> =
            self.labels.iter().map(|text| text.parse()).collect();
        draft.labels = draft
            .labels
            .changed(&changes.map_err(refused)?)
            .map_err(refused)?;
        Ok(())
    }
}

/// Returns the text of an option, if it was given. An empty one is refused.
fn given<'a>(
    text: Option<&'a String>,
    option: &str,
    forms: &str,
) -> Result<Option<&'a str>, Failure> {
    match text.map(|text| text.trim()) {
        Some("") => Err(Failure::Refused(format!(
            "{option} is empty: write {forms}"
        ))),
        text => Ok(text),
    }
}

/// Parses a text, except that `none` is no value.
fn unless_none<T, E: std::fmt::Display>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    parse(text).map(Some).map_err(refused)
}

/// Returns `true` if a list has no entry.
fn is_empty_list(text: &str) -> bool {
    let mut entries = text.split([',', ';', '\n', '\r']);
    entries.all(|entry| entry.trim().is_empty())
}

fn print_merged(merged: &[CoveredEntry]) {
    for merged in merged {
        output::print_notice(&merged.to_string());
    }
}

fn allow_list(text: &str) -> Result<AllowList, Failure> {
    if is_empty_list(text) {
        return Err(Failure::Refused(
            "--allow-ip is empty: write addresses and networks, or any to allow every address"
                .into(),
        ));
    }
    let parsed = AllowList::parse(text).map_err(refused)?;
    print_merged(&parsed.merged);
    Ok(parsed.list)
}

fn deny_list(text: &str) -> Result<DenyList, Failure> {
    if is_empty_list(text) {
        return Err(Failure::Refused(
            "--deny-ip is empty: write addresses and networks, or none to deny no address".into(),
        ));
    }
    let (list, merged) = DenyList::parse(text).map_err(refused)?;
    print_merged(&merged);
    Ok(list)
}

fn apply_grants(grants: &mut Grants, given: &[String], areas: &[Area]) -> Result<(), Failure> {
    let mut named = Vec::new();
    for text in given {
        let (slug, actions) = match parse_grant(text) {
            // To a person, an invalid slug is simply an unknown area.
            Err(AccessError::BadSlug(word)) => {
                let known: Vec<&str> = areas.iter().map(|area| area.slug.as_str()).collect();
                return Err(refused(AccessError::UnknownArea {
                    unknown: word,
                    known: known.join(", "),
                }));
            }
            other => other.map_err(refused)?,
        };
        find_area(areas, &slug).map_err(refused)?;
        if named.contains(&slug) {
            return Err(Failure::Refused(format!(
                "{slug} is named by --grant twice: name each area once, as in {slug}=create,read"
            )));
        }
        grants.set(slug.clone(), actions);
        named.push(slug);
    }
    Ok(())
}
