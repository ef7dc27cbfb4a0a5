//! Workers from zero: one that ends with the work, and the figures that such workers are scaled by.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::path::Path;
use std::time::Duration;

use certmill_domain::schedule::{LANE, PARTITION_CARE};
use certmill_queue::depth::depths;
use certmill_queue::{NewJob, Start, TeamId, enqueue_all};
use serde_json::json;

use crate::ONE_AT_A_TIME;
use crate::child::Child;
use crate::house::House;

const WITHIN: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_worker_that_ends_with_the_work_leaves_none_and_ends_well() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let house = House::build(None).await;
    let pool = house.db.app();
    let job = || NewJob::new(TeamId::DEFAULT, LANE, PARTITION_CARE, json!({}));
    let mut jobs: Vec<NewJob> = (0..20).map(|_| job()).collect();
    jobs.push(NewJob {
        start: Start::After(Duration::from_secs(3600)),
        ..job()
    });
    let mut conn = pool.acquire().await.unwrap();
    enqueue_all(&mut conn, &jobs).await.unwrap();
    let lane = [LANE.to_owned()];
    let before = depths(&mut conn, Some(&lane)).await.unwrap();
    assert_eq!((before[0].due, before[0].running), (20, 0));
    assert!(before[0].oldest_due_age_s.is_some_and(|age| age >= 0.0));

    for round in ["with work", "without any"] {
        let args = ["worker", "--drain-and-exit"].map(str::to_owned);
        let log = house.path("worker.log");
        let mut worker = Child::start("worker", &args, &house.env(), Path::new(&log));
        let status = worker.exit(WITHIN).await;
        assert!(status.success(), "{round}: {status}\n{}", worker.tail());
        let after = depths(&mut conn, Some(&lane)).await.unwrap();
        assert_eq!((after[0].due, after[0].oldest_due_age_s), (0, None));
    }
    let (waiting, done): (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM job_history)")
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!((waiting, done), (1, 20), "one is left for its hour");
}
