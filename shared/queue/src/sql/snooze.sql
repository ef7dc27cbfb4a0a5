-- Puts a running job aside under its fence without using up an attempt; a cancelled one ends, and its
-- attempt says who asked.
-- Trap: the fence must move here too (see fail.sql).
-- $1 job $2 fence $3 token $4 process $5 instant or null $6 delay $7 waiting code
-- $8 how a cancelled one came to its end, or null $9 log lines
WITH held AS MATERIALIZED (
    SELECT *, jsonb_build_object(
        'code', 'cancelled', 'class', 'cancelled', 'cancelled_by', cancel_by,
        'detail', concat_ws('; ', 'cancelled by ' || cancel_by, $8::text)) AS said
    FROM job
    WHERE id = $1 AND fence = $2 AND lease_token = $3 AND worker_id = $4 FOR UPDATE),
aside AS (
    UPDATE job j SET state = 0, fence = j.fence + 1, lease_token = NULL, worker_id = NULL,
        deadline_at = NULL, lost = 0, attempt = greatest(j.attempt - 1, 0),
        run_at = greatest(coalesce($5, clock_timestamp()) + $6, clock_timestamp()),
        waiting_code = $7
    WHERE j.id = (SELECT id FROM held WHERE NOT cancel_requested)
    RETURNING j.run_at),
ended AS (
    DELETE FROM job j WHERE j.id = (SELECT id FROM held WHERE cancel_requested)
    RETURNING j.*),
kept AS (
    INSERT INTO job_history (
        id, team_id, queue, kind, priority, outcome, waiting_code, attempt, max_attempts, lost,
        fence, lease_token, worker_id, run_at, created_at, claimed_at, finalized_at, unique_key,
        object, trace_id, error, result, args)
    SELECT id, team_id, queue, kind, priority, 4, $7, attempt, max_attempts, lost, fence,
        lease_token, worker_id, run_at, created_at, claimed_at, clock_timestamp(), unique_key,
        object, trace_id, (SELECT said FROM held), NULL, args
    FROM ended),
noted AS (
    INSERT INTO job_attempt (job_id, attempt, fence, worker_id, started_at, ended_at, class,
                             error, trace_id, log)
    SELECT id, attempt, fence, worker_id, claimed_at, clock_timestamp(), 'cancelled',
        (SELECT said FROM held), trace_id, $9
    FROM ended)
SELECT run_at FROM aside UNION ALL SELECT NULL FROM ended
