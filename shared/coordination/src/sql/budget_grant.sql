-- Grants each charge: the next number of its key, at a time that never goes backwards.
-- $1 budgets $2 keys $3 order
WITH head AS (
    UPDATE ca_budget_key k SET granted = k.granted + 1,
        last_at = greatest(k.last_at, clock_timestamp())
    WHERE (k.budget_id, k.key) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
    RETURNING k.budget_id, k.key, k.granted, k.last_at)
INSERT INTO ca_grant (budget_id, key, nth, granted_at, order_id)
SELECT budget_id, key, granted, last_at, $3 FROM head
