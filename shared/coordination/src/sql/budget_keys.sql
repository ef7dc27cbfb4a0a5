-- Makes the heads of keys that were never charged; in one order for everybody, so that nobody waits
-- in a circle.
-- $1 budgets $2 keys
INSERT INTO ca_budget_key (budget_id, key)
SELECT DISTINCT t.budget_id, t.key FROM unnest($1::uuid[], $2::text[]) AS t (budget_id, key)
ORDER BY t.budget_id, t.key
ON CONFLICT (budget_id, key) DO NOTHING
