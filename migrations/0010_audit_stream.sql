-- The number of the last event that was handed over to the system's log, where `audit` in
-- config.toml asks for that.
CREATE TABLE audit_stream (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sent BIGINT NOT NULL
);
INSERT INTO audit_stream (id, sent) VALUES (1, 0);
