-- I1: what was acknowledged is issued, or somebody works on it; its job did not end otherwise.
SELECT h.op_id, h.op, h.name, j.state
FROM h_enqueue h JOIN jobs j ON j.id = h.job_id
WHERE h.outcome = 'ok'
  AND (j.state IN ('discarded', 'cancelled')
       OR (j.state = 'completed'
           AND NOT EXISTS (SELECT 1 FROM version v WHERE v.certificate_id = h.certificate_id)))
