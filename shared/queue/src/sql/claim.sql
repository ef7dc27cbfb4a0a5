-- Claims up to $3 due jobs of one lane for one living process, in one short statement.
-- Trap: a CTE with LIMIT joined to the UPDATE becomes a sequential scan of job under a generic
-- plan, and IN (SELECT .. FOR UPDATE) can be evaluated again and claim too much;
-- id = ANY (ARRAY (..)) has neither fault.
-- Trap: one ORDER BY priority, run_at walks all future jobs of the better priorities; a LATERAL
-- for each priority stops at the first future one.
-- $6, $7: the low-water mark (run_at, id) of each priority, null = from the beginning. It skips
-- the dead index entries that a pinned xmin keeps.
-- $1 queue $2 process $3 limit $4 lease token $5 time until the deadline
WITH claimed AS (
    UPDATE job j SET state = 1, fence = j.fence + 1, lease_token = $4, attempt = j.attempt + 1,
        worker_id = $2, claimed_at = clock_timestamp(), deadline_at = clock_timestamp() + $5,
        waiting_code = NULL
    WHERE j.id = ANY (ARRAY(
        SELECT x.id
        FROM unnest(ARRAY[0, 1, 2, 3, 4]::smallint[], $6::timestamptz[], $7::bigint[])
            AS p (priority, mark_at, mark_id)
        CROSS JOIN LATERAL (
            SELECT r.id FROM job r
            WHERE r.queue = $1 AND r.state = 0 AND r.priority = p.priority
              AND (r.run_at, r.id) >= (coalesce(p.mark_at, '-infinity'), coalesce(p.mark_id, 0))
              AND r.run_at <= now() AND r.lost < 2
            ORDER BY r.run_at, r.id LIMIT $3 FOR UPDATE SKIP LOCKED) x
        LIMIT $3))
      AND EXISTS (SELECT 1 FROM process w WHERE w.id = $2 AND w.dead_at IS NULL)
    RETURNING j.*)
SELECT id, fence, lease_token, worker_id, kind, queue, team_id, priority, attempt, max_attempts,
       lost, object, trace_id, args, cancel_requested, run_at, deadline_at
FROM claimed ORDER BY priority, run_at, id
