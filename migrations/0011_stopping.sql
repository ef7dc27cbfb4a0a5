-- A certificate whose current version is being revoked for good takes no further version alive: what a
-- renewal still brings that was under way is revoked for this reason (RFC 5280, section 5.3.1). Empty
-- again once a person renews.
ALTER TABLE certificate ADD COLUMN stop_reason smallint;
