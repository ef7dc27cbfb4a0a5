-- Each budget. Where one key, the empty one, holds for all orders of the issuer: its use, what waits in
-- the lane (counted to a bound), and when the last of that will have been granted if nothing else comes.
-- Grant n comes one span after grant n - allowed: of the waiting ones the last is q spans after one
-- that was given already, or, where that is long ago, q - 1 spans after now.
-- $1 bound
WITH told AS (
    SELECT i.id AS issuer_id, i.name AS issuer, b.scope, b.most, b.window_s, b.reserve, b.id,
           b.most - b.reserve AS allowed, coalesce(k.granted, 0) AS granted,
           make_interval(secs => b.window_s + greatest(0.1, least(30, b.window_s / 50.0))) AS span,
           (SELECT count(*) FROM (SELECT 1 FROM job j WHERE j.queue = i.lane AND j.state = 0
                                  LIMIT $1) w) AS waiting
    FROM ca_budget b JOIN issuer i ON i.id = b.issuer_id
    LEFT JOIN ca_budget_key k ON k.budget_id = b.id AND k.key = ''),
turns AS (SELECT *, (waiting + allowed - 1) / allowed AS q FROM told)
SELECT t.issuer_id, t.issuer, t.scope, t.most, t.window_s, t.reserve,
       CASE WHEN t.scope = $2 THEN
           (SELECT count(*) FROM ca_grant g
            WHERE g.budget_id = t.id AND g.key = '' AND g.nth > t.granted - t.most
              AND g.granted_at > clock_timestamp() - make_interval(secs => t.window_s)) END AS used,
       CASE WHEN t.scope = $2 THEN t.waiting END AS waiting,
       CASE WHEN t.scope = $2 AND t.waiting > 0 THEN
           extract(epoch FROM greatest(coalesce(g.granted_at + t.span - clock_timestamp(), interval '0'),
                                       interval '0') + t.span * (t.q - 1))::float8 END AS clears_in_s
FROM turns t
LEFT JOIN ca_grant g ON g.budget_id = t.id AND g.key = ''
    AND g.nth = t.granted + t.waiting - t.allowed * t.q
ORDER BY t.issuer, t.scope, t.window_s
