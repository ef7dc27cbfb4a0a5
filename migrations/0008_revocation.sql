-- Revocation: which versions were revoked, the lists that say so, and the keys that answer OCSP.

-- ca_key_id: whose key signed it; after a rollover the issuer names another one. Without a foreign
-- key, since each insert would lock the authority's row.
ALTER TABLE version
    ADD COLUMN ca_key_id         uuid,
    ADD COLUMN revoked_at        timestamptz,
    ADD COLUMN revocation_reason smallint;
UPDATE version v SET ca_key_id = i.ca_key_id FROM issuer i WHERE i.id = v.issuer_id AND i.ca_key_id IS NOT NULL;
ALTER TABLE version
    ADD CONSTRAINT version_revoked_with_reason
        CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL)) NOT VALID;
ALTER TABLE version VALIDATE CONSTRAINT version_revoked_with_reason;
-- Inserts of live versions do not touch it.
CREATE INDEX version_revoked ON version (ca_key_id, not_after) WHERE revoked_at IS NOT NULL;

-- A certificate whose key was reported as compromised rests until it gets another key.
ALTER TABLE certificate ADD COLUMN key_compromised boolean NOT NULL DEFAULT false;

-- Public keys that nothing is signed for any more.
CREATE TABLE compromised_key (
    spki_sha256    bytea CONSTRAINT compromised_key_pkey PRIMARY KEY,
    certificate_id uuid NOT NULL REFERENCES certificate,
    reported_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row an authority, locked by whoever revokes and by whoever draws a list, so that each list
-- holds what was committed before it was drawn.
-- revision: +1 by each transaction that revokes. announced: a job that has not yet read will see
-- all of them. drawn: the last CRL number that was given out, used or not.
CREATE TABLE crl_head (
    ca_key_id uuid CONSTRAINT crl_head_pkey PRIMARY KEY REFERENCES ca_key,
    revision  bigint NOT NULL DEFAULT 0,
    announced boolean NOT NULL DEFAULT false,
    drawn     bigint NOT NULL DEFAULT 0
);

-- Published lists; the highest number of an authority is served.
CREATE TABLE crl (
    ca_key_id   uuid NOT NULL REFERENCES ca_key,
    number      bigint NOT NULL,
    revision    bigint NOT NULL,
    this_update timestamptz NOT NULL,
    next_update timestamptz NOT NULL,
    entries     int NOT NULL,
    sha256      bytea NOT NULL,
    der         bytea NOT NULL,
    stored_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT crl_pkey PRIMARY KEY (ca_key_id, number),
    CONSTRAINT crl_number_positive CHECK (number > 0),
    CONSTRAINT crl_dates CHECK (next_update > this_update)
);

-- Keys that sign OCSP answers for an authority, sealed under the app KEK: any api can use them.
-- An api makes the key, a worker that holds the CA key certifies it.
CREATE TABLE ocsp_responder (
    id              uuid CONSTRAINT ocsp_responder_pkey PRIMARY KEY DEFAULT new_id(),
    ca_key_id       uuid NOT NULL REFERENCES ca_key,
    spki_der        bytea NOT NULL,
    kek_id          text NOT NULL REFERENCES kek,
    key_sealed      bytea NOT NULL,
    serial          bytea,
    certificate_der bytea,
    not_after       timestamptz,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ocsp_responder_certified
        CHECK ((certificate_der IS NULL) = (not_after IS NULL) AND (certificate_der IS NULL) = (serial IS NULL))
);
-- One key at a time waits for its certificate.
CREATE UNIQUE INDEX ocsp_responder_pending ON ocsp_responder (ca_key_id) WHERE certificate_der IS NULL;
CREATE INDEX ocsp_responder_ready ON ocsp_responder (ca_key_id, not_after) WHERE certificate_der IS NOT NULL;

-- Its jobs sign with the keys of authorities, whichever issuer uses them.
INSERT INTO lane (name, needs_key) VALUES ('authority', true) ON CONFLICT (name) DO NOTHING;
