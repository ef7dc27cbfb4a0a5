-- I2: nothing was accepted under a fence older than one that was claimed before.
SELECT e.seq, e.job_id, e.ev, e.fence
FROM job_events e
WHERE e.ev <> 'claimed'
  AND EXISTS (SELECT 1 FROM job_events c
              WHERE c.job_id = e.job_id AND c.ev = 'claimed' AND c.seq < e.seq AND c.fence > e.fence)
