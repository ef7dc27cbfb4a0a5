-- Begins a new term if the last one has ended, and notes how that came about.
-- Trap: without SKIP LOCKED all standbys would stand in line behind the winner; the epoch rises in
-- the same statement, so that no two terms share one.
-- $1 leadership $2 holder $3 lease $4 label
WITH before AS MATERIALIZED (
    SELECT name, holder, renewed_at, resigned_at FROM leader
    WHERE name = $1 AND expires_at < clock_timestamp()
    FOR UPDATE SKIP LOCKED),
begun AS (
    UPDATE leader l SET epoch = l.epoch + 1, holder = $2, label = $4,
        acquired_at = clock_timestamp(), renewed_at = clock_timestamp(), resigned_at = NULL,
        expires_at = clock_timestamp() + $3
    FROM before b WHERE l.name = b.name
    RETURNING l.name, l.epoch, l.acquired_at),
noted AS (
    INSERT INTO leader_term (name, epoch, holder, label, began_at, after, vacant)
    SELECT g.name, g.epoch, $2, $4, g.acquired_at,
           CASE WHEN b.renewed_at IS NULL THEN NULL
                WHEN b.holder IS NULL THEN 'resigned' ELSE 'lapsed' END,
           g.acquired_at - greatest(b.renewed_at, b.resigned_at)
    FROM begun g JOIN before b ON b.name = g.name)
SELECT epoch FROM begun
