//! Behind a real PgBouncer: a mode that cannot carry our statements is refused at the start with what
//! to do, and one that can is worked through.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::time::{Duration, Instant};

use certmill_pg::{ConnectOptions, MINIMUM_MAJOR};
use certmill_testkit::{Bouncer, Release, TestDb};
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::ONE_AT_A_TIME;
use crate::cluster::Cluster;
use crate::refusals::{refused, refused_with};
use crate::workload::Workload;

/// Carries prepared statements, and has fewer server processes than certmill has connections.
pub const CARRIES: &str = "max_prepared_statements = 200\ndefault_pool_size = 6";

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_cannot_carry_statements_is_refused_at_the_start() {
    let _one = ONE_AT_A_TIME.lock().await;
    let without = [
        (Release::Packaged, ""),
        (Release::Recent, "max_prepared_statements = 0"),
    ];
    for (release, more) in without {
        let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
        let place = tempfile::tempdir().unwrap();
        let more = format!("ignore_startup_parameters = options\n{more}");
        let started = Bouncer::start(&db, place.path(), release, "transaction", &more).await;
        let Some(bouncer) = started else {
            continue;
        };
        let url = bouncer.url().expose_secret();
        let unaware = refused(folder.path(), url, 3).await;
        let aware = [("CERTMILL_DATABASE__POOLER", "transaction")];
        let aware = refused_with(folder.path(), url, 3, &aware).await;
        for said in [unaware, aware] {
            assert!(said.contains("max_prepared_statements"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_could_carry_them_must_be_in_the_settings() {
    let _one = ONE_AT_A_TIME.lock().await;
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let place = tempfile::tempdir().unwrap();
    let more = format!("ignore_startup_parameters = options\n{CARRIES}");
    let started = Bouncer::start(&db, place.path(), Release::Recent, "transaction", &more).await;
    let Some(bouncer) = started else {
        return;
    };
    let said = refused(folder.path(), bouncer.url().expose_secret(), 3).await;
    assert!(
        said.contains("a pooler in transaction mode") && said.contains("database.pooler"),
        "{said}"
    );
}

/// No start-up options, no LISTEN, server processes that change owners between sessions.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_works_through_a_pooler_by_polling() {
    let _one = ONE_AT_A_TIME.lock().await;
    let settings = [("database.pooler", "transaction"), ("wake", "poll")];
    let place = tempfile::tempdir().unwrap();
    let Some((cluster, bouncer)) = Cluster::start_behind(&settings, place.path()).await else {
        return;
    };
    let mut workload = Workload::begin(cluster.client().await, 1).await;
    workload.bulk(25).await;
    for _ in 0..5 {
        workload.request().await;
    }
    assert_eq!(workload.history.count("ok"), 30);
    let deadline = Instant::now() + Duration::from_secs(30);
    while cluster
        .count("version v JOIN certificate c ON c.version_id = v.id WHERE c.name LIKE 'n%'")
        .await
        < 30
    {
        assert!(Instant::now() < deadline, "not all are issued");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let listening = "pg_stat_activity WHERE query ILIKE 'LISTEN%'";
    assert_eq!(cluster.count(listening).await, 0, "nobody listens");
    drop(bouncer);
}

/// Sets what the pooler does not pass on for the application's login.
pub async fn set_limits(db: &TestDb) {
    let mut superuser = sqlx::PgConnection::connect(db.superuser_url().expose_secret())
        .await
        .unwrap();
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    for (key, value) in ConnectOptions::new("").settings(MINIMUM_MAJOR) {
        let set = format!("ALTER ROLE certmill_app IN DATABASE {name} SET {key} = '{value}'");
        sqlx::query(AssertSqlSafe(set))
            .execute(&mut superuser)
            .await
            .unwrap();
    }
}
