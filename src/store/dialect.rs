//! The statements that only one of the two databases needs, with the reason.
//!
//! Everything else is written once, in `migrations/` and in the methods of the store. Each
//! statement here may run again on a store where it ran already.

/// The application id that marks a SQLite file as claviger's: "clvg".
pub(super) const APPLICATION_ID: i64 = 0x636c_7667;

/// The triggers keep the audit log append-only; the two databases have no common syntax for a
/// trigger. An `INSERT OR REPLACE` deletes a row without firing the second trigger, so there is a
/// third. The marks in the file's header identify the file before any of its tables is read.
pub(super) const SQLITE: &[&str] = &[
    "CREATE TRIGGER IF NOT EXISTS audit_events_keep BEFORE UPDATE ON audit_events \
     BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS audit_events_stay BEFORE DELETE ON audit_events \
     BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS audit_events_follow BEFORE INSERT ON audit_events \
     WHEN NEW.sequence <= (SELECT max(sequence) FROM audit_events) \
     BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
    "PRAGMA application_id = 1668052583",
    "PRAGMA user_version = 10",
];

/// No role but a superuser, not even the owner of the tables, may change or delete an audit event.
///
/// PostgreSQL's INTEGER has 32 bits. It needs an explicit collation to sort by bytes as SQLite
/// does, so that an order, and a cursor into it, means the same on both. It also gets a function
/// with SQLite's name for a substring search without wildcards.
pub(super) const POSTGRES: &[&str] = &[
    "ALTER TABLE keys ALTER COLUMN sequence TYPE BIGINT",
    "CREATE OR REPLACE FUNCTION instr(haystack TEXT, needle TEXT) RETURNS INTEGER \
     LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT strpos(haystack, needle)'",
    "ALTER TABLE keys ALTER COLUMN name_sort TYPE TEXT COLLATE \"C\"",
    "ALTER TABLE keys ALTER COLUMN access_sort TYPE TEXT COLLATE \"C\"",
    "ALTER TABLE refusals ALTER COLUMN id TYPE TEXT COLLATE \"C\"",
    "CREATE OR REPLACE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS \
     'BEGIN RAISE EXCEPTION ''audit events are append-only''; END'",
    "CREATE OR REPLACE TRIGGER audit_events_keep BEFORE UPDATE OR DELETE OR TRUNCATE \
     ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only()",
    "REVOKE UPDATE, DELETE, TRUNCATE ON audit_events FROM PUBLIC, CURRENT_USER",
];
