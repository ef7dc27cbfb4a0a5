//! What the tests of the scheduler share: a seeded database and schedulers on it.

pub use certmill_testkit::{PATIENCE, until};
use std::time::Duration;

use certmill_crypto::seal::{Kek, Keyring};
use certmill_queue::Hinter;
use certmill_scheduler::Options;
use certmill_service::bootstrap;
use certmill_service::schedules::{self, Periods};
use certmill_tasks::{Shutdown, Tasks};
use certmill_testkit::TestDb;

/// Long, so that a hand-over that waits for its end is told from one that does not.
pub const LEADER_LEASE: Duration = Duration::from_secs(6);

pub async fn seeded() -> TestDb {
    let db = TestDb::new().await;
    let ring = |byte| Keyring::new(Kek::from_bytes([byte; 32]), Vec::new());
    bootstrap::seed(db.owner(), &ring(1), &ring(2))
        .await
        .unwrap();
    db
}

/// A running scheduler.
pub struct Scheduler {
    pub label: &'static str,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Scheduler {
    pub async fn start(db: &TestDb, label: &'static str) -> Self {
        let options = Options {
            pool: db.app().clone(),
            label: label.into(),
            version: "0".into(),
            lease: Duration::from_secs(2),
            beat: Duration::from_millis(500),
            leader_lease: LEADER_LEASE,
            schedules: schedules::all(Periods {
                renewal: Duration::from_secs(1),
            }),
            hinter: Hinter::none(),
        };
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let own = tasks.clone();
        tasks.spawn("scheduler", async move {
            certmill_scheduler::run(options, &own, || ready.send(()).unwrap())
                .await
                .unwrap();
        });
        tokio::time::timeout(PATIENCE, is_ready)
            .await
            .expect("it registers in time")
            .unwrap();
        Self {
            label,
            tasks,
            shutdown,
        }
    }

    /// Asks it to end and waits until nothing of it runs any more.
    pub async fn stop(self) {
        self.shutdown.request();
        let tasks = self.tasks.clone();
        until(|| {
            let ended = tasks.running() == 0;
            async move { ended }
        })
        .await;
    }
}

pub async fn count(db: &TestDb, from: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {from}")))
        .fetch_one(db.app())
        .await
        .unwrap()
}
