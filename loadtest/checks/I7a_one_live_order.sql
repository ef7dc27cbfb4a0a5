-- I7: a generation never has two live orders, and an issued one has its version.
SELECT certificate_id, generation, count(*), 'two live orders' AS what
FROM cert_order WHERE state NOT IN ('failed', 'abandoned')
GROUP BY certificate_id, generation HAVING count(*) > 1
UNION ALL
SELECT o.certificate_id, o.generation, 0, 'issued without a version'
FROM cert_order o
WHERE o.state = 'issued' AND NOT EXISTS (SELECT 1 FROM version v WHERE v.order_id = o.id)
