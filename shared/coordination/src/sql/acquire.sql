-- Begins a new term if the last one has ended.
-- Trap: without SKIP LOCKED all standbys would stand in line behind the winner; the epoch rises in
-- the same statement, so that no two terms share one.
-- $1 leadership $2 holder $3 lease $4 label
UPDATE leader SET epoch = epoch + 1, holder = $2, label = $4, acquired_at = clock_timestamp(),
    renewed_at = clock_timestamp(), expires_at = clock_timestamp() + $3
WHERE name = (SELECT name FROM leader WHERE name = $1 AND expires_at < clock_timestamp()
              FOR UPDATE SKIP LOCKED)
RETURNING epoch
