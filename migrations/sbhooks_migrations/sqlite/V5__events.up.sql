-- Events: an identity for each, integer microseconds (UTC), sessions with their context, and a
-- compact table for test attempts. One sequence numbers all events in the order of storing; it
-- is the AUTOINCREMENT of skill_invocation, so that rows of other programs take part in it.

CREATE TABLE event_key (
    event_id BLOB NOT NULL PRIMARY KEY              -- 16 bytes of a UUID; TEXT for any other id
) WITHOUT ROWID;

CREATE TABLE store_state (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO store_state (name, value) VALUES ('erasures', 0);

-- project … commit_sha come from the earliest session_start (ties by id).
CREATE TABLE session (
    session_no INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,                           -- of its first stored event
    origin_us INTEGER NOT NULL,                     -- where the clock of its attempts starts
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    project TEXT,
    user_id TEXT,
    host_id TEXT,
    branch TEXT,
    commit_sha TEXT
);

-- Where the events of a session are: between first_seq and last_seq there are no others. Spares
-- the large tables an index by session.
CREATE TABLE session_span (
    session_no INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    last_seq INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    PRIMARY KEY (session_no, last_seq)
) WITHOUT ROWID;

CREATE TABLE session_start (
    seq INTEGER PRIMARY KEY,
    event_id BLOB NOT NULL,
    session_no INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    at_us INTEGER NOT NULL,
    source TEXT NOT NULL,
    tool TEXT NOT NULL,
    tool_version TEXT,
    project TEXT,
    user_id TEXT,
    host_id TEXT,
    python TEXT,
    platform TEXT,
    branch TEXT,
    commit_sha TEXT,
    vcs TEXT,                                       -- JSON: commit, branch, dirty, base
    ci TEXT,                                        -- JSON: provider, pipeline, run_id, …
    traceparent TEXT,
    parent TEXT,
    attributes TEXT                                 -- JSON object
);

CREATE INDEX idx_session_start_session ON session_start (session_no);
CREATE INDEX idx_session_start_at ON session_start (at_us);

CREATE TABLE session_end (
    seq INTEGER PRIMARY KEY,
    event_id BLOB NOT NULL,
    session_no INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    at_us INTEGER NOT NULL,
    source TEXT NOT NULL,
    outcome TEXT NOT NULL,
    exit_status INTEGER,
    duration_us INTEGER,
    counts TEXT,                                    -- JSON object
    reason TEXT,
    attributes TEXT
);

CREATE INDEX idx_session_end_session ON session_end (session_no);
CREATE INDEX idx_session_end_at ON session_end (at_us);

CREATE TABLE phase_change (
    seq INTEGER PRIMARY KEY,
    event_id BLOB NOT NULL,
    session_no INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    at_us INTEGER NOT NULL,
    source TEXT NOT NULL,
    workflow TEXT NOT NULL,
    phase_from TEXT NOT NULL,
    phase_to TEXT NOT NULL,
    step TEXT,
    attributes TEXT
);

CREATE INDEX idx_phase_change_session ON phase_change (session_no);

CREATE TABLE pipeline_stage (
    seq INTEGER PRIMARY KEY,
    event_id BLOB NOT NULL,
    session_no INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    at_us INTEGER NOT NULL,
    source TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    run TEXT NOT NULL,
    stage TEXT NOT NULL,
    outcome TEXT NOT NULL,
    phase TEXT,
    duration_us INTEGER,
    queued_us INTEGER,
    artifacts TEXT,                                 -- JSON array
    error_type TEXT,
    attributes TEXT
);

CREATE INDEX idx_pipeline_stage_session ON pipeline_stage (session_no);
CREATE INDEX idx_pipeline_stage_at ON pipeline_stage (at_us);

CREATE TABLE test_case (
    test_no INTEGER PRIMARY KEY,
    test TEXT NOT NULL,
    params TEXT
);

CREATE UNIQUE INDEX idx_test_case_plain ON test_case (test) WHERE params IS NULL;
CREATE UNIQUE INDEX idx_test_case_params ON test_case (test, params) WHERE params IS NOT NULL;

CREATE TABLE test_context (
    session_no INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    context_no INTEGER NOT NULL,
    source TEXT NOT NULL,
    worker TEXT,
    invocation TEXT,                                -- id of the invocation that ran the test
    PRIMARY KEY (session_no, context_no)
) WITHOUT ROWID;

CREATE TABLE test_failure (
    failure_no INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    type TEXT,
    message TEXT
);

CREATE INDEX idx_test_failure_fingerprint ON test_failure (fingerprint);

-- One row per attempt is the bulk of every database, hence codes and dictionaries; the values 0
-- and 1 take no room in a row. The view v_test_attempts spells everything out.
CREATE TABLE test_attempt (
    seq INTEGER PRIMARY KEY,
    session_no INTEGER NOT NULL,
    test_no INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    at_delta_us INTEGER NOT NULL,                   -- since session.origin_us
    outcome INTEGER NOT NULL,                       -- 0 success, 1 failure, 2 error, 3 timeout, 4 cancellation, 5 skip
    detail INTEGER NOT NULL,                        -- 0 passed, 1 failed, 2 error, 3 skipped, 4 xfailed, 5 xpassed
    setup_us INTEGER,
    call_us INTEGER,
    teardown_us INTEGER,
    context_no INTEGER NOT NULL
);

-- What few attempts have.
CREATE TABLE test_attempt_note (
    seq INTEGER PRIMARY KEY REFERENCES test_attempt ON DELETE CASCADE,
    attempt INTEGER NOT NULL DEFAULT 1,             -- without a note: 1
    failure_no INTEGER,
    subtest TEXT,
    attributes TEXT                                 -- JSON object
);

CREATE INDEX idx_test_attempt_test ON test_attempt (test_no);

CREATE VIEW v_test_attempts AS
SELECT
    a.seq,
    s.session_id,
    s.project,
    s.branch,
    s.commit_sha,
    t.test,
    t.params,
    coalesce(n.attempt, 1) AS attempt,
    n.subtest,
    strftime('%Y-%m-%dT%H:%M:%S', (s.origin_us + a.at_delta_us) / 1000000, 'unixepoch')
        || printf('.%06dZ', (s.origin_us + a.at_delta_us) % 1000000) AS ended_at,
    CASE a.outcome WHEN 0 THEN 'success' WHEN 1 THEN 'failure' WHEN 2 THEN 'error'
        WHEN 3 THEN 'timeout' WHEN 4 THEN 'cancellation' WHEN 5 THEN 'skip' END AS outcome,
    CASE a.detail WHEN 0 THEN 'passed' WHEN 1 THEN 'failed' WHEN 2 THEN 'error'
        WHEN 3 THEN 'skipped' WHEN 4 THEN 'xfailed' WHEN 5 THEN 'xpassed' END AS detail,
    a.setup_us / 1e6 AS setup_seconds,
    a.call_us / 1e6 AS call_seconds,
    a.teardown_us / 1e6 AS teardown_seconds,
    c.worker,
    f.fingerprint,
    f.type AS failure_type,
    f.message AS failure_message
FROM test_attempt AS a
JOIN session AS s ON s.session_no = a.session_no
JOIN test_case AS t ON t.test_no = a.test_no
JOIN test_context AS c ON c.session_no = a.session_no AND c.context_no = a.context_no
LEFT JOIN test_attempt_note AS n ON n.seq = a.seq
LEFT JOIN test_failure AS f ON f.failure_no = n.failure_no;

-- Kinds that plugins declare. Columns hold what can be grouped by; body is the whole event.
CREATE TABLE other_event (
    seq INTEGER PRIMARY KEY,
    event_id BLOB NOT NULL,
    session_no INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    at_us INTEGER NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    skill TEXT,
    phase TEXT,
    workflow TEXT,
    error_type TEXT,
    test TEXT,
    params TEXT,
    subtest TEXT,
    detail TEXT,
    worker TEXT,
    outcome TEXT,
    duration_us INTEGER,
    body TEXT NOT NULL                              -- JSON
);

CREATE INDEX idx_other_event_session ON other_event (session_no);
CREATE INDEX idx_other_event_kind ON other_event (kind, at_us);

ALTER TABLE skill_invocation ADD COLUMN event_id BLOB;
ALTER TABLE skill_invocation ADD COLUMN at_us INTEGER;
ALTER TABLE skill_invocation ADD COLUMN session_no INTEGER;
ALTER TABLE skill_invocation ADD COLUMN source TEXT;      -- NULL: that of the session
ALTER TABLE skill_invocation ADD COLUMN outcome TEXT;     -- NULL: as completed and error_type say
ALTER TABLE skill_invocation ADD COLUMN rating INTEGER;
ALTER TABLE skill_invocation ADD COLUMN attributes TEXT;

-- Seconds by strftime of the text without its fraction, which it would round to milliseconds and
-- carry into the next second; microseconds from the text.
UPDATE skill_invocation SET at_us = coalesce(
    CASE WHEN substr(invoked_at, 20, 1) = '.' THEN
        CAST(strftime('%s', substr(invoked_at, 1, 19)
            || ltrim(substr(invoked_at, 21), '0123456789')) AS INTEGER) * 1000000
        + CAST(round(CAST('0.' || substr(invoked_at, 21, 6) AS REAL) * 1000000) AS INTEGER)
    END,
    CAST(strftime('%s', invoked_at) AS INTEGER) * 1000000,
    CAST(strftime('%s', created_at) AS INTEGER) * 1000000,
    0);

-- The same row of two copies of a database gets the same identity.
UPDATE skill_invocation SET event_id = CAST(printf('%08x%08x', id & 4294967295, at_us & 4294967295) AS BLOB);
INSERT INTO event_key (event_id) SELECT event_id FROM skill_invocation;

INSERT INTO session (session_id, source, origin_us, first_us, last_us)
SELECT session_id, 'sql', min(at_us), min(at_us), max(at_us) FROM skill_invocation
GROUP BY session_id ORDER BY min(id);

UPDATE skill_invocation SET session_no =
    (SELECT session_no FROM session WHERE session.session_id = skill_invocation.session_id);

INSERT INTO session_span (session_no, last_seq, first_seq)
SELECT session_no, max(id), min(id) FROM (
    SELECT id, session_no, id - row_number() OVER (PARTITION BY session_no ORDER BY id) AS island
    FROM skill_invocation
) GROUP BY session_no, island;

INSERT INTO sqlite_sequence (name, seq)
SELECT 'skill_invocation', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'skill_invocation');

