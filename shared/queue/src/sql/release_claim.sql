-- Gives back all jobs of one claim, told by its token: its answer was lost, so that nobody holds them.
-- A job with a pending cancel is left for the rescue, which ends it.
-- $1 queue $2 process $3 token
UPDATE job SET state = 0, fence = fence + 1, lease_token = NULL, worker_id = NULL,
    deadline_at = NULL, attempt = greatest(attempt - 1, 0)
WHERE queue = $1 AND state = 1 AND worker_id = $2 AND lease_token = $3 AND NOT cancel_requested
