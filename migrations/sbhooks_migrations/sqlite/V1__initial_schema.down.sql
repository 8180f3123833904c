-- derived: skill_metrics session_skills mv_daily_skills

DROP VIEW v_top_skills;
DROP VIEW v_skill_effectiveness;
DROP VIEW v_session_skill_summary;
DROP VIEW v_daily_skill_source;
DROP TRIGGER trg_session_skills_after_insert;
DROP TRIGGER trg_skill_metrics_after_insert;
DROP VIEW v_skill_metrics_source;
DROP TRIGGER trg_skill_invocation_fts_after_update;
DROP TRIGGER trg_skill_invocation_fts_after_delete;
DROP TRIGGER trg_skill_invocation_fts_after_insert;
DROP TABLE skill_invocation_fts;
DROP TABLE mv_daily_skills;
DROP TABLE session_skills;
DROP TABLE skill_metrics;
DROP TABLE skill_invocation;
