-- The people who come in over SSH, and what the audit log tells of who did something.

CREATE TABLE members (
    -- Opaque: it goes through a login shell, so it is never a name.
    id TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE CHECK (length(name) > 0),
    name_skeleton TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'manager', 'operator', 'viewer')),
    -- All agents is a stored choice; without a row below, a listed one has none.
    reach TEXT NOT NULL CHECK (reach IN ('everything', 'listed')),
    added_at BIGINT NOT NULL,
    last_seen_at BIGINT,
    last_seen_with TEXT,
    CHECK (role <> 'owner' OR reach = 'everything')
);

CREATE TABLE member_agents (
    member TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    agent TEXT NOT NULL REFERENCES agents (name) ON DELETE CASCADE,
    PRIMARY KEY (member, agent)
);

CREATE TABLE member_keys (
    -- A key is one member's alone.
    fingerprint TEXT PRIMARY KEY,
    member TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    -- The key without its comment.
    line TEXT NOT NULL,
    comment TEXT NOT NULL
);
CREATE INDEX member_keys_by_member ON member_keys (member, position);

-- Empty where the operating system's user acted on the machine itself.
ALTER TABLE audit_events ADD COLUMN member TEXT NOT NULL DEFAULT '';
-- The SSH key that a member came in with, where sshd told.
ALTER TABLE audit_events ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
-- The operating system's user that a member came in through.
ALTER TABLE audit_events ADD COLUMN account TEXT NOT NULL DEFAULT '';
-- The agent of the key; empty for what is no key's.
ALTER TABLE audit_events ADD COLUMN agent TEXT NOT NULL DEFAULT '';
-- The version of the program; empty for events from before it was noted, which are hashed without
-- this and the four columns above.
ALTER TABLE audit_events ADD COLUMN program TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_events_by_actor ON audit_events (actor, sequence);
