-- Claims up to $3 due jobs of a limited lane whose CA was asked already, whether the lane is closed or
-- not. Its limit was looked at under its lock.
-- Trap: as in claim.sql, only = ANY (ARRAY (..)) keeps the index plan; job_begun holds these rows
-- apart, so that the look is cheap however many others wait.
-- $1 queue $2 process $3 limit $4 lease token $5 time until the deadline $6 kinds, null = any
UPDATE job j SET state = 1, fence = j.fence + 1, lease_token = $4, attempt = j.attempt + 1,
    worker_id = $2, claimed_at = clock_timestamp(), deadline_at = clock_timestamp() + $5,
    waiting_code = NULL, unique_key = CASE WHEN NOT j.unique_until_start THEN j.unique_key END
WHERE j.id = ANY (ARRAY(
    SELECT r.id FROM job r
    WHERE r.queue = $1 AND r.state = 0 AND r.begun AND r.run_at <= now() AND r.lost < 2
      AND CASE WHEN (r.kind = ANY ($6::text[])) IS NOT FALSE
               AND r.kind <> ALL (ARRAY(SELECT k.kind FROM paused_kind k))
          THEN true END IS NOT NULL
    ORDER BY r.run_at, r.id LIMIT $3 FOR UPDATE SKIP LOCKED))
  AND EXISTS (SELECT 1 FROM process w WHERE w.id = $2 AND w.dead_at IS NULL)
RETURNING j.id, j.fence, j.kind, j.team_id, j.priority, j.attempt, j.max_attempts, j.lost, j.object,
    j.trace_id, j.args, j.cancel_requested, j.run_at
