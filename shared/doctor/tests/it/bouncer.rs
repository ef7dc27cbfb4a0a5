//! A real PgBouncer in transaction mode is seen for what it is. Left out, with a word, where this
//! machine has none.

use certmill_doctor::{Level, Patient};
use certmill_pg::{ConnectOptions, connect};
use certmill_settings::Role;
use certmill_testkit::{Bouncer, TestDb};

use crate::rig::*;

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_seen_and_can_be_worked_with() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let Some(bouncer) = Bouncer::start(&db, folder.path(), "transaction", "").await else {
        return;
    };
    let unaware = Patient::admit(settings(Role::Api, bouncer.url(), folder.path())).await;
    let (level, words) = worst(&unaware, "pooler").await;
    assert_eq!(level, Level::Fail);
    assert!(words.contains("transaction mode"), "{words}");
    let mut aware = settings(Role::Api, bouncer.url(), folder.path());
    aware.database.pooler = certmill_settings::Pooler::Transaction;
    let aware = Patient::admit(aware).await;
    // Older ones do not carry prepared statements; then it must be that which is told.
    let (level, words) = worst(&aware, "pooler").await;
    if level == Level::Ok {
        assert_eq!(worst(&aware, "schema").await.0, Level::Ok);
    } else {
        assert!(words.contains("max_prepared_statements"), "{words}");
    }

    let pool = connect(bouncer.url(), ConnectOptions::new("api"))
        .await
        .unwrap();
    let refused = certmill_pg::Error::from(pool.acquire().await.unwrap_err());
    assert_eq!(refused.sqlstate(), Some("08P01"), "{refused}");
    assert!(refused.to_string().contains("database.pooler"), "{refused}");
}

#[tokio::test]
async fn a_pooler_that_keeps_sessions_is_a_warning() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let Some(bouncer) = Bouncer::start(&db, folder.path(), "session", "").await else {
        return;
    };
    let patient = Patient::admit(settings(Role::Api, bouncer.url(), folder.path())).await;
    let (level, words) = worst(&patient, "pooler").await;
    assert_eq!(level, Level::Warn, "{words}");
}
