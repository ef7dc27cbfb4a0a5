-- I21: a number never stands for two lists, and what is stored is what was hashed.
SELECT ca_key_id, number, 'two lists' AS what
FROM crl GROUP BY ca_key_id, number HAVING count(*) > 1
UNION ALL
SELECT ca_key_id, number, 'other bytes' FROM crl WHERE sha256 <> sha256(der)
