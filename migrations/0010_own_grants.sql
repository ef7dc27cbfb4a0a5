-- grant_app grants what certmill made and nothing else. A schema may hold objects of other owners, such
-- as those of an extension that a superuser made: granting on them needs rights that our owner has not
-- (SQLSTATE 42501), and where a superuser migrates, it would give the application too much.

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
    FOREACH narrowed IN ARRAY ARRAY['kek', 'ca_key', '_sqlx_migrations'] LOOP
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON public.%I FROM %I', narrowed, app);
    END LOOP;
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON public.audit FROM %I', app);
END
$$;
