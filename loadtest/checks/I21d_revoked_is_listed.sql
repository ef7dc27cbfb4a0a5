-- I21: what was revoked more than ten minutes ago and has not ended stands in the last list of its
-- authority. Serial numbers are 128 random bits, so that finding the octets is finding the entry.
-- An authority whose key usage lacks cRLSign makes no lists.
SELECT v.id, encode(v.serial, 'hex') AS serial, v.revoked_at
FROM version v
LEFT JOIN ca_key k ON k.id = v.ca_key_id
LEFT JOIN LATERAL (SELECT c.der FROM crl c WHERE c.ca_key_id = v.ca_key_id
                   ORDER BY c.number DESC LIMIT 1) l ON true
WHERE v.ca_key_id IS NOT NULL AND v.revoked_at < clock_timestamp() - interval '10 min'
  AND v.not_after > clock_timestamp()
  AND coalesce(position(v.serial IN l.der), 0) = 0
  AND NOT coalesce(position('\x0603551d0f0101ff04040302'::bytea IN k.certificate_der) > 0
           AND get_byte(k.certificate_der,
                        position('\x0603551d0f0101ff04040302'::bytea IN k.certificate_der) + 12) & 2 = 0, false)
