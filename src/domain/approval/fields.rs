//! The values of keys, areas, members and the policy, as JSON fields that are read back without loss.
//!
//! They are those of the audit log, where these are complete; of a member's SSH keys they hold the
//! whole lines.
use std::str::FromStr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::domain::{
    access::{Actions, Area, AreaSlug, Grants},
    agent::AgentScope,
    allowlist::{AllowList, DenyList, Networks, parse_network},
    audit::{AreaState, member_fields, snapshot},
    conditions::Conditions,
    key::Draft,
    label::Labels,
    member::{MemberDraft, SshKey},
    moment::{Moment, parse_rfc3339},
    policy::Policy,
    route::{PathForm, PathRules, Route},
};

type Fields = Map<String, Value>;

/// The field with the whole lines of a member's SSH keys, which is not shown.
pub(in crate::domain) const SSH_KEY_LINES: &str = "ssh_key_lines";

/// Returns the fields of a key.
#[must_use]
pub fn of_key(draft: &Draft) -> Fields {
    snapshot(draft)
}

/// Reads the fields of a key. Returns `None` if one is missing or invalid.
#[must_use]
pub fn read_key(fields: &Fields) -> Option<Draft> {
    let allow = match fields.get("allow_ip")? {
        Value::Null => AllowList::Anywhere,
        list => AllowList::Only(Networks::new(networks(list)?).ok()?),
    };
    let mut grants = Grants::none();
    for (area, words) in fields.get("grants")?.as_object()? {
        let actions: Actions = texts(words)?.join(",").parse().ok()?;
        grants.set(area.parse().ok()?, actions);
    }
    let labels = fields.get("labels")?.as_object()?.iter();
    let labels = labels.map(|(name, value)| Some((name.parse().ok()?, value.as_str()?.to_owned())));
    let labels: Option<Vec<_>> = labels.collect();
    Some(Draft {
        name: text(fields, "name")?.parse().ok()?,
        description: text(fields, "description")?.parse().ok()?,
        owner: optional(fields, "owner")?,
        labels: Labels::new(labels?).ok()?,
        conditions: Conditions {
            allow,
            deny: DenyList::new(networks(fields.get("deny_ip")?)?).ok()?,
            grants,
            not_before: moment(fields, "not_before")?,
            expires_at: moment(fields, "expires_at")?,
            rate_limit: optional(fields, "rate_limit")?,
            quota: optional(fields, "quota")?,
        },
    })
}

/// Returns the fields of an area.
#[must_use]
pub fn of_area(area: &Area, rules: &PathRules) -> Fields {
    AreaState { area, rules }.fields()
}

/// Reads the fields of an area. Returns `None` if one is missing or invalid.
#[must_use]
pub fn read_area(slug: AreaSlug, fields: &Fields) -> Option<(Area, PathRules)> {
    let routes = texts(fields.get("routes")?)?.into_iter();
    let routes: Result<Vec<Route>, _> = routes.map(Route::parse_stored).collect();
    let form = PathForm::from_word(text(fields, "paths")?)?;
    let case_sensitive = fields.get("case_sensitive")?.as_bool()?;
    let area = Area {
        slug,
        title: text(fields, "title")?.to_owned(),
        badge: text(fields, "badge")?.to_owned(),
    };
    Some((area, PathRules::new(routes.ok()?, form, case_sensitive)))
}

/// Returns the fields of a member.
#[must_use]
pub fn of_member(draft: &MemberDraft) -> Fields {
    let mut fields = member_fields(draft);
    let keys = draft.keys.iter();
    let keys: Vec<Value> = keys.map(|key| json!([key.line(), key.comment()])).collect();
    fields.insert(SSH_KEY_LINES.into(), json!(keys));
    fields
}

/// Reads the fields of a member. Returns `None` if one is missing or invalid.
#[must_use]
pub fn read_member(fields: &Fields) -> Option<MemberDraft> {
    let keys = fields.get(SSH_KEY_LINES)?.as_array()?.iter();
    let keys = keys.map(|key| match texts(key)?.as_slice() {
        [line, comment] => SshKey::kept(line, comment).ok(),
        _ => None,
    });
    let keys: Option<Vec<SshKey>> = keys.collect();
    let scope = match fields.get("agents")? {
        Value::Null => AgentScope::Everything,
        agents => {
            let agents = texts(agents)?.into_iter().map(|name| name.parse().ok());
            AgentScope::Only(agents.collect::<Option<_>>()?)
        }
    };
    Some(MemberDraft {
        name: text(fields, "name")?.parse().ok()?,
        role: text(fields, "role")?.parse().ok()?,
        scope,
        keys: keys?,
    })
}

/// Returns the fields of the workspace's policy.
#[must_use]
pub fn of_policy(policy: Policy) -> Fields {
    policy.fields()
}

