-- What dry pull requests would change, as it was rendered last, and for which head a person asked for it.
CREATE TABLE previews (
    repository   TEXT NOT NULL,
    pull_request INTEGER NOT NULL,
    asked        TEXT,
    again        INTEGER NOT NULL DEFAULT 0,
    head         TEXT,
    retry_at     INTEGER,
    preview      TEXT,
    PRIMARY KEY (repository, pull_request)
);
