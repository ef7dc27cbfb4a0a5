-- What the load test asks of graphile_worker's tables: is a job still live, and begin anew.
CREATE VIEW live AS SELECT id FROM graphile_worker._private_jobs;
CREATE PROCEDURE start_over() LANGUAGE sql AS 'TRUNCATE graphile_worker._private_jobs CASCADE';
