-- What was acknowledged and is gone after a failover, as the processes tell that remember it.

-- A process has moved to a server that was promoted, or lacks what was acknowledged.
CREATE TABLE history_cut (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seen_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Who tells it: the process's name and role.
    process           text NOT NULL,
    role              text NOT NULL,
    -- Null where the server does not tell its timeline.
    timeline_before   int,
    timeline_after    int,
    server_started_at timestamptz NOT NULL,
    -- How many acknowledged changes the process could compare, and since when.
    remembered        int NOT NULL,
    remembered_from   timestamptz,
    lost              int NOT NULL
);

-- An acknowledged change of which nothing is left; the columns are those of its audit row.
CREATE TABLE lost_write (
    cut_id         bigint NOT NULL REFERENCES history_cut (id) ON DELETE CASCADE,
    audit_id       bigint NOT NULL,
    at             timestamptz NOT NULL,
    team_id        int NOT NULL,
    actor          text NOT NULL,
    action         text NOT NULL,
    object         text NOT NULL,
    -- The object, where it is a certificate.
    certificate_id uuid,
    -- When and by whom it was declared as seen to.
    settled_at     timestamptz,
    settled_by     text,
    PRIMARY KEY (cut_id, audit_id, at)
);

CREATE INDEX lost_write_unsettled ON lost_write (team_id, at) WHERE settled_at IS NULL;

INSERT INTO schema_acceptance (version, builds_from) VALUES (22, 16);
