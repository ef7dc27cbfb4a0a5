-- Jobs, their history, the processes that run them.
-- Live jobs stand in `job`; whatever has ended stands in `job_history` and leaves by dropping a
-- day's partition, so that ended rows never meet the index that claims walk.

-- One row per incarnation of a process (any role); an id is never used again.
-- Beats stay HOT: there is no index on expires_at, and half of each page is free.
CREATE TABLE process (
    id           bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT process_pkey PRIMARY KEY,
    role         text NOT NULL,
    label        text NOT NULL,
    version      text NOT NULL,
    queues       text[] NOT NULL DEFAULT '{}',
    lease        interval NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Since when beats have come without a gap; who has been steady for a whole lease may
    -- declare others dead. A gap (an outage, a stopped process, a clock that jumped) restarts it.
    steady_since timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    dead_at      timestamptz,
    CONSTRAINT process_lease_positive CHECK (lease > interval '0')
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- A lane is a queue with a row: only lanes are claimed from.
-- needs_key: its jobs sign with a CA key, so that a worker without ca.kek leaves it alone.
CREATE TABLE lane (
    name       text CONSTRAINT lane_pkey PRIMARY KEY,
    needs_key  boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT lane_name_length CHECK (length(name) BETWEEN 1 AND 200)
);

-- No foreign keys on the hot table: each would lock the referred row on every enqueue, and a
-- lane's row would become a queue of its own. `enqueue` checks the lane by a join instead.
CREATE TABLE job (
    id               bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT job_pkey PRIMARY KEY,
    team_id          int NOT NULL,
    queue            text NOT NULL,
    kind             text NOT NULL,
    priority         smallint NOT NULL DEFAULT 2,
    state            smallint NOT NULL DEFAULT 0,   -- 0 waiting, 1 running
    waiting_code     text,                          -- why it waits: tells a snooze from a retry
    run_at           timestamptz NOT NULL DEFAULT now(),
    created_at       timestamptz NOT NULL DEFAULT now(),
    attempt          smallint NOT NULL DEFAULT 0,
    max_attempts     smallint NOT NULL DEFAULT 25,
    lost             smallint NOT NULL DEFAULT 0,   -- how often in a row its process was lost
    fence            int NOT NULL DEFAULT 0,        -- +1 on every change of ownership
    lease_token      bigint,                        -- random, one a claim statement
    worker_id        bigint,                        -- process.id
    claimed_at       timestamptz,
    deadline_at      timestamptz,                   -- a handler that hangs is rescued after it
    cancel_requested boolean NOT NULL DEFAULT false,
    unique_key       bytea,
    object           text,                          -- the shown id of what the job is about
    trace_id         text,
    last_error       jsonb,
    args             jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT job_priority_range CHECK (priority BETWEEN 0 AND 4),
    CONSTRAINT job_state_known CHECK (state IN (0, 1)),
    CONSTRAINT job_attempts_bounded CHECK (attempt BETWEEN 0 AND max_attempts),
    CONSTRAINT job_max_attempts_positive CHECK (max_attempts >= 1),
    CONSTRAINT job_running_has_owner
        CHECK (state = 0 OR (worker_id IS NOT NULL AND lease_token IS NOT NULL AND deadline_at IS NOT NULL))
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
        autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX job_ready ON job (queue, priority, run_at, id) WHERE state = 0;
CREATE INDEX job_running ON job (queue, worker_id) WHERE state = 1;
-- Jobs whose process was lost twice in a row; they are claimed one by one.
CREATE INDEX job_suspect ON job (queue, run_at, id) WHERE state = 0 AND lost >= 2;
-- Live rows only, so that no state is needed in the predicate.
CREATE UNIQUE INDEX job_unique_key ON job (unique_key) WHERE unique_key IS NOT NULL;

-- Append-only. By outcome class first, since the classes are kept for different times.
CREATE TABLE job_history (
    id               bigint NOT NULL,
    team_id          int NOT NULL,
    queue            text NOT NULL,
    kind             text NOT NULL,
    priority         smallint NOT NULL,
    outcome          smallint NOT NULL,             -- 2 completed, 3 discarded, 4 cancelled
    waiting_code     text,
    attempt          smallint NOT NULL,
    max_attempts     smallint NOT NULL,
    lost             smallint NOT NULL,
    fence            int NOT NULL,
    lease_token      bigint,
    worker_id        bigint,
    run_at           timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    claimed_at       timestamptz,
    finalized_at     timestamptz NOT NULL,
    unique_key       bytea,
    object           text,
    trace_id         text,
    error            jsonb,
    result           jsonb,
    args             jsonb NOT NULL,
    CONSTRAINT job_history_outcome_known CHECK (outcome IN (2, 3, 4))
) PARTITION BY LIST (outcome);
CREATE INDEX job_history_id ON job_history (id);
CREATE INDEX job_history_team_id ON job_history (team_id, id);

CREATE TABLE job_history_completed PARTITION OF job_history FOR VALUES IN (2)
    PARTITION BY RANGE (finalized_at);
CREATE TABLE job_history_ended PARTITION OF job_history FOR VALUES IN (3, 4)
    PARTITION BY RANGE (finalized_at);
-- Safety nets: a day without its partition loses nothing.
CREATE TABLE job_history_completed_default PARTITION OF job_history_completed DEFAULT;
CREATE TABLE job_history_ended_default PARTITION OF job_history_ended DEFAULT;

-- Failed and lost attempts only; what succeeded stands in the history.
CREATE TABLE job_attempt (
    job_id     bigint NOT NULL,
    attempt    smallint NOT NULL,
    fence      int NOT NULL,
    worker_id  bigint,
    started_at timestamptz,
    ended_at   timestamptz NOT NULL,
    class      text NOT NULL,
    error      jsonb,
    trace_id   text
) PARTITION BY RANGE (ended_at);
CREATE INDEX job_attempt_job_id ON job_attempt (job_id, fence);
CREATE TABLE job_attempt_default PARTITION OF job_attempt DEFAULT;

-- Makes the day partitions of today and the next `days_ahead` days, drops those whose last instant
-- is older than the retention of their class; answers how many it made and dropped.
-- SECURITY DEFINER because the role that runs the product may not create tables. Tables are made
-- apart and attached: ATTACH does not block inserts, CREATE .. PARTITION OF would. The lock on the
-- parent lets one caller in at a time; with lock_timeout a busy moment means "later", not a jam.
CREATE FUNCTION partition_care(
    days_ahead int, keep_completed_days int DEFAULT 14, keep_ended_days int DEFAULT 90)
RETURNS TABLE (made int, dropped int)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
    class record; day date; part text; old record;
BEGIN
    IF days_ahead NOT BETWEEN 0 AND 60 OR keep_completed_days < 1 OR keep_ended_days < 1 THEN
        RAISE EXCEPTION 'partition_care: days_ahead must be 0..60 and retention at least 1 day';
    END IF;
    made := 0; dropped := 0;
    FOR class IN SELECT * FROM (VALUES
        ('job_history_completed', 'finalized_at', keep_completed_days),
        ('job_history_ended', 'finalized_at', keep_ended_days),
        ('job_attempt', 'ended_at', keep_ended_days)) v(parent, col, keep)
    LOOP
        EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE', class.parent);
        FOR day IN SELECT d::date FROM generate_series(
            current_date, current_date + days_ahead, interval '1 day') d
        LOOP
            part := class.parent || '_' || to_char(day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass(quote_ident(part)) IS NOT NULL;
            BEGIN
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                    part, class.parent);
                EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                    class.parent, part, day, day + 1);
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                -- The safety net already holds rows of that day: they stay there.
                RAISE WARNING 'partition_care: rows of % stand in the default partition of %',
                    day, class.parent;
            END;
        END LOOP;
        FOR old IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = class.parent::regclass
              AND c.relname ~ ('^' || class.parent || '_[0-9]{8}$')
              AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= current_date - class.keep
        LOOP
            EXECUTE format('DROP TABLE %I', old.relname);
            dropped := dropped + 1;
        END LOOP;
        EXECUTE format('DELETE FROM %I WHERE %I < current_date - %s',
            class.parent || '_default', class.col, class.keep);
    END LOOP;
    RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION partition_care(int, int, int) FROM PUBLIC;

SELECT partition_care(7);
