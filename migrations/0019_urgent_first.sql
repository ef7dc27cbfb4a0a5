-- What has little of its life left is found by profile and end, however many others are due.

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX certificate_profile_end ON certificate (profile_id, not_after);
-- The new one serves what this one did, the foreign key too.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX certificate_profile;

INSERT INTO schema_acceptance (version, builds_from) VALUES (19, 16);
