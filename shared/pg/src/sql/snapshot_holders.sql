-- Who holds an xmin older than the limits: $1 seconds where there is an instant, else $2 transactions.
-- A session holds it by its snapshot or by its own transaction; vacuum ignores its own workers.
SELECT who, application, age_s, transactions
FROM (
    SELECT CASE backend_type WHEN 'walsender' THEN 'standby at pid ' ELSE 'pid ' END || pid AS who,
           coalesce(application_name, '') AS application,
           extract(epoch FROM clock_timestamp() - xact_start)::bigint AS age_s,
           greatest(age(backend_xmin), age(backend_xid))::bigint AS transactions
    FROM pg_stat_activity
    WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
      AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
    UNION ALL
    SELECT 'prepared transaction ' || gid, owner::text,
           extract(epoch FROM clock_timestamp() - prepared)::bigint, age(transaction)::bigint
    FROM pg_prepared_xacts
    UNION ALL
    SELECT 'replication slot ' || slot_name,
           slot_type || CASE WHEN active THEN ', active' ELSE ', nobody reads it' END,
           NULL, greatest(age(xmin), age(catalog_xmin))::bigint
    FROM pg_replication_slots
    WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
) holder
WHERE age_s >= $1 OR (age_s IS NULL AND transactions >= $2)
ORDER BY transactions DESC, age_s DESC
LIMIT 10
