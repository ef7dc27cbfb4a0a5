//! A walk at random through what can happen to orders: whatever dies, whoever comes back too late, an
//! order is finalized once at its CA, and a generation has one live order and one version.
//!
//! The walk keeps the CA's ledger itself: hands do what a worker does, and any of them may have lost its
//! lease without knowing.

use std::collections::{BTreeMap, BTreeSet};

use certmill_domain::ids::{CertificateId, OrderId, TeamId};
use certmill_domain::order::OrderState;
use certmill_queue::finish::complete;
use certmill_queue::{ClaimedJob, Hinter, NewJob, Until, enqueue};
use certmill_service::bootstrap::LOCAL_LANE;
use certmill_service::effects::issue::IssueArgs;
use certmill_service::effects::{self, settle_failure, settle_snooze};
use certmill_service::issuing::{self, Load, Task};
use certmill_service::submitting::{Submission, submit};
use certmill_service::{Error, certificates, jobs, schedules, sweep};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::rig::*;

const STEPS: usize = 250;
const STEPS_MOST: usize = 2_000;
const CERTIFICATES: usize = 4;

/// A worker with one job in its hands.
struct Hand {
    job: ClaimedJob,
    task: Option<Box<Task>>,
    /// The CA's number of the order, once it is stored.
    ordered: Option<u64>,
}

struct Walk {
    rig: Rig,
    rng: StdRng,
    certificates: Vec<CertificateId>,
    hands: Vec<Hand>,
    made: u64,
    finalized: BTreeMap<OrderId, BTreeSet<u64>>,
    refused: usize,
}

impl Walk {
    async fn begin(seed: u64) -> Self {
        let rig = rig().await;
        let mut certificates = Vec::new();
        for n in 0..CERTIFICATES {
            certificates.push(request(&rig, &format!("n{n}.example.com")).await.0);
        }
        Self {
            rig,
            rng: StdRng::seed_from_u64(seed),
            certificates,
            hands: Vec::new(),
            made: 0,
            finalized: BTreeMap::new(),
            refused: 0,
        }
    }

    fn any_certificate(&mut self) -> CertificateId {
        self.certificates[self.rng.random_range(0..CERTIFICATES)]
    }

    async fn turn(&mut self) {
        match self.rng.random_range(0..16) {
            0 => self.renew().await,
            1 => self.sweep().await,
            2 => self.cancel().await,
            3 => self.crash().await,
            4 => self.lose_a_job().await,
            5..8 => self.claim().await,
            _ => self.work().await,
        }
        self.check().await;
    }

    async fn renew(&mut self) {
        let id = self.any_certificate();
        let renewed = certificates::renew(&self.rig.context, &caller(), id, None).await;
        assert!(
            matches!(renewed, Ok(_) | Err(Error::Conflict { .. })),
            "{renewed:?}"
        );
    }

    async fn sweep(&mut self) {
        run(self.rig.db.app(), "UPDATE certificate SET sweep_at = now()").await;
        let mut conn = self.rig.db.app().acquire().await.unwrap();
        let lane = certmill_domain::schedule::LANE;
        let job = NewJob::new(TeamId::DEFAULT, lane, "renewal_sweep", json!({}));
        enqueue(&mut conn, &job).await.unwrap();
        drop(conn);
        let me = process(&self.rig).await;
        let job = claim_from(&self.rig, me, lane, 1).await.remove(0);
        sweep::step(self.rig.db.app(), &job.lease, &Hinter::none())
            .await
            .unwrap();
        run(
            self.rig.db.app(),
            "DELETE FROM job WHERE kind = 'renewal_sweep'",
        )
        .await;
    }

    async fn cancel(&mut self) {
        let id = self.any_certificate();
        if let Some(job) = show(&self.rig, id).await.job {
            let cancelled = jobs::cancel(&self.rig.context, &caller(), job.id, None).await;
            assert!(
                matches!(cancelled, Ok(_) | Err(Error::Conflict { .. })),
                "{cancelled:?}"
            );
        }
    }

    /// A process counts as dead and its job goes to others. It does not know.
    async fn crash(&mut self) {
        if self.hands.is_empty() {
            return;
        }
        let whose = self.rng.random_range(0..self.hands.len());
        let dead = self.hands[whose].job.lease.process_id;
        let mark = format!("UPDATE process SET dead_at = now() WHERE id = {}", dead.0);
        run(self.rig.db.app(), &mark).await;
        let me = process(&self.rig).await;
        jobs::rescue(self.rig.db.app(), me, 100).await.unwrap();
        run(self.rig.db.app(), "UPDATE job SET lost = 0").await;
    }

    /// As an asynchronous failover does; the schedule of lost orders makes it again.
    async fn lose_a_job(&mut self) {
        let lose =
            "DELETE FROM job WHERE id = (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT 1)";
        run(self.rig.db.app(), lose).await;
        let step = schedules::step(self.rig.db.app(), "lost_orders").await;
        step.unwrap().unwrap();
    }

    async fn claim(&mut self) {
        run(
            self.rig.db.app(),
            "UPDATE job SET run_at = now() WHERE state = 0",
        )
        .await;
        let me = process(&self.rig).await;
        for job in claim_from(&self.rig, me, LOCAL_LANE, 1).await {
            self.hands.push(Hand {
                job,
                task: None,
                ordered: None,
            });
        }
    }

