//! A draft for tests that a new condition of a key must not slip past.
use claviger::domain::{
    allowlist::DenyList, conditions::Conditions, key::Draft, label::Labels, moment::Moment,
};

/// A draft on which every condition is set, ending at this time.
pub fn draft_with_every_condition(name: &str, expires_at: Moment) -> Draft {
    let mut draft = crate::draft::draft(
        name,
        "10.0.0.0/24, 2001:db8::/32, 192.168.1.1",
        &["contacts=read,delete", "documents=all"],
    );
    draft.conditions.expires_at = Some(expires_at);
    draft.conditions.deny = DenyList::parse("10.0.0.66, 10.0.0.128/25")
        .expect("a list")
        .0;
    draft.conditions.not_before = Some(expires_at.plus(-86_400_000));
    draft.conditions.rate_limit = Some("60/minute:20".parse().expect("a limit"));
    draft.conditions.quota = Some("50000/month".parse().expect("a quota"));
    draft.owner = Some("alice".parse().expect("an owner"));
    draft.labels = Labels::read("team=billing, env=prod").expect("labels");
    let none = Conditions::none();
    let plain = Draft::named(draft.name.clone());
    assert!(draft.owner != plain.owner && draft.labels != plain.labels);
    for (set, unset) in draft.conditions.fields().zip(none.fields()) {
        assert_ne!(set, unset, "set it above, so that the tests cover it");
    }
    draft
}
