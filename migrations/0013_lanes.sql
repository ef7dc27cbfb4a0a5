-- Lanes that are paused or limited, kinds that are paused, and what a process can run.

-- max_running: how many jobs of the lane run at once over all processes; null = as many as there are slots.
ALTER TABLE lane
    ADD COLUMN max_running int CONSTRAINT lane_max_running_positive CHECK (max_running >= 1),
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN pause_reason text;

-- Jobs of these kinds are claimed by nobody, whatever their lane.
CREATE TABLE paused_kind (
    kind      text CONSTRAINT paused_kind_pkey PRIMARY KEY,
    paused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason    text,
    CONSTRAINT paused_kind_length CHECK (length(kind) BETWEEN 1 AND 200)
);

-- The unique key of such a job is free again once it has been claimed.
ALTER TABLE job
    ADD COLUMN unique_until_start boolean NOT NULL DEFAULT false;

-- kinds: what this build can run; empty for a process that runs nothing, and for an older build.
-- capacity: how many jobs it runs at once.
ALTER TABLE process
    ADD COLUMN kinds text[] NOT NULL DEFAULT '{}',
    ADD COLUMN capacity int;
