//! Partitions are made ahead and dropped behind, by the owner alone.

use certmill_queue::maintenance::partition_care;

use crate::rig::*;

#[tokio::test]
async fn a_week_of_partitions_is_ready_and_old_ones_go() {
    let db = db().await;
    let mut conn = conn(&db).await;
    assert_eq!(
        partition_care(&mut conn, 7, 14, 90).await.unwrap(),
        (0, 0),
        "made by the migration"
    );
    let (made, _) = partition_care(&mut conn, 9, 14, 90).await.unwrap();
    assert_eq!(made, 6, "two days of three tables");
    // A partition of three weeks ago: completed jobs are past their two weeks, ended ones are not.
    for parent in ["job_history_completed", "job_history_ended"] {
        let statement = format!(
            "DO $$ DECLARE d date := (now() AT TIME ZONE 'UTC')::date - 21; BEGIN EXECUTE format(\
             'CREATE TABLE {parent}_%s PARTITION OF {parent} FOR VALUES FROM (%L) TO (%L)', \
             to_char(d, 'YYYYMMDD'), d::text || ' 00:00+00', (d + 1)::text || ' 00:00+00'); END $$"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(db.owner())
            .await
            .unwrap();
    }
    assert_eq!(partition_care(&mut conn, 7, 14, 90).await.unwrap(), (0, 1));
    assert_eq!(partition_care(&mut conn, 7, 14, 20).await.unwrap(), (0, 1));
    assert!(
        partition_care(&mut conn, 7, 0, 90).await.is_err(),
        "no way to drop today"
    );
}

#[tokio::test]
async fn the_application_may_not_touch_the_tables_themselves() {
    let db = db().await;
    let answer = sqlx::raw_sql("DROP TABLE job_history_ended")
        .execute(db.app())
        .await;
    assert!(answer.is_err());
}
