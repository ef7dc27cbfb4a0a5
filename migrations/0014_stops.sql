-- Stopping jobs that run, and what an attempt said before it failed.

-- Who asked a running job to stop, as audit rows name them. Nullable, because a replica of the previous
-- release goes on asking without it.
ALTER TABLE job ADD COLUMN cancel_by text;

-- A process asks for its own few, while it has jobs at work; a row enters only when somebody cancels.
-- Only live jobs stand in the table, so that building it blocks enqueues for a moment.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX job_stopping ON job (worker_id) WHERE state = 1 AND cancel_requested;

-- The newest lines that the handler logged, as a list of {at, level, text}.
ALTER TABLE job_attempt ADD COLUMN log jsonb;
