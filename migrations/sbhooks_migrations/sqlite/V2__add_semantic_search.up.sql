-- Room for one embedding per invocation: 384 float32 values, little endian.

ALTER TABLE skill_invocation ADD COLUMN embedding BLOB;

CREATE INDEX idx_invocation_embedding ON skill_invocation (embedding) WHERE embedding IS NOT NULL;
