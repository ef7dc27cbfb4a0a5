-- I21: the last list of an authority that lives has not ended; ten minutes after it was made, an
-- authority has one. One whose key usage lacks cRLSign (bit 6, in the octet after these) makes none.
SELECT k.id, k.name, l.next_update
FROM ca_key k
LEFT JOIN LATERAL (SELECT c.next_update FROM crl c WHERE c.ca_key_id = k.id
                   ORDER BY c.number DESC LIMIT 1) l ON true
WHERE k.not_after > clock_timestamp()
  AND NOT (position('\x0603551d0f0101ff04040302'::bytea IN k.certificate_der) > 0
           AND get_byte(k.certificate_der,
                        position('\x0603551d0f0101ff04040302'::bytea IN k.certificate_der) + 12) & 2 = 0)
  AND (l.next_update < clock_timestamp()
       OR (l.next_update IS NULL AND k.created_at < clock_timestamp() - interval '10 min'))
