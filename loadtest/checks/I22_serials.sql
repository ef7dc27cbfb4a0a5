-- I22: serials are unique for each issuer, 64 bits or more and at most 20 octets; what a CA of
-- ours signed had been drawn and stored with its order.
SELECT issuer_id, encode(serial, 'hex') AS serial, 'not unique' AS what
FROM version GROUP BY issuer_id, serial HAVING count(*) > 1
UNION ALL
SELECT issuer_id, encode(serial, 'hex'), 'two versions of one serial over orders'
FROM cert_order GROUP BY issuer_id, serial HAVING count(*) > 1
UNION ALL
SELECT issuer_id, encode(serial, 'hex'), 'too short or too long'
FROM version WHERE length(ltrim(encode(serial, 'hex'), '0')) < 16 OR length(serial) > 20
UNION ALL
SELECT v.issuer_id, encode(v.serial, 'hex'), 'not the order''s'
FROM version v JOIN cert_order o ON o.id = v.order_id
WHERE o.ca_key_id IS NOT NULL AND (v.serial, v.not_after) IS DISTINCT FROM (o.serial, o.not_after)
