-- Issuers are visited by LATERAL, each up to its own backlog, so that the rows of a dead issuer do
-- not stand at the head for everybody. id = ANY(ARRAY(..)) is evaluated once and keeps the primary
-- key's plan under a generic plan; a joined CTE would be scanned.
-- at_work: whoever finishes a job locks the job and then its certificate. A sweep holds the
-- certificate, so it must not wait for that job's key; such rows are only armed anew.
-- The backlog is counted in the order of its index: without it the planner expects the limit to be
-- met early and scans all jobs, which for an issuer with an empty lane is the whole table.
-- What is most urgent, less than a tenth of its profile's life is left, is taken first and beside a
-- backlog of calmer jobs: it is counted against the jobs of priority 0 only, and is found by the index
-- on profile and end, whose part for the last tenth is empty where all is well.
-- Trap: as plain conditions, issuer and sweep_at would draw the planner to the index of all that is
-- due, to sort it; CASE .. IS NOT NULL is no condition for an index.
UPDATE certificate c
SET sweep_at = clock_timestamp()
    + greatest(interval '10 s',
               least(interval '1 hour', coalesce(c.not_after - clock_timestamp(), interval '4 minutes') / 4))
FROM profile p, issuer i LEFT JOIN ca_key k ON k.id = i.ca_key_id
WHERE c.id = ANY (ARRAY(
        SELECT d.id
        FROM issuer s
        CROSS JOIN LATERAL (
            SELECT s.backlog_max - count(*) AS room
            FROM (SELECT 1 FROM job j WHERE j.queue = s.lane AND j.state = 0 AND j.priority = 0
                  ORDER BY j.run_at, j.id LIMIT s.backlog_max) waiting
        ) b
        JOIN profile q ON q.issuer_id = s.id
        CROSS JOIN LATERAL (
            SELECT e.id FROM certificate e
            WHERE e.profile_id = q.id
                  AND e.not_after < now() + make_interval(secs => q.lifetime_s / 10.0)
                  AND CASE WHEN e.issuer_id = s.id AND e.sweep_at <= now() AND e.auto_renew
                                AND NOT e.key_compromised AND e.stop_reason IS NULL
                      THEN true END IS NOT NULL
            ORDER BY e.not_after
            LIMIT greatest(0, least($1, b.room))
            FOR NO KEY UPDATE OF e SKIP LOCKED
        ) d) || ARRAY(
        SELECT d.id
        FROM issuer s
        CROSS JOIN LATERAL (
            SELECT s.backlog_max - count(*) AS room
            FROM (SELECT 1 FROM job j WHERE j.queue = s.lane AND j.state = 0
                  ORDER BY j.priority, j.run_at, j.id LIMIT s.backlog_max) waiting
        ) b
        CROSS JOIN LATERAL (
            SELECT e.id FROM certificate e
            WHERE e.issuer_id = s.id AND e.auto_renew AND e.sweep_at <= now() AND NOT e.key_compromised
                  AND e.stop_reason IS NULL
            ORDER BY e.sweep_at
            LIMIT greatest(0, least($1, b.room))
            FOR NO KEY UPDATE OF e SKIP LOCKED
        ) d))
  AND p.id = c.profile_id AND i.id = c.issuer_id
RETURNING c.id, c.team_id, c.generation, c.issuer_id, i.lane, p.lifetime_s,
          k.id AS ca_key_id, k.not_after AS ca_not_after, c.not_after, clock_timestamp() AS now,
          EXISTS (SELECT 1 FROM job j
                  WHERE j.unique_key = convert_to('issue:', 'UTF8') || uuid_send(c.id) || int4send(c.generation + 1))
              AS at_work
