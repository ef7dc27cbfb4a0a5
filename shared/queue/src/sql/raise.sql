-- Makes waiting jobs more urgent. Trap: a waiting one that is being claimed must not be waited for.
-- $1 keys $2 priorities
UPDATE job j SET priority = t.priority
FROM unnest($1::bytea[], $2::smallint[]) AS t (unique_key, priority)
WHERE j.unique_key = t.unique_key
  AND j.id = ANY (ARRAY(SELECT w.id FROM job w WHERE w.unique_key = ANY ($1) AND w.state = 0
                        FOR UPDATE SKIP LOCKED))
  AND j.priority > t.priority
