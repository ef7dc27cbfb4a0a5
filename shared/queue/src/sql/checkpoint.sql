-- Proves a lease and keeps rescue and cancel away until the caller's transaction ends.
-- Trap: without FOR SHARE a rescue could come between this look and the caller's write. The state
-- is not tested: fence, token and owner already imply that it runs, and the predicate would lead
-- the planner to the index of running jobs.
-- $1 job $2 fence $3 token $4 process
SELECT cancel_requested FROM job
WHERE id = $1 AND fence = $2 AND lease_token = $3 AND worker_id = $4
FOR SHARE
