-- Grants past every window, a day later; then heads that have none left. A head goes only while its
-- lock is free, so that nobody who is about to charge it loses it.
WITH old AS (
    SELECT g.ctid FROM ca_grant g JOIN ca_budget b ON b.id = g.budget_id
    WHERE g.granted_at < clock_timestamp() - make_interval(secs => b.window_s) - interval '1 day'
    LIMIT 10000),
gone AS (DELETE FROM ca_grant WHERE ctid = ANY (ARRAY(SELECT ctid FROM old)) RETURNING 1),
idle AS (
    SELECT k.budget_id, k.key FROM ca_budget_key k
    WHERE k.last_at < clock_timestamp() - interval '1 day'
      AND NOT EXISTS (SELECT 1 FROM ca_grant g WHERE g.budget_id = k.budget_id AND g.key = k.key)
    LIMIT 10000 FOR UPDATE OF k SKIP LOCKED),
heads AS (
    DELETE FROM ca_budget_key k USING idle WHERE k.budget_id = idle.budget_id AND k.key = idle.key
    RETURNING 1)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM heads)
