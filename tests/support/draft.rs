//! The one builder of drafts for all tests and benches.
use claviger::domain::{access::parse_grant, allowlist::AllowList, key::Draft};

/// A draft with this name and without a description or an end, usable from these addresses (empty
/// is anywhere) for these grants, each as `contacts=read,create`.
pub fn draft(name: &str, addresses: &str, grants: &[&str]) -> Draft {
    let mut draft = Draft::named(name.parse().expect("a name"));
    draft.conditions.allow = AllowList::parse(addresses).expect("a list").list;
    for grant in grants {
        let (area, actions) = parse_grant(grant).expect("a grant");
        draft.conditions.grants.set(area, actions);
    }
    draft
}
