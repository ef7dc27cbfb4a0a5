-- I8: whatever is sealed names a key that is registered for its purpose, and the envelope itself
-- (version, key id, ..) names the same one: a rotation that forgot a row would show here.
SELECT s.place, s.id, s.kek_id
FROM (SELECT 'ca_key' AS place, id, kek_id, key_sealed, 'ca' AS purpose FROM ca_key
      UNION ALL
      SELECT 'certificate', id, kek_id, key_sealed, 'app' FROM certificate WHERE key_sealed IS NOT NULL
      UNION ALL
      SELECT 'ocsp_responder', id, kek_id, key_sealed, 'app' FROM ocsp_responder) s
LEFT JOIN kek k ON k.id = s.kek_id AND k.purpose = s.purpose
WHERE k.id IS NULL OR encode(substring(s.key_sealed FROM 2 FOR 8), 'hex') <> s.kek_id
