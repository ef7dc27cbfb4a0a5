-- I6: a certificate points to its newest version and shows that one's end.
SELECT c.id, c.name, c.generation, v.generation AS newest
FROM certificate c
JOIN LATERAL (SELECT * FROM version v WHERE v.certificate_id = c.id
              ORDER BY v.generation DESC LIMIT 1) v ON true
WHERE c.generation <> v.generation OR c.version_id IS DISTINCT FROM v.id
   OR c.not_after IS DISTINCT FROM v.not_after OR c.status <> 'issued'
