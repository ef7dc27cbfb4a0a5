-- I6: no certificate is expired now.
SELECT c.id, c.name, c.not_after, clock_timestamp() - c.not_after AS since
FROM certificate c
WHERE c.auto_renew AND c.not_after < clock_timestamp()
