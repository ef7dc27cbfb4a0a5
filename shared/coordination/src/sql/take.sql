-- Admits n requests at once under a generic cell rate limit, or says how much of it is spare.
-- Trap: an upsert whose WHERE says no still locks and logs the row: the look before it makes
-- denials read-only. Requests that meet in between are decided under the row's lock.
-- Trap: the clock is read after that lock, never before.
-- synchronous_commit is off for this statement alone: a crash forgets a few grants, and a hot key
-- is not bound to one commit at a time.
-- $1 key $2 n x T, with T the emission interval $3 burst x T
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
denied AS MATERIALIZED (
    SELECT $3::interval - (tat - clock_timestamp()) AS spare FROM api_limit
    WHERE key = $1 AND tat + $2::interval - clock_timestamp() > $3::interval),
granted AS (
    INSERT INTO api_limit AS l (key, tat)
    SELECT $1, clock_timestamp() + $2::interval FROM quick WHERE NOT EXISTS (SELECT 1 FROM denied)
    ON CONFLICT (key) DO UPDATE SET tat = greatest(l.tat, clock_timestamp()) + $2::interval
    WHERE greatest(l.tat, clock_timestamp()) + $2::interval - clock_timestamp() <= $3::interval
    RETURNING $3::interval - (tat - clock_timestamp()) AS spare)
SELECT EXISTS (SELECT 1 FROM granted) AS granted,
       (extract(epoch FROM coalesce((SELECT spare FROM granted), (SELECT spare FROM denied))) * 1e6)::bigint
           AS spare_us
