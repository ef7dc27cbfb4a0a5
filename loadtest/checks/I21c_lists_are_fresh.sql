-- I21: the last list of an authority that lives has not ended; ten minutes after it was made, an
-- authority has one.
SELECT k.id, k.name, l.next_update
FROM ca_key k
LEFT JOIN LATERAL (SELECT c.next_update FROM crl c WHERE c.ca_key_id = k.id
                   ORDER BY c.number DESC LIMIT 1) l ON true
WHERE k.not_after > clock_timestamp()
  AND (l.next_update < clock_timestamp()
       OR (l.next_update IS NULL AND k.created_at < clock_timestamp() - interval '10 min'))
