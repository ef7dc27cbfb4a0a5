-- Terms of leadership as they came, and how far the clocks of processes are off.

-- When the last holder gave the lease up; its end alone ('-infinity') does not say when that was.
ALTER TABLE leader ADD COLUMN resigned_at timestamptz;

-- One row a term. The holder belongs to the key: after an asynchronous failover an epoch alone may
-- come twice.
CREATE TABLE leader_term (
    name     text NOT NULL,
    epoch    bigint NOT NULL,
    holder   uuid NOT NULL,
    label    text NOT NULL,
    began_at timestamptz NOT NULL,
    -- How the term before it ended: null for the first one.
    after    text,
    -- Since the last renewal or resignation before it.
    vacant   interval,
    CONSTRAINT leader_term_pkey PRIMARY KEY (name, epoch, holder),
    CONSTRAINT leader_term_after_known CHECK (after IN ('resigned', 'lapsed'))
);

-- The process's clock less the database's at the last beat, late by the way there; null for a
-- process that does not tell.
ALTER TABLE process ADD COLUMN skew_ms bigint;
