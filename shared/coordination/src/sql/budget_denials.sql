-- The charges that cannot be granted: the grant that is as many grants ago as are allowed still lies
-- within the window. A statement of its own, after the lock: its snapshot then holds what the last
-- holder granted. The clock is read after the lock, too, and once.
-- $1 budgets $2 keys $3 most $4 reserve $5 window in us $6 urgent
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now),
charge AS (
    SELECT t.budget_id, t.key, t.most, t.window_us * interval '1 us' AS span,
           CASE WHEN $6 THEN t.most ELSE t.most - t.reserve END AS allowed, h.granted
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
             AS t (budget_id, key, most, reserve, window_us)
    JOIN ca_budget_key h USING (budget_id, key))
SELECT c.budget_id,
       (extract(epoch FROM g.granted_at + c.span - clock.now) * 1e6)::bigint AS free_in_us,
       (extract(epoch FROM coalesce(s.granted_at, g.granted_at) + c.span - clock.now) * 1e6)::bigint
           AS some_free_in_us
FROM clock CROSS JOIN charge c
JOIN ca_grant g ON g.budget_id = c.budget_id AND g.key = c.key AND g.nth = c.granted + 1 - c.allowed
LEFT JOIN ca_grant s ON s.budget_id = c.budget_id AND s.key = c.key
    AND s.nth = c.granted - c.allowed + greatest(1, least(c.allowed, c.most / 20))
WHERE g.granted_at + c.span > clock.now
