-- What new tokens of an agent begin with; NULL for 'clv'.
ALTER TABLE agents ADD COLUMN prefix TEXT;

-- Every prefix that an agent has or had: tokens that have it stay valid. 'clv' is not listed.
CREATE TABLE token_prefixes (
    prefix TEXT PRIMARY KEY,
    since BIGINT NOT NULL
);
