-- I2: fences rise strictly from claim to claim.
SELECT job_id, fence, before
FROM (SELECT job_id, fence, lag(fence) OVER (PARTITION BY job_id ORDER BY seq) AS before
      FROM job_events WHERE ev = 'claimed') q
WHERE fence <= before
