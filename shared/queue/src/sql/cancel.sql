-- Ends a waiting job at once; asks a running one to stop (its next fail, snooze or rescue ends it).
-- Trap: the row is locked first, or a claim between look and write would be overrun.
-- $1 job
WITH seen AS MATERIALIZED (SELECT * FROM job WHERE id = $1 FOR UPDATE),
asked AS (
    UPDATE job j SET cancel_requested = true
    WHERE j.id = (SELECT id FROM seen WHERE state = 1) RETURNING j.id),
ended AS (
    DELETE FROM job j WHERE j.id = (SELECT id FROM seen WHERE state = 0) RETURNING j.*),
kept AS (
    INSERT INTO job_history (
        id, team_id, queue, kind, priority, outcome, waiting_code, attempt, max_attempts, lost,
        fence, lease_token, worker_id, run_at, created_at, claimed_at, finalized_at, unique_key,
        object, trace_id, error, result, args)
    SELECT id, team_id, queue, kind, priority, 4, waiting_code, attempt, max_attempts, lost,
        fence, lease_token, worker_id, run_at, created_at, claimed_at, clock_timestamp(),
        unique_key, object, trace_id, last_error, NULL, args
    FROM ended)
SELECT 'requested' AS what FROM asked UNION ALL SELECT 'cancelled' FROM ended
