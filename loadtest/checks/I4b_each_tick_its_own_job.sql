-- I4: an emitted tick has its own job, a skipped one has none, no job has two ticks.
SELECT t.schedule, t.slot, t.job_id, 'job gone' AS what
FROM schedule_tick t LEFT JOIN jobs j ON j.id = t.job_id
WHERE NOT t.skipped AND j.id IS NULL
UNION ALL
SELECT schedule, slot, job_id, 'skipped with a job' FROM schedule_tick
WHERE skipped AND job_id IS NOT NULL
UNION ALL
SELECT min(schedule), min(slot), job_id, 'two ticks' FROM schedule_tick
WHERE job_id IS NOT NULL GROUP BY job_id HAVING count(*) > 1
