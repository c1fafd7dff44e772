-- What version 5 changes: an environment is hydrated as a whole, and divided into lanes when it is read.
-- What is known is rendered again.

DROP TABLE hydrations;

CREATE TABLE hydrations (
    strategy    TEXT NOT NULL,
    environment TEXT NOT NULL,
    dry         TEXT NOT NULL,
    hydration   TEXT NOT NULL,
    roots       TEXT NOT NULL,
    PRIMARY KEY (strategy, environment, dry)
);
