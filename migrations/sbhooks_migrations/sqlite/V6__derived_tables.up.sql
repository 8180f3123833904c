-- What the tables of V1 to V4 must say, kept in step with the log: rates are fractions, counts are
-- exact for any text, times are the log's earliest and latest. Each of them is a function of the
-- log; sums that cannot be read off the old columns have columns of their own.

ALTER TABLE skill_metrics ADD COLUMN timed_invocations INTEGER NOT NULL DEFAULT 0;  -- completed with a duration
ALTER TABLE skill_metrics ADD COLUMN total_us INTEGER NOT NULL DEFAULT 0;           -- of these
ALTER TABLE skill_metrics ADD COLUMN ranked_invocations INTEGER NOT NULL DEFAULT 0;
ALTER TABLE skill_metrics ADD COLUMN ranked_completed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE skill_metrics ADD COLUMN rank_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE skill_metrics ADD COLUMN first_us INTEGER;
ALTER TABLE skill_metrics ADD COLUMN last_us INTEGER;

-- The three JSON columns of skill_metrics as rows: a name may hold anything.
CREATE TABLE skill_counter (
    skill_name TEXT NOT NULL,
    counter TEXT NOT NULL,                          -- the column
    name TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (skill_name, counter, name)
) WITHOUT ROWID;

DROP TABLE session_skills;
CREATE TABLE session_skills (
    session_id TEXT NOT NULL,
    skill_name TEXT NOT NULL,
    invocation_count INTEGER NOT NULL DEFAULT 1,
    completed_count INTEGER NOT NULL DEFAULT 0,
    last_hour INTEGER NOT NULL DEFAULT 0,           -- of its invocations; since 1970, UTC
    PRIMARY KEY (session_id, skill_name)
) WITHOUT ROWID;

DELETE FROM mv_daily_skills;
ALTER TABLE mv_daily_skills ADD COLUMN timed_completions INTEGER NOT NULL DEFAULT 0;
ALTER TABLE mv_daily_skills ADD COLUMN total_us INTEGER NOT NULL DEFAULT 0;

DELETE FROM skill_time_series;
ALTER TABLE skill_time_series ADD COLUMN completed_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE skill_time_series ADD COLUMN timed_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE skill_time_series ADD COLUMN total_us INTEGER NOT NULL DEFAULT 0;
DROP INDEX idx_time_series_skill_timestamp;
CREATE UNIQUE INDEX idx_time_series_skill_timestamp ON skill_time_series (skill_name, timestamp DESC);

-- Sums per hour and per day, of rows up to store_state.rolled_up: newer ones are read from the log.
CREATE TABLE rollup_key (
    key_no INTEGER PRIMARY KEY,
    project TEXT,
    source TEXT NOT NULL,
    skill TEXT NOT NULL,
    phase TEXT,
    outcome TEXT NOT NULL
);

CREATE INDEX idx_rollup_key_skill ON rollup_key (skill);

CREATE TABLE rollup_hour (
    hour INTEGER NOT NULL,                          -- since 1970, UTC
    key_no INTEGER NOT NULL REFERENCES rollup_key,
    n INTEGER NOT NULL,
    timed INTEGER NOT NULL,                         -- how many have a duration
    total_us INTEGER NOT NULL,
    squares_us REAL NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    buckets BLOB,                                   -- counts of durations; sbhooks_storage.buckets
    PRIMARY KEY (hour, key_no)
) WITHOUT ROWID;

CREATE TABLE rollup_day (
    day INTEGER NOT NULL,
    key_no INTEGER NOT NULL REFERENCES rollup_key,
    n INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    squares_us REAL NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    buckets BLOB,
    PRIMARY KEY (day, key_no)
) WITHOUT ROWID;

-- The same for each skill as a whole, side by side: most questions are about skills, whatever the
-- project. The last columns are the numbers of events per outcome.
CREATE TABLE rollup_skill_hour (
    skill TEXT NOT NULL,
    hour INTEGER NOT NULL,
    n INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    squares_us REAL NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    buckets BLOB,
    success INTEGER NOT NULL,
    failure INTEGER NOT NULL,
    error INTEGER NOT NULL,
    timeout INTEGER NOT NULL,
    cancellation INTEGER NOT NULL,
    skip INTEGER NOT NULL,
    PRIMARY KEY (skill, hour)
) WITHOUT ROWID;

CREATE TABLE rollup_skill_day (
    skill TEXT NOT NULL,
    day INTEGER NOT NULL,
    n INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    squares_us REAL NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    buckets BLOB,
    success INTEGER NOT NULL,
    failure INTEGER NOT NULL,
    error INTEGER NOT NULL,
    timeout INTEGER NOT NULL,
    cancellation INTEGER NOT NULL,
    skip INTEGER NOT NULL,
    PRIMARY KEY (skill, day)
) WITHOUT ROWID;

