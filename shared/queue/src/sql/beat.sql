-- Renews a process's lease; no row = declared dead, or a migration takes builds like this one no
-- longer: stop all work and register anew.
-- A beat that comes late, or from before a step of the clock, restarts steady_since.
-- Trap: touching an indexed column would end HOT updates: none of these is indexed.
-- $1 process $2 its clock; the difference is shown and decides nothing
UPDATE process SET
    steady_since = CASE
        WHEN last_beat_at BETWEEN clock_timestamp() - lease / 2 AND clock_timestamp()
        THEN steady_since ELSE clock_timestamp() END,
    last_beat_at = clock_timestamp(),
    skew_ms = (extract(epoch FROM $2::timestamptz - clock_timestamp()) * 1000)::bigint,
    expires_at = clock_timestamp() + lease
WHERE id = $1 AND dead_at IS NULL
    AND NOT EXISTS (SELECT FROM schema_acceptance WHERE builds_from > process.schema_known)
RETURNING id
