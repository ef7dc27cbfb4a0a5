-- I20: nothing due waits for more than 60 s, and nothing stays with a lost owner for so long.
SELECT id, kind, state, run_at
FROM jobs
WHERE (state = 'waiting' AND run_at < clock_timestamp() - interval '60 s')
   OR (state = 'running' AND least(lease_until, owner_dead_at) < clock_timestamp() - interval '60 s')
   OR (state = 'running' AND lease_until IS NULL)
