-- Issuers, profiles, certificates, their orders and versions.

-- Keys of the certification authorities that certmill itself runs. Sealed under the ca KEK;
-- only the migrating role writes here, so that no replica can ever make a second root.
CREATE TABLE ca_key (
    id              uuid PRIMARY KEY DEFAULT new_id(),
    name            text NOT NULL,
    parent_id       uuid REFERENCES ca_key,
    certificate_der bytea NOT NULL,
    not_after       timestamptz NOT NULL,
    kek_id          text NOT NULL REFERENCES kek,
    key_sealed      bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ca_key_name_unique UNIQUE (name)
);

CREATE TABLE issuer (
    id         uuid PRIMARY KEY DEFAULT new_id(),
    team_id    int NOT NULL REFERENCES team,
    name       text NOT NULL,
    kind       text NOT NULL,
    config     jsonb NOT NULL DEFAULT '{}',
    ca_key_id  uuid REFERENCES ca_key,
    lane       text NOT NULL REFERENCES lane (name),
    backlog_max int NOT NULL DEFAULT 10000,
    last_ok_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT issuer_name_unique UNIQUE (team_id, name),
    CONSTRAINT issuer_backlog_max_positive CHECK (backlog_max > 0)
);

CREATE TABLE profile (
    id             uuid PRIMARY KEY DEFAULT new_id(),
    team_id        int NOT NULL REFERENCES team,
    name           text NOT NULL,
    issuer_id      uuid NOT NULL REFERENCES issuer,
    lifetime_s     bigint NOT NULL,
    key_algorithms text[] NOT NULL,
    key_source     text NOT NULL,
    renew_fraction double precision,
    renew_before_s bigint,
    allowed_names  text[] NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT profile_name_unique UNIQUE (team_id, name),
    CONSTRAINT profile_lifetime_positive CHECK (lifetime_s > 0),
    CONSTRAINT profile_key_source_known CHECK (key_source IN ('csr', 'sealed')),
    CONSTRAINT profile_renewal_one_rule CHECK ((renew_fraction IS NULL) <> (renew_before_s IS NULL)),
    CONSTRAINT profile_renew_fraction_bounds CHECK (renew_fraction > 0 AND renew_fraction < 1),
    CONSTRAINT profile_renew_before_bounds CHECK (renew_before_s > 0 AND renew_before_s < lifetime_s)
);
CREATE INDEX profile_team ON profile (team_id, id);

-- The lasting intent: a name that shall always have a valid certificate.
-- renew_at is policy and belongs to the current version; sweep_at is when a sweep looks at the row next.
CREATE TABLE certificate (
    id            uuid PRIMARY KEY DEFAULT new_id(),
    team_id       int NOT NULL REFERENCES team,
    name          text NOT NULL,
    names         text[] NOT NULL,
    profile_id    uuid NOT NULL REFERENCES profile,
    issuer_id     uuid NOT NULL REFERENCES issuer,
    key_source    text NOT NULL,
    csr_der       bytea NOT NULL,
    spki_sha256   bytea NOT NULL,
    kek_id        text REFERENCES kek,
    key_sealed    bytea,
    status        text NOT NULL DEFAULT 'pending',
    generation    int NOT NULL DEFAULT 0,
    version_id    uuid,
    not_after     timestamptz,
    renew_at      timestamptz,
    sweep_at      timestamptz,
    auto_renew    boolean NOT NULL DEFAULT true,
    fault_code    text,
    fault_detail  text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT certificate_name_unique UNIQUE (team_id, name),
    CONSTRAINT certificate_key_source_known CHECK (key_source IN ('csr', 'sealed')),
    CONSTRAINT certificate_sealed_key_present CHECK ((key_source = 'sealed') = (key_sealed IS NOT NULL)),
    CONSTRAINT certificate_status_known CHECK (status IN ('pending', 'issued', 'failed'))
) WITH (fillfactor = 80);
CREATE INDEX certificate_team ON certificate (team_id, id);
CREATE INDEX certificate_sweep ON certificate (issuer_id, sweep_at) WHERE auto_renew;
CREATE INDEX certificate_profile ON certificate (profile_id);

-- One attempt to obtain a version. Serial and dates are drawn when the order is planned, so that
-- a repeat after a crash signs the same TBS; the order's id is the idempotency key at the issuer.
CREATE TABLE cert_order (
    id             uuid PRIMARY KEY DEFAULT new_id(),
    team_id        int NOT NULL,
    certificate_id uuid NOT NULL REFERENCES certificate,
    generation     int NOT NULL,
    issuer_id      uuid NOT NULL REFERENCES issuer,
    state          text NOT NULL DEFAULT 'planned',
    serial         bytea NOT NULL,
    not_before     timestamptz NOT NULL,
    not_after      timestamptz NOT NULL,
    remote         jsonb,
    fault_code     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT cert_order_state_known
        CHECK (state IN ('planned', 'submitting', 'pending', 'issued', 'failed', 'abandoned')),
    CONSTRAINT cert_order_serial_unique UNIQUE (issuer_id, serial),
    CONSTRAINT cert_order_dates CHECK (not_after > not_before)
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX cert_order_live_unique ON cert_order (certificate_id, generation)
    WHERE state NOT IN ('failed', 'abandoned');

CREATE TABLE version (
    id             uuid PRIMARY KEY DEFAULT new_id(),
    team_id        int NOT NULL,
    certificate_id uuid NOT NULL REFERENCES certificate,
    generation     int NOT NULL,
    order_id       uuid NOT NULL REFERENCES cert_order,
    issuer_id      uuid NOT NULL REFERENCES issuer,
    serial         bytea NOT NULL,
    not_before     timestamptz NOT NULL,
    not_after      timestamptz NOT NULL,
    issued_at      timestamptz NOT NULL,
    fingerprint    bytea NOT NULL,
    spki_sha256    bytea NOT NULL,
    leaf_der       bytea NOT NULL,
    chain_der      bytea[] NOT NULL,
    CONSTRAINT version_generation_unique UNIQUE (certificate_id, generation),
    CONSTRAINT version_serial_unique UNIQUE (issuer_id, serial)
);
ALTER TABLE certificate ADD CONSTRAINT certificate_version_fk
    FOREIGN KEY (version_id) REFERENCES version DEFERRABLE INITIALLY DEFERRED;