INSERT INTO store_state (name, value) VALUES ('rolled_up', 0);

-- --- Keeping in step ----------------------------------------------------------------------------

-- Whoever adds to the sums of a skill gets the columns that follow from them.
CREATE TRIGGER trg_skill_metrics_after_update AFTER UPDATE OF total_invocations ON skill_metrics
BEGIN
    UPDATE skill_metrics SET
        abandoned_invocations = NEW.total_invocations - NEW.completed_invocations,
        total_duration_seconds = NEW.total_us / 1e6,
        avg_duration_seconds = NEW.total_us / 1e6 / nullif(NEW.timed_invocations, 0),
        completion_rate =
            coalesce(1.0 * NEW.completed_invocations / nullif(NEW.total_invocations, 0), 0.0),
        avg_selection_rank = 1.0 * NEW.rank_total / nullif(NEW.ranked_invocations, 0),
        recommendation_success_rate =
            1.0 * NEW.ranked_completed / nullif(NEW.ranked_invocations, 0),
        first_invoked = strftime('%Y-%m-%dT%H:%M:%S',
                (NEW.first_us - (NEW.first_us % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
            || printf('.%06d+00:00', (NEW.first_us % 1000000 + 1000000) % 1000000),
        last_invoked = strftime('%Y-%m-%dT%H:%M:%S',
                (NEW.last_us - (NEW.last_us % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
            || printf('.%06d+00:00', (NEW.last_us % 1000000 + 1000000) % 1000000),
        workflow_paths = (SELECT json_group_object(name, n) FROM (
            SELECT name, n FROM skill_counter
            WHERE skill_name = NEW.skill_name AND counter = 'workflow_paths' ORDER BY name)),
        common_errors = (SELECT json_group_object(name, n) FROM (
            SELECT name, n FROM skill_counter
            WHERE skill_name = NEW.skill_name AND counter = 'common_errors' ORDER BY name)),
        follow_up_actions = (SELECT json_group_object(name, n) FROM (
            SELECT name, n FROM skill_counter
            WHERE skill_name = NEW.skill_name AND counter = 'follow_up_actions' ORDER BY name)),
        updated_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')
    WHERE skill_name = NEW.skill_name;
END;

-- Add the rows first_seq to last_seq of the log to everything above:
--     INSERT INTO log_fold VALUES (first_seq, last_seq)
CREATE VIEW log_fold AS SELECT 0 AS first_seq, 0 AS last_seq WHERE 0;

-- Its second and its third part; the third counts in what the second has written.
CREATE VIEW log_fold_sessions AS SELECT 0 AS first_seq, 0 AS last_seq WHERE 0;
CREATE VIEW log_fold_cache AS SELECT 0 AS first_seq, 0 AS last_seq WHERE 0;

-- Rows of the log with what is counted of them: whole microseconds, of completed ones only.
CREATE VIEW v_log AS
SELECT
    id, skill_name, session_id, session_no, at_us, completed IS TRUE AS completed,
    (at_us - (at_us % 1000000 + 1000000) % 1000000) / 1000000 AS at_s,
    (at_us - (at_us % 3600000000 + 3600000000) % 3600000000) / 3600000000 AS hour,
    CASE WHEN completed AND typeof(duration_seconds) IN ('real', 'integer')
            AND duration_seconds BETWEEN 0 AND 1e9
        THEN CAST(round(duration_seconds * 1e6) AS INTEGER) END AS us,
    CASE WHEN typeof(selection_rank) = 'integer' THEN selection_rank END AS rank,
    workflow_path, workflow_phase, error_type, follow_up_actions
FROM skill_invocation;

CREATE TRIGGER trg_skill_metrics_after_insert INSTEAD OF INSERT ON log_fold
BEGIN
    INSERT INTO skill_counter (skill_name, counter, name, n)
    SELECT skill_name, 'workflow_paths', workflow_path, count(*) FROM v_log
    WHERE id BETWEEN NEW.first_seq AND NEW.last_seq AND workflow_path IS NOT NULL
    GROUP BY 1, 3
    ON CONFLICT (skill_name, counter, name) DO UPDATE SET n = n + excluded.n;
    INSERT INTO skill_counter (skill_name, counter, name, n)
    SELECT skill_name, 'common_errors', error_type, count(*) FROM v_log
    WHERE id BETWEEN NEW.first_seq AND NEW.last_seq AND error_type IS NOT NULL
    GROUP BY 1, 3
    ON CONFLICT (skill_name, counter, name) DO UPDATE SET n = n + excluded.n;
    INSERT INTO skill_counter (skill_name, counter, name, n)
    SELECT l.skill_name, 'follow_up_actions', action.value, count(*)
    FROM v_log AS l, json_each(CASE
        WHEN NOT json_valid(l.follow_up_actions) THEN '[]'
        WHEN json_type(l.follow_up_actions) = 'array' THEN l.follow_up_actions
        ELSE '[]' END) AS action
    WHERE l.id BETWEEN NEW.first_seq AND NEW.last_seq AND l.follow_up_actions IS NOT NULL
        AND action.type = 'text'
    GROUP BY 1, 3
    ON CONFLICT (skill_name, counter, name) DO UPDATE SET n = n + excluded.n;

    INSERT OR IGNORE INTO skill_metrics (skill_name)
    SELECT DISTINCT skill_name FROM v_log WHERE id BETWEEN NEW.first_seq AND NEW.last_seq;
    UPDATE skill_metrics SET
        total_invocations = total_invocations + d.n,
        completed_invocations = completed_invocations + d.completed,
        timed_invocations = timed_invocations + d.timed,
        total_us = skill_metrics.total_us + d.total_us,
        ranked_invocations = ranked_invocations + d.ranked,
        ranked_completed = skill_metrics.ranked_completed + d.ranked_completed,
        rank_total = skill_metrics.rank_total + d.rank_total,
        first_us = min(coalesce(skill_metrics.first_us, d.first_us), d.first_us),
        last_us = max(coalesce(skill_metrics.last_us, d.last_us), d.last_us)
    FROM (
        SELECT
            skill_name, count(*) AS n, sum(completed) AS completed, count(us) AS timed,
            -- two sums: one of microseconds could overflow
            coalesce(sum(us / 1000000) * 1000000 + sum(us % 1000000), 0) AS total_us,
            count(rank) AS ranked,
            coalesce(sum(CASE WHEN rank IS NOT NULL THEN completed END), 0) AS ranked_completed,
            coalesce(sum(rank), 0) AS rank_total,
            min(at_us) AS first_us, max(at_us) AS last_us
        FROM v_log WHERE id BETWEEN NEW.first_seq AND NEW.last_seq GROUP BY skill_name
    ) AS d
    WHERE skill_metrics.skill_name = d.skill_name;

    INSERT INTO mv_daily_skills (
        date, skill_name, invocations, completions, abandonments,
        timed_completions, total_us, avg_duration_seconds)
    SELECT
        strftime('%Y-%m-%d', at_s, 'unixepoch'), skill_name, count(*), sum(completed),
        count(*) - sum(completed), count(us),
        coalesce(sum(us / 1000000) * 1000000 + sum(us % 1000000), 0),
        (sum(us / 1000000) * 1000000 + sum(us % 1000000)) / 1e6 / nullif(count(us), 0)
    FROM v_log WHERE id BETWEEN NEW.first_seq AND NEW.last_seq GROUP BY 1, 2
    ON CONFLICT (date, skill_name) DO UPDATE SET
        invocations = invocations + excluded.invocations,
        completions = completions + excluded.completions,
        abandonments = abandonments + excluded.abandonments,
        timed_completions = timed_completions + excluded.timed_completions,
        total_us = total_us + excluded.total_us,
        avg_duration_seconds = (total_us + excluded.total_us) / 1e6
            / nullif(timed_completions + excluded.timed_completions, 0);

    INSERT INTO log_fold_sessions VALUES (NEW.first_seq, NEW.last_seq);
    INSERT INTO log_fold_cache VALUES (NEW.first_seq, NEW.last_seq);
END;

CREATE TRIGGER trg_session_skills_after_insert INSTEAD OF INSERT ON log_fold_sessions
BEGIN
    INSERT INTO skill_time_series (
        skill_name, timestamp, invocation_count, completed_count, timed_count, total_us,
        completion_rate, avg_duration_seconds, unique_sessions)
    SELECT
        skill_name, strftime('%Y-%m-%dT%H:00:00', at_s, 'unixepoch'), count(*), sum(completed),
        count(us), coalesce(sum(us / 1000000) * 1000000 + sum(us % 1000000), 0),
        1.0 * sum(completed) / count(*),
        (sum(us / 1000000) * 1000000 + sum(us % 1000000)) / 1e6 / nullif(count(us), 0),
        -- a session counts when none of its earlier rows is of the same hour
        count(DISTINCT CASE WHEN NEW.first_seq <= 1 OR NOT EXISTS (
            SELECT 1 FROM session_skills AS k
            WHERE k.session_id = v_log.session_id AND k.skill_name = v_log.skill_name
                AND (k.last_hour = v_log.hour OR (k.last_hour > v_log.hour AND EXISTS (
                    SELECT 1 FROM session_span AS p
                    CROSS JOIN skill_invocation AS earlier
                        ON earlier.id BETWEEN p.first_seq AND p.last_seq
                    WHERE p.session_no = v_log.session_no AND earlier.id < NEW.first_seq
                        AND earlier.skill_name = v_log.skill_name
                        AND earlier.at_us >= v_log.hour * 3600000000
                        AND earlier.at_us < (v_log.hour + 1) * 3600000000)))
        ) THEN session_no END)
    FROM v_log WHERE id BETWEEN NEW.first_seq AND NEW.last_seq GROUP BY 1, 2
    ON CONFLICT (skill_name, timestamp) DO UPDATE SET
        invocation_count = invocation_count + excluded.invocation_count,
        completed_count = completed_count + excluded.completed_count,
        timed_count = timed_count + excluded.timed_count,
        total_us = total_us + excluded.total_us,
        completion_rate = 1.0 * (completed_count + excluded.completed_count)
            / (invocation_count + excluded.invocation_count),
        avg_duration_seconds = (total_us + excluded.total_us) / 1e6
            / nullif(timed_count + excluded.timed_count, 0),
        unique_sessions = unique_sessions + excluded.unique_sessions;

    INSERT INTO session_skills (
        session_id, skill_name, invocation_count, completed_count, last_hour)
    SELECT session_id, skill_name, count(*), sum(completed), max(hour) FROM v_log
    WHERE id BETWEEN NEW.first_seq AND NEW.last_seq GROUP BY 1, 2
    ON CONFLICT (session_id, skill_name) DO UPDATE SET
        invocation_count = invocation_count + excluded.invocation_count,
        completed_count = completed_count + excluded.completed_count,
        last_hour = max(last_hour, excluded.last_hour);
END;

-- Counts are those of updated_at; v_realtime_skill_dashboard counts when it is read.
CREATE TRIGGER trg_metrics_cache_after_insert INSTEAD OF INSERT ON log_fold_cache
BEGIN
    INSERT OR IGNORE INTO skill_metrics_cache (skill_name, last_invocation_at, updated_at)
    SELECT DISTINCT skill_name, '', '' FROM v_log WHERE id BETWEEN NEW.first_seq AND NEW.last_seq;
    UPDATE skill_metrics_cache SET
        last_invocation_at = (
            SELECT last_invoked FROM skill_metrics AS m
            WHERE m.skill_name = skill_metrics_cache.skill_name),
        invocation_count_1h = d.count_1h,
        invocation_count_24h = d.count_24h,
        avg_completion_rate_24h = d.rate_24h,
        updated_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')
    FROM v_recent_invocations AS d
    WHERE d.skill_name = skill_metrics_cache.skill_name AND skill_metrics_cache.skill_name IN (
        SELECT skill_name FROM v_log WHERE id BETWEEN NEW.first_seq AND NEW.last_seq);
END;

-- The last 60 minutes and 24 hours of each skill, at the time of reading: the newest two hours and
-- what is left of the oldest one from the log, the hours between from their sums.
CREATE VIEW v_recent_invocations AS
WITH clock AS MATERIALIZED (
    SELECT now_us, now_us - 86400000000 AS day_us, now_us - 3600000000 AS hour_us,
        (now_us - 86400000000) / 3600000000 + 1 AS first_hour,
        (now_us - 3600000000) / 3600000000 AS end_hour
    -- SQLite's clock has milliseconds: what happened in this one counts
    FROM (SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000 + 999
        AS now_us)
)
SELECT
    skill_name,
    sum(n_1h) AS count_1h,
    sum(n) AS count_24h,
    1.0 * sum(completed) / nullif(sum(n), 0) AS rate_24h
FROM (
    SELECT skill_name, 0 AS n_1h, 0 AS n, 0 AS completed FROM skill_metrics
    UNION ALL
    SELECT i.skill_name, i.at_us > c.hour_us, 1, i.completed IS TRUE
    FROM clock AS c CROSS JOIN skill_invocation AS i
        ON i.at_us >= c.end_hour * 3600000000 AND i.at_us <= c.now_us
    UNION ALL
    SELECT i.skill_name, 0, 1, i.completed IS TRUE
    FROM clock AS c CROSS JOIN skill_invocation AS i
        ON i.at_us > c.day_us AND i.at_us < c.first_hour * 3600000000
    UNION ALL
    SELECT s.skill_name, 0, s.invocation_count, s.completed_count
    FROM clock AS c CROSS JOIN skill_metrics AS m CROSS JOIN skill_time_series AS s
        ON s.skill_name = m.skill_name
        AND s.timestamp >= strftime('%Y-%m-%dT%H:00:00', c.first_hour * 3600, 'unixepoch')
        AND s.timestamp < strftime('%Y-%m-%dT%H:00:00', c.end_hour * 3600, 'unixepoch')
)
GROUP BY skill_name;

-- A row of another program is complete when it knows its session.
CREATE TRIGGER trg_skill_invocation_fold_after_update AFTER UPDATE OF session_no ON skill_invocation
WHEN OLD.session_no IS NULL
BEGIN
    INSERT INTO log_fold (first_seq, last_seq) VALUES (NEW.id, NEW.id);
END;

DROP TRIGGER IF EXISTS trg_skill_invocation_fts_after_insert;
DROP TRIGGER trg_skill_invocation_identity_after_insert;
DROP TRIGGER IF EXISTS trg_skill_invocation_fts_after_delete;
DROP TRIGGER IF EXISTS trg_skill_invocation_fts_after_update;

-- One trigger, not two: each costs every row of the log, whether it has anything to do or not.
CREATE VIEW log_arrival AS SELECT 0 AS id, '' AS skill_name, '' AS session_id, '' AS invoked_at,
    0.0 AS duration_seconds WHERE 0;

CREATE TRIGGER trg_skill_invocation_identity_after_insert AFTER INSERT ON skill_invocation
WHEN NEW.event_id IS NULL OR NEW.user_query IS NOT NULL
BEGIN
    INSERT INTO skill_invocation_fts (rowid, user_query)
    SELECT NEW.id, NEW.user_query WHERE NEW.user_query IS NOT NULL;
    INSERT INTO log_arrival
    SELECT NEW.id, NEW.skill_name, NEW.session_id, NEW.invoked_at, NEW.duration_seconds
    WHERE NEW.event_id IS NULL;
END;

CREATE TRIGGER trg_log_arrival INSTEAD OF INSERT ON log_arrival
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

-- Who took part is known of old sessions only by their interactions.
CREATE TRIGGER trg_user_interactions_after_insert AFTER INSERT ON skill_user_interactions
BEGIN
    UPDATE session SET user_id = (
        SELECT CASE WHEN count(DISTINCT user_id) = 1 THEN min(user_id) END
        FROM skill_user_interactions WHERE session_id = NEW.session_id)
    WHERE session_id = NEW.session_id
        AND NOT EXISTS (SELECT 1 FROM session_start WHERE session_no = session.session_no);
    UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'skill_invocation';
END;

-- A skill has a row in skill_metrics before anything refers to it.
CREATE TRIGGER trg_skill_metrics_cache_before_insert BEFORE INSERT ON skill_metrics_cache
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
END;
CREATE TRIGGER trg_skill_time_series_before_insert BEFORE INSERT ON skill_time_series
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
END;
CREATE TRIGGER trg_skill_anomalies_before_insert BEFORE INSERT ON skill_anomalies
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
END;
CREATE TRIGGER trg_skill_community_baselines_before_insert BEFORE INSERT ON skill_community_baselines
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
END;
CREATE TRIGGER trg_skill_user_interactions_before_insert BEFORE INSERT ON skill_user_interactions
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
END;
CREATE TRIGGER trg_skill_cluster_membership_before_insert BEFORE INSERT ON skill_cluster_membership
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
END;
CREATE TRIGGER trg_ab_test_outcomes_before_insert BEFORE INSERT ON ab_test_outcomes
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
END;
CREATE TRIGGER trg_skill_category_mapping_before_insert BEFORE INSERT ON skill_category_mapping
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
END;
CREATE TRIGGER trg_skill_modalities_before_insert BEFORE INSERT ON skill_modalities
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
END;
CREATE TRIGGER trg_skill_dependencies_before_insert BEFORE INSERT ON skill_dependencies
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_a), (NEW.skill_b);
END;

CREATE VIEW v_referenced_skill AS
SELECT skill_name FROM skill_anomalies
UNION SELECT skill_name FROM skill_user_interactions
UNION SELECT skill_name FROM skill_cluster_membership
UNION SELECT skill_name FROM ab_test_outcomes
UNION SELECT skill_name FROM skill_category_mapping
UNION SELECT skill_name FROM skill_modalities
UNION SELECT skill_a FROM skill_dependencies
UNION SELECT skill_b FROM skill_dependencies;

-- --- What depends on all of the log: made anew, not kept in step -----------------------------------

-- lift = P(A and B) / (P(A) P(B)) over sessions.
CREATE VIEW v_skill_dependency_source AS
SELECT
    pair.skill_a AS skill_a, pair.skill_b AS skill_b, pair.n AS co_occurrence_count,
    1.0 * pair.n * (SELECT count(DISTINCT session_id) FROM session_skills) / (a.n * b.n) AS lift_score
FROM (
    SELECT x.skill_name AS skill_a, y.skill_name AS skill_b, count(*) AS n
    FROM session_skills AS x
    JOIN session_skills AS y ON y.session_id = x.session_id AND y.skill_name > x.skill_name
    GROUP BY 1, 2
) AS pair
JOIN (SELECT skill_name, count(*) AS n FROM session_skills GROUP BY 1) AS a
    ON a.skill_name = pair.skill_a
JOIN (SELECT skill_name, count(*) AS n FROM session_skills GROUP BY 1) AS b
    ON b.skill_name = pair.skill_b;

-- Users and their skills: as the log has it, and interactions that the log knows nothing of.
CREATE VIEW v_user_skills AS
SELECT
    s.user_id AS user_id, k.skill_name AS skill_name,
    k.invocation_count AS invocations, k.completed_count AS completions
FROM session_skills AS k
JOIN session AS s ON s.session_id = k.session_id
WHERE s.user_id IS NOT NULL
UNION ALL
SELECT u.user_id, u.skill_name, 1, u.completed IS TRUE
FROM skill_user_interactions AS u
WHERE NOT EXISTS (
    SELECT 1 FROM session AS s
    JOIN session_skills AS k ON k.session_id = s.session_id
    WHERE s.session_id = u.session_id AND s.user_id = u.user_id AND k.skill_name = u.skill_name);

-- effectiveness_percentile: the share of skills that complete less often, half of the equal ones
-- included.
CREATE VIEW v_community_baseline_source AS
SELECT
    m.skill_name AS skill_name,
    coalesce(u.users, 0) AS total_users,
    m.total_invocations AS total_invocations,
    m.completion_rate AS global_completion_rate,
    m.avg_duration_seconds AS global_avg_duration_seconds,
    p.phase AS most_common_workflow_phase,
    (100.0 * (rank() OVER (ORDER BY m.completion_rate) - 1)
        + 50.0 * count(*) OVER (PARTITION BY m.completion_rate)) / count(*) OVER ()
        AS effectiveness_percentile
FROM skill_metrics AS m
LEFT JOIN (SELECT skill_name, count(DISTINCT user_id) AS users FROM v_user_skills GROUP BY 1) AS u
    ON u.skill_name = m.skill_name
LEFT JOIN (
    SELECT skill_name, phase FROM (
        SELECT skill_name, workflow_phase AS phase, row_number() OVER (
            PARTITION BY skill_name ORDER BY count(*) DESC, workflow_phase) AS place
        FROM skill_invocation WHERE workflow_phase IS NOT NULL GROUP BY 1, 2
    ) WHERE place = 1
) AS p ON p.skill_name = m.skill_name
WHERE m.total_invocations > 0;

-- Refresh both tables: INSERT INTO log_relations VALUES (1). Pairs that no session holds are
-- expectations (a count of 0) and stay.
CREATE VIEW log_relations AS SELECT 1 AS all_of_it WHERE 0;

CREATE TRIGGER trg_log_relations INSTEAD OF INSERT ON log_relations
BEGIN
    DELETE FROM skill_dependencies WHERE co_occurrence_count > 0;
    INSERT INTO skill_dependencies (
        skill_a, skill_b, co_occurrence_count, lift_score, last_updated)
    SELECT skill_a, skill_b, co_occurrence_count, lift_score,
        strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')
    FROM v_skill_dependency_source WHERE true
    ON CONFLICT (skill_a, skill_b) DO UPDATE SET
        co_occurrence_count = excluded.co_occurrence_count,
        lift_score = excluded.lift_score,
        last_updated = excluded.last_updated;
    DELETE FROM skill_community_baselines;
    INSERT INTO skill_community_baselines
    SELECT *, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') FROM v_community_baseline_source;
END;

-- Make every table of V1 to V4 that is derived from the log anew: INSERT INTO log_rebuild VALUES (1)
CREATE VIEW log_rebuild AS SELECT 1 AS all_of_it WHERE 0;

CREATE TRIGGER trg_log_rebuild INSTEAD OF INSERT ON log_rebuild
BEGIN
    DELETE FROM skill_counter;
    DELETE FROM session_skills;
    DELETE FROM mv_daily_skills;
    DELETE FROM skill_time_series;
    DELETE FROM skill_metrics_cache
    WHERE skill_name NOT IN (SELECT DISTINCT skill_name FROM skill_invocation);
    DELETE FROM skill_community_baselines;
    UPDATE skill_metrics SET
        total_invocations = 0, completed_invocations = 0, timed_invocations = 0, total_us = 0,
        ranked_invocations = 0, ranked_completed = 0, rank_total = 0, first_us = NULL, last_us = NULL;
    INSERT INTO log_fold
    SELECT 0, max(id) FROM skill_invocation HAVING count(*) > 0;
    INSERT OR IGNORE INTO skill_metrics (skill_name) SELECT skill_name FROM v_referenced_skill;
    DELETE FROM skill_metrics
    WHERE total_invocations = 0 AND skill_name NOT IN (SELECT skill_name FROM v_referenced_skill);
    INSERT INTO log_relations VALUES (1);
    INSERT INTO skill_invocation_fts (skill_invocation_fts) VALUES ('delete-all');
    INSERT INTO skill_invocation_fts (rowid, user_query)
    SELECT id, user_query FROM skill_invocation WHERE user_query IS NOT NULL;
END;

-- --- Taking over what is there --------------------------------------------------------------------

UPDATE session SET user_id = (
    SELECT CASE WHEN count(DISTINCT user_id) = 1 THEN min(user_id) END
    FROM skill_user_interactions AS u WHERE u.session_id = session.session_id)
WHERE user_id IS NULL AND session_no NOT IN (SELECT session_no FROM session_start);

UPDATE skill_invocation SET rating = u.rating
FROM (
    SELECT session_id, skill_name, invoked_at, CAST(round(max(rating)) AS INTEGER) AS rating
    FROM skill_user_interactions WHERE rating BETWEEN 1 AND 5 GROUP BY 1, 2, 3
) AS u
WHERE skill_invocation.rating IS NULL AND u.session_id = skill_invocation.session_id
    AND u.skill_name = skill_invocation.skill_name AND u.invoked_at = skill_invocation.invoked_at;

UPDATE skill_anomalies SET detected_at = strftime('%Y-%m-%dT%H:%M:%f', detected_at) || '000+00:00'
WHERE strftime('%f', detected_at) IS NOT NULL;
UPDATE skill_anomalies SET resolved_at = strftime('%Y-%m-%dT%H:%M:%f', resolved_at) || '000+00:00'
WHERE strftime('%f', resolved_at) IS NOT NULL;

INSERT OR IGNORE INTO skill_metrics (skill_name) SELECT skill_name FROM v_referenced_skill;

-- Whatever was there has not been counted by session: an expectation, until the log says more.
UPDATE skill_dependencies SET co_occurrence_count = 0;
UPDATE OR IGNORE skill_dependencies SET skill_a = skill_b, skill_b = skill_a WHERE skill_a > skill_b;
DELETE FROM skill_dependencies WHERE skill_a >= skill_b;

INSERT INTO log_rebuild VALUES (1);

-- --- For readers ----------------------------------------------------------------------------------

CREATE VIEW v_daily_skill_source AS
SELECT
    strftime('%Y-%m-%d', at_s, 'unixepoch') AS date,
    skill_name,
    count(*) AS invocations,
    sum(completed) AS completions,
    count(*) - sum(completed) AS abandonments,
    avg(us) / 1e6 AS avg_duration_seconds
FROM v_log
GROUP BY 1, 2;

CREATE VIEW v_session_skill_summary AS
SELECT
    session_id,
    count(DISTINCT skill_name) AS unique_skills,
    count(*) AS total_invocations,
    sum(completed) AS completed_count,
    count(*) - sum(completed) AS abandoned_count,
    coalesce(total(us) / 1e6, 0.0) AS total_duration_seconds,
    strftime('%Y-%m-%dT%H:%M:%S', min(at_s), 'unixepoch')
        || printf('.%06d+00:00', (min(at_us) % 1000000 + 1000000) % 1000000) AS first_skill_at,
    strftime('%Y-%m-%dT%H:%M:%S', max(at_s), 'unixepoch')
        || printf('.%06d+00:00', (max(at_us) % 1000000 + 1000000) % 1000000) AS last_skill_at
FROM v_log
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

CREATE VIEW v_skill_effectiveness_by_phase AS
SELECT
    skill_name,
    workflow_phase,
    count(*) AS total_invocations,
    sum(completed) AS completed_count,
    count(*) - sum(completed) AS abandoned_count,
    avg(us) / 1e6 AS avg_duration_seconds,
    avg(us) / 1e6 AS avg_completion_time,
    avg(completed) AS completion_rate
FROM v_log
WHERE workflow_phase IS NOT NULL
GROUP BY skill_name, workflow_phase;

CREATE VIEW v_workflow_phase_patterns AS
SELECT
    workflow_phase,
    count(*) AS invocations_in_phase,
    count(DISTINCT skill_name) AS unique_skills_in_phase,
    sum(completed) AS successful_completions,
    avg(us) / 1e6 AS avg_phase_duration
FROM v_log
WHERE workflow_phase IS NOT NULL
GROUP BY workflow_phase
ORDER BY workflow_phase;

CREATE VIEW v_skills_by_phase_usage AS
SELECT
    skill_name,
    workflow_phase,
    count(*) AS usage_count,
    avg(completed IS TRUE) AS success_rate
FROM skill_invocation
WHERE workflow_phase IS NOT NULL
GROUP BY skill_name, workflow_phase
ORDER BY skill_name, workflow_phase;

-- Counts at the time of reading.
CREATE VIEW v_realtime_skill_dashboard AS
SELECT
    c.skill_name AS skill_name,
    c.last_invocation_at AS last_invocation_at,
    r.count_1h AS invocation_count_1h,
    r.count_24h AS invocation_count_24h,
    r.rate_24h AS avg_completion_rate_24h,
    c.is_anomalous AS is_anomalous,
    c.anomaly_score AS anomaly_score,
    m.total_invocations AS total_invocations,
    m.completion_rate AS completion_rate,
    m.avg_duration_seconds AS avg_duration_seconds
FROM skill_metrics_cache AS c
JOIN skill_metrics AS m ON m.skill_name = c.skill_name
JOIN v_recent_invocations AS r ON r.skill_name = c.skill_name
ORDER BY 4 DESC, 1;

-- The last seven days, today included. trend_slope is the least-squares slope of the daily rates,
-- per day; NULL for a single day.
CREATE VIEW v_skill_effectiveness_trend AS
SELECT
    skill_name,
    1.0 * sum(completions) / sum(invocations) AS avg_completion_rate_7d,
    max(rate) AS max_completion_rate_7d,
    min(rate) AS min_completion_rate_7d,
    (count(*) * sum(day * rate) - sum(day) * sum(rate))
        / nullif(count(*) * sum(day * day) - sum(day) * sum(day), 0) AS trend_slope
FROM (
    SELECT
        skill_name,
        julianday(date) - julianday('now', 'start of day') AS day,
        invocations, completions,
        1.0 * completions / invocations AS rate
    FROM mv_daily_skills
    WHERE date > date('now', '-7 days') AND date <= date('now')
)
GROUP BY skill_name;

-- Each user's own figures beside those of all.
CREATE VIEW v_community_baseline_comparison AS
SELECT
    u.user_id AS user_id,
    u.skill_name AS skill_name,
    sum(u.invocations) AS user_invocations,
    1.0 * sum(u.completions) / sum(u.invocations) AS user_completion_rate,
    b.global_completion_rate AS baseline_completion_rate,
    b.effectiveness_percentile AS effectiveness_percentile,
    1.0 * sum(u.completions) / sum(u.invocations) - b.global_completion_rate AS delta_from_baseline
FROM v_user_skills AS u
JOIN skill_community_baselines AS b ON b.skill_name = u.skill_name
GROUP BY u.user_id, u.skill_name;

-- Each pair is stored once and read from both sides.
CREATE VIEW v_skill_dependency_network AS
SELECT
    skill_a, skill_b, co_occurrence_count, lift_score,
    CASE
        WHEN lift_score > 2.0 THEN 'strong_positive'
        WHEN lift_score > 1.5 THEN 'moderate_positive'
        WHEN lift_score > 1.0 THEN 'weak_positive'
        WHEN lift_score = 1.0 THEN 'independent'
        WHEN lift_score > 0.5 THEN 'weak_negative'
        ELSE 'moderate_negative'
    END AS relationship_type
FROM (
    SELECT skill_a, skill_b, co_occurrence_count, lift_score FROM skill_dependencies
    UNION
    SELECT skill_b, skill_a, co_occurrence_count, lift_score FROM skill_dependencies
)
WHERE lift_score IS NOT NULL
ORDER BY co_occurrence_count DESC, skill_a, skill_b;

-- Users once, however many outcomes they have; rates over the outcomes of each group.
CREATE VIEW v_ab_test_summary AS
SELECT
    c.test_id AS test_id,
    c.test_name AS test_name,
    c.control_strategy AS control_strategy,
    c.treatment_strategy AS treatment_strategy,
    c.status AS status,
    (SELECT count(*) FROM ab_test_assignments AS a WHERE a.test_id = c.test_id) AS total_users,
    (SELECT count(*) FROM ab_test_assignments AS a
        WHERE a.test_id = c.test_id AND a.group_name = 'control') AS control_users,
    (SELECT count(*) FROM ab_test_assignments AS a
        WHERE a.test_id = c.test_id AND a.group_name = 'treatment') AS treatment_users,
    (SELECT avg(o.completed IS TRUE) FROM ab_test_outcomes AS o
        JOIN ab_test_assignments AS a ON a.test_id = o.test_id AND a.user_id = o.user_id
        WHERE o.test_id = c.test_id AND a.group_name = 'control') AS control_completion_rate,
    (SELECT avg(o.completed IS TRUE) FROM ab_test_outcomes AS o
        JOIN ab_test_assignments AS a ON a.test_id = o.test_id AND a.user_id = o.user_id
        WHERE o.test_id = c.test_id AND a.group_name = 'treatment') AS treatment_completion_rate
FROM ab_test_configs AS c;

CREATE VIEW v_multimodal_skill_catalog AS
SELECT
    i.skill_name AS skill_name,
    m.modality_type AS modality_type,
    m.input_format AS input_format,
    m.output_format AS output_format,
    m.requires_human_review AS requires_human_review,
    i.total_sessions AS total_sessions,
    i.completion_rate AS completion_rate,
    i.avg_duration_seconds AS avg_duration_seconds,
    c.category_name AS category_name,
    c.domain AS domain
FROM (
    SELECT
        m.skill_name AS skill_name, m.completion_rate AS completion_rate,
        m.avg_duration_seconds AS avg_duration_seconds,
        (SELECT count(*) FROM session_skills AS k WHERE k.skill_name = m.skill_name)
            AS total_sessions
    FROM skill_metrics AS m WHERE m.total_invocations > 0
) AS i
LEFT JOIN skill_modalities AS m ON m.skill_name = i.skill_name
LEFT JOIN skill_category_mapping AS cm ON cm.skill_name = i.skill_name
LEFT JOIN skill_categories AS c ON c.category_id = cm.category_id
ORDER BY i.skill_name, c.category_name;
