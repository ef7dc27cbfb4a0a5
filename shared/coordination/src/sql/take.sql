-- Admits one request under a generic cell rate limit, or says how long to wait.
-- Trap: an upsert whose WHERE says no still locks and logs the row: the look before it makes
-- denials read-only. Requests that meet in between are decided under the row's lock.
-- Trap: the clock is read after that lock, never before.
-- synchronous_commit is off for this statement alone: a crash forgets a few grants, and a hot key
-- is not bound to one commit at a time.
-- $1 key $2 emission interval T $3 burst x T
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
denied AS MATERIALIZED (
    SELECT tat + $2::interval - $3::interval - clock_timestamp() AS retry_after FROM api_limit
    WHERE key = $1
      AND greatest(tat, clock_timestamp()) + $2::interval - clock_timestamp() > $3::interval),
granted AS (
    INSERT INTO api_limit AS l (key, tat)
    SELECT $1, clock_timestamp() + $2::interval FROM quick WHERE NOT EXISTS (SELECT 1 FROM denied)
    ON CONFLICT (key) DO UPDATE SET tat = greatest(l.tat, clock_timestamp()) + $2::interval
    WHERE greatest(l.tat, clock_timestamp()) + $2::interval - clock_timestamp() <= $3::interval
    RETURNING tat)
SELECT EXISTS (SELECT 1 FROM granted) AS allowed,
       (SELECT (extract(epoch FROM retry_after) * 1e6)::bigint FROM denied) AS retry_after_us
