-- Why a key was ended, and whether a process was: an end on purpose is no death.

-- All nullable, because a replica of the previous release goes on writing without them.
ALTER TABLE api_key
    ADD COLUMN revoke_reason text;

-- Set together with dead_at where the process resigned; only dead_at where others declared it dead.
ALTER TABLE process
    ADD COLUMN stopped_at timestamptz;
