-- I14: no window of a budget holds more grants than it may, by the times of the grants alone.
SELECT g.budget_id, g.key, g.nth, g.granted_at
FROM ca_grant g JOIN ca_budget b ON b.id = g.budget_id
WHERE (SELECT count(*) FROM ca_grant o
       WHERE o.budget_id = g.budget_id AND o.key = g.key AND o.granted_at <= g.granted_at
         AND o.granted_at > g.granted_at - make_interval(secs => b.window_s)) > b.most
