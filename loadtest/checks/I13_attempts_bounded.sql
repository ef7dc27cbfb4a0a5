-- I13: attempts are bounded, crash or not, and losses end a job at the third.
SELECT id, attempt, max_attempts, lost FROM jobs
WHERE attempt > max_attempts OR lost > 3 OR (lost > 2 AND state IN ('waiting', 'running'))
