-- I6: no certificate is expired now, but those that rest since their current version was revoked.
SELECT c.id, c.name, c.not_after, clock_timestamp() - c.not_after AS since
FROM certificate c
WHERE c.auto_renew AND c.not_after < clock_timestamp()
  AND NOT EXISTS (SELECT 1 FROM version v WHERE v.id = c.version_id AND v.revoked_at IS NOT NULL)
