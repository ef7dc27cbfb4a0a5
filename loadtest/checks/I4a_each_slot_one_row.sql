-- I4: each slot on the grid has exactly one row, and no row lies off the grid.
SELECT s.name, g.slot, 'missing' AS what
FROM schedule s
CROSS JOIN LATERAL generate_series(s.first_slot, s.next_slot - s.period, s.period) AS g (slot)
WHERE NOT EXISTS (SELECT 1 FROM schedule_tick t WHERE t.schedule = s.name AND t.slot = g.slot)
UNION ALL
SELECT schedule, slot, 'twice' FROM schedule_tick GROUP BY schedule, slot HAVING count(*) > 1
UNION ALL
SELECT t.schedule, t.slot, 'off the grid'
FROM schedule_tick t JOIN schedule s ON s.name = t.schedule
WHERE t.slot >= s.first_slot
  AND mod(extract(epoch FROM t.slot), extract(epoch FROM s.period)) <> 0
