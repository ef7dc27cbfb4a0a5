-- Running jobs of one process that somebody wants stopped.
-- $1 process
SELECT id, fence FROM job WHERE worker_id = $1 AND state = 1 AND cancel_requested
