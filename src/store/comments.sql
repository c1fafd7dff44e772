-- Comments that were read on pull requests of ours, how far their commands have come, and what was
-- answered. That one was done is on the forge as well: it has our reaction.
CREATE TABLE commanded_comments (
    repository   TEXT NOT NULL,
    comment      INTEGER NOT NULL,
    pull_request INTEGER NOT NULL,
    progress     TEXT NOT NULL,
    answers      TEXT NOT NULL,
    PRIMARY KEY (repository, comment)
);
CREATE INDEX commanded_comments_by_pull_request ON commanded_comments (repository, pull_request);

-- Our one comment on a pull request, as it stands on the forge.
CREATE TABLE status_comments (
    repository   TEXT NOT NULL,
    pull_request INTEGER NOT NULL,
    comment      INTEGER NOT NULL,
    body         TEXT NOT NULL,
    is_final     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, pull_request)
);

-- Up to which time of the forge comments were read.
CREATE TABLE comments_read (
    repository TEXT PRIMARY KEY,
    read_to    INTEGER NOT NULL
);
