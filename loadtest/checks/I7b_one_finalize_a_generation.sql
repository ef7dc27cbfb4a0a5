-- I7: by the CA's own ledger, each order that was finalized is known here, and no generation has two.
WITH known AS (
    SELECT o.certificate_id, o.generation,
           coalesce(o.remote #>> '{finalized,order}', o.remote #>> '{ordered,order}')::bigint AS ca_order
    FROM cert_order o WHERE o.remote IS NOT NULL),
finalized AS (SELECT ca_order FROM h_ca WHERE operation = 'finalize' AND accepted)
SELECT f.ca_order, NULL::uuid AS certificate_id, 'finalized and not known here' AS what
FROM finalized f WHERE NOT EXISTS (SELECT 1 FROM known k WHERE k.ca_order = f.ca_order)
UNION ALL
SELECT min(f.ca_order), k.certificate_id, 'finalized more than once for a generation'
FROM finalized f JOIN known k USING (ca_order)
GROUP BY k.certificate_id, k.generation HAVING count(*) > 1