    /// One hand goes on, or drops its job in one of the ways in which workers do.
    async fn work(&mut self) {
        if self.hands.is_empty() {
            return;
        }
        let whose = self.rng.random_range(0..self.hands.len());
        let mut hand = self.hands.swap_remove(whose);
        let done = match (&hand.task, hand.ordered, self.rng.random_range(0..10)) {
            (_, _, 0) => self.snooze(&hand).await,
            (_, _, 1) => self.fail(&hand).await,
            (None, ..) => self.load(&mut hand).await,
            (Some(_), None, _) => self.order(&mut hand).await,
            (Some(_), Some(number), _) => self.finalize(&hand, number).await,
        };
        match done {
            Ok(true) => {}
            Ok(false) => self.hands.push(hand),
            Err(Error::LeaseLost) => self.refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn snooze(&mut self, hand: &Hand) -> Result<bool, Error> {
        let until = Until::After(std::time::Duration::ZERO);
        settle_snooze(self.rig.db.app(), &hand.job, until, "retry", None).await?;
        Ok(true)
    }

    /// For good only before anything was finalized: else the CA would have made it for nothing.
    async fn fail(&mut self, hand: &Hand) -> Result<bool, Error> {
        let permanent = hand.ordered.is_none() && self.rng.random_bool(0.3);
        settle_failure(self.rig.db.app(), &hand.job, &failure(permanent), &fault()).await?;
        Ok(true)
    }

    async fn load(&mut self, hand: &mut Hand) -> Result<bool, Error> {
        let args: IssueArgs = serde_json::from_value(hand.job.args.clone()).unwrap();
        let loaded =
            issuing::load(self.rig.db.app(), &hand.job.lease, TeamId::DEFAULT, args).await?;
        match loaded {
            Load::Done => {
                self.finish(&hand.job, None).await?;
                Ok(true)
            }
            Load::Work(task) => {
                let number = task
                    .order
                    .remote
                    .as_ref()
                    .and_then(|kept| kept["order"].as_u64());
                hand.ordered = number;
                hand.task = Some(task);
                Ok(false)
            }
        }
    }

    /// Asks the CA for an order, which makes one each time, and stores its number.
    async fn order(&mut self, hand: &mut Hand) -> Result<bool, Error> {
        let task = hand.task.as_ref().unwrap();
        let submission = submit(self.rig.db.app(), &hand.job, task).await?;
        assert!(matches!(submission, Submission::Until(_)), "{submission:?}");
        self.made += 1;
        if self.rng.random_bool(0.1) {
            // The answer is lost, and the attempt ends.
            return self.snooze(hand).await;
        }
        let remote: Value = json!({ "order": self.made });
        let (order, state) = (task.order.id, OrderState::Submitting);
        issuing::keep_remote(self.rig.db.app(), &hand.job.lease, order, state, &remote).await?;
        hand.ordered = Some(self.made);
        Ok(false)
    }

    /// The CA takes it from whoever knows the number, with a lease or without one.
    async fn finalize(&mut self, hand: &Hand, number: u64) -> Result<bool, Error> {
        let task = hand.task.as_ref().unwrap();
        let order = self.finalized.entry(task.order.id).or_default();
        order.insert(number);
        self.finish(&hand.job, Some(task)).await?;
        Ok(true)
    }

    async fn finish(&self, job: &ClaimedJob, task: Option<&Task>) -> Result<(), Error> {
        let mut tx = certmill_pg::begin(self.rig.db.app()).await.unwrap();
        let accepted = complete(&mut tx, &[(job.lease, &json!({}))]).await?;
        if accepted.is_empty() {
            return Err(Error::LeaseLost);
        }
        if let Some(task) = task {
            effects::issue::apply(vec![effect(&task.order)], &mut tx).await?;
        }
        tx.commit().await.unwrap();
        Ok(())
    }

    async fn check(&self) {
        for (order, numbers) in &self.finalized {
            assert_eq!(numbers.len(), 1, "{order:?} was finalized as {numbers:?}");
        }
        for broken in [
            "(SELECT 1 FROM cert_order WHERE state NOT IN ('failed', 'abandoned', 'issued') \
              GROUP BY certificate_id HAVING count(*) > 1) two_live_orders",
            "(SELECT 1 FROM version GROUP BY certificate_id, generation HAVING count(*) > 1) two_versions",
            "cert_order o WHERE (o.state = 'issued') <> EXISTS (SELECT 1 FROM version v WHERE v.order_id = o.id)",
            "certificate c WHERE c.generation <> (SELECT coalesce(max(v.generation), 0) FROM version v \
              WHERE v.certificate_id = c.id)",
            "(SELECT 1 FROM job WHERE kind = 'issue' GROUP BY object HAVING count(*) > 1) two_jobs",
        ] {
            assert_eq!(count(&self.rig, broken).await, 0, "{broken}");
        }
    }

    /// Whether there was something to go wrong.
    fn saw_enough(&self) -> bool {
        let issued = self.finalized.len();
        issued >= 10 && self.refused > 0 && usize::try_from(self.made).unwrap() > issued
    }
}

#[tokio::test]
async fn whatever_happens_an_order_is_finalized_once() {
    let seed: u64 = rand::random();
    let mut walk = Walk::begin(seed).await;
    let mut step = 0;
    // Chance may keep a walk from what it is to see.
    while step < STEPS || (step < STEPS_MOST && !walk.saw_enough()) {
        eprintln!("seed {seed}, step {step}");
        walk.turn().await;
        step += 1;
    }
    let issued: usize = walk.finalized.len();
    assert!(
        walk.saw_enough(),
        "the walk saw too little: {issued} finalized of {} orders, {} refusals",
        walk.made,
        walk.refused
    );
}
