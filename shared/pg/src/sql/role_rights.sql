-- What the current login may do beyond, and what it may not do of, what the application needs.
WITH me AS (SELECT * FROM pg_roles WHERE rolname = current_user),
wanted (tab, privilege) AS (VALUES
    ('_sqlx_migrations', 'SELECT'), ('schema_acceptance', 'SELECT'), ('kek', 'SELECT'), ('ca_key', 'SELECT'),
    ('process', 'SELECT'), ('process', 'INSERT'), ('process', 'UPDATE'),
    ('job', 'SELECT'), ('job', 'INSERT'), ('job', 'UPDATE'), ('job', 'DELETE'),
    ('job_history', 'SELECT'), ('job_history', 'INSERT'),
    ('certificate', 'SELECT'), ('certificate', 'INSERT'), ('certificate', 'UPDATE'),
    ('cert_order', 'SELECT'), ('cert_order', 'INSERT'), ('cert_order', 'UPDATE'),
    ('version', 'SELECT'), ('version', 'INSERT'),
    ('leader', 'SELECT'), ('leader', 'UPDATE'), ('leader_term', 'INSERT'), ('schedule', 'SELECT'), ('schedule', 'UPDATE'),
    ('event', 'INSERT'), ('audit', 'INSERT'), ('api_key', 'SELECT')),
unwanted (tab, privilege) AS (VALUES
    ('audit', 'UPDATE'), ('audit', 'DELETE'), ('kek', 'INSERT'), ('kek', 'DELETE'),
    ('ca_key', 'INSERT'), ('ca_key', 'DELETE'),
    ('_sqlx_migrations', 'INSERT'), ('_sqlx_migrations', 'DELETE'),
    ('schema_acceptance', 'INSERT'), ('schema_acceptance', 'UPDATE'), ('schema_acceptance', 'DELETE'))
SELECT me.rolname::text,
       me.rolsuper,
       array_remove(ARRAY[
           CASE WHEN me.rolcreatedb THEN 'CREATEDB' END,
           CASE WHEN me.rolcreaterole THEN 'CREATEROLE' END,
           CASE WHEN me.rolreplication THEN 'REPLICATION' END,
           CASE WHEN me.rolbypassrls THEN 'BYPASSRLS' END], NULL)::text[],
       has_schema_privilege('public', 'CREATE')
           OR EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user),
       ARRAY(SELECT privilege || ' on ' || tab FROM wanted
             WHERE NOT has_table_privilege(to_regclass('public.' || tab), privilege)),
       ARRAY(SELECT privilege || ' on ' || tab FROM unwanted
             WHERE has_table_privilege(to_regclass('public.' || tab), privilege))
FROM me
