-- Where an api keeps its limits, so that one that keeps them in memory stays the only one.

-- postgres or memory; null for a process without an API, and for one of an older build.
ALTER TABLE process ADD COLUMN limits text;

INSERT INTO schema_acceptance (version, builds_from) VALUES (20, 16);
