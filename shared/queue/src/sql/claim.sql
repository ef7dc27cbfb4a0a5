-- Claims up to $3 due jobs of one lane for one living process, in one short statement; nothing
-- while the lane is paused or limited (a limited one: claim_limited).
-- Trap: a CTE with LIMIT joined to the UPDATE becomes a sequential scan of job under a generic
-- plan, and IN (SELECT .. FOR UPDATE) can be evaluated again and claim too much; = ANY (ARRAY (..))
-- has neither fault. By ctid, since the rows are locked already and cannot move before the update.
-- Trap: one ORDER BY priority, run_at walks all future jobs of the better priorities; a LATERAL
-- for each priority stops at the first future one.
-- Trap: as plain conditions, the kinds would count as keeping hardly any row, and the planner would
-- read and sort the whole lane for them; CASE .. IS NOT NULL counts as keeping nearly all.
-- $6, $7: the low-water mark (run_at, id) of each priority, null = from the beginning. It skips
-- the dead index entries that a pinned xmin keeps.
-- $1 queue $2 process $3 limit $4 lease token $5 time until the deadline $8 kinds, null = any
-- $9 true = the lane's limit was looked at under its lock $10 the last priority that may be claimed
UPDATE job j SET state = 1, fence = j.fence + 1, lease_token = $4, attempt = j.attempt + 1,
    worker_id = $2, claimed_at = clock_timestamp(), deadline_at = clock_timestamp() + $5,
    waiting_code = NULL, unique_key = CASE WHEN NOT j.unique_until_start THEN j.unique_key END
WHERE j.ctid = ANY (ARRAY(
    SELECT x.ctid
    FROM unnest(ARRAY[0, 1, 2, 3, 4]::smallint[], $6::timestamptz[], $7::bigint[])
        AS p (priority, mark_at, mark_id)
    CROSS JOIN LATERAL (
        SELECT r.ctid FROM job r
        WHERE p.priority <= $10 AND r.queue = $1 AND r.state = 0 AND r.priority = p.priority
          AND (r.run_at, r.id) >= (coalesce(p.mark_at, '-infinity'), coalesce(p.mark_id, 0))
          AND r.run_at <= now() AND r.lost < 2
          AND CASE WHEN (r.kind = ANY ($8::text[])) IS NOT FALSE
                   AND r.kind <> ALL (ARRAY(SELECT k.kind FROM paused_kind k))
              THEN true END IS NOT NULL
        ORDER BY r.run_at, r.id LIMIT $3 FOR UPDATE SKIP LOCKED) x
    LIMIT $3))
  AND EXISTS (SELECT 1 FROM process w WHERE w.id = $2 AND w.dead_at IS NULL)
  AND EXISTS (SELECT 1 FROM lane l WHERE l.name = $1 AND l.paused_at IS NULL
              AND ($9 OR l.max_running IS NULL))
RETURNING j.id, j.fence, j.kind, j.team_id, j.priority, j.attempt, j.max_attempts, j.lost, j.object,
    j.trace_id, j.args, j.cancel_requested, j.run_at
