-- Proves a lease as checkpoint.sql does, and notes that the outside world was asked.
-- $1 job $2 fence $3 token $4 process
UPDATE job SET begun = true
WHERE id = $1 AND fence = $2 AND lease_token = $3 AND worker_id = $4
RETURNING cancel_requested
