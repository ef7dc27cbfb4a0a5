//! Hot statements keep their index plans when the planner does not know the parameters.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::rig::*;

const ROWS: i32 = 40_000;

macro_rules! statement {
    ($name:literal) => {
        ($name, include_str!(concat!("../../src/sql/", $name)))
    };
}

async fn plan(conn: &mut PgConnection, (name, sql): (&str, &str)) -> String {
    let params = (1..=11)
        .rev()
        .find(|n| sql.contains(&format!("${n}")))
        .unwrap_or(0);
    let nulls = vec!["NULL"; params].join(", ");
    let call = if nulls.is_empty() {
        String::new()
    } else {
        format!("({nulls})")
    };
    for text in ["DEALLOCATE ALL".to_owned(), format!("PREPARE s AS {sql}")] {
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut *conn)
            .await
            .unwrap();
    }
    let lines: Vec<String> = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN EXECUTE s{call}")))
        .fetch_all(&mut *conn)
        .await
        .unwrap()
        .iter()
        .map(|row| sqlx::Row::get::<String, _>(row, 0))
        .collect();
    format!("{name}\n{}", lines.join("\n"))
}

fn scans_job(plan: &str) -> bool {
    plan.lines()
        .any(|line| line.contains("Seq Scan on job ") || line.contains("Seq Scan on job_history"))
}

/// From end to end, by the table itself or by its primary key.
fn goes_through_job(plan: &str) -> bool {
    let lines: Vec<&str> = plan.lines().collect();
    let walks = lines.iter().enumerate().any(|(n, line)| {
        let bounded = lines
            .get(n + 1)
            .is_some_and(|next| next.contains("Index Cond:"));
        line.contains("using job_pkey on job ") && !bounded
    });
    scans_job(plan) || walks
}

async fn filled() -> (certmill_testkit::TestDb, PgConnection) {
    let db = db().await;
    let me = register(&db, "a").await;
    sqlx::query(
        "INSERT INTO job (team_id, queue, kind, priority, run_at, unique_key, args, state, \
             worker_id, lease_token, deadline_at, lost) \
         SELECT 1, CASE WHEN n % 3 = 0 THEN 'work' ELSE 'lane' || n % 7 END, 'k', n % 5, \
             now() + (n % 100 - 50) * interval '1 minute', int4send(n), '{}', \
             CASE WHEN n % 400 = 0 THEN 1 ELSE 0 END, $2, 7, now() + interval '1 hour', \
             CASE WHEN n % 5000 = 1 THEN 2 ELSE 0 END \
         FROM generate_series(1, $1) n",
    )
    .bind(ROWS)
    .bind(me.0)
    .execute(db.app())
    .await
    .unwrap();
    sqlx::raw_sql("ANALYZE job; ANALYZE process; ANALYZE lane")
        .execute(db.owner())
        .await
        .unwrap();
    let mut conn = db.session().await;
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan")
        .execute(&mut conn)
        .await
        .unwrap();
    (db, conn)
}

#[tokio::test]
async fn no_hot_statement_scans_the_job_table_under_a_generic_plan() {
    let (_db, mut conn) = filled().await;
    for (statement, index) in [
        (statement!("claim.sql"), "job_ready"),
        (statement!("claim_suspect.sql"), "job_suspect"),
        (statement!("claim_begun.sql"), "job_begun"),
        (statement!("begun.sql"), "job_pkey"),
        (statement!("probe.sql"), "job_ready"),
        (statement!("checkpoint.sql"), "job_pkey"),
        (statement!("complete.sql"), "job_pkey"),
        (statement!("fail.sql"), "job_pkey"),
        (statement!("snooze.sql"), "job_pkey"),
        (statement!("rescue.sql"), "job_running"),
        (statement!("resign.sql"), "job_running"),
        (statement!("release.sql"), "job_pkey"),
        (statement!("release_claim.sql"), "job_running"),
        (statement!("cancel.sql"), "job_pkey"),
        (statement!("asked_to_stop.sql"), "job_stopping"),
        (statement!("by_id.sql"), "job_pkey"),
    ] {
        let plan = plan(&mut conn, statement).await;
        assert!(!goes_through_job(&plan), "{plan}");
        assert!(plan.contains(index), "{index} is used:\n{plan}");
        // Due jobs come in the order of the index; a lane is never read to be sorted.
        assert!(!plan.contains("Sort Key: r.run_at"), "{plan}");
    }
}

/// Right after a vacuum that found the table empty, every plan looks cheap; the cached one must be
/// good for the backlog that comes next. Told by what it reads, since there are several good plans.
#[tokio::test]
async fn a_plan_made_for_an_empty_table_looks_ids_up() {
    let db = db().await;
    sqlx::raw_sql("VACUUM ANALYZE job")
        .execute(db.owner())
        .await
        .unwrap();
    let mut conn = db.app().acquire().await.unwrap();
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan")
        .execute(&mut *conn)
        .await
        .unwrap();
    let plan = plan(&mut conn, statement!("complete.sql")).await;
    assert!(!goes_through_job(&plan), "{plan}");
    assert!(plan.contains("Index Cond: (id = ANY ($1))"), "{plan}");
}

#[tokio::test]
async fn the_test_itself_would_see_a_way_through_the_whole_table() {
    let (_db, mut conn) = filled().await;
    // The form that other queues use, see the trap in claim.sql.
    let naive = "WITH p AS (SELECT id FROM job WHERE queue = $1 AND state = 0 \
                 ORDER BY priority, run_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
                 UPDATE job j SET state = 0 FROM p WHERE j.id = p.id RETURNING j.id";
    let plan = plan(&mut conn, ("naive", naive)).await;
    assert!(goes_through_job(&plan), "{plan}");
}

#[tokio::test]
async fn pages_walk_the_primary_key_and_processes_have_no_index_on_expiry() {
    let (db, mut conn) = filled().await;
    let plan = plan(&mut conn, statement!("list.sql")).await;
    assert!(!scans_job(&plan) && plan.contains("job_pkey"), "{plan}");
    let indexes: Vec<String> =
        sqlx::query_scalar("SELECT indexname::text FROM pg_indexes WHERE tablename = 'process'")
            .fetch_all(db.app())
            .await
            .unwrap();
    assert_eq!(indexes, ["process_pkey"]);
}
