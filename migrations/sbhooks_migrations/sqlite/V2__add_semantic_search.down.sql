DROP INDEX idx_invocation_embedding;
ALTER TABLE skill_invocation DROP COLUMN embedding;