-- After, not before: a trigger that runs before a row is written costs every row a microsecond.
CREATE TRIGGER trg_skill_invocation_identity_after_insert AFTER INSERT ON skill_invocation
WHEN NEW.event_id IS NULL
BEGIN
    SELECT RAISE(ABORT, 'skill_invocation.invoked_at must be an ISO 8601 time')
    WHERE strftime('%s', NEW.invoked_at) IS NULL;
    SELECT RAISE(ABORT, 'skill_invocation.skill_name must not be empty') WHERE NEW.skill_name = '';
    SELECT RAISE(ABORT, 'skill_invocation.session_id must not be empty') WHERE NEW.session_id = '';
    SELECT RAISE(ABORT, 'skill_invocation.duration_seconds must be between 0 and 1e9')
    WHERE NEW.duration_seconds IS NOT NULL AND (
        typeof(NEW.duration_seconds) NOT IN ('real', 'integer')
        OR NEW.duration_seconds NOT BETWEEN 0 AND 1e9);
    UPDATE skill_invocation SET
        event_id = randomblob(16),
        at_us = coalesce(
            CASE WHEN substr(invoked_at, 20, 1) = '.' THEN
                CAST(strftime('%s', substr(invoked_at, 1, 19)
                    || ltrim(substr(invoked_at, 21), '0123456789')) AS INTEGER) * 1000000
                + CAST(round(CAST('0.' || substr(invoked_at, 21, 6) AS REAL) * 1000000) AS INTEGER)
            END,
            CAST(strftime('%s', invoked_at) AS INTEGER) * 1000000)
    WHERE id = NEW.id;
    INSERT INTO event_key (event_id) SELECT event_id FROM skill_invocation WHERE id = NEW.id;
    INSERT INTO session (session_id, source, origin_us, first_us, last_us)
    SELECT session_id, 'sql', at_us, at_us, at_us FROM skill_invocation
    WHERE id = NEW.id AND NOT EXISTS (SELECT 1 FROM session WHERE session_id = NEW.session_id);
    UPDATE skill_invocation SET session_no =
        (SELECT session_no FROM session WHERE session_id = NEW.session_id) WHERE id = NEW.id;
    UPDATE session SET
        first_us = min(first_us, (SELECT at_us FROM skill_invocation WHERE id = NEW.id)),
        last_us = max(last_us, (SELECT at_us FROM skill_invocation WHERE id = NEW.id))
    WHERE session_id = NEW.session_id;
    INSERT INTO session_span (session_no, last_seq, first_seq)
    SELECT session_no, id, id FROM skill_invocation WHERE id = NEW.id;
