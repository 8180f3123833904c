-- Days of each skill by outcome: what trends and anomalies are found in, whatever the project.
CREATE TABLE rollup_outcome_day (
    skill TEXT NOT NULL,
    day INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    n INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    squares_us REAL NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    buckets BLOB,
    PRIMARY KEY (skill, day, outcome)
) WITHOUT ROWID;

-- SQL cannot add up distributions: the next writer makes the table from rollup_day, and until
-- then readers get by without it.
INSERT INTO store_state (name, value)
SELECT 'outcome_days_due', 1 WHERE EXISTS (SELECT 1 FROM rollup_day);

-- Ten thousand tests may fail of one cause with ten thousand messages.
DROP INDEX idx_test_failure_fingerprint;
CREATE INDEX idx_test_failure_text ON test_failure (fingerprint, type, message);
