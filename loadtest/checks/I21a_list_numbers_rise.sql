-- I21: numbers of lists rise with their dates, and none was published that was not drawn.
SELECT ca_key_id, number, 'older than the one before' AS what
FROM (SELECT ca_key_id, number, this_update,
             lag(this_update) OVER (PARTITION BY ca_key_id ORDER BY number) AS before
      FROM crl) q
WHERE this_update < before
UNION ALL
SELECT c.ca_key_id, c.number, 'never drawn'
FROM crl c LEFT JOIN crl_head h ON h.ca_key_id = c.ca_key_id
WHERE c.number > coalesce(h.drawn, 0)
