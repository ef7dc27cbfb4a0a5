-- Gives back claimed jobs that were not begun, each under its fence: the attempt does not count.
-- A job with a pending cancel is left for the rescue, which ends it.
-- $1 ids $2 fences $3 tokens $4 process
UPDATE job j SET state = 0, fence = j.fence + 1, lease_token = NULL, worker_id = NULL,
    deadline_at = NULL, attempt = greatest(j.attempt - 1, 0)
FROM unnest($1::bigint[], $2::int[], $3::bigint[]) AS t (id, fence, token)
WHERE j.id = ANY ($1) AND j.id = t.id AND j.fence = t.fence AND j.lease_token = t.token
  AND j.worker_id = $4 AND NOT j.cancel_requested
