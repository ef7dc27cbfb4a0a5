-- Ends waiting jobs at once; asks running ones to stop: their process sees it, and whatever it writes
-- next ends them. Who asked first is kept.
-- Trap: the rows are locked first, or a claim between look and write would be overrun; in the order of
-- ids, or two of these deadlock.
-- $1 jobs $2 who asks
WITH seen AS MATERIALIZED (
    SELECT id, state FROM job WHERE id = ANY ($1) ORDER BY id FOR UPDATE),
asked AS (
    UPDATE job j SET cancel_requested = true,
        cancel_by = CASE WHEN j.cancel_requested THEN j.cancel_by ELSE $2 END
    WHERE j.id = ANY (ARRAY(SELECT id FROM seen WHERE state = 1)) RETURNING j.*),
ended AS (
    DELETE FROM job j WHERE j.id = ANY (ARRAY(SELECT id FROM seen WHERE state = 0))
    RETURNING j.*),
kept AS (
    INSERT INTO job_history (
        id, team_id, queue, kind, priority, outcome, waiting_code, attempt, max_attempts, lost,
        fence, lease_token, worker_id, run_at, created_at, claimed_at, finalized_at, unique_key,
        object, trace_id, error, result, args)
    SELECT id, team_id, queue, kind, priority, 4, waiting_code, attempt, max_attempts, lost,
        fence, lease_token, worker_id, run_at, created_at, claimed_at, clock_timestamp(),
        unique_key, object, trace_id, last_error, NULL, args
    FROM ended)
SELECT 'requested' AS what, id, queue, kind, args FROM asked
UNION ALL
SELECT 'cancelled', id, queue, kind, args FROM ended
