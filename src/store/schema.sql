-- What must survive a restart. Nothing here is the only copy of an acknowledged promotion, record
-- or wish: those are on the forge and in git, and are read back when this file is lost.
-- Times are milliseconds since 1970; documents are JSON.

CREATE TABLE deliveries (
    id          INTEGER PRIMARY KEY,
    forge       TEXT NOT NULL,
    delivery    TEXT NOT NULL,
    repository  TEXT NOT NULL,
    hint        TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    done_at     INTEGER,
    UNIQUE (forge, delivery)
);
CREATE INDEX deliveries_open ON deliveries (repository) WHERE done_at IS NULL;

CREATE TABLE strategies (
    strategy  TEXT PRIMARY KEY,
    dry       TEXT NOT NULL,
    path      TEXT NOT NULL,
    document  TEXT NOT NULL,
    mistake   TEXT
);

CREATE TABLE hydrations (
    strategy    TEXT NOT NULL,
    environment TEXT NOT NULL,
    lane        TEXT NOT NULL,
    dry         TEXT NOT NULL,
    hydration   TEXT NOT NULL,
    roots       TEXT NOT NULL,
    PRIMARY KEY (strategy, environment, lane, dry)
);

CREATE TABLE proposals (
    strategy    TEXT NOT NULL,
    environment TEXT NOT NULL,
    lane        TEXT NOT NULL,
    proposed    TEXT NOT NULL,
    tree        TEXT NOT NULL,
    dry         TEXT NOT NULL,
    PRIMARY KEY (strategy, environment, lane, proposed)
);
CREATE INDEX proposals_by_tree ON proposals (strategy, environment, lane, tree);

CREATE TABLE records (
    strategy    TEXT NOT NULL,
    environment TEXT NOT NULL,
    lane        TEXT NOT NULL,
    brought_by  TEXT NOT NULL,
    record      TEXT NOT NULL,
    PRIMARY KEY (strategy, environment, lane, brought_by)
);

-- One small document for each place and kind: promote, refusal, obstacle.
CREATE TABLE place_notes (
    strategy    TEXT NOT NULL,
    environment TEXT NOT NULL,
    lane        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    note        TEXT NOT NULL,
    PRIMARY KEY (strategy, environment, lane, kind)
);

CREATE TABLE closed_gates (
    strategy    TEXT NOT NULL,
    environment TEXT NOT NULL,
    lane        TEXT NOT NULL,
    gate        TEXT NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (strategy, environment, lane, gate)
);

-- Our own statuses as they stand on the forge.
CREATE TABLE posted_statuses (
    repository TEXT NOT NULL,
    sha        TEXT NOT NULL,
    key        TEXT NOT NULL,
    status     TEXT NOT NULL,
    PRIMARY KEY (repository, sha, key)
);

CREATE TABLE pull_requests (
    repository   TEXT NOT NULL,
    number       INTEGER NOT NULL,
    described    TEXT,
    closed_by_us INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, number)
);

-- An outside act that was begun and whose outcome is not known yet.
CREATE TABLE intents (
    id         INTEGER PRIMARY KEY,
    strategy   TEXT NOT NULL,
    act        TEXT NOT NULL,
    begun_at   INTEGER NOT NULL
);

CREATE TABLE promotions (
    id           INTEGER PRIMARY KEY,
    strategy     TEXT NOT NULL,
    environment  TEXT NOT NULL,
    lane         TEXT NOT NULL,
    dry          TEXT NOT NULL,
    brought_by   TEXT NOT NULL,
    tree         TEXT NOT NULL,
    pull_request INTEGER,
    merged_by    TEXT,
    at           INTEGER NOT NULL,
    UNIQUE (strategy, environment, lane, brought_by)
);

CREATE TABLE events (
    id          INTEGER PRIMARY KEY,
    strategy    TEXT NOT NULL,
    environment TEXT,
    lane        TEXT,
    at          INTEGER NOT NULL,
    who         TEXT NOT NULL,
    what        TEXT NOT NULL
);
