-- Claims one job whose process was lost twice in a row, if this process runs no such job yet: a
-- poison job then takes nobody along.
-- Trap: as in claim.sql, only = ANY (ARRAY (..)) keeps the index plan; job_suspect holds these
-- few rows apart, so that the look is cheap.
-- $1 queue $2 process $3 lease token $4 time until the deadline $5 kinds, null = any
-- $6 true = the lane's limit was looked at under its lock
UPDATE job j SET state = 1, fence = j.fence + 1, lease_token = $3, attempt = j.attempt + 1,
    worker_id = $2, claimed_at = clock_timestamp(), deadline_at = clock_timestamp() + $4,
    waiting_code = NULL, unique_key = CASE WHEN NOT j.unique_until_start THEN j.unique_key END
WHERE j.id = ANY (ARRAY(
    SELECT r.id FROM job r
    WHERE r.queue = $1 AND r.state = 0 AND r.lost >= 2 AND r.run_at <= now()
      AND CASE WHEN (r.kind = ANY ($5::text[])) IS NOT FALSE
               AND r.kind <> ALL (ARRAY(SELECT k.kind FROM paused_kind k))
          THEN true END IS NOT NULL
    ORDER BY r.run_at, r.id LIMIT 1 FOR UPDATE SKIP LOCKED))
  AND EXISTS (SELECT 1 FROM process w WHERE w.id = $2 AND w.dead_at IS NULL)
  AND EXISTS (SELECT 1 FROM lane l WHERE l.name = $1 AND l.paused_at IS NULL
              AND ($6 OR l.max_running IS NULL))
  AND NOT EXISTS (SELECT 1 FROM job o WHERE o.state = 1 AND o.worker_id = $2 AND o.lost >= 2)
RETURNING j.id, j.fence, j.kind, j.team_id, j.priority, j.attempt, j.max_attempts, j.lost, j.object,
    j.trace_id, j.args, j.cancel_requested, j.run_at