/// Reads the fields of the workspace's policy. Returns `None` if one is missing or invalid.
#[must_use]
pub fn read_policy(fields: &Fields) -> Option<Policy> {
    Some(Policy {
        longest_life: match fields.get("longest_life_days")? {
            Value::Null => None,
            days => Some(days.as_i64()?),
        },
        must_expire: fields.get("must_expire")?.as_bool()?,
        approve_widening: fields.get("approve_widening")?.as_bool()?,
    })
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str()
}

fn texts(list: &Value) -> Option<Vec<&str>> {
    list.as_array()?.iter().map(Value::as_str).collect()
}

/// Reads a value that may be absent. The outer `None` is an invalid one.
#[expect(
    clippy::option_option,
    reason = "an absent value differs from an invalid one"
)]
fn optional<T: FromStr>(fields: &Fields, name: &str) -> Option<Option<T>> {
    match fields.get(name)? {
        Value::Null => Some(None),
        value => value.as_str()?.parse().ok().map(Some),
    }
}

#[expect(
    clippy::option_option,
    reason = "an absent value differs from an invalid one"
)]
fn moment(fields: &Fields, name: &str) -> Option<Option<Moment>> {
    match fields.get(name)? {
        Value::Null => Some(None),
        value => parse_rfc3339(value.as_str()?).map(Some),
    }
}

fn networks(list: &Value) -> Option<Vec<IpNet>> {
    let entries = texts(list)?.into_iter();
    entries.map(|entry| parse_network(entry).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(words: [&str; 8]) -> Draft {
        let [allow, deny, grants, begins, expires, rate, quota, labels] = words;
        let now = Moment::from_millis(0);
        let mut conditions = Conditions::none();
        conditions.allow = AllowList::parse(allow).expect("a list").list;
        conditions.deny = DenyList::parse(deny).expect("a list").0;
        for grant in grants.split_whitespace() {
            let (area, actions) = crate::domain::access::parse_grant(grant).expect("a grant");
            conditions.grants.set(area, actions);
        }
        conditions.not_before = crate::domain::moment::parse_start(begins, now).expect("a start");
        conditions.expires_at = crate::domain::moment::parse_expiry(expires, now).expect("an end");
        conditions.rate_limit = rate.parse().ok();
        conditions.quota = quota.parse().ok();
        let owner = (!labels.is_empty()).then(|| "alice & bob".parse().expect("an owner"));
        Draft {
            description: "two lines, \"quoted\" \\ 界"
                .parse()
                .expect("a description"),
            owner,
            labels: Labels::read(labels).expect("labels"),
            conditions,
            ..Draft::named("Partner: Acmé".parse().expect("a name"))
        }
    }

    #[test]
    fn a_key_is_read_back_without_loss() {
        for words in [
            ["any", "", "", "none", "never", "", "", ""],
            [
                "10.0.0.0/8, 192.0.2.7, 2001:db8::/32, 2001:db8:1::1",
                "10.0.0.66, 2001:db8::66",
                "contacts=read,create documents=all",
                "2030-01-01",
                "2031-01-31T12:00:00.5Z",
                "60/minute:20",
                "50000/month",
                "team=billing, a.b/c=x=y",
            ],
        ] {
            let draft = draft(words);
            let text = serde_json::to_string(&of_key(&draft)).expect("JSON");
            let fields: Fields = serde_json::from_str(&text).expect("JSON");
            assert_eq!(read_key(&fields), Some(draft));
            for name in fields.keys() {
                let mut less = fields.clone();
                less.remove(name);
                assert_eq!(read_key(&less), None, "without {name}");
                let mut bad = fields.clone();
                bad.insert(name.clone(), json!(7));
                assert_eq!(read_key(&bad), None, "with a bad {name}");
            }
        }
    }

    #[test]
    fn areas_members_and_the_policy_are_read_back_without_loss() {
        let slug: AreaSlug = "contacts".parse().expect("a slug");
        let area = Area {
            slug: slug.clone(),
            title: "Contacts".into(),
            badge: "CON".into(),
        };
        let routes = ["/contacts", "POST /contacts/search=read"].map(|it| it.parse().expect(it));
        let rules = PathRules::new(routes.to_vec(), PathForm::Strict, true);
        let read = read_area(slug, &of_area(&area, &rules));
        assert_eq!(read, Some((area, rules)));

        let line =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJJk4JUbI6zdI3cPUT5hoSf6NbRKIUMDU6nUMWKRiwI0 a b";
        for agents in [None, Some("prod")] {
            let member = MemberDraft {
                name: "Alice".parse().expect("a name"),
                role: crate::domain::member::Role::Manager,
                scope: AgentScope::of(agents.map(|it| it.parse().expect("a name")).as_ref()),
                keys: crate::domain::member::parse_keys(line).expect("a key"),
            };
            assert_eq!(read_member(&of_member(&member)), Some(member));
        }
        for longest_life in [None, Some(90)] {
            let policy = Policy {
                longest_life,
                must_expire: true,
                approve_widening: longest_life.is_none(),
            };
            assert_eq!(read_policy(&of_policy(policy)), Some(policy));
        }
    }
}
