-- Claims one job whose process was lost twice in a row, if this process runs no such job yet: a
-- poison job then takes nobody along.
-- Trap: as in claim.sql, only id = ANY (ARRAY (..)) keeps the index plan; job_suspect holds these
-- few rows apart, so that the look is cheap.
-- $1 queue $2 process $3 lease token $4 time until the deadline
WITH claimed AS (
    UPDATE job j SET state = 1, fence = j.fence + 1, lease_token = $3, attempt = j.attempt + 1,
        worker_id = $2, claimed_at = clock_timestamp(), deadline_at = clock_timestamp() + $4,
        waiting_code = NULL
    WHERE j.id = ANY (ARRAY(
        SELECT r.id FROM job r
        WHERE r.queue = $1 AND r.state = 0 AND r.lost >= 2 AND r.run_at <= now()
        ORDER BY r.run_at, r.id LIMIT 1 FOR UPDATE SKIP LOCKED))
      AND EXISTS (SELECT 1 FROM process w WHERE w.id = $2 AND w.dead_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM job o WHERE o.state = 1 AND o.worker_id = $2 AND o.lost >= 2)
    RETURNING j.*)
SELECT id, fence, lease_token, worker_id, kind, queue, team_id, priority, attempt, max_attempts,
       lost, object, trace_id, args, cancel_requested, run_at, deadline_at
FROM claimed
