-- More conditions of a key, who answers for it, its labels, and what was used of its quota.
-- Denied networks and labels are each one text and no child rows: they are always read and written
-- together with their key, and a text that lost a part is not read by mistake.

ALTER TABLE keys ADD COLUMN not_before BIGINT;
-- Networks, joined by commas; empty for none.
ALTER TABLE keys ADD COLUMN denied TEXT NOT NULL DEFAULT '';
-- As people write them: '60/minute:20', '50000/month'.
ALTER TABLE keys ADD COLUMN rate_limit TEXT;
ALTER TABLE keys ADD COLUMN quota TEXT;
ALTER TABLE keys ADD COLUMN owner TEXT CHECK (length(owner) > 0);
-- 'name=value', joined by commas; neither has a comma.
ALTER TABLE keys ADD COLUMN labels TEXT NOT NULL DEFAULT '';
-- What a list can be filtered by, derived from the columns: ',owner=alice,label=team,with=quota,'.
-- Values are percent-encoded.
ALTER TABLE keys ADD COLUMN facets TEXT NOT NULL DEFAULT '';
UPDATE keys SET facets = CASE WHEN origin = 'listed' THEN ',with=allow-ip' ELSE '' END
    || CASE WHEN expires_at IS NOT NULL THEN ',with=expires' ELSE '' END || ','
    WHERE origin = 'listed' OR expires_at IS NOT NULL;
CREATE INDEX keys_by_owner ON keys (owner);

-- The names that members ever had: a key's owner may be one.
CREATE INDEX audit_events_of_members ON audit_events (subject_name)
    WHERE change IN ('member.added', 'member.edited', 'member.removed');

-- How much of its quota a key has used or its endpoints have reserved. No reference to keys: it is
-- written while a key may be revoked.
CREATE TABLE quota_uses (
    key_id TEXT NOT NULL,
    period TEXT NOT NULL CHECK (period IN ('day', 'month')),
    -- The first moment of the day or month.
    began_at BIGINT NOT NULL,
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    PRIMARY KEY (key_id, period, began_at)
);
CREATE INDEX quota_uses_by_age ON quota_uses (began_at);

-- From when on such a request passes again, where only the time is to blame.
ALTER TABLE refusals ADD COLUMN passes_at BIGINT;
