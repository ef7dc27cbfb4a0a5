//! Hot statements keep their index plans when the planner does not know the parameters.

use certmill_testkit::TestDb;
use sqlx::AssertSqlSafe;

use crate::rig::*;

#[tokio::test]
async fn tick_and_take_use_their_keys_under_a_generic_plan() {
    let db = TestDb::new().await;
    declare(&db, "s", 60).await;
    sqlx::raw_sql(
        "INSERT INTO job (team_id, queue, kind) SELECT 1, 'q', 'k' FROM generate_series(1, 30000); \
         INSERT INTO api_limit (key, tat) SELECT 'k' || n, now() FROM generate_series(1, 30000) n; \
         INSERT INTO schedule_tick (schedule, slot, epoch, skipped) \
             SELECT 's', now() - n * interval '1 s', 1, true FROM generate_series(1, 30000) n",
    )
    .execute(db.app())
    .await
    .unwrap();
    sqlx::raw_sql("ANALYZE").execute(db.owner()).await.unwrap();
    let mut conn = db.session().await;
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan")
        .execute(&mut conn)
        .await
        .unwrap();
    for (name, sql, params, index) in [
        (
            "tick",
            include_str!("../../src/sql/tick.sql"),
            6,
            "job_pkey",
        ),
        (
            "take",
            include_str!("../../src/sql/take.sql"),
            3,
            "api_limit_pkey",
        ),
        (
            "take_each",
            include_str!("../../src/sql/take_each.sql"),
            3,
            "api_limit_pkey",
        ),
    ] {
        let call = format!(
            "EXPLAIN EXECUTE s_{name}({})",
            vec!["NULL"; params].join(", ")
        );
        let prepare = format!("PREPARE s_{name} AS {sql}");
        sqlx::raw_sql(AssertSqlSafe(prepare))
            .execute(&mut conn)
            .await
            .unwrap();
        let rows = sqlx::raw_sql(AssertSqlSafe(call))
            .fetch_all(&mut conn)
            .await
            .unwrap();
        let lines: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
        let plan = lines.join("\n");
        for table in ["job", "api_limit", "schedule_tick"] {
            assert!(
                !plan.contains(&format!("Seq Scan on {table}")),
                "{name}: {plan}"
            );
        }
        assert!(plan.contains(index), "{name}: {plan}");
    }
}
