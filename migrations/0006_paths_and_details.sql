-- What an area says about the form of its paths, and what a refusal says beside its reason.

-- 'opaque': below the area's routes paths are not interpreted.
ALTER TABLE areas ADD COLUMN paths TEXT NOT NULL DEFAULT 'strict' CHECK (paths IN ('strict', 'opaque'));
-- 1 where the upstream distinguishes upper and lower case in the area's paths.
ALTER TABLE areas ADD COLUMN case_sensitive BIGINT NOT NULL DEFAULT 0 CHECK (case_sensitive IN (0, 1));
-- What the reason alone does not say; empty for nothing. (`detail` says why a request leads nowhere,
-- whatever the reason is.)
ALTER TABLE refusals ADD COLUMN reason_detail TEXT NOT NULL DEFAULT '';
-- The element of X-Forwarded-For that is no address, made visible; empty for none.
ALTER TABLE refusals ADD COLUMN unreadable TEXT NOT NULL DEFAULT '';
