-- I2: what a job is agrees with what happened to it, and it stands in one table only.
SELECT j.id, j.state
FROM jobs j
WHERE (j.state = 'completed')
      <> EXISTS (SELECT 1 FROM job_events e WHERE e.job_id = j.id AND e.ev = 'completed')
   OR (j.state = 'running')
      <> ((SELECT e.ev FROM job_events e WHERE e.job_id = j.id ORDER BY e.seq DESC LIMIT 1)
          IS NOT DISTINCT FROM 'claimed')
UNION ALL
SELECT id, 'stands twice' FROM jobs GROUP BY id HAVING count(*) > 1
