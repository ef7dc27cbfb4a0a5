-- What the load test asks of pg-boss's tables: is a job still live, and begin anew.
CREATE VIEW live AS SELECT id FROM pgboss.job WHERE name = 'noop' AND state < 'completed';
CREATE PROCEDURE start_over() LANGUAGE sql AS 'DELETE FROM pgboss.job WHERE name <> ''noop''; TRUNCATE pgboss.job_common';
