-- The two roles of certmill, made or given their passwords again. Passwords come in as settings of
-- this session, so that no statement text holds one.
DO $$
DECLARE
    login text;
BEGIN
    FOREACH login IN ARRAY ARRAY['certmill_owner', 'certmill_app'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
            EXECUTE format('CREATE ROLE %I', login);
        END IF;
        EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L',
                       login, current_setting(replace(login, '_', '.')));
    END LOOP;
    -- Whoever holds dead rows back is named, whatever login that is.
    GRANT pg_read_all_stats TO certmill_app, certmill_owner;
END
$$
