-- Settles slots of one schedule, in ONE autocommit statement: passed-over ones are written as
-- skipped (1000 at most), then the newest one is emitted with its job, or skipped while the
-- schedule's last job is still live.
-- Trap: a transaction of several statements could hold the leader's row (FOR SHARE) while its
-- client is stopped, and block the take-over. Epoch and holder are both checked: after an
-- asynchronous failover an epoch can come twice.
-- Trap: the job's INSERT has no unique key; the primary key of the tick guards the slot, and its
-- violation must be loud.
-- $1 holder $2 epoch $3 schedule $4 expected next slot $5 newest slot $6 leadership
WITH term AS MATERIALIZED (
    SELECT epoch FROM leader
    WHERE name = $6 AND holder = $1 AND epoch = $2 AND expires_at > clock_timestamp()
    FOR SHARE),
plan AS MATERIALIZED (
    SELECT s.*, t.epoch AS term,
           least($4::timestamptz + s.period * 1000, $5::timestamptz) AS stop,
           s.last_job_id IS NOT NULL
               AND EXISTS (SELECT 1 FROM job j WHERE j.id = s.last_job_id) AS busy
    FROM schedule s CROSS JOIN term t
    WHERE s.name = $3 AND s.next_slot = $4::timestamptz AND $5::timestamptz >= $4::timestamptz
      AND slot_due_at(s.name, $5::timestamptz, s.period) <= clock_timestamp()
    FOR UPDATE OF s),
emitted AS (
    INSERT INTO job (team_id, queue, kind, priority, max_attempts, object, args)
    SELECT team_id, queue, kind, priority, max_attempts, 'schedule:' || name, args
    FROM plan WHERE stop = $5::timestamptz AND NOT busy
    RETURNING id),
passed AS (
    INSERT INTO schedule_tick (schedule, slot, epoch, skipped)
    SELECT p.name, slot, p.term, true
    FROM plan p
    CROSS JOIN LATERAL generate_series($4::timestamptz, p.stop, p.period) AS slot
    WHERE slot < p.stop OR (p.stop = $5::timestamptz AND p.busy)
    ORDER BY slot
    RETURNING slot),
ticked AS (
    INSERT INTO schedule_tick (schedule, slot, epoch, job_id, skipped)
    SELECT p.name, $5::timestamptz, p.term, e.id, false FROM plan p CROSS JOIN emitted e
    RETURNING slot),
moved AS (
    UPDATE schedule s
    SET next_slot = CASE WHEN p.stop = $5::timestamptz THEN p.stop + p.period ELSE p.stop END,
        last_job_id = coalesce((SELECT id FROM emitted), s.last_job_id)
    FROM plan p WHERE s.name = p.name
    RETURNING s.next_slot)
SELECT (SELECT count(*) FROM term) AS terms, (SELECT id FROM emitted) AS job_id,
       (SELECT count(*) FROM passed) AS skipped, (SELECT next_slot FROM moved) AS next_slot
