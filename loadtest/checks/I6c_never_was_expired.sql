-- I6: at no moment was a certificate expired: each version was stored before the end of the one
-- before it.
SELECT certificate_id, generation, issued_at, before, issued_at - before AS late
FROM (SELECT certificate_id, generation, issued_at,
             lag(not_after) OVER (PARTITION BY certificate_id ORDER BY generation, issued_at) AS before
      FROM version) q
WHERE issued_at >= before
