-- Since when what widens waits for the approval of another person; NULL if it does not.
ALTER TABLE workspace ADD COLUMN approve_widening_since BIGINT;

-- Since when a new key waits for its approval; it is refused until then.
ALTER TABLE keys ADD COLUMN pending_at BIGINT;

-- What waits for approval: at most one change of each subject.
CREATE TABLE pending_changes (
    -- As in the audit log: a key's id, 'area:contacts', 'member:m-…' or 'workspace'.
    subject_id TEXT PRIMARY KEY,
    subject_name TEXT NOT NULL,
    -- The agent of a key; empty for other subjects.
    agent TEXT NOT NULL,
    -- The word of the change that is made once it is approved, such as 'key.edited'.
    change TEXT NOT NULL,
    -- The revision of the key, or the number of the request's event; an approval names it.
    revision BIGINT NOT NULL,
    requested_at BIGINT NOT NULL,
    requested_by TEXT NOT NULL,
    -- Who may not approve it: 'local' and members' ids, as ',local,m-…,'.
    proposers TEXT NOT NULL,
    -- The values before and after, as JSON objects.
    state_before TEXT NOT NULL,
    state_after TEXT NOT NULL
);
