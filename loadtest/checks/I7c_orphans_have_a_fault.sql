-- I7: an order that the CA made and that was not finalized is what a fault left behind inside the call:
-- there are no more of them than jobs of issuers that call out were rescued or failed.
WITH orphan AS (
    SELECT count(*) AS n FROM h_ca h
    WHERE h.operation = 'new_order' AND h.accepted
      AND NOT EXISTS (SELECT 1 FROM h_ca f WHERE f.operation = 'finalize' AND f.accepted
                      AND f.ca_order = h.ca_order)),
hurt AS (
    SELECT count(*) AS n FROM harness.job_events e JOIN harness.jobs j ON j.id = e.job_id
    WHERE e.ev IN ('rescued', 'failed', 'discarded') AND j.queue IN (
        SELECT i.lane FROM public.issuer i WHERE i.kind = 'rehearsal'))
SELECT orphan.n AS orphans, hurt.n AS hurt FROM orphan, hurt WHERE orphan.n > hurt.n
