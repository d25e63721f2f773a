//! The store's test suite: every test runs on SQLite and on a real PostgreSQL, through the keyring,
//! with plain SQL only to plant rows that claviger would never write. To add a test, put it into
//! the file of its subject and run its body with `on_both`.
#[path = "store/approvals.rs"]
mod approvals;
#[path = "store/audit.rs"]
mod audit;
#[path = "store/changes.rs"]
mod changes;
#[path = "support/conditions.rs"]
mod conditions;
#[path = "store/corrupt.rs"]
mod corrupt;
#[path = "store/crowd.rs"]
mod crowd;
#[path = "store/decisions.rs"]
mod decisions;
#[path = "support/draft.rs"]
mod draft;
#[path = "store/files.rs"]
mod files;
#[path = "store/filter.rs"]
mod filter;
#[path = "store/limits.rs"]
mod limits;
#[path = "store/members.rs"]
mod members;
#[path = "store/paging.rs"]
mod paging;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "store/resolve.rs"]
mod resolve;
#[path = "store/rotation.rs"]
mod rotation;
#[path = "store/secrets.rs"]
mod secrets;
#[path = "store/servers.rs"]
mod servers;
#[path = "support/store.rs"]
mod support;
#[path = "store/usage.rs"]
mod usage;
