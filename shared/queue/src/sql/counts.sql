-- How many jobs are in each shown state, each counted up to $2.
-- Trap: count(*) over a state reads all of it; a LIMIT inside each branch stops in time.
-- $1 team or null $2 most rows to count
SELECT 'running' AS shown, count(*) FROM (
    SELECT 1 FROM job WHERE state = 1 AND ($1::int IS NULL OR team_id = $1) LIMIT $2) a
UNION ALL
SELECT 'available', count(*) FROM (
    SELECT 1 FROM job WHERE state = 0 AND run_at <= now()
      AND ($1::int IS NULL OR team_id = $1) LIMIT $2) b
UNION ALL
SELECT 'retryable', count(*) FROM (
    SELECT 1 FROM job WHERE state = 0 AND run_at > now() AND attempt > 0
      AND ($1::int IS NULL OR team_id = $1) LIMIT $2) c
UNION ALL
SELECT 'scheduled', count(*) FROM (
    SELECT 1 FROM job WHERE state = 0 AND run_at > now() AND attempt = 0
      AND ($1::int IS NULL OR team_id = $1) LIMIT $2) d
UNION ALL
SELECT 'completed', count(*) FROM (
    SELECT 1 FROM job_history WHERE outcome = 2 AND ($1::int IS NULL OR team_id = $1) LIMIT $2) e
UNION ALL
SELECT 'discarded', count(*) FROM (
    SELECT 1 FROM job_history WHERE outcome = 3 AND ($1::int IS NULL OR team_id = $1) LIMIT $2) f
UNION ALL
SELECT 'cancelled', count(*) FROM (
    SELECT 1 FROM job_history WHERE outcome = 4 AND ($1::int IS NULL OR team_id = $1) LIMIT $2) g
