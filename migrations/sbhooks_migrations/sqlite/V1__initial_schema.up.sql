-- The append-only log of skill invocations and what is derived from it. The names of V1 to V4 are
-- kept for ever: other programs read and write them. Up to V4 rates are percents; from V6 on they
-- are fractions.

CREATE TABLE skill_invocation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    skill_name TEXT NOT NULL,
    invoked_at TEXT NOT NULL,                       -- ISO 8601, UTC
    session_id TEXT NOT NULL,
    workflow_path TEXT,
    completed BOOLEAN NOT NULL DEFAULT 0,
    duration_seconds REAL,
    user_query TEXT,
    alternatives_considered TEXT,                   -- JSON array
    selection_rank INTEGER,                         -- from 1
    follow_up_actions TEXT,                         -- JSON array
    error_type TEXT,
    created_at TEXT NOT NULL DEFAULT (datetime('now'))
);

CREATE INDEX idx_invocation_session ON skill_invocation (session_id);
CREATE INDEX idx_invocation_skill ON skill_invocation (skill_name);
CREATE INDEX idx_invocation_invoked_at ON skill_invocation (invoked_at DESC);
CREATE INDEX idx_invocation_session_completed ON skill_invocation (session_id, completed);

CREATE TABLE skill_metrics (
    skill_name TEXT PRIMARY KEY,
    total_invocations INTEGER NOT NULL DEFAULT 0,
    completed_invocations INTEGER NOT NULL DEFAULT 0,
    abandoned_invocations INTEGER NOT NULL DEFAULT 0,
    total_duration_seconds REAL NOT NULL DEFAULT 0.0,   -- of completed invocations
    workflow_paths TEXT NOT NULL DEFAULT '{}',          -- JSON object: name -> count
    common_errors TEXT NOT NULL DEFAULT '{}',
    follow_up_actions TEXT NOT NULL DEFAULT '{}',
    avg_selection_rank REAL,
    recommendation_success_rate REAL,                   -- of invocations with a rank
    first_invoked TEXT,
    last_invoked TEXT,
    completion_rate REAL NOT NULL DEFAULT 0.0,
    avg_duration_seconds REAL,                          -- of completed invocations that were timed
    updated_at TEXT NOT NULL DEFAULT (datetime('now'))
);

CREATE TABLE session_skills (
    session_id TEXT NOT NULL,
    skill_name TEXT NOT NULL,
    invocation_count INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (session_id, skill_name)
);

CREATE INDEX idx_session_skills_skill ON session_skills (skill_name);

CREATE TABLE mv_daily_skills (
    date TEXT NOT NULL,
    skill_name TEXT NOT NULL,
    invocations INTEGER NOT NULL,
    completions INTEGER NOT NULL,
    abandonments INTEGER NOT NULL,
    avg_duration_seconds REAL,
    PRIMARY KEY (date, skill_name)
);

CREATE INDEX idx_mv_daily_skill ON mv_daily_skills (skill_name);
CREATE INDEX idx_mv_daily_date ON mv_daily_skills (date DESC);

CREATE VIRTUAL TABLE skill_invocation_fts USING fts5(user_query, content=skill_invocation, content_rowid=id);

CREATE TRIGGER trg_skill_invocation_fts_after_insert AFTER INSERT ON skill_invocation
WHEN NEW.user_query IS NOT NULL
BEGIN
    INSERT INTO skill_invocation_fts (rowid, user_query) VALUES (NEW.id, NEW.user_query);
END;

CREATE TRIGGER trg_skill_invocation_fts_after_delete AFTER DELETE ON skill_invocation
WHEN OLD.user_query IS NOT NULL
BEGIN
    INSERT INTO skill_invocation_fts (skill_invocation_fts, rowid, user_query)
    VALUES ('delete', OLD.id, OLD.user_query);
END;

CREATE TRIGGER trg_skill_invocation_fts_after_update AFTER UPDATE OF user_query ON skill_invocation
BEGIN
    INSERT INTO skill_invocation_fts (skill_invocation_fts, rowid, user_query)
    SELECT 'delete', OLD.id, OLD.user_query WHERE OLD.user_query IS NOT NULL;
    INSERT INTO skill_invocation_fts (rowid, user_query)
    SELECT NEW.id, NEW.user_query WHERE NEW.user_query IS NOT NULL;
END;

