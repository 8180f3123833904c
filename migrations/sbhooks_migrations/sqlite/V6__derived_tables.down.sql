-- Sums over the log, and what the way up took from interactions:
-- derived: skill_counter rollup_key rollup_hour rollup_day rollup_skill_hour rollup_skill_day
-- derived: skill_metrics.timed_invocations skill_metrics.total_us skill_metrics.ranked_invocations
-- derived: skill_metrics.ranked_completed skill_metrics.rank_total skill_metrics.first_us
-- derived: skill_metrics.last_us session_skills.completed_count session_skills.last_hour
-- derived: mv_daily_skills.timed_completions mv_daily_skills.total_us
-- derived: skill_time_series.completed_count
-- derived: skill_time_series.timed_count skill_time_series.total_us

DROP VIEW v_multimodal_skill_catalog;
DROP VIEW v_ab_test_summary;
DROP VIEW v_skill_dependency_network;
DROP VIEW v_community_baseline_comparison;
DROP VIEW v_skill_effectiveness_trend;
DROP VIEW v_realtime_skill_dashboard;
DROP VIEW v_skills_by_phase_usage;
DROP VIEW v_workflow_phase_patterns;
DROP VIEW v_skill_effectiveness_by_phase;
DROP VIEW v_top_skills;
DROP VIEW v_skill_effectiveness;
DROP VIEW v_session_skill_summary;
DROP VIEW v_daily_skill_source;
DROP TRIGGER trg_log_rebuild;
DROP TRIGGER trg_log_arrival;
DROP TRIGGER trg_skill_invocation_identity_after_insert;
DROP TRIGGER trg_log_relations;
DROP TRIGGER trg_skill_dependencies_before_insert;
DROP TRIGGER trg_skill_modalities_before_insert;
DROP TRIGGER trg_skill_category_mapping_before_insert;
DROP TRIGGER trg_ab_test_outcomes_before_insert;
DROP TRIGGER trg_skill_cluster_membership_before_insert;
DROP TRIGGER trg_skill_user_interactions_before_insert;
DROP TRIGGER trg_skill_community_baselines_before_insert;
DROP TRIGGER trg_skill_anomalies_before_insert;
DROP TRIGGER trg_skill_time_series_before_insert;
DROP TRIGGER trg_skill_metrics_cache_before_insert;
DROP TRIGGER trg_user_interactions_after_insert;
DROP TRIGGER trg_skill_invocation_fold_after_update;
DROP TRIGGER trg_metrics_cache_after_insert;
DROP TRIGGER trg_session_skills_after_insert;
DROP TRIGGER trg_skill_metrics_after_insert;
DROP TRIGGER trg_skill_metrics_after_update;
DROP VIEW log_rebuild;
DROP VIEW log_arrival;
DROP VIEW log_relations;
DROP VIEW v_community_baseline_source;
DROP VIEW v_user_skills;
DROP VIEW v_skill_dependency_source;
DROP VIEW v_referenced_skill;
DROP VIEW v_recent_invocations;
DROP VIEW log_fold_cache;
DROP VIEW log_fold_sessions;
DROP VIEW log_fold;
DROP VIEW v_log;

UPDATE skill_invocation SET rating = NULL
WHERE rating IS NOT NULL AND EXISTS (
    SELECT 1 FROM skill_user_interactions AS u
    WHERE u.session_id = skill_invocation.session_id AND u.skill_name = skill_invocation.skill_name
        AND u.invoked_at = skill_invocation.invoked_at);

UPDATE session SET user_id = NULL WHERE session_no NOT IN (SELECT session_no FROM session_start);

DROP TABLE rollup_skill_day;
DROP TABLE rollup_skill_hour;
DROP TABLE rollup_day;
DROP TABLE rollup_hour;
DROP TABLE rollup_key;
DELETE FROM store_state WHERE name = 'rolled_up';

DROP INDEX idx_time_series_skill_timestamp;
ALTER TABLE skill_time_series DROP COLUMN total_us;
ALTER TABLE skill_time_series DROP COLUMN timed_count;
ALTER TABLE skill_time_series DROP COLUMN completed_count;
CREATE INDEX idx_time_series_skill_timestamp ON skill_time_series (skill_name, timestamp DESC);

ALTER TABLE mv_daily_skills DROP COLUMN total_us;
ALTER TABLE mv_daily_skills DROP COLUMN timed_completions;

CREATE TABLE old_session_skills (
    session_id TEXT NOT NULL,
    skill_name TEXT NOT NULL,
    invocation_count INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (session_id, skill_name)
);
INSERT INTO old_session_skills SELECT session_id, skill_name, invocation_count FROM session_skills;
DROP TABLE session_skills;
ALTER TABLE old_session_skills RENAME TO session_skills;
CREATE INDEX idx_session_skills_skill ON session_skills (skill_name);

DROP TABLE skill_counter;

ALTER TABLE skill_metrics DROP COLUMN last_us;
ALTER TABLE skill_metrics DROP COLUMN first_us;
ALTER TABLE skill_metrics DROP COLUMN rank_total;
ALTER TABLE skill_metrics DROP COLUMN ranked_completed;
ALTER TABLE skill_metrics DROP COLUMN ranked_invocations;
ALTER TABLE skill_metrics DROP COLUMN total_us;
ALTER TABLE skill_metrics DROP COLUMN timed_invocations;

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

CREATE TRIGGER trg_skill_invocation_fts_after_insert AFTER INSERT ON skill_invocation
WHEN NEW.user_query IS NOT NULL
BEGIN
    INSERT INTO skill_invocation_fts (rowid, user_query) VALUES (NEW.id, NEW.user_query);
END;
