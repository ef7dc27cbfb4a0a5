-- I2: a job ends once.
SELECT job_id, count(*), array_agg(ev ORDER BY seq)
FROM job_events WHERE ev IN ('completed', 'discarded', 'cancelled')
GROUP BY job_id HAVING count(*) > 1
