-- As take.sql, of several keys in one statement: all are granted or none, but for those that lose a
-- race, which are denied alone.
-- Trap: rows are locked in the order of their keys, whoever asks, so that two such statements never
-- wait for each other in a circle.
-- $1 keys $2 n x T of each $3 burst x T of each
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
asked AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::interval[], $3::interval[]) AS a (key, span, tolerance)),
denied AS MATERIALIZED (
    SELECT a.key, a.tolerance - (l.tat - clock_timestamp()) AS spare
    FROM asked a
    CROSS JOIN LATERAL (
        SELECT tat FROM api_limit
        WHERE key = a.key AND tat + a.span - clock_timestamp() > a.tolerance) l),
granted AS (
    INSERT INTO api_limit AS l (key, tat)
    SELECT a.key, clock_timestamp() + a.span FROM asked a CROSS JOIN quick
    WHERE NOT EXISTS (SELECT 1 FROM denied)
    ORDER BY a.key
    ON CONFLICT (key) DO UPDATE SET tat = greatest(l.tat, clock_timestamp())
        + (SELECT a.span FROM asked a WHERE a.key = l.key)
    WHERE greatest(l.tat, clock_timestamp()) - clock_timestamp()
        + (SELECT a.span FROM asked a WHERE a.key = l.key)
        <= (SELECT a.tolerance FROM asked a WHERE a.key = l.key)
    RETURNING l.key, tat)
SELECT a.key, g.key IS NOT NULL AS granted,
       (extract(epoch FROM coalesce(a.tolerance - (g.tat - clock_timestamp()), d.spare)) * 1e6)::bigint
           AS spare_us
FROM asked a
LEFT JOIN granted g ON g.key = a.key
LEFT JOIN denied d ON d.key = a.key
