-- What keys are used for, what was refused to them, tokens that were rotated out, and the
-- workspace's policy. Uses and refusals are no changes: they raise no epoch.

-- Refusals since the rules of the key last changed, as long as they go on.
ALTER TABLE keys ADD COLUMN refused_at BIGINT;
ALTER TABLE keys ADD COLUMN refused_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN rules_changed_at BIGINT NOT NULL DEFAULT 0;
-- Until when a token that was rotated out is good at the latest.
ALTER TABLE keys ADD COLUMN former_until BIGINT;

-- No reference to keys: what a revoked key is still tried for is worth knowing.
CREATE TABLE uses (
    key_id TEXT NOT NULL,
    -- A whole hour, day or month of 30 days: older counts are folded together.
    began_at BIGINT NOT NULL,
    span BIGINT NOT NULL CHECK (span > 0),
    -- Empty for neither.
    area TEXT NOT NULL,
    action TEXT NOT NULL,
    -- An address; empty for none, '?' for one that could not be read, '*' for the rest.
    source TEXT NOT NULL,
    -- 'allow', or the reason of the refusal.
    verdict TEXT NOT NULL,
    count BIGINT NOT NULL CHECK (count > 0),
    PRIMARY KEY (key_id, began_at, span, area, action, source, verdict)
);
CREATE INDEX uses_by_age ON uses (span, began_at);

CREATE TABLE refusals (
    id TEXT PRIMARY KEY,
    -- Empty for a credential that matched no key.
    key_id TEXT NOT NULL,
    -- The key that such a credential names, if it names one.
    named TEXT NOT NULL,
    -- The digest of the token, where it matched one.
    digest TEXT NOT NULL,
    at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    address TEXT NOT NULL,
    hop TEXT NOT NULL,
    agent TEXT NOT NULL,
    scope TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    area TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX refusals_by_key ON refusals (key_id, at);
CREATE INDEX refusals_by_age ON refusals (at);

-- Digests alone: a token that was rotated out is never shown again. They outlive their key, so
-- that a request with one is told `revoked`.
CREATE TABLE former_tokens (
    digest TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    rotated_at BIGINT NOT NULL,
    -- 0 once it is ended by hand.
    valid_until BIGINT NOT NULL,
    uses BIGINT NOT NULL DEFAULT 0,
    last_used_at BIGINT,
    last_used_from TEXT
);
CREATE INDEX former_tokens_by_key ON former_tokens (key_id, rotated_at);

-- In days; and since when every key must have an end.
ALTER TABLE workspace ADD COLUMN longest_life BIGINT CHECK (longest_life > 0);
ALTER TABLE workspace ADD COLUMN must_expire_since BIGINT;

-- Whoever writes down uses and refusals takes this row first, so that no two of them wait for each
-- other; and since when uses are counted.
CREATE TABLE recording (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    counted_since BIGINT
);
INSERT INTO recording (id) VALUES (1);
