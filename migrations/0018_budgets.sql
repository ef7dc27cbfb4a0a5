-- What may be asked of a CA in a window, over all replicas.

-- most: grants in any window_s seconds. reserve: how many of them only the most urgent may take.
-- A scope that a build does not know is refused by it, so there is no list here.
CREATE TABLE ca_budget (
    id        uuid CONSTRAINT ca_budget_pkey PRIMARY KEY DEFAULT new_id(),
    issuer_id uuid NOT NULL REFERENCES issuer ON DELETE CASCADE,
    scope     text NOT NULL,
    most      int NOT NULL,
    window_s  bigint NOT NULL,
    reserve   int NOT NULL DEFAULT 0,
    CONSTRAINT ca_budget_unique UNIQUE (issuer_id, scope, window_s),
    CONSTRAINT ca_budget_most_positive CHECK (most >= 1),
    CONSTRAINT ca_budget_window_bounds CHECK (window_s BETWEEN 1 AND 31622400),
    CONSTRAINT ca_budget_reserve_bounds CHECK (reserve >= 0 AND reserve < most)
);

-- The head of the grants of one key: what is locked while one is given.
CREATE TABLE ca_budget_key (
    budget_id uuid NOT NULL REFERENCES ca_budget ON DELETE CASCADE,
    key       text NOT NULL,
    granted   bigint NOT NULL DEFAULT 0,
    last_at   timestamptz,
    CONSTRAINT ca_budget_key_pkey PRIMARY KEY (budget_id, key)
) WITH (fillfactor = 50);

-- One row a grant. order_id has no reference: the ledger outlives orders.
CREATE TABLE ca_grant (
    budget_id  uuid NOT NULL,
    key        text NOT NULL,
    nth        bigint NOT NULL,
    granted_at timestamptz NOT NULL,
    order_id   uuid NOT NULL,
    CONSTRAINT ca_grant_pkey PRIMARY KEY (budget_id, key, nth),
    CONSTRAINT ca_grant_key FOREIGN KEY (budget_id, key) REFERENCES ca_budget_key ON DELETE CASCADE
);

-- Until then nothing is claimed from the lane (closed_until), or only what is most urgent
-- (reserved_until): the budget of its issuer is used up.
ALTER TABLE lane
    ADD COLUMN closed_until timestamptz,
    ADD COLUMN reserved_until timestamptz;

-- Older builds know no issuer that has budgets.
INSERT INTO schema_acceptance (version, builds_from) VALUES (18, 16);
