-- One job that has ended; each partition of the history is probed.
-- $1 job
SELECT id, team_id, queue, kind, priority,
       CASE outcome WHEN 2 THEN 'completed' WHEN 3 THEN 'discarded' ELSE 'cancelled' END AS shown,
       waiting_code, run_at, created_at, attempt, max_attempts, lost, worker_id, claimed_at,
       NULL::timestamptz AS deadline_at, finalized_at, false AS cancel_requested, unique_key,
       object, trace_id, error, result, args
FROM job_history WHERE id = $1
