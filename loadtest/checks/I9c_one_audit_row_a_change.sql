-- I9: an issued version and an acknowledged request have exactly one audit row each.
SELECT 'version ' || encode(v.serial, 'hex') AS what, count(a.id)
FROM version v
LEFT JOIN audit a ON a.action = 'certificate.issue' AND a.detail ->> 'serial' = encode(v.serial, 'hex')
GROUP BY v.id, v.serial HAVING count(a.id) <> 1
UNION ALL
SELECT 'issued in audit only ' || (a.detail ->> 'serial'), 0
FROM audit a
WHERE a.action = 'certificate.issue'
  AND NOT EXISTS (SELECT 1 FROM version v WHERE encode(v.serial, 'hex') = a.detail ->> 'serial')
UNION ALL
SELECT 'request ' || h.name, count(a.id)
FROM h_enqueue h
LEFT JOIN audit a ON a.action = 'certificate.request' AND a.object = shown('cert_', h.certificate_id)
WHERE h.outcome = 'ok' AND h.op IN ('request', 'bulk')
GROUP BY h.op_id, h.name HAVING count(a.id) <> 1
