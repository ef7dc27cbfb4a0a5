-- Who may call the API, and what a repeated POST was answered with.

-- A key has 256 random bits, so a plain SHA-256 is enough; the key itself is never stored.
CREATE TABLE api_key (
    id            uuid PRIMARY KEY DEFAULT new_id(),
    team_id       int NOT NULL REFERENCES team,
    name          text NOT NULL,
    role          text NOT NULL,
    prefix        text NOT NULL,
    secret_sha256 bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    CONSTRAINT api_key_prefix_unique UNIQUE (prefix),
    CONSTRAINT api_key_role_known CHECK (role IN ('admin', 'operator', 'viewer'))
);
CREATE INDEX api_key_team ON api_key (team_id, id);

-- Written in the transaction of the effect; the primary key makes a concurrent twin wait for its outcome.
CREATE TABLE idempotency_key (
    principal   text NOT NULL,
    route       text NOT NULL,
    key         text NOT NULL,
    body_sha256 bytea NOT NULL,
    response    jsonb,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_key_pk PRIMARY KEY (principal, route, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);
