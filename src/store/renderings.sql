-- What version 7 adds: renderings that are in a mirror, by what they follow from.
CREATE TABLE renderings (
    repository TEXT NOT NULL,
    key        TEXT NOT NULL,
    -- The git tree of the files.
    tree       TEXT NOT NULL,
    commands   TEXT NOT NULL,
    renderer   TEXT NOT NULL,
    bytes      INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    PRIMARY KEY (repository, key)
) WITHOUT ROWID;
CREATE INDEX renderings_by_use ON renderings (used_at);
