//! A real PgBouncer in transaction mode is seen for what it is: one that carries prepared statements
//! and one that does not. Left out, with a word, where it cannot be had.

use certmill_doctor::{Level, Patient};
use certmill_pg::{ConnectOptions, connect};
use certmill_settings::Role;
use certmill_testkit::{Bouncer, Release, TestDb};

use crate::rig::*;

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_seen_before_it_harms() {
    for release in [Release::Packaged, Release::Recent] {
        let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
        let started = Bouncer::start(&db, folder.path(), release, "transaction", "").await;
        let Some(bouncer) = started else {
            continue;
        };
        let unaware = Patient::admit(settings(Role::Api, bouncer.url(), folder.path())).await;
        let (level, words) = worst(&unaware, "pooler").await;
        assert_eq!(level, Level::Fail);
        assert!(words.contains("transaction mode"), "{words}");

        let pool = connect(bouncer.url(), ConnectOptions::new("api"))
            .await
            .unwrap();
        let refused = certmill_pg::Error::from(pool.acquire().await.unwrap_err());
        assert_eq!(refused.sqlstate(), Some("08P01"), "{refused}");
        assert!(refused.to_string().contains("database.pooler"), "{refused}");
    }
}

#[tokio::test]
async fn a_pooler_that_carries_prepared_statements_can_be_worked_with() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let more = "max_prepared_statements = 200";
    let started = Bouncer::start(&db, folder.path(), Release::Recent, "transaction", more).await;
    let Some(bouncer) = started else {
        return;
    };
    let patient = aware(&bouncer, folder.path()).await;
    let (level, words) = worst(&patient, "pooler").await;
    assert_eq!(level, Level::Ok, "{words}");
    assert_eq!(worst(&patient, "schema").await.0, Level::Ok);
}

#[tokio::test]
async fn a_pooler_that_does_not_carry_them_is_told_by_that() {
    let without = [
        (Release::Packaged, ""),
        (Release::Recent, "max_prepared_statements = 0"),
    ];
    for (release, more) in without {
        let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
        let started = Bouncer::start(&db, folder.path(), release, "transaction", more).await;
        let Some(bouncer) = started else {
            continue;
        };
        let (level, words) = worst(&aware(&bouncer, folder.path()).await, "pooler").await;
        assert_eq!(level, Level::Fail, "{release:?}");
        assert!(words.contains("max_prepared_statements"), "{words}");
    }
}

/// Looked at by a process whose settings say what stands in between.
async fn aware(bouncer: &Bouncer, folder: &std::path::Path) -> Patient {
    let mut settings = settings(Role::Api, bouncer.url(), folder);
    settings.database.pooler = certmill_settings::Pooler::Transaction;
    Patient::admit(settings).await
}

#[tokio::test]
async fn a_pooler_that_keeps_sessions_is_a_warning() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let Some(bouncer) = Bouncer::start(&db, folder.path(), Release::Packaged, "session", "").await
    else {
        return;
    };
    let patient = Patient::admit(settings(Role::Api, bouncer.url(), folder.path())).await;
    let (level, words) = worst(&patient, "pooler").await;
    assert_eq!(level, Level::Warn, "{words}");
}
