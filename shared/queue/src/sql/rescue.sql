-- Takes jobs from dead processes, and from living ones whose handler is past its deadline.
-- A lost attempt is given back and counted apart: the third loss in a row ends the job, so that a
-- poison job does not kill process after process. A cancelled one ends at once.
-- Trap: joining the limited set to the UPDATE becomes a sequential scan under a generic plan;
-- the anti-join on process also catches a claim that raced with the death mark.
-- Trap: after an outage or a jump of the clock every deadline is past; only a process that was
-- steady for a whole lease may judge by deadlines.
-- $1 process that rescues $2 limit
WITH steady AS MATERIALIZED (
    SELECT 1 FROM process m
    WHERE m.id = $1 AND m.dead_at IS NULL AND m.steady_since <= clock_timestamp() - m.lease),
lost AS MATERIALIZED (
    SELECT j.*, jsonb_build_object('code', 'lost_worker', 'class', 'lost_worker',
                                   'process', worker_id)
        || CASE WHEN cancel_requested THEN jsonb_build_object('cancelled_by', cancel_by)
                ELSE '{}' END AS said
    FROM job j
    WHERE j.state = 1
      AND (NOT EXISTS (SELECT 1 FROM process w WHERE w.id = j.worker_id AND w.dead_at IS NULL)
           OR (j.deadline_at < clock_timestamp() AND EXISTS (SELECT 1 FROM steady)))
    LIMIT $2 FOR UPDATE OF j SKIP LOCKED),
back AS (
    UPDATE job j SET state = 0, fence = j.fence + 1, lease_token = NULL, worker_id = NULL,
        deadline_at = NULL, attempt = greatest(j.attempt - 1, 0), lost = j.lost + 1,
        waiting_code = 'rescued'
    WHERE j.id = ANY (ARRAY(SELECT id FROM lost WHERE NOT cancel_requested AND lost < 2))
    RETURNING j.id),
ended AS (
    DELETE FROM job j
    WHERE j.id = ANY (ARRAY(SELECT id FROM lost WHERE cancel_requested OR lost >= 2))
    RETURNING j.*),
kept AS (
    INSERT INTO job_history (
        id, team_id, queue, kind, priority, outcome, waiting_code, attempt, max_attempts, lost,
        fence, lease_token, worker_id, run_at, created_at, claimed_at, finalized_at, unique_key,
        object, trace_id, error, result, args)
    SELECT id, team_id, queue, kind, priority, CASE WHEN cancel_requested THEN 4 ELSE 3 END,
        'lost_worker', attempt, max_attempts, lost + 1, fence, lease_token, worker_id, run_at,
        created_at, claimed_at, clock_timestamp(), unique_key, object, trace_id,
        (SELECT said FROM lost l WHERE l.id = e.id), NULL, args
    FROM ended e),
noted AS (
    INSERT INTO job_attempt (job_id, attempt, fence, worker_id, started_at, ended_at, class,
                             error, trace_id)
    SELECT id, attempt, fence, worker_id, claimed_at, clock_timestamp(), 'lost_worker', said,
        trace_id
    FROM lost)
SELECT id, 'returned' AS what FROM back
UNION ALL
SELECT id, CASE WHEN cancel_requested THEN 'cancelled' ELSE 'discarded' END FROM ended
