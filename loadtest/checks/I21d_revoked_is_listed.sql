-- I21: what was revoked more than ten minutes ago and has not ended stands in the last list of its
-- authority. Serial numbers are 128 random bits, so that finding the octets is finding the entry.
SELECT v.id, encode(v.serial, 'hex') AS serial, v.revoked_at
FROM version v
LEFT JOIN LATERAL (SELECT c.der FROM crl c WHERE c.ca_key_id = v.ca_key_id
                   ORDER BY c.number DESC LIMIT 1) l ON true
WHERE v.ca_key_id IS NOT NULL AND v.revoked_at < clock_timestamp() - interval '10 min'
  AND v.not_after > clock_timestamp()
  AND coalesce(position(v.serial IN l.der), 0) = 0
