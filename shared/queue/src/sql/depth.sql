-- How much each lane has to do: due jobs and running ones, both counted to a bound, and since when the
-- oldest one is due. The signal by which workers are added and taken away.
-- Trap: count(*) or min(run_at) over a lane reads all its waiting rows; a LATERAL for each priority
-- reads the index up to the bound.
-- $1 bound $2 lanes, null = all
SELECT l.name, l.needs_key, l.max_running, l.paused_at, l.pause_reason,
       l.closed_until, l.reserved_until,
       least(coalesce(d.due, 0), $1)::bigint AS due, coalesce(d.due > $1, false) AS due_more,
       (extract(epoch FROM clock_timestamp() - d.oldest))::float8 AS oldest_due_age_s,
       (SELECT count(*) FROM (SELECT 1 FROM job j WHERE j.queue = l.name AND j.state = 1
                              LIMIT $1) r) AS running
FROM lane l
LEFT JOIN LATERAL (
    SELECT sum(c.n) AS due, min(c.oldest) AS oldest
    FROM unnest(ARRAY[0, 1, 2, 3, 4]::smallint[]) AS p (priority)
    CROSS JOIN LATERAL (
        SELECT count(*) AS n, min(r.run_at) AS oldest
        FROM (SELECT q.run_at FROM job q
              WHERE q.queue = l.name AND q.state = 0 AND q.priority = p.priority
                AND q.run_at <= now()
              ORDER BY q.run_at LIMIT $1 + 1) r) c) d ON true
WHERE $2::text[] IS NULL OR l.name = ANY ($2)
ORDER BY l.name
