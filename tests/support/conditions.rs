//! A draft for tests that a new condition of a key must not slip past.
use claviger::domain::{conditions::Conditions, key::Draft, moment::Moment};

/// A draft on which every condition is set, ending at this time.
pub fn draft_with_every_condition(name: &str, expires_at: Moment) -> Draft {
    let mut draft = crate::draft::draft(
        name,
        "10.0.0.0/24, 2001:db8::/32, 192.168.1.1",
        &["contacts=read,delete", "documents=all"],
    );
    draft.conditions.expires_at = Some(expires_at);
    let none = Conditions::none();
    for (set, unset) in draft.conditions.fields().zip(none.fields()) {
        assert_ne!(set, unset, "set it above, so that the tests cover it");
    }
    draft
}
