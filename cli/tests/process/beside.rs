//! An older build beside this one on one database, while certificates are asked for of both: forward,
//! and back again.
//!
//! Invariant: nobody tells the older build about the newer schema but the database itself.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use crate::ONE_AT_A_TIME;
use crate::cluster::Cluster;
use crate::invariants::{heal, wait_until_moved};
use crate::members::PAIRS;
use crate::progress::say;
use crate::seed::seed;
use crate::workload::Workload;

/// The program of the older build. Without it this build plays both, and the newer schema is planted.
const OLDER: &str = "CERTMILL_OLDER_BUILD";

const BEFORE: [&str; 3] = ["worker-1", "scheduler-1", "api-1"];
const AFTER: [&str; 3] = ["worker-2", "scheduler-2", "api-2"];

/// Of work between two changes.
const STAGE: Duration = Duration::from_secs(8);
const TURN: Duration = Duration::from_secs(2);
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// As a later build would migrate: tables of today grow, and older builds are taken.
const PLANTED: &str = "BEGIN;
    CREATE TABLE planted (id bigint PRIMARY KEY);
    ALTER TABLE certificate ADD COLUMN planted text;
    ALTER TABLE job ADD COLUMN planted int DEFAULT 1;
    WITH last AS (SELECT max(version) AS version FROM _sqlx_migrations),
    said AS (INSERT INTO schema_acceptance (version, builds_from) SELECT version + 1, version FROM last)
    INSERT INTO _sqlx_migrations SELECT version + 1, 'planted', now(), true, '', 0 FROM last;
    COMMIT;";

#[tokio::test]
#[ignore = "needs an older build: cargo xtask test --only beside"]
async fn an_older_build_goes_on_beside_this_one_and_comes_back() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let older = std::env::var_os(OLDER).map(PathBuf::from);
    let planted = older.is_none();
    let older = older.unwrap_or_else(|| env!("CARGO_BIN_EXE_certmill").into());
    let mut cluster = Cluster::of_builds(older, PAIRS).await;
    start(&mut cluster, BEFORE).await;
    let before = cluster.client().await;
    let mut workload = Workload::begin(before.clone(), seed()).await;
    workload.run(STAGE).await;

    let schema = schema_of(&cluster).await;
    tokio::join!(workload.go_on(STAGE), forward(&cluster, planted));
    let migrated = schema_of(&cluster).await;
    assert!(migrated > schema, "the schema stayed at {schema}");
    before.ready().await.expect("the older api is taken");

    tokio::join!(workload.go_on(STAGE), start(&mut cluster, AFTER));
    let after = cluster.client_of("api-2").await;
    for turn in [&before, &after, &before, &after] {
        workload.through(turn);
        workload.go_on(TURN).await;
    }
    tokio::join!(workload.go_on(STAGE), end(&mut cluster, BEFORE));
    // Back: what ended is started again, on a schema that it does not know.
    tokio::join!(workload.go_on(STAGE), start(&mut cluster, BEFORE));
    workload.through(&cluster.client().await);
    tokio::join!(workload.go_on(STAGE), end(&mut cluster, AFTER));
    workload.go_on(STAGE).await;

    heal(cluster.owner()).await;
    let moved = wait_until_moved(&cluster).await;
    judge(&cluster, &workload, (schema, migrated), moved).await;
}

async fn judge(cluster: &Cluster, workload: &Workload, schemas: (i64, i64), moved: Duration) {
    let violations = cluster.violations(&workload.history).await;
    let asked = cluster.count("certificate").await;
    let issued = cluster.count("certificate WHERE status = 'issued'").await;
    say(format_args!(
        "builds of the schemas {} and {}: {asked} certificates, {issued} issued, {} versions, {} acknowledged, \
         {} unknown, all moved {:.1} s after the last change, {} violations",
        schemas.0,
        schemas.1,
        cluster.count("version").await,
        workload.history.count("ok"),
        workload.history.count("unknown"),
        moved.as_secs_f64(),
        violations.len(),
    ));
    assert!(violations.is_empty(), "{violations:?}");
    assert_eq!(issued, asked, "not all were issued");
    assert!(asked >= 40, "too little was asked for");
    assert!(
        cluster.count("version WHERE generation > 1").await > 0,
        "nothing was renewed"
    );
    assert_eq!(workload.history.count("unknown"), 0, "an answer was lost");
    assert_eq!(cluster.logged("panic"), 0, "a process panicked");
}

async fn start(cluster: &mut Cluster, names: [&'static str; 3]) {
    for name in names {
        cluster.launch(name);
    }
    for name in names {
        cluster.ready(name).await;
    }
}

async fn end(cluster: &mut Cluster, names: [&'static str; 3]) {
    for name in names {
        cluster.signal(name, Signal::TERM);
    }
    for name in names {
        cluster.end(name, ENDS_WITHIN).await;
    }
}

/// Brings the schema to the newer build, while the older one works.
async fn forward(cluster: &Cluster, planted: bool) {
    if planted {
        sqlx::raw_sql(PLANTED)
            .execute(cluster.owner())
            .await
            .unwrap();
        return;
    }
    let (code, plan) = cluster.operate(&["migrate", "--plan"]).await;
    assert_eq!(code, Some(0), "{plan}");
    assert!(
        plan.contains("All 3 processes that run stay accepted."),
        "{plan}"
    );
    let (code, printed) = cluster.operate(&["migrate"]).await;
    assert_eq!(code, Some(0), "{printed}");
}

async fn schema_of(cluster: &Cluster) -> i64 {
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(cluster.owner())
        .await
        .unwrap()
}
