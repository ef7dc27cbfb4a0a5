-- Leadership, schedules with their ticks, rate limits.

-- One row a leadership. Fenced by (holder, epoch): after an asynchronous failover an epoch alone
-- may come twice.
CREATE TABLE leader (
    name        text CONSTRAINT leader_pkey PRIMARY KEY,
    epoch       bigint NOT NULL DEFAULT 0,
    holder      uuid,
    label       text,
    acquired_at timestamptz,
    renewed_at  timestamptz,
    expires_at  timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
INSERT INTO leader (name) VALUES ('scheduler');

-- Slots lie on a fixed grid: whole periods since the Unix epoch. next_slot is the first slot
-- that has no row in schedule_tick yet.
CREATE TABLE schedule (
    name         text CONSTRAINT schedule_pkey PRIMARY KEY,
    period       interval NOT NULL,
    team_id      int NOT NULL,
    queue        text NOT NULL,
    kind         text NOT NULL,
    priority     smallint NOT NULL DEFAULT 2,
    max_attempts smallint NOT NULL DEFAULT 25,
    args         jsonb NOT NULL DEFAULT '{}',
    first_slot   timestamptz NOT NULL,
    next_slot    timestamptz NOT NULL,
    last_job_id  bigint,
    CONSTRAINT schedule_period_positive CHECK (period >= interval '1 second'),
    CONSTRAINT schedule_priority_range CHECK (priority BETWEEN 0 AND 4)
) WITH (fillfactor = 50);

-- Every slot has exactly one row: a tick with its job, or an explicit skip.
CREATE TABLE schedule_tick (
    schedule   text NOT NULL,
    slot       timestamptz NOT NULL,
    epoch      bigint NOT NULL,
    job_id     bigint,
    skipped    boolean NOT NULL,
    seq        bigint GENERATED ALWAYS AS IDENTITY,
    emitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT schedule_tick_pkey PRIMARY KEY (schedule, slot),
    CONSTRAINT schedule_tick_job_or_skip CHECK (skipped = (job_id IS NULL))
);

-- The instant from which a slot may be emitted: slot + a hash-drawn share of a tenth of the
-- period, equal on every replica, so that schedules of one period do not fire as one.
CREATE FUNCTION slot_due_at(schedule text, slot timestamptz, period interval)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT slot + period * 0.1
        * ((hashtextextended(schedule || '@' || extract(epoch FROM slot)::text, 0) & 1048575) / 1048576.0)
$$;

-- Generic cell rate: tat is the theoretical arrival time of the next request. Logged, so that a
-- failover does not hand out a burst; writers turn synchronous_commit off for their transaction.
CREATE TABLE api_limit (
    key text CONSTRAINT api_limit_pkey PRIMARY KEY,
    tat timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