-- What skill_metrics must be, from the log: simple rather than fast, for up to V4 only a program
-- that inserts one row at a time maintains it.
CREATE VIEW v_skill_metrics_source AS
SELECT
    m.skill_name AS skill_name,
    count(*) AS total_invocations,
    sum(m.completed IS TRUE) AS completed_invocations,
    sum(m.completed IS NOT TRUE) AS abandoned_invocations,
    total(CASE WHEN m.completed THEN m.duration_seconds END) AS total_duration_seconds,
    (SELECT json_group_object(name, n) FROM (
        SELECT workflow_path AS name, count(*) AS n FROM skill_invocation
        WHERE skill_name = m.skill_name AND workflow_path IS NOT NULL GROUP BY 1 ORDER BY 1
    )) AS workflow_paths,
    (SELECT json_group_object(name, n) FROM (
        SELECT error_type AS name, count(*) AS n FROM skill_invocation
        WHERE skill_name = m.skill_name AND error_type IS NOT NULL GROUP BY 1 ORDER BY 1
    )) AS common_errors,
    (SELECT json_group_object(name, n) FROM (
        SELECT action.value AS name, count(*) AS n
        FROM skill_invocation AS i, json_each(CASE
            WHEN NOT json_valid(i.follow_up_actions) THEN '[]'
            WHEN json_type(i.follow_up_actions) = 'array' THEN i.follow_up_actions
            ELSE '[]' END) AS action
        WHERE i.skill_name = m.skill_name AND i.follow_up_actions IS NOT NULL
            AND action.type = 'text'
        GROUP BY 1 ORDER BY 1
    )) AS follow_up_actions,
    avg(m.selection_rank) AS avg_selection_rank,
    100.0 * avg(CASE WHEN m.selection_rank IS NOT NULL THEN m.completed IS TRUE END)
        AS recommendation_success_rate,
    (SELECT invoked_at FROM skill_invocation WHERE skill_name = m.skill_name
        ORDER BY julianday(invoked_at) IS NULL, julianday(invoked_at), invoked_at LIMIT 1)
        AS first_invoked,
    (SELECT invoked_at FROM skill_invocation WHERE skill_name = m.skill_name
        ORDER BY julianday(invoked_at) DESC, invoked_at DESC LIMIT 1) AS last_invoked,
    100.0 * avg(m.completed IS TRUE) AS completion_rate,
    avg(CASE WHEN m.completed THEN m.duration_seconds END) AS avg_duration_seconds,
    datetime('now') AS updated_at
FROM skill_invocation AS m
GROUP BY m.skill_name;

CREATE VIEW v_daily_skill_source AS
SELECT
    date(invoked_at) AS date,
    skill_name,
    count(*) AS invocations,
    sum(completed IS TRUE) AS completions,
    sum(completed IS NOT TRUE) AS abandonments,
    avg(CASE WHEN completed THEN duration_seconds END) AS avg_duration_seconds
FROM skill_invocation
WHERE date(invoked_at) IS NOT NULL
GROUP BY 1, 2;

CREATE TRIGGER trg_skill_metrics_after_insert AFTER INSERT ON skill_invocation
BEGIN
    INSERT OR REPLACE INTO skill_metrics
    SELECT * FROM v_skill_metrics_source WHERE skill_name = NEW.skill_name;
    INSERT OR REPLACE INTO mv_daily_skills
    SELECT
        date(invoked_at), skill_name, count(*), sum(completed IS TRUE), sum(completed IS NOT TRUE),
        avg(CASE WHEN completed THEN duration_seconds END)
    FROM skill_invocation
    WHERE skill_name = NEW.skill_name AND date(invoked_at) = date(NEW.invoked_at)
    GROUP BY 1, 2;
END;

CREATE TRIGGER trg_session_skills_after_insert AFTER INSERT ON skill_invocation
BEGIN
    INSERT INTO session_skills (session_id, skill_name, invocation_count)
    VALUES (NEW.session_id, NEW.skill_name, 1)
    ON CONFLICT (session_id, skill_name) DO UPDATE SET invocation_count = invocation_count + 1;
END;

CREATE VIEW v_session_skill_summary AS
SELECT
    session_id,
    count(DISTINCT skill_name) AS unique_skills,
    count(*) AS total_invocations,
    sum(completed IS TRUE) AS completed_count,
    sum(completed IS NOT TRUE) AS abandoned_count,
    total(CASE WHEN completed THEN duration_seconds END) AS total_duration_seconds,
    min(invoked_at) AS first_skill_at,
    max(invoked_at) AS last_skill_at
FROM skill_invocation
GROUP BY session_id;

CREATE VIEW v_skill_effectiveness AS
SELECT
    skill_name,
    total_invocations,
    completed_invocations,
    abandoned_invocations,
    completion_rate,
    avg_duration_seconds,
    first_invoked,
    last_invoked,
    CAST(julianday('now') - julianday(last_invoked) AS INTEGER) AS days_since_last_use
FROM skill_metrics
WHERE total_invocations > 0
ORDER BY total_invocations DESC;

CREATE VIEW v_top_skills AS
SELECT
    skill_name,
    total_invocations,
    completion_rate,
    avg_duration_seconds,
    (SELECT key FROM json_each(workflow_paths) ORDER BY value DESC, key LIMIT 1)
        AS preferred_workflow
FROM skill_metrics
WHERE total_invocations > 0
ORDER BY total_invocations DESC;
