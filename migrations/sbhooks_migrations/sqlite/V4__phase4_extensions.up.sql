-- Real-time figures, series, anomalies, users, clusters, experiments and the taxonomy.

CREATE TABLE skill_metrics_cache (
    skill_name TEXT PRIMARY KEY,
    last_invocation_at TEXT NOT NULL,
    invocation_count_1h INTEGER DEFAULT 0,          -- as of updated_at; the dashboard view counts anew
    invocation_count_24h INTEGER DEFAULT 0,
    avg_completion_rate_24h REAL,
    is_anomalous BOOLEAN DEFAULT 0,
    anomaly_score REAL,
    updated_at TEXT NOT NULL,
    UNIQUE (skill_name),
    FOREIGN KEY (skill_name) REFERENCES skill_metrics (skill_name)
);

CREATE INDEX idx_metrics_cache_updated ON skill_metrics_cache (updated_at);

CREATE TABLE skill_time_series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    skill_name TEXT NOT NULL,
    timestamp TEXT NOT NULL,                        -- of the hour's beginning, UTC
    invocation_count INTEGER DEFAULT 0,
    completion_rate REAL,
    avg_duration_seconds REAL,
    unique_sessions INTEGER DEFAULT 0,
    FOREIGN KEY (skill_name) REFERENCES skill_metrics (skill_name)
);

CREATE INDEX idx_time_series_skill_timestamp ON skill_time_series (skill_name, timestamp DESC);

CREATE TABLE skill_anomalies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    skill_name TEXT NOT NULL,
    detected_at TEXT NOT NULL,
    anomaly_type TEXT NOT NULL,                     -- drop, spike, pattern_shift
    baseline_value REAL,
    observed_value REAL,
    deviation_score REAL,
    resolved_at TEXT,
    FOREIGN KEY (skill_name) REFERENCES skill_metrics (skill_name)
);

CREATE INDEX idx_anomalies_skill ON skill_anomalies (skill_name, detected_at DESC);
CREATE INDEX idx_anomalies_detected_at ON skill_anomalies (detected_at DESC);

CREATE TABLE skill_community_baselines (
    skill_name TEXT PRIMARY KEY,
    total_users INTEGER DEFAULT 0,
    total_invocations INTEGER DEFAULT 0,
    global_completion_rate REAL,
    global_avg_duration_seconds REAL,
    most_common_workflow_phase TEXT,
    effectiveness_percentile REAL,                  -- 0 to 100, among all skills
    last_updated TEXT NOT NULL,
    UNIQUE (skill_name),
    FOREIGN KEY (skill_name) REFERENCES skill_metrics (skill_name)
);

CREATE TABLE skill_user_interactions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,                          -- a pseudonym
    session_id TEXT NOT NULL,
    skill_name TEXT NOT NULL,
    invoked_at TEXT NOT NULL,
    completed BOOLEAN NOT NULL,
    rating REAL,                                    -- 1 to 5
    alternatives_considered TEXT,                   -- JSON array
    FOREIGN KEY (skill_name) REFERENCES skill_metrics (skill_name)
);

CREATE INDEX idx_user_interactions_user ON skill_user_interactions (user_id, invoked_at DESC);
CREATE INDEX idx_user_interactions_skill ON skill_user_interactions (skill_name, completed);
CREATE INDEX idx_user_interactions_session ON skill_user_interactions (session_id);

CREATE TABLE skill_clusters (
    cluster_id INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster_name TEXT NOT NULL,
    description TEXT,
    centroid_embedding BLOB,                        -- 384 float32 values, little endian
    created_at TEXT NOT NULL,
    UNIQUE (cluster_name)
);

CREATE TABLE skill_cluster_membership (
    skill_name TEXT NOT NULL,
    cluster_id INTEGER NOT NULL,
    membership_score REAL,                          -- 0 to 1
    PRIMARY KEY (skill_name, cluster_id),
    FOREIGN KEY (skill_name) REFERENCES skill_metrics (skill_name),
    FOREIGN KEY (cluster_id) REFERENCES skill_clusters (cluster_id)
);

CREATE INDEX idx_cluster_membership_cluster ON skill_cluster_membership (cluster_id);

