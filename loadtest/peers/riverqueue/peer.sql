-- What the load test asks of riverqueue's tables, which are River's: is a job still live, and begin anew.
CREATE VIEW live AS
SELECT id FROM river_job WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled');
CREATE PROCEDURE start_over() LANGUAGE sql AS 'TRUNCATE river_job';
