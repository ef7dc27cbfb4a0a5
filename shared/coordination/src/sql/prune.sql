-- Removes old ticks, 10 000 at most, and says so in the schedules' first_slot, so that "every slot
-- since first_slot has a row" stays true.
-- Trap: a long DELETE would hold the leader's row; the limit bounds it.
-- $1 holder $2 epoch $3 keep $4 leadership
WITH term AS MATERIALIZED (
    SELECT 1 FROM leader
    WHERE name = $4 AND holder = $1 AND epoch = $2 AND expires_at > clock_timestamp()
    FOR SHARE),
old AS (
    SELECT t.schedule, t.slot FROM schedule_tick t
    WHERE t.slot < clock_timestamp() - $3 AND EXISTS (SELECT 1 FROM term)
    ORDER BY t.slot LIMIT 10000),
gone AS (
    DELETE FROM schedule_tick t USING old o
    WHERE t.schedule = o.schedule AND t.slot = o.slot
    RETURNING t.schedule, t.slot),
begun AS (
    UPDATE schedule s SET first_slot = g.last + s.period
    FROM (SELECT schedule, max(slot) AS last FROM gone GROUP BY schedule) g
    WHERE s.name = g.schedule AND s.first_slot <= g.last)
SELECT count(*) FROM gone
