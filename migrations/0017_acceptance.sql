-- Which builds may run on which schema, so that a build can ask about a schema that it does not know.

-- A build is named by the newest migration that it knows. Each migration from this one on writes its
-- own row, in its own transaction: whoever sees the schema sees who may run on it.
CREATE TABLE schema_acceptance (
    version     bigint CONSTRAINT schema_acceptance_pkey PRIMARY KEY,
    -- The oldest build that runs on the schema that this migration leaves.
    builds_from bigint NOT NULL,
    CONSTRAINT schema_acceptance_no_future CHECK (builds_from <= version)
);

-- Builds before this one go on while they run; they never ask, and refuse to start on any newer schema.
INSERT INTO schema_acceptance (version, builds_from) VALUES (17, 16);

-- The newest migration that a process knows; null for one that does not tell.
ALTER TABLE process ADD COLUMN schema_known bigint;

-- As before, and the application may not say which builds are accepted.
-- Replaced in place, so that the function keeps its owner and the rights that were narrowed before.
CREATE OR REPLACE FUNCTION grant_app(app name) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    -- Whoever migrates now, and whoever migrated first: the login of migrations may have changed.
    ours     oid[] := ARRAY[(SELECT oid FROM pg_roles WHERE rolname = current_user),
                            (SELECT relowner FROM pg_class WHERE oid = 'public.team'::regclass)];
    place    oid := 'public'::regnamespace;
    named    text;
    narrowed text;
BEGIN
    IF app = current_user THEN
        RETURN;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', app);
    -- Tables of all kinds, views too, without what an extension brought.
    SELECT string_agg(format('public.%I', c.relname), ', ') INTO named
    FROM pg_class c
    WHERE c.relnamespace = place AND c.relowner = ANY (ours) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE %s TO %I', named, app);
    SELECT string_agg(format('public.%I', c.relname), ', ') INTO named
    FROM pg_class c
    WHERE c.relnamespace = place AND c.relowner = ANY (ours) AND c.relkind = 'S'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
    EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO %I', named, app);
    SELECT string_agg(p.oid::regprocedure::text, ', ') INTO named
    FROM pg_proc p
    WHERE p.pronamespace = place AND p.proowner = ANY (ours) AND p.prokind <> 'p'
      AND p.proname <> 'grant_app'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e');
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', named, app);
    EXECUTE format('REVOKE EXECUTE ON FUNCTION public.grant_app(name) FROM PUBLIC, %I', app);
    FOREACH narrowed IN ARRAY ARRAY['kek', 'ca_key', '_sqlx_migrations', 'schema_acceptance'] LOOP
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON public.%I FROM %I', narrowed, app);
    END LOOP;
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON public.audit FROM %I', app);
END
$$;