END;

-- What kept and read the tables of V1 to V4 has the units and, in databases of the old system, the
-- mistakes of that time; V6 makes it anew.
DROP VIEW IF EXISTS v_skill_metrics_source;
DROP VIEW IF EXISTS v_daily_skill_source;
DROP VIEW IF EXISTS v_session_skill_summary;
DROP VIEW IF EXISTS v_skill_effectiveness;
DROP VIEW IF EXISTS v_top_skills;
DROP VIEW IF EXISTS v_skill_effectiveness_by_phase;
DROP VIEW IF EXISTS v_workflow_phase_patterns;
DROP VIEW IF EXISTS v_skills_by_phase_usage;
DROP VIEW IF EXISTS v_realtime_skill_dashboard;
DROP VIEW IF EXISTS v_skill_effectiveness_trend;
DROP VIEW IF EXISTS v_community_baseline_comparison;
DROP VIEW IF EXISTS v_skill_dependency_network;
DROP VIEW IF EXISTS v_ab_test_summary;
DROP VIEW IF EXISTS v_multimodal_skill_catalog;
DROP TRIGGER IF EXISTS trg_skill_metrics_after_insert;
DROP TRIGGER IF EXISTS trg_session_skills_after_insert;
DROP TRIGGER IF EXISTS trg_metrics_cache_after_insert;

-- Each index slows every insert. New rows go to the end of this one; a skill's rows are found by
-- the hours of skill_time_series. skill_name and completed: for rates of a few hours without a look
-- at the rows.
DROP INDEX idx_invocation_session;
DROP INDEX idx_invocation_skill;
DROP INDEX idx_invocation_invoked_at;
DROP INDEX idx_invocation_session_completed;
DROP INDEX idx_invocation_workflow_phase;
DROP INDEX idx_invocation_workflow_step;
DROP INDEX idx_invocation_phase_completion;
CREATE INDEX idx_invocation_at ON skill_invocation (at_us, skill_name, completed);
