-- Completes many jobs, each under its fence; ids that do not come back were taken over.
-- Trap: AND state = 1 leads a generic plan to the index of running jobs and to N x M comparisons
-- (8 times slower at 500 ids); fence, token and owner already imply it.
-- Trap: the join alone may become a scan of the whole job table, or of its whole index, under a plan
-- made while the table was small; id = ANY is looked up.
-- $1 ids $2 fences $3 tokens $4 processes $5 results
WITH ended AS (
    DELETE FROM job j
    USING unnest($1::bigint[], $2::int[], $3::bigint[], $4::bigint[], $5::jsonb[])
        AS t (id, fence, token, process, result)
    WHERE j.id = ANY ($1) AND j.id = t.id AND j.fence = t.fence
      AND j.lease_token = t.token AND j.worker_id = t.process
    RETURNING j.*, t.result AS result),
kept AS (
    INSERT INTO job_history (
        id, team_id, queue, kind, priority, outcome, waiting_code, attempt, max_attempts, lost,
        fence, lease_token, worker_id, run_at, created_at, claimed_at, finalized_at, unique_key,
        object, trace_id, error, result, args)
    SELECT id, team_id, queue, kind, priority, 2, waiting_code, attempt, max_attempts, lost,
        fence, lease_token, worker_id, run_at, created_at, claimed_at, clock_timestamp(),
        unique_key, object, trace_id, NULL, result, args
    FROM ended)
SELECT id FROM ended
