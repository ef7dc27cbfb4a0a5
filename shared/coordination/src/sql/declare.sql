-- Creates a schedule or brings it up to date. With another period the grid begins anew at the
-- next whole period; the slots between are not owed.
-- Trap: an update that changes nothing would still write a row at each start of each replica.
-- $1 name $2 period $3 team $4 queue $5 kind $6 priority $7 max attempts $8 args
WITH grid AS (
    SELECT to_timestamp((floor(extract(epoch FROM clock_timestamp()) / extract(epoch FROM $2)) + 1)
                        * extract(epoch FROM $2)) AS slot)
INSERT INTO schedule AS s (name, period, team_id, queue, kind, priority, max_attempts, args,
                           first_slot, next_slot)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, slot, slot FROM grid
ON CONFLICT (name) DO UPDATE SET
    period = excluded.period, team_id = excluded.team_id, queue = excluded.queue,
    kind = excluded.kind, priority = excluded.priority, max_attempts = excluded.max_attempts,
    args = excluded.args,
    first_slot = CASE WHEN s.period = excluded.period THEN s.first_slot
                      ELSE excluded.first_slot END,
    next_slot = CASE WHEN s.period = excluded.period THEN s.next_slot
                     ELSE greatest(s.next_slot, excluded.next_slot) END
WHERE (s.period, s.team_id, s.queue, s.kind, s.priority, s.max_attempts, s.args)
    IS DISTINCT FROM (excluded.period, excluded.team_id, excluded.queue, excluded.kind,
                      excluded.priority, excluded.max_attempts, excluded.args)
