-- I6: a certificate that is due for 15 s (several slots of the sweep) has a live job.
SELECT c.id, c.name, c.renew_at
FROM certificate c
WHERE c.auto_renew AND c.renew_at < clock_timestamp() - interval '15 s'
  AND NOT EXISTS (SELECT 1 FROM job j
                  WHERE j.kind = 'issue' AND (j.args ->> 'generation')::int = c.generation + 1
                    AND j.object = shown('cert_', c.id))
