-- One live job.
-- $1 job
SELECT id, team_id, queue, kind, priority,
       CASE WHEN state = 1 THEN 'running' WHEN run_at <= now() THEN 'available'
            WHEN attempt > 0 THEN 'retryable' ELSE 'scheduled' END AS shown,
       waiting_code, run_at, created_at, attempt, max_attempts, lost, worker_id, claimed_at,
       deadline_at, NULL::timestamptz AS finalized_at, cancel_requested, unique_key, object,
       trace_id, last_error AS error, NULL::jsonb AS result, args
FROM job WHERE id = $1
