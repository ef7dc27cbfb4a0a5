-- What the load test asks of the tables of apalis: is a job still live, and begin anew.
CREATE VIEW live AS SELECT id FROM apalis.jobs WHERE status <> 'Done';
CREATE PROCEDURE start_over() LANGUAGE sql AS 'TRUNCATE apalis.jobs; DELETE FROM apalis.workers';
