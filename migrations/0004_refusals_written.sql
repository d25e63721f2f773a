-- How many refusals were written down so far, those that are forgotten by now too: an open list
-- asks for this number to learn that there are new ones. It counts, and is no moment: a clock that
-- was set back must not hide them.
ALTER TABLE recording ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0;
-- And how often uses or refusals were written down, for whoever looks at one key's use.
ALTER TABLE recording ADD COLUMN batches BIGINT NOT NULL DEFAULT 0;
