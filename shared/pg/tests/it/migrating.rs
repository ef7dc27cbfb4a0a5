//! The migrator and the rights of the two roles.

use std::sync::Mutex;

use certmill_pg::{Error, SchemaState, migrate, migration_plan, newest_migration, schema_state};
use certmill_testkit::TestDb;
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, Executor, PgConnection};

const APP: &str = "certmill_app";

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let db = TestDb::empty().await;
    assert_eq!(schema_state(db.owner()).await.unwrap(), SchemaState::Empty);
    migrate(db.owner(), APP, &|_| {}).await.unwrap();
    assert_eq!(schema_state(db.app()).await.unwrap(), SchemaState::Equal);
    let said = Mutex::new(Vec::new());
    migrate(db.owner(), APP, &|line| {
        said.lock().unwrap().push(line.to_owned())
    })
    .await
    .unwrap();
    assert!(
        said.lock()
            .unwrap()
            .iter()
            .any(|line| line.contains("up to date"))
    );
}

#[tokio::test]
async fn two_migrators_at_once_do_not_collide() {
    let db = TestDb::empty().await;
    let (one, two) = tokio::join!(
        migrate(db.owner(), APP, &|_| {}),
        migrate(db.owner(), APP, &|_| {})
    );
    one.unwrap();
    two.unwrap();
    schema_state(db.app()).await.unwrap().require_fit().unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_versions() {
    let db = TestDb::new().await;
    let newer = newest_migration() + 1;
    sqlx::query("INSERT INTO _sqlx_migrations VALUES ($1, 'later', now(), true, '', 0)")
        .bind(newer)
        .execute(db.owner())
        .await
        .unwrap();
    let error = migrate(db.owner(), APP, &|_| {}).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, Error::Schema(_)), "{words}");
    assert!(words.contains(&newer.to_string()), "{words}");
    assert!(
        words.contains(&format!("..{}", newest_migration())),
        "{words}"
    );
    assert!(schema_state(db.app()).await.unwrap().require_fit().is_err());
}

