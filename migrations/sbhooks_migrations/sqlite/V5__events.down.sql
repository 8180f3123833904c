-- Made from the log by the way up, so nothing is lost with it:
-- derived: event_key store_state session session_span
-- derived: skill_invocation.event_id skill_invocation.at_us skill_invocation.session_no

DROP INDEX idx_invocation_at;
CREATE INDEX idx_invocation_session ON skill_invocation (session_id);
CREATE INDEX idx_invocation_skill ON skill_invocation (skill_name);
CREATE INDEX idx_invocation_invoked_at ON skill_invocation (invoked_at DESC);
CREATE INDEX idx_invocation_session_completed ON skill_invocation (session_id, completed);
CREATE INDEX idx_invocation_workflow_phase ON skill_invocation (workflow_phase)
    WHERE workflow_phase IS NOT NULL;
CREATE INDEX idx_invocation_workflow_step ON skill_invocation (workflow_step_id)
    WHERE workflow_step_id IS NOT NULL;
CREATE INDEX idx_invocation_phase_completion ON skill_invocation (workflow_phase, completed)
    WHERE workflow_phase IS NOT NULL;

DROP TRIGGER trg_skill_invocation_identity_after_insert;
ALTER TABLE skill_invocation DROP COLUMN attributes;
ALTER TABLE skill_invocation DROP COLUMN rating;
ALTER TABLE skill_invocation DROP COLUMN outcome;
ALTER TABLE skill_invocation DROP COLUMN source;
ALTER TABLE skill_invocation DROP COLUMN session_no;
ALTER TABLE skill_invocation DROP COLUMN at_us;
ALTER TABLE skill_invocation DROP COLUMN event_id;

DROP VIEW v_test_attempts;
DROP TABLE other_event;
DROP TABLE test_attempt_note;
DROP TABLE test_attempt;
DROP TABLE test_failure;
DROP TABLE test_context;
DROP TABLE test_case;
DROP TABLE pipeline_stage;
DROP TABLE phase_change;
DROP TABLE session_end;
DROP TABLE session_start;
DROP TABLE session_span;
DROP TABLE session;
DROP TABLE store_state;
DROP TABLE event_key;

-- What reads and keeps the tables of V1 to V4, as those versions made it, and rates as percents.

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

CREATE VIEW v_skill_effectiveness_by_phase AS
SELECT
    skill_name,
    workflow_phase,
    count(*) AS total_invocations,
    sum(completed IS TRUE) AS completed_count,
    sum(completed IS NOT TRUE) AS abandoned_count,
    avg(CASE WHEN completed THEN duration_seconds END) AS avg_duration_seconds,
    avg(CASE WHEN completed THEN duration_seconds END) AS avg_completion_time,
    100.0 * avg(completed IS TRUE) AS completion_rate
FROM skill_invocation
WHERE workflow_phase IS NOT NULL
GROUP BY skill_name, workflow_phase;

CREATE VIEW v_workflow_phase_patterns AS
SELECT
    workflow_phase,
    count(*) AS invocations_in_phase,
    count(DISTINCT skill_name) AS unique_skills_in_phase,
    sum(completed IS TRUE) AS successful_completions,
    avg(CASE WHEN completed THEN duration_seconds END) AS avg_phase_duration
FROM skill_invocation
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

CREATE TRIGGER trg_metrics_cache_after_insert AFTER INSERT ON skill_invocation
BEGIN
    INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (NEW.skill_name);
    INSERT OR IGNORE INTO skill_metrics_cache (skill_name, last_invocation_at, updated_at)
    VALUES (NEW.skill_name, NEW.invoked_at, datetime('now'));
    UPDATE skill_metrics_cache SET
        last_invocation_at = (
            SELECT invoked_at FROM skill_invocation WHERE skill_name = NEW.skill_name
            ORDER BY julianday(invoked_at) DESC, invoked_at DESC LIMIT 1),
        (invocation_count_1h, invocation_count_24h, avg_completion_rate_24h) = (
            SELECT
                coalesce(sum(julianday(invoked_at) > julianday('now', '-1 hour')), 0),
                count(*), avg(completed IS TRUE)
            FROM skill_invocation
            WHERE skill_name = NEW.skill_name AND julianday(invoked_at) > julianday('now', '-1 day')),
        updated_at = datetime('now')
    WHERE skill_name = NEW.skill_name;
END;

-- Counts at the time of reading.
CREATE VIEW v_realtime_skill_dashboard AS
SELECT
    c.skill_name AS skill_name,
    c.last_invocation_at AS last_invocation_at,
    (SELECT count(*) FROM skill_invocation AS i WHERE i.skill_name = c.skill_name
        AND julianday(i.invoked_at) > julianday('now', '-1 hour')) AS invocation_count_1h,
    (SELECT count(*) FROM skill_invocation AS i WHERE i.skill_name = c.skill_name
        AND julianday(i.invoked_at) > julianday('now', '-1 day')) AS invocation_count_24h,
    (SELECT avg(i.completed IS TRUE) FROM skill_invocation AS i WHERE i.skill_name = c.skill_name
        AND julianday(i.invoked_at) > julianday('now', '-1 day')) AS avg_completion_rate_24h,
    c.is_anomalous AS is_anomalous,
    c.anomaly_score AS anomaly_score,
    m.total_invocations AS total_invocations,
    m.completion_rate AS completion_rate,
    m.avg_duration_seconds AS avg_duration_seconds
FROM skill_metrics_cache AS c
JOIN skill_metrics AS m ON m.skill_name = c.skill_name
ORDER BY 4 DESC;

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
        julianday(date(invoked_at)) - julianday('now', 'start of day') AS day,
        count(*) AS invocations,
        sum(completed IS TRUE) AS completions,
        avg(completed IS TRUE) AS rate
    FROM skill_invocation
    WHERE date(invoked_at) > date('now', '-7 days') AND date(invoked_at) <= date('now')
    GROUP BY 1, 2
)
GROUP BY skill_name;

CREATE VIEW v_community_baseline_comparison AS
SELECT
    u.user_id AS user_id,
    u.skill_name AS skill_name,
    count(*) AS user_invocations,
    avg(u.completed IS TRUE) AS user_completion_rate,
    b.global_completion_rate AS baseline_completion_rate,
    b.effectiveness_percentile AS effectiveness_percentile,
    avg(u.completed IS TRUE) - b.global_completion_rate AS delta_from_baseline
FROM skill_user_interactions AS u
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
        skill_name,
        count(DISTINCT session_id) AS total_sessions,
        avg(completed IS TRUE) AS completion_rate,
        avg(CASE WHEN completed THEN duration_seconds END) AS avg_duration_seconds
    FROM skill_invocation
    GROUP BY skill_name
) AS i
LEFT JOIN skill_modalities AS m ON m.skill_name = i.skill_name
LEFT JOIN skill_category_mapping AS cm ON cm.skill_name = i.skill_name
LEFT JOIN skill_categories AS c ON c.category_id = cm.category_id
ORDER BY i.skill_name, c.category_name;

INSERT OR REPLACE INTO skill_metrics SELECT * FROM v_skill_metrics_source;
DELETE FROM mv_daily_skills;
INSERT INTO mv_daily_skills SELECT * FROM v_daily_skill_source;
