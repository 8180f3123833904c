-- derived: rollup_outcome_day

DROP INDEX idx_test_failure_text;
CREATE INDEX idx_test_failure_fingerprint ON test_failure (fingerprint);

DELETE FROM store_state WHERE name = 'outcome_days_due';
DROP TABLE rollup_outcome_day;