/// A migration that this build does not know, and what it says of older builds.
async fn plant_newer(db: &TestDb, version: i64, builds_from: i64) {
    sqlx::query("INSERT INTO _sqlx_migrations VALUES ($1, 'later', now(), true, '', 0)")
        .bind(version)
        .execute(db.owner())
        .await
        .unwrap();
    sqlx::query("INSERT INTO schema_acceptance (version, builds_from) VALUES ($1, $2)")
        .bind(version)
        .bind(builds_from)
        .execute(db.owner())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_newer_schema_that_accepts_this_build_is_worked_on_and_left_alone() {
    let db = TestDb::new().await;
    let known = newest_migration();
    plant_newer(&db, known + 1, known).await;
    let state = schema_state(db.app()).await.unwrap();
    let at = known + 1;
    assert_eq!(state, SchemaState::Accepted { at, known });
    state.require_fit().unwrap();
    let said = Mutex::new(String::new());
    let note = |line: &str| said.lock().unwrap().push_str(line);
    // A roll-back runs the older build's `migrate` first.
    migrate(db.owner(), APP, &note).await.unwrap();
    assert!(said.lock().unwrap().contains("nothing to run"), "{said:?}");

    plant_newer(&db, known + 2, known + 1).await;
    let words = schema_state(db.app()).await.unwrap().words();
    assert!(
        words.contains(&format!("takes builds that know {at} or more")),
        "{words}"
    );
    assert!(migrate(db.owner(), APP, &|_| {}).await.is_err());
}

#[tokio::test]
async fn a_migration_that_a_living_process_could_not_follow_is_refused() {
    let db = TestDb::new().await;
    let newest = newest_migration();
    let plant = "INSERT INTO process (role, label, version, lease, expires_at, schema_known) \
                 VALUES ('worker', 'old-one', '0.0.1', '1 h', clock_timestamp() + make_interval(secs => $1), $2)";
    // The process of a build of today, one of long ago that is dead, and one that lives.
    for (left_s, known) in [(3600.0, newest), (-1.0, 3), (3600.0, 3)] {
        sqlx::query(plant)
            .bind(left_s)
            .bind(known)
            .execute(db.owner())
            .await
            .unwrap();
    }
    for table in ["_sqlx_migrations", "schema_acceptance"] {
        let statement = format!("DELETE FROM {table} WHERE version = {newest}");
        db.owner()
            .execute(sqlx::AssertSqlSafe(statement))
            .await
            .unwrap();
    }
    let plan = migration_plan(db.owner()).await.unwrap();
    assert_eq!(
        (plan.running.len(), plan.left_behind.len()),
        (2, 1),
        "{plan:?}"
    );
    let words = migrate(db.owner(), APP, &|_| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(
        words.contains("these processes run: old-one (worker, knows 3);"),
        "{words}"
    );
    let state = schema_state(db.app()).await.unwrap();
    assert!(matches!(state, SchemaState::Behind { .. }), "{state:?}");
}

#[tokio::test]
async fn a_role_that_starts_while_a_migrator_works_is_refused_until_it_is_done() {
    let db = TestDb::empty().await;
    let (mut before, mut after) = (0, 0);
    let migrator = migrate(db.owner(), APP, &|_| {});
    tokio::pin!(migrator);
    loop {
        tokio::select! {
            biased;
            done = &mut migrator => break done.unwrap(),
            // Asked as the owner: the application is granted what it needs at the end.
            state = schema_state(db.owner()) => match state.unwrap() {
                SchemaState::Empty | SchemaState::Behind { .. } => before += 1,
                SchemaState::Equal => after += 1,
                other => panic!("{other:?}"),
            },
        }
    }
    assert!(before > 0, "nobody looked ({after} looks afterwards)");
    assert!(schema_state(db.app()).await.unwrap().is_fit());
}

#[tokio::test]
async fn behind_and_dirty_say_what_to_run() {
    let db = TestDb::new().await;
    db.owner()
        .execute("UPDATE _sqlx_migrations SET success = false WHERE version = 1")
        .await
        .unwrap();
    let state = schema_state(db.app()).await.unwrap();
    assert_eq!(state, SchemaState::Dirty { version: 1 });
    assert!(migrate(db.owner(), APP, &|_| {}).await.is_err());
    db.owner()
        .execute("DELETE FROM _sqlx_migrations WHERE version = 1")
        .await
        .unwrap();
    let known = newest_migration();
    let refused = |state: SchemaState| state.require_fit().unwrap_err().to_string();
    let gap = schema_state(db.app()).await.unwrap();
    assert_eq!(
        gap,
        SchemaState::Gap {
            version: 1,
            at: known
        }
    );
    assert!(refused(gap).contains("migration 1 is missing"));
    db.owner()
        .execute("DELETE FROM _sqlx_migrations WHERE version > 3")
        .await
        .unwrap();
    db.owner()
        .execute("INSERT INTO _sqlx_migrations SELECT 1, 'x', now(), true, checksum, 0 FROM _sqlx_migrations WHERE version = 2")
        .await
        .unwrap();
    let changed = schema_state(db.app()).await.unwrap();
    assert_eq!(changed, SchemaState::Changed { version: 1 });
    assert!(refused(changed).contains("differs from the one in this build"));
}

#[tokio::test]
async fn a_database_of_an_older_build_is_told_with_both_versions() {
    let db = TestDb::new().await;
    db.owner()
        .execute("DELETE FROM _sqlx_migrations WHERE version > 3")
        .await
        .unwrap();
    let words = schema_state(db.app())
        .await
        .unwrap()
        .require_fit()
        .unwrap_err()
        .to_string();
    assert!(
        words.contains(&format!(
            "the database is at 3, this build needs {}",
            newest_migration()
        )) && words.contains("certmill migrate"),
        "{words}"
    );
}

#[tokio::test]
async fn a_failing_migration_is_named_and_leaves_nothing() {
    let db = TestDb::empty().await;
    db.owner()
        .execute("CREATE TABLE team (id int)")
        .await
        .unwrap();
    let words = migrate(db.owner(), APP, &|_| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(
        words.contains("migration 1") && words.contains("team"),
        "{words}"
    );
    assert_eq!(schema_state(db.owner()).await.unwrap(), SchemaState::Empty);
}

#[tokio::test]
async fn a_read_only_database_is_refused() {
    let db = TestDb::empty().await;
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(db.owner())
        .await
        .unwrap();
    let statement = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    db.owner()
        .execute(sqlx::AssertSqlSafe(statement))
        .await
        .unwrap();
    let error = migrate(db.owner(), APP, &|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Server(_)), "{error}");
    assert!(error.to_string().contains("primary"), "{error}");
}

#[tokio::test]
async fn the_app_role_cannot_change_the_schema() {
    let db = TestDb::new().await;
    for statement in [
        "CREATE TABLE mine (id int)",
        "DROP TABLE team",
        "ALTER TABLE team ADD COLUMN x int",
        "TRUNCATE team",
        "DELETE FROM _sqlx_migrations",
        "INSERT INTO schema_acceptance VALUES (942, 1)",
        "UPDATE schema_acceptance SET builds_from = 1",
        "SELECT grant_app('certmill_app')",
        "SELECT * FROM pg_authid",
        "CREATE ROLE somebody",
        "CREATE DATABASE mine",
    ] {
        let error = Error::from(db.app().execute(statement).await.unwrap_err());
        assert_eq!(error.sqlstate(), Some("42501"), "{statement}: {error}");
        assert!(!error.is_retryable());
    }
}

/// Objects of an extension belong to the superuser who made it; our owner may not grant on them.
#[tokio::test]
async fn an_extension_of_somebody_else_in_the_schema_is_left_alone() {
    let db = TestDb::empty().await;
    let url = db.superuser_url();
    let mut superuser = PgConnection::connect(url.expose_secret()).await.unwrap();
    superuser
        .execute(
            "CREATE EXTENSION pg_stat_statements SCHEMA public;
             CREATE TABLE public.foreign_table (id bigserial);
             CREATE FUNCTION public.foreign_function() RETURNS int LANGUAGE sql AS 'SELECT 1';
             REVOKE EXECUTE ON FUNCTION public.foreign_function() FROM PUBLIC;",
        )
        .await
        .unwrap();
    // The second run grants again, on a schema that is there.
    for _ in 0..2 {
        migrate(db.owner(), APP, &|_| {}).await.unwrap();
    }
    let may: (bool, bool, bool, bool, bool, bool) = sqlx::query_as(
        "SELECT has_table_privilege($1, 'team', 'INSERT'),
                has_sequence_privilege($1, 'team_id_seq', 'USAGE'),
                has_function_privilege($1, 'new_id()', 'EXECUTE'),
                has_table_privilege($1, 'foreign_table', 'SELECT'),
                has_sequence_privilege($1, 'foreign_table_id_seq', 'USAGE'),
                has_function_privilege($1, 'foreign_function()', 'EXECUTE')",
    )
    .bind(APP)
    .fetch_one(db.owner())
    .await
    .unwrap();
    assert_eq!(may, (true, true, true, false, false, false));
    // To a superuser who migrates, what an extension brought is its own, and yet none of ours.
    superuser
        .execute("SELECT grant_app('certmill_app')")
        .await
        .unwrap();
    let touched: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) a
         WHERE p.proname LIKE 'pg_stat_statements%' AND a.grantee = $1::regrole",
    )
    .bind(APP)
    .fetch_one(db.owner())
    .await
    .unwrap();
    assert_eq!(touched, 0, "rights on functions of the extension");
}
