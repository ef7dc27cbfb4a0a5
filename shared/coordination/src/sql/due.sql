-- Schedules with a slot to settle: the newest slot whose instant has come, else the grid's next.
-- Slots lie on whole periods since the Unix epoch; an instant is the slot plus its own share of a
-- tenth of the period (slot_due_at), so the newest grid slot may not be due yet while the one
-- before it is.
-- Trap: the clock is read once, or grid and comparison could disagree.
SELECT s.name, s.next_slot,
       CASE WHEN slot_due_at(s.name, g.slot, s.period) <= c.at THEN g.slot
            ELSE g.slot - s.period END AS newest_slot,
       (extract(epoch FROM slot_due_at(s.name, greatest(s.next_slot, g.slot), s.period) - c.at)
            * 1000)::bigint AS next_in_ms
FROM schedule s
CROSS JOIN (SELECT clock_timestamp() AS at OFFSET 0) c
CROSS JOIN LATERAL (
    SELECT to_timestamp(floor(extract(epoch FROM c.at) / extract(epoch FROM s.period))
                        * extract(epoch FROM s.period)) AS slot) g
