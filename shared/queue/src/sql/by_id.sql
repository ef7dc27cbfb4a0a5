-- One job, live or ended, in one snapshot.
-- Trap: two statements could miss a job that ends between them.
-- $1 job
SELECT id, team_id, queue, kind, priority,
       CASE WHEN state = 1 THEN 'running' WHEN run_at <= now() THEN 'available'
            WHEN attempt > 0 THEN 'retryable' ELSE 'scheduled' END AS shown,
       waiting_code, run_at, created_at, attempt, max_attempts, lost, worker_id, claimed_at,
       deadline_at, NULL::timestamptz AS finalized_at, cancel_requested, unique_key, object,
       trace_id, last_error AS error, NULL::jsonb AS result, args
FROM job WHERE id = $1
UNION ALL
SELECT id, team_id, queue, kind, priority,
       CASE outcome WHEN 2 THEN 'completed' WHEN 3 THEN 'discarded' ELSE 'cancelled' END,
       waiting_code, run_at, created_at, attempt, max_attempts, lost, worker_id, claimed_at,
       NULL, finalized_at, false, unique_key, object, trace_id, error, result, args
FROM job_history WHERE id = $1
