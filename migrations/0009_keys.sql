-- What keys need for a life of their own (who made and ended them, when they were last used, which
-- one they replace), and the door of the first admin.

-- Nullable, because a replica of the previous release goes on inserting without them.
ALTER TABLE api_key
    ADD COLUMN created_by   text,
    ADD COLUMN revoked_by   text,
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN replaces     uuid;

-- Closed by the row that the first admin's transaction writes, and never opened again. The primary
-- key lets one of several callers through and makes the others wait for its outcome.
CREATE TABLE bootstrap_door (
    id        boolean PRIMARY KEY DEFAULT true,
    closed_at timestamptz NOT NULL DEFAULT now(),
    closed_by text NOT NULL,
    CONSTRAINT bootstrap_door_single CHECK (id)
);
INSERT INTO bootstrap_door (closed_by)
SELECT 'migration' WHERE EXISTS (SELECT 1 FROM api_key WHERE role = 'admin');
