//! A campaign outlives its terms and hands over at the shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use certmill_coordination::leader::current;
use certmill_coordination::{CampaignOptions, Term, campaign};
use certmill_tasks::Shutdown;
use tokio::sync::mpsc;

use crate::rig::*;

fn options(label: &str, lease_ms: u64) -> CampaignOptions {
    CampaignOptions::new("scheduler", label, Duration::from_millis(lease_ms))
}

#[tokio::test]
async fn a_lost_term_ends_the_work_and_the_campaign_goes_on() {
    let db = certmill_testkit::TestDb::new().await;
    let (sender, mut terms) = mpsc::unbounded_channel::<Term>();
    let working = Arc::new(AtomicI64::new(0));
    let shutdown = Shutdown::new();
    let count = working.clone();
    let on_term = move |term: Term| {
        sender.send(term).unwrap();
        let count = count.clone();
        async move {
            let _at_work = AtWork::begin(count);
            std::future::pending::<()>().await;
        }
    };
    tokio::join!(
        campaign(db.app(), options("a", 600), shutdown.clone(), on_term),
        async {
            let first = terms.recv().await.unwrap();
            // Longer than the lease: it is renewed.
            tokio::time::sleep(Duration::from_millis(900)).await;
            assert!(first.is_held() && working.load(Ordering::SeqCst) == 1);
            sqlx::query(
                "UPDATE leader SET epoch = epoch + 1, holder = gen_random_uuid(), \
                     expires_at = now() + interval '1 s'",
            )
            .execute(db.app())
            .await
            .unwrap();
            first.ended().await;
            until(|| async { working.load(Ordering::SeqCst) == 0 }).await;
            let second = tokio::time::timeout(PATIENCE, terms.recv())
                .await
                .unwrap()
                .unwrap();
            assert_eq!((first.epoch(), second.epoch()), (1, 3));
            shutdown.request();
        }
    );
    assert_eq!(working.load(Ordering::SeqCst), 0);
}

struct AtWork(Arc<AtomicI64>);

impl AtWork {
    fn begin(count: Arc<AtomicI64>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_shutdown_of_the_leader_hands_over_to_the_standby() {
    let db = certmill_testkit::TestDb::new().await;
    let (first, second) = (Shutdown::new(), Shutdown::new());
    let idle = |_| async {};
    let lease = 10_000;
    tokio::join!(
        campaign(db.app(), options("a", lease), first.clone(), idle),
        async {
            until(|| async { current(db.app(), "scheduler").await.unwrap().unwrap().held }).await;
            let mut standby = options("b", lease);
            standby.poll_every = Duration::from_millis(50);
            tokio::join!(campaign(db.app(), standby, second.clone(), idle), async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let asked = Instant::now();
                first.request();
                until(|| async {
                    let row = current(db.app(), "scheduler").await.unwrap().unwrap();
                    row.held && row.label.as_deref() == Some("b")
                })
                .await;
                assert!(
                    asked.elapsed() < Duration::from_secs(2),
                    "long before the lease's end"
                );
                second.request();
            });
        }
    );
    assert!(!current(db.app(), "scheduler").await.unwrap().unwrap().held);
}
