-- In which phase and step of a workflow an invocation stood.

ALTER TABLE skill_invocation ADD COLUMN workflow_phase TEXT;
ALTER TABLE skill_invocation ADD COLUMN workflow_step_id TEXT;

CREATE INDEX idx_invocation_workflow_phase ON skill_invocation (workflow_phase)
    WHERE workflow_phase IS NOT NULL;
CREATE INDEX idx_invocation_workflow_step ON skill_invocation (workflow_step_id)
    WHERE workflow_step_id IS NOT NULL;
CREATE INDEX idx_invocation_phase_completion ON skill_invocation (workflow_phase, completed)
    WHERE workflow_phase IS NOT NULL;

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
