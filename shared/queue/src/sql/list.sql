-- One page of jobs, newest id first, live and ended ones in one snapshot.
-- Trap: a filter over the union would read everything; each branch is limited by itself.
-- Stored are waiting and running; what is shown is derived: see `shown` below.
-- $1 team $2 states $3 queues $4 kinds $5 before this id $6 limit
-- (null = any, for each)
WITH live AS (
    SELECT j.*, CASE WHEN state = 1 THEN 'running' WHEN run_at <= now() THEN 'available'
                     WHEN attempt > 0 THEN 'retryable' ELSE 'scheduled' END AS shown
    FROM job j),
live_page AS (
    SELECT id, team_id, queue, kind, priority, shown, waiting_code, run_at, created_at, attempt,
           max_attempts, lost, worker_id, claimed_at, deadline_at,
           NULL::timestamptz AS finalized_at, cancel_requested, unique_key, object, trace_id,
           last_error AS error, NULL::jsonb AS result, args
    FROM live
    WHERE ($1::int IS NULL OR team_id = $1)
      AND ($2::text[] IS NULL OR shown = ANY ($2)) AND ($3::text[] IS NULL OR queue = ANY ($3))
      AND ($4::text[] IS NULL OR kind = ANY ($4)) AND ($5::bigint IS NULL OR id < $5)
    ORDER BY id DESC LIMIT $6),
ended_page AS (
    SELECT id, team_id, queue, kind, priority,
           CASE outcome WHEN 2 THEN 'completed' WHEN 3 THEN 'discarded' ELSE 'cancelled' END
               AS shown,
           waiting_code, run_at, created_at, attempt, max_attempts, lost, worker_id, claimed_at,
           NULL::timestamptz AS deadline_at, finalized_at, false AS cancel_requested, unique_key,
           object, trace_id, error, result, args
    FROM job_history
    WHERE ($1::int IS NULL OR team_id = $1)
      AND ($2::text[] IS NULL OR outcome = ANY (ARRAY(
          SELECT o FROM unnest(ARRAY[2, 3, 4]::smallint[],
                               ARRAY['completed', 'discarded', 'cancelled']) AS k (o, word)
          WHERE k.word = ANY ($2))))
      AND ($3::text[] IS NULL OR queue = ANY ($3)) AND ($4::text[] IS NULL OR kind = ANY ($4))
      AND ($5::bigint IS NULL OR id < $5)
    ORDER BY id DESC LIMIT $6)
SELECT * FROM live_page UNION ALL SELECT * FROM ended_page ORDER BY id DESC LIMIT $6
