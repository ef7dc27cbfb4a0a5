-- Authorities from elsewhere, their rollover, and key-encryption keys that change while roles serve.

-- What stands above an authority, its root last; empty for a root. An imported authority has no parent
-- row, since the keys above it are not ours.
ALTER TABLE ca_key ADD COLUMN chain_der bytea[] NOT NULL DEFAULT '{}';
UPDATE ca_key c SET chain_der = ARRAY[p.certificate_der] FROM ca_key p WHERE p.id = c.parent_id;
-- A retired authority signs no certificate and is no trust anchor; its row stays, for its CRLs.
ALTER TABLE ca_key ADD COLUMN retired_at timestamptz;

-- The authority that the serial was drawn for: an order that stands when its issuer moves to another
-- one is drawn anew, so that no serial is signed by two. No foreign key: its check would lock one row
-- for all orders, and authorities are never deleted.
ALTER TABLE cert_order ADD COLUMN ca_key_id uuid;

-- One key of each purpose seals, the others only open.
ALTER TABLE kek ADD COLUMN seals boolean NOT NULL DEFAULT false;
UPDATE kek k SET seals = true
WHERE k.id = (SELECT newest.id FROM kek newest WHERE newest.purpose = k.purpose
              ORDER BY newest.created_at DESC, newest.id LIMIT 1);
CREATE UNIQUE INDEX kek_seals_unique ON kek (purpose) WHERE seals;

-- Which keys each running process can open with, and the one it seals with: a key seals only after
-- all of them have it, and is forgotten only after none of them seals with it.
CREATE TABLE kek_holder (
    id          uuid PRIMARY KEY DEFAULT new_id(),
    role        text NOT NULL,
    label       text NOT NULL,
    purpose     text NOT NULL,
    seals       text NOT NULL,
    kek_ids     text[] NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL,
    CONSTRAINT kek_holder_purpose_known CHECK (purpose IN ('ca', 'app'))
) WITH (fillfactor = 50);
