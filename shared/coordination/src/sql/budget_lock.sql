-- Locks the heads of the keys, in the same order.
-- $1 budgets $2 keys
SELECT 1 FROM ca_budget_key k
WHERE (k.budget_id, k.key) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
ORDER BY k.budget_id, k.key FOR NO KEY UPDATE
