-- One look at all lanes of a process: is something due, is a suspect due, when is the next one, when
-- is the next one that was begun.
-- Kinds that nobody may claim do not count, or a lane that holds nothing else would be claimed from
-- again and again.
-- Trap: min(run_at) over a lane would read all its waiting rows; one index probe for each
-- priority reads one.
-- $1 queues $2 kinds, null = any
SELECT q.name,
       coalesce(bool_or(h.run_at <= now()), false) AS ready,
       EXISTS (SELECT 1 FROM job s WHERE s.queue = q.name AND s.state = 0 AND s.lost >= 2
               AND s.run_at <= now() AND CASE WHEN (s.kind = ANY ($2::text[])) IS NOT FALSE
                        AND s.kind <> ALL (ARRAY(SELECT k.kind FROM paused_kind k))
                   THEN true END IS NOT NULL) AS suspect,
       (extract(epoch FROM min(h.run_at) - clock_timestamp()) * 1000)::bigint AS next_in_ms,
       (SELECT (extract(epoch FROM b.run_at - clock_timestamp()) * 1000)::bigint FROM job b
        WHERE b.queue = q.name AND b.state = 0 AND b.begun ORDER BY b.run_at LIMIT 1) AS begun_in_ms
FROM unnest($1::text[]) AS q (name)
LEFT JOIN LATERAL (
    SELECT f.run_at FROM unnest(ARRAY[0, 1, 2, 3, 4]::smallint[]) AS p (priority)
    CROSS JOIN LATERAL (
        SELECT r.run_at FROM job r
        WHERE r.queue = q.name AND r.state = 0 AND r.priority = p.priority AND r.lost < 2
          AND CASE WHEN (r.kind = ANY ($2::text[])) IS NOT FALSE
                   AND r.kind <> ALL (ARRAY(SELECT k.kind FROM paused_kind k))
              THEN true END IS NOT NULL
        ORDER BY r.run_at LIMIT 1) f) h ON true
GROUP BY q.name
