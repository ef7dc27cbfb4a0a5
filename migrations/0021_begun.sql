-- Jobs whose CA was asked already are gone on with while the lane takes no new ones: what is left of
-- them is not what the CA counts, and nobody has the certificate until it is done.

ALTER TABLE job ADD COLUMN begun boolean NOT NULL DEFAULT false;

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX job_begun ON job (queue, run_at, id) WHERE state = 0 AND begun;

INSERT INTO schema_acceptance (version, builds_from) VALUES (21, 16);
