//! Tests of the command line: the real binary, its output, and its exit status.
#[path = "cli/approving.rs"]
mod approving;
#[path = "cli/areas.rs"]
mod areas;
#[path = "cli/bad_days.rs"]
mod bad_days;
#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "support/command.rs"]
mod command;
#[path = "cli/crowd.rs"]
mod crowd;
#[path = "cli/deciding.rs"]
mod deciding;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "support/draft.rs"]
mod draft;
#[path = "cli/ends.rs"]
mod ends;
#[path = "cli/hygiene.rs"]
mod hygiene;
#[path = "cli/keys.rs"]
mod keys;
#[path = "cli/looking_after.rs"]
mod looking_after;
#[path = "cli/people.rs"]
mod people;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "cli/reports.rs"]
mod reports;
#[path = "cli/rotating.rs"]
mod rotating;
#[path = "cli/rules.rs"]
mod rules;
