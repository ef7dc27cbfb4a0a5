-- I1: an acknowledged request is never lost: its certificate and its job are there.
SELECT h.op_id, h.op, h.name, c.id IS NULL AS certificate_gone, j.id IS NULL AS job_gone
FROM h_enqueue h
LEFT JOIN certificate c ON c.id = h.certificate_id
LEFT JOIN jobs j ON j.id = h.job_id
WHERE h.outcome = 'ok' AND (c.id IS NULL OR j.id IS NULL)