CREATE TABLE ab_test_configs (
    test_id INTEGER PRIMARY KEY AUTOINCREMENT,
    test_name TEXT NOT NULL UNIQUE,
    description TEXT,
    control_strategy TEXT NOT NULL,
    treatment_strategy TEXT NOT NULL,
    start_date TEXT NOT NULL,
    end_date TEXT,
    min_sample_size INTEGER DEFAULT 100,
    metrics TEXT,                                   -- JSON array
    assignment_ratio REAL DEFAULT 0.5,
    status TEXT DEFAULT 'running',                  -- running, completed, stopped
    created_at TEXT NOT NULL DEFAULT (datetime('now'))
);

CREATE TABLE ab_test_assignments (
    assignment_id INTEGER PRIMARY KEY AUTOINCREMENT,
    test_id INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    group_name TEXT NOT NULL,                       -- control, treatment
    assigned_at TEXT NOT NULL DEFAULT (datetime('now')),
    FOREIGN KEY (test_id) REFERENCES ab_test_configs (test_id),
    UNIQUE (test_id, user_id)
);

CREATE INDEX idx_ab_assignments_test_user ON ab_test_assignments (test_id, user_id);
CREATE INDEX idx_ab_assignments_group ON ab_test_assignments (test_id, group_name);

CREATE TABLE ab_test_outcomes (
    outcome_id INTEGER PRIMARY KEY AUTOINCREMENT,
    test_id INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    skill_name TEXT NOT NULL,
    completed BOOLEAN NOT NULL,
    duration_seconds REAL,
    user_rating REAL,                               -- 1 to 5
    recorded_at TEXT NOT NULL DEFAULT (datetime('now')),
    FOREIGN KEY (test_id) REFERENCES ab_test_configs (test_id),
    FOREIGN KEY (skill_name) REFERENCES skill_metrics (skill_name)
);

CREATE INDEX idx_ab_outcomes_test ON ab_test_outcomes (test_id);
CREATE INDEX idx_ab_outcomes_user ON ab_test_outcomes (test_id, user_id);

CREATE TABLE skill_categories (
    category_id INTEGER PRIMARY KEY AUTOINCREMENT,
    category_name TEXT NOT NULL UNIQUE,
    parent_category_id INTEGER,
    description TEXT,
    domain TEXT,                                    -- code, documentation, testing, deployment
    created_at TEXT NOT NULL DEFAULT (datetime('now')),
    FOREIGN KEY (parent_category_id) REFERENCES skill_categories (category_id)
);

CREATE TABLE skill_category_mapping (
    skill_name TEXT NOT NULL,
    category_id INTEGER NOT NULL,
    confidence_score REAL,                          -- 0 to 1
    assigned_at TEXT NOT NULL DEFAULT (datetime('now')),
    PRIMARY KEY (skill_name, category_id),
    FOREIGN KEY (skill_name) REFERENCES skill_metrics (skill_name),
    FOREIGN KEY (category_id) REFERENCES skill_categories (category_id)
);

CREATE INDEX idx_category_mapping_skill ON skill_category_mapping (skill_name);
CREATE INDEX idx_category_mapping_category ON skill_category_mapping (category_id);

CREATE TABLE skill_dependencies (
    skill_a TEXT NOT NULL,
    skill_b TEXT NOT NULL,
    co_occurrence_count INTEGER DEFAULT 1,          -- sessions that hold both
    lift_score REAL,                                -- over 1: together more often than by chance
    last_updated TEXT NOT NULL DEFAULT (datetime('now')),
    PRIMARY KEY (skill_a, skill_b),
    FOREIGN KEY (skill_a) REFERENCES skill_metrics (skill_name),
    FOREIGN KEY (skill_b) REFERENCES skill_metrics (skill_name)
);

CREATE INDEX idx_dependencies_lift ON skill_dependencies (lift_score DESC);
CREATE INDEX idx_dependencies_skill_a ON skill_dependencies (skill_a);

CREATE TABLE skill_modalities (
    skill_name TEXT PRIMARY KEY,
    modality_type TEXT NOT NULL,                    -- code, documentation, testing, deployment
    input_format TEXT,
    output_format TEXT,
    requires_human_review BOOLEAN DEFAULT 0,
    created_at TEXT NOT NULL DEFAULT (datetime('now')),
    FOREIGN KEY (skill_name) REFERENCES skill_metrics (skill_name)
);

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
