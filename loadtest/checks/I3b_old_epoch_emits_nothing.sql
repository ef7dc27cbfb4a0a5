-- I3: no tick of an epoch was written after a newer one began.
SELECT t.schedule, t.slot, t.epoch, e.epoch AS newer
FROM ticks t JOIN leader_epochs e ON e.name = 'scheduler' AND e.epoch > t.epoch AND e.seq < t.seq
