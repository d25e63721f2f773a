//! Stories told in keys, on the real update, view, keyring and store.
#[path = "tui/approvals.rs"]
mod approvals;
#[path = "support/conditions.rs"]
mod conditions;
#[path = "tui/copying.rs"]
mod copying;
#[path = "support/draft.rs"]
mod draft;
#[path = "tui/explain.rs"]
mod explain;
#[path = "tui/hygiene.rs"]
mod hygiene;
#[path = "tui/list.rs"]
mod list;
#[path = "tui/others.rs"]
mod others;
#[path = "tui/people.rs"]
mod people;
#[path = "tui/revoking.rs"]
mod revoking;
#[path = "tui/screens.rs"]
mod screens;
#[path = "support/story.rs"]
mod story;
#[path = "tui/usage.rs"]
mod usage;
#[path = "tui/wizard.rs"]
mod wizard;
