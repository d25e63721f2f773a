-- The workspace, its agents and areas, and the API keys with all that hangs on them.
-- One text for SQLite and PostgreSQL: TEXT and BIGINT only, moments in unix milliseconds,
-- binary as base64, a state as a nullable moment, sets as child rows. The one INTEGER makes
-- SQLite keep the keys in the order of their creation; PostgreSQL is told to widen it.

CREATE TABLE workspace (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    uuid TEXT NOT NULL,
    label TEXT NOT NULL CHECK (length(label) > 0),
    -- Raised first in the transaction of every change; the change's event carries the number.
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    -- The hash of the newest event.
    chain_head TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE agents (
    name TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL UNIQUE
);
INSERT INTO agents (name, sequence) VALUES ('default', 1);

CREATE TABLE areas (
    slug TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    badge TEXT NOT NULL
);
INSERT INTO areas (slug, sequence, title, badge) VALUES
    ('contacts', 1, 'Contact Access', 'Contacts'),
    ('documents', 2, 'Document Extraction Access', 'Documents');

CREATE TABLE keys (
    -- The order of creation.
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    id TEXT NOT NULL UNIQUE CHECK (length(id) = 12),
    agent TEXT NOT NULL REFERENCES agents (name),
    name TEXT NOT NULL CHECK (length(name) > 0),
    description TEXT NOT NULL,
    -- From anywhere is a stored choice; a list has as many rows as this counts, or the key is
    -- corrupt and denied.
    origin TEXT NOT NULL CHECK (origin IN ('anywhere', 'listed')),
    network_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    disabled_at BIGINT,
    last_used_at BIGINT,
    last_used_from TEXT,
    revision BIGINT NOT NULL CHECK (revision > 0),
    -- Folded copies, for searching and sorting alike on every database; those that are indexed
    -- are cut at 200 characters (PostgreSQL's index entries end at 2,704 bytes).
    name_sort TEXT NOT NULL,
    name_skeleton TEXT NOT NULL,
    search_text TEXT NOT NULL,
    access_sort TEXT NOT NULL,
    CHECK (
        (origin = 'anywhere' AND network_count = 0)
        OR (origin = 'listed' AND network_count BETWEEN 1 AND 100)
    ),
    CHECK (last_used_from IS NULL OR last_used_at IS NOT NULL)
);
CREATE INDEX keys_by_name ON keys (name_sort, sequence);
CREATE INDEX keys_by_skeleton ON keys (name_skeleton);
CREATE INDEX keys_by_access ON keys (access_sort, sequence);
CREATE INDEX keys_by_networks ON keys (network_count, sequence);
CREATE INDEX keys_by_end ON keys ((coalesce(expires_at, 9223372036854775807)), sequence);
CREATE INDEX keys_by_use ON keys ((coalesce(last_used_at, 0)), sequence);

CREATE TABLE allowed_networks (
    key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    network TEXT NOT NULL,
    PRIMARY KEY (key_id, position)
);

CREATE TABLE grants (
    key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    area TEXT NOT NULL REFERENCES areas (slug),
    action TEXT NOT NULL CHECK (action IN ('create', 'read', 'update', 'delete')),
    PRIMARY KEY (key_id, area, action)
);

CREATE TABLE data_keys (
    id TEXT PRIMARY KEY,
    master_key_id TEXT NOT NULL,
    wrapped TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE tokens (
    key_id TEXT PRIMARY KEY REFERENCES keys (id) ON DELETE CASCADE,
    digest TEXT NOT NULL UNIQUE,
    data_key_id TEXT NOT NULL REFERENCES data_keys (id),
    sealed TEXT NOT NULL
);

-- What remembers a revoked key: enough to tell `revoked` from `unknown`, and no secret.
CREATE TABLE tombstones (
    key_id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    revoked_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
);

CREATE TABLE audit_events (
    sequence BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_from TEXT,
    change TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    subject_name TEXT NOT NULL,
    details TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_events_by_subject ON audit_events (subject_id, sequence);
