-- What the checkers read: installed by the fault harness, by the owner, right after the migration;
-- the product never sees it. Triggers write an event log of jobs, terms and ticks; every entry
-- draws its number from one sequence under the row lock that it tells of, so that order is decided
-- without trusting a clock. The functions are SECURITY DEFINER, since the running roles may not
-- write here.
CREATE SCHEMA harness;
CREATE SEQUENCE harness.fence_seq;

CREATE TABLE harness.job_events (
    seq    bigint PRIMARY KEY DEFAULT nextval('harness.fence_seq'),
    job_id bigint NOT NULL,
    fence  int NOT NULL,
    ev     text NOT NULL, -- claimed, failed, snoozed, rescued, released, completed, discarded, cancelled
    worker bigint,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON harness.job_events (job_id, ev);

CREATE FUNCTION harness.note_job() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = harness, public, pg_temp AS $$
BEGIN
    IF NEW.state = 1 THEN
        INSERT INTO job_events (job_id, fence, ev, worker)
        VALUES (NEW.id, NEW.fence, 'claimed', NEW.worker_id);
    ELSE
        -- The fence of the ownership that ended; the row carries the next one already.
        INSERT INTO job_events (job_id, fence, ev, worker)
        VALUES (NEW.id, OLD.fence,
                CASE WHEN NEW.lost > OLD.lost THEN 'rescued'
                     WHEN NEW.attempt = OLD.attempt THEN 'failed'
                     WHEN NEW.run_at = OLD.run_at THEN 'released'
                     ELSE 'snoozed' END,
                OLD.worker_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER harness_note AFTER UPDATE ON job
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION harness.note_job();

CREATE FUNCTION harness.note_end() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = harness, public, pg_temp AS $$
BEGIN
    INSERT INTO job_events (job_id, fence, ev, worker)
    VALUES (NEW.id, NEW.fence,
            CASE NEW.outcome WHEN 2 THEN 'completed' WHEN 3 THEN 'discarded' ELSE 'cancelled' END,
            NEW.worker_id);
    RETURN NULL;
END $$;
CREATE TRIGGER harness_note AFTER INSERT ON job_history
    FOR EACH ROW EXECUTE FUNCTION harness.note_end();

CREATE TABLE harness.leader_epochs (
    seq        bigint PRIMARY KEY DEFAULT nextval('harness.fence_seq'),
    name       text NOT NULL,
    epoch      bigint NOT NULL,
    holder     uuid,
    label      text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION harness.note_term() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = harness, public, pg_temp AS $$
BEGIN
    INSERT INTO leader_epochs (name, epoch, holder, label)
    VALUES (NEW.name, NEW.epoch, NEW.holder, NEW.label);
    RETURN NULL;
END $$;
CREATE TRIGGER harness_note AFTER UPDATE ON leader
    FOR EACH ROW WHEN (OLD.epoch IS DISTINCT FROM NEW.epoch) EXECUTE FUNCTION harness.note_term();

-- The draw happens while the tick's statement holds the leader's row, so it is comparable with
-- that of leader_epochs; the identity column of schedule_tick is not.
CREATE TABLE harness.ticks (
    seq      bigint PRIMARY KEY DEFAULT nextval('harness.fence_seq'),
    schedule text NOT NULL,
    slot     timestamptz NOT NULL,
    epoch    bigint NOT NULL
);
CREATE FUNCTION harness.note_tick() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = harness, public, pg_temp AS $$
BEGIN
    INSERT INTO ticks (schedule, slot, epoch) VALUES (NEW.schedule, NEW.slot, NEW.epoch);
    RETURN NULL;
END $$;
CREATE TRIGGER harness_note AFTER INSERT ON schedule_tick
    FOR EACH ROW EXECUTE FUNCTION harness.note_tick();

-- Live and ended jobs under one name.
CREATE VIEW harness.jobs AS
SELECT j.id, j.kind, j.queue, CASE j.state WHEN 0 THEN 'waiting' ELSE 'running' END AS state, j.run_at,
       j.fence, p.expires_at AS lease_until, p.dead_at AS owner_dead_at, j.attempt, j.max_attempts,
       j.lost, j.created_at, NULL::timestamptz AS finished_at, j.object
FROM public.job j LEFT JOIN public.process p ON j.state = 1 AND p.id = j.worker_id
UNION ALL
SELECT id, kind, queue, CASE outcome WHEN 2 THEN 'completed' WHEN 3 THEN 'discarded' ELSE 'cancelled' END,
       run_at, fence, NULL, NULL, attempt, max_attempts, lost, created_at, finalized_at, object
FROM public.job_history;

-- An id as people and rows of text see it: the prefix and 26 Crockford digits.
CREATE FUNCTION harness.shown(prefix text, id uuid) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$
    SELECT prefix || string_agg(
        substr('0123456789abcdefghjkmnpqrstvwxyz', substring(b FROM 1 + 5 * n FOR 5)::bit(5)::int + 1, 1),
        '' ORDER BY n)
    FROM (SELECT B'00' || ('x' || replace(id::text, '-', ''))::bit(128) AS b) v, generate_series(0, 25) n
$$;

-- Loaded from the clients' own log, never from the server's.
CREATE TABLE harness.h_enqueue (
    op_id          text PRIMARY KEY,
    op             text NOT NULL,          -- request, bulk, renew
    name           text NOT NULL,
    outcome        text NOT NULL,          -- ok, fail, unknown
    certificate_id uuid,
    job_id         bigint,
    t0             timestamptz NOT NULL,
    t1             timestamptz NOT NULL
);

-- Loaded from the ledger of the rehearsal CA, in its order, never from the server's own tables.
CREATE TABLE harness.h_ca (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation text NOT NULL,          -- new_order, finalize, revoke
    ca_order  bigint,
    accepted  boolean NOT NULL
);

-- Instants of the run, by the database's clock: `healed` = the last fault is over.
CREATE TABLE harness.phase (name text PRIMARY KEY, at timestamptz NOT NULL);

-- Processes that were asked to end, and the instant from which they must claim nothing.
CREATE TABLE harness.asked_to_end (process_id bigint PRIMARY KEY, role text NOT NULL, at timestamptz NOT NULL);
