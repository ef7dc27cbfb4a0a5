-- Operations: one wish of a person for many objects, carried out by a job in steps.
-- A step's work, its counts and its cursor are one transaction, so that nothing is done twice.

CREATE TABLE operation (
    id              uuid CONSTRAINT operation_pkey PRIMARY KEY DEFAULT new_id(),
    team_id         int NOT NULL,
    subject         text NOT NULL,                  -- what the selector means: `job`
    verb            text NOT NULL,
    selector        jsonb NOT NULL,
    settings        jsonb NOT NULL DEFAULT '{}',    -- what the verb needs besides
    reason          text,
    state           text NOT NULL DEFAULT 'queued',
    job_id          bigint,                         -- who takes the steps
    -- How many were meant when it was asked for; at least so many, if total_is_least.
    total           bigint NOT NULL,
    total_is_least  boolean NOT NULL DEFAULT false,
    seen            bigint NOT NULL DEFAULT 0,
    done            bigint NOT NULL DEFAULT 0,
    skipped         jsonb NOT NULL DEFAULT '{}',    -- reason -> how many
    cursor          jsonb NOT NULL,                 -- where the next step begins
    abort_requested boolean NOT NULL DEFAULT false,
    aborted_by      text,
    fault           text,                           -- why it failed, in words
    requested_by    text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    ended_at        timestamptz,
    CONSTRAINT operation_state_known
        CHECK (state IN ('queued', 'running', 'completed', 'aborted', 'failed')),
    CONSTRAINT operation_end CHECK ((ended_at IS NOT NULL) = (state IN ('completed', 'aborted', 'failed'))),
    CONSTRAINT operation_counts CHECK (seen >= 0 AND done >= 0 AND done <= seen)
);
CREATE INDEX operation_team ON operation (team_id, id);
