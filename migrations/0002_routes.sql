-- Routes: which paths lead to which access area, and where a method means another action there.

CREATE TABLE routes (
    -- Decoded, without a slash at its end; one area's alone, which the verb that adds it sees to.
    path TEXT NOT NULL,
    -- Empty for the path itself; a method, where that means another action than it usually does.
    method TEXT NOT NULL,
    area TEXT NOT NULL REFERENCES areas (slug) ON DELETE CASCADE,
    action TEXT CHECK (action IN ('create', 'read', 'update', 'delete')),
    PRIMARY KEY (path, method),
    CHECK ((method = '') = (action IS NULL))
);
INSERT INTO routes (path, method, area)
SELECT '/' || slug, '', slug FROM areas WHERE slug IN ('contacts', 'documents');
