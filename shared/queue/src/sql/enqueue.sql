-- Inserts many jobs in the caller's transaction; rows that have a live job with their key stay out.
-- Trap: two batches with the same keys in another order deadlock on the unique index, so the
-- caller sorts by key and ORDER BY keeps that order. Ids rise in insertion order.
-- The join keeps jobs of an undeclared lane out: no worker would ever look for them.
-- Columns may be shorter than args, which has an element for each job: unnest fills up with nulls, and
-- where all jobs have the same value the column holds it once, or nothing where that is null.
-- $1 team $2 queue $3 kind $4 priority $5 run_at $6 delay in us $7 max_attempts $8 key
-- $9 the key ends at the start $10 object $11 trace id $12 args
INSERT INTO job (team_id, queue, kind, priority, run_at, max_attempts, unique_key,
                 unique_until_start, object, trace_id, args)
SELECT coalesce(t.team_id, $1[1]), l.name, coalesce(t.kind, $3[1]), coalesce(t.priority, $4[1]),
       greatest(coalesce(t.run_at, now())
                + coalesce(t.delay_us, $6[1]) * interval '1 microsecond', now()),
       coalesce(t.max_attempts, $7[1]), t.unique_key, coalesce(t.unique_until_start, $9[1]),
       t.object, t.trace_id, t.args
FROM unnest($1::int[], $2::text[], $3::text[], $4::smallint[], $5::timestamptz[], $6::bigint[],
            $7::smallint[], $8::bytea[], $9::bool[], $10::text[], $11::text[], $12::jsonb[])
     WITH ORDINALITY
     AS t (team_id, queue, kind, priority, run_at, delay_us, max_attempts, unique_key,
           unique_until_start, object, trace_id, args, ord)
JOIN lane l ON l.name = coalesce(t.queue, $2[1])
ORDER BY t.ord
ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING
RETURNING id, unique_key
