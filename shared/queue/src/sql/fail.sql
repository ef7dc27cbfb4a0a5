-- Ends one attempt under its fence: back to waiting, or to the history when it is permanent,
-- cancelled, or the attempts are used up. Who fails in person was not lost: that count restarts.
-- Trap: the fence must move on release as well, or an old claimer's call hits the waiting row.
-- $1 job $2 fence $3 token $4 process $5 error $6 backoff $7 permanent $8 waiting code $9 class
-- $10 log lines
WITH held AS MATERIALIZED (
    SELECT *, $5::jsonb || jsonb_build_object('class', $9::text)
        || CASE WHEN cancel_requested THEN jsonb_build_object('cancelled_by', cancel_by)
                ELSE '{}' END AS said
    FROM job
    WHERE id = $1 AND fence = $2 AND lease_token = $3 AND worker_id = $4 FOR UPDATE),
again AS (
    UPDATE job j SET state = 0, fence = j.fence + 1, lease_token = NULL, worker_id = NULL,
        deadline_at = NULL, lost = 0, run_at = clock_timestamp() + $6, last_error = (SELECT said FROM held),
        waiting_code = $8
    WHERE j.id = (SELECT id FROM held
                  WHERE NOT $7 AND NOT cancel_requested AND attempt < max_attempts)
    RETURNING j.run_at),
ended AS (
    DELETE FROM job j
    WHERE j.id = (SELECT id FROM held
                  WHERE $7 OR cancel_requested OR attempt >= max_attempts)
    RETURNING j.*),
kept AS (
    INSERT INTO job_history (
        id, team_id, queue, kind, priority, outcome, waiting_code, attempt, max_attempts, lost,
        fence, lease_token, worker_id, run_at, created_at, claimed_at, finalized_at, unique_key,
        object, trace_id, error, result, args)
    SELECT id, team_id, queue, kind, priority, CASE WHEN cancel_requested THEN 4 ELSE 3 END, $8,
        attempt, max_attempts, lost, fence, lease_token, worker_id, run_at, created_at,
        claimed_at, clock_timestamp(), unique_key, object, trace_id, (SELECT said FROM held),
        NULL, args
    FROM ended),
noted AS (
    INSERT INTO job_attempt (job_id, attempt, fence, worker_id, started_at, ended_at, class,
                             error, trace_id, log)
    SELECT id, attempt, fence, worker_id, claimed_at, clock_timestamp(), $9, said, trace_id, $10
    FROM held)
SELECT 'retry' AS what, run_at FROM again
UNION ALL
SELECT CASE WHEN cancel_requested THEN 'cancelled' ELSE 'discarded' END, NULL FROM ended
