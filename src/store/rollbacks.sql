-- What version 3 adds: rollbacks as they stand on the branches.

CREATE TABLE rollbacks (
    id          INTEGER PRIMARY KEY,
    strategy    TEXT NOT NULL,
    environment TEXT NOT NULL,
    lane        TEXT NOT NULL,
    brought_by  TEXT NOT NULL,
    rollback    TEXT NOT NULL,
    UNIQUE (strategy, environment, lane, brought_by)
);
