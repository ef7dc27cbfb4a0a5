-- Ends a process on purpose and frees what it still runs, attempt given back, nothing counted lost.
-- A job with a pending cancel is left for rescue, which ends it.
-- Trap: a claim of this process that is under way in another session is not seen here; rescue
-- finds it, since its owner is dead then.
-- $1 process
WITH dead AS (
    UPDATE process SET dead_at = clock_timestamp(), stopped_at = clock_timestamp()
    WHERE id = $1 AND dead_at IS NULL
    RETURNING id),
freed AS (
    UPDATE job SET state = 0, fence = fence + 1, lease_token = NULL, worker_id = NULL,
        deadline_at = NULL, attempt = greatest(attempt - 1, 0)
    WHERE state = 1 AND worker_id = $1 AND NOT cancel_requested AND EXISTS (SELECT 1 FROM dead)
    RETURNING id)
SELECT count(*) FROM freed
