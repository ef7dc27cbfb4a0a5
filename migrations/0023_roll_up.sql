-- What has happened by time: versions that expired without a successor are told once, and jobs are
-- counted by the hour before their history goes; processes count the jobs that they took from lost ones.

-- How far each chore that walks along the clock has come.
CREATE TABLE walked_until (
    chore text PRIMARY KEY,
    at    timestamptz NOT NULL
);

CREATE TABLE job_hour (
    hour    timestamptz NOT NULL,
    team_id int NOT NULL,
    kind    text NOT NULL,
    -- As in job_history: 2 completed, 3 discarded, 4 cancelled.
    outcome smallint NOT NULL,
    jobs    bigint NOT NULL,
    -- Sums over the jobs, in seconds: due until claimed, claimed until ended.
    waited_s double precision NOT NULL,
    ran_s    double precision NOT NULL,
    PRIMARY KEY (hour, team_id, kind, outcome)
);

ALTER TABLE process ADD COLUMN rescued bigint NOT NULL DEFAULT 0;

INSERT INTO schema_acceptance (version, builds_from) VALUES (23, 16);
