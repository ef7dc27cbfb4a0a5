//! What a migration would lock is known before it runs.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::fs;
use std::path::Path;

use certmill_pg::{migrate, migration_plan, newest_migration};
use certmill_testkit::TestDb;
use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::{Connection as _, PgConnection};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");
const TABLE: &str = "_sqlx_migrations";

/// The strongest lock of this session on each table that was there before, if it makes readers or
/// writers wait; a partition goes with its table.
const HELD: &str = "SELECT c.relname::text, \
         (ARRAY['SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'])[max(m.strength)] \
     FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
     JOIN unnest(ARRAY['ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']) \
         WITH ORDINALITY m (mode, strength) ON m.mode = l.mode \
     WHERE l.pid = pg_backend_pid() AND l.granted AND c.relkind IN ('r', 'p') \
       AND NOT c.relispartition AND c.relname = ANY ($1) \
     GROUP BY c.relname ORDER BY c.relname";

async fn tables(conn: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT relname::text FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
    )
    .fetch_all(conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn the_list_of_locks_is_what_postgres_shows() {
    let db = TestDb::empty().await;
    let mut conn = db.owner().acquire().await.unwrap();
    conn.ensure_migrations_table(TABLE).await.unwrap();
    let mut lines = String::new();
    for migration in MIGRATIONS.iter() {
        let before = tables(&mut conn).await;
        let mut tx = conn.begin().await.unwrap();
        sqlx::raw_sql(migration.sql.clone())
            .execute(&mut *tx)
            .await
            .unwrap();
        let held: Vec<(String, String)> = sqlx::query_as(HELD)
            .bind(&before)
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        tx.rollback().await.unwrap();
        for (table, mode) in held {
            lines.push_str(&format!("{:04} {table} {mode}\n", migration.version));
        }
        conn.apply(TABLE, migration).await.unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/migration_locks.txt");
    if std::env::var_os("CERTMILL_UPDATE_DOCS").is_some() {
        fs::write(&file, &lines).unwrap();
    }
    let listed = fs::read_to_string(&file).unwrap();
    assert_eq!(listed, lines, "run this test with CERTMILL_UPDATE_DOCS=1");
}

#[tokio::test]
async fn a_plan_names_what_is_missing_and_changes_nothing() {
    let db = TestDb::empty().await;
    let all = migration_plan(db.owner()).await.unwrap();
    assert_eq!(all.migrations.len() as i64, newest_migration());
    assert!(
        all.migrations.iter().all(|one| one.locks.is_empty()),
        "nothing is there"
    );
    migrate(db.owner(), "certmill_app", &|_| {}).await.unwrap();
    assert_eq!(migration_plan(db.owner()).await.unwrap().migrations, []);

    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 16")
        .execute(db.owner())
        .await
        .unwrap();
    let plan = migration_plan(db.owner()).await.unwrap();
    let [only] = plan.migrations.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!((only.version, only.description.as_str()), (16, "terms"));
    let leader = only.locks.iter().find(|lock| lock.table == "leader");
    let leader = leader.unwrap_or_else(|| panic!("{only:?}"));
    assert_eq!(leader.mode, "ACCESS EXCLUSIVE");
    assert_eq!(leader.waits(), "reads and writes");
    assert!(leader.bytes > 0);
}
