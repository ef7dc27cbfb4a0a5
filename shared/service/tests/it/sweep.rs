//! A sweep's step: due certificates become orders and jobs, once, under the fence.

use certmill_domain::ids::CertificateId;
use certmill_domain::schedule::LANE;
use certmill_queue::{ClaimedJob, Hinter, Lease, NewJob, TeamId, enqueue};
use certmill_service::sweep::{Step, step};
use certmill_service::{Error, certificates};

use crate::rig::*;

/// Sweeps while this much of the certificate's life is left.
async fn sweep_with(rig: &Rig, id: CertificateId, left: &str) {
    let end = format!(
        "UPDATE certificate SET sweep_at = now(), not_after = now() + interval '{left}' WHERE id = '{}'",
        id.0
    );
    run(rig.db.app(), &end).await;
    let job = sweeper(rig).await;
    swept(rig, &job.lease).await.unwrap();
}

async fn sweeper(rig: &Rig) -> ClaimedJob {
    let mut conn = rig.db.app().acquire().await.unwrap();
    let job = NewJob::new(TeamId(1), LANE, "renewal_sweep", serde_json::json!({}));
    enqueue(&mut conn, &job).await.unwrap();
    claim_from(rig, process(rig).await, LANE, 1).await.remove(0)
}

async fn swept(rig: &Rig, lease: &Lease) -> Result<Step, Error> {
    step(rig.db.app(), lease, &Hinter::none()).await
}

#[tokio::test]
async fn due_certificates_become_orders_and_jobs_of_the_next_generation() {
    let rig = rig().await;
    let (due, _) = request(&rig, "due.example.com").await;
    let (later, _) = request(&rig, "later.example.com").await;
    issue(&rig, due, 1).await;
    issue(&rig, later, 1).await;
    run(
        rig.db.app(),
        &format!(
            "UPDATE certificate SET sweep_at = now() WHERE id = '{}'",
            due.0
        ),
    )
    .await;
    let job = sweeper(&rig).await;

    let first = swept(&rig, &job.lease).await.unwrap();
    let second = swept(&rig, &job.lease).await.unwrap();

    assert_eq!(
        first,
        Step {
            taken: 1,
            enqueued: 1
        }
    );
    assert_eq!(second, Step::default());
    let order = standing(&rig, due, 2).await.unwrap();
    assert_eq!(order.plan.generation, 2);
    let live = show(&rig, due).await.job.unwrap();
    assert_eq!(
        (live.kind.as_str(), live.object),
        ("issue", Some(due.to_string()))
    );
    assert!(standing(&rig, later, 2).await.is_none());
}

#[tokio::test]
async fn what_is_left_of_life_sets_the_priority() {
    let rig = rig().await;
    for (name, left, priority) in [
        ("a.example.com", "2 days", 0),
        ("b.example.com", "10 days", 1),
        ("c.example.com", "30 days", 2),
    ] {
        let (id, _) = request(&rig, name).await;
        issue(&rig, id, 1).await;
        sweep_with(&rig, id, left).await;
        assert_eq!(
            show(&rig, id).await.job.unwrap().priority,
            priority,
            "{left}"
        );
        run(rig.db.app(), "DELETE FROM job").await;
    }
}

#[tokio::test]
async fn what_waits_becomes_more_urgent_as_its_life_goes_by() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    issue(&rig, id, 1).await;
    let mut jobs = Vec::new();
    for left in ["30 days", "10 days", "2 days", "30 days"] {
        sweep_with(&rig, id, left).await;
        let waiting = show(&rig, id).await.job.unwrap();
        jobs.push((waiting.id, waiting.priority));
    }
    let first = jobs[0].0;
    assert_eq!(jobs, [(first, 2), (first, 1), (first, 0), (first, 0)]);
}

#[tokio::test]
async fn a_certificate_at_work_is_only_armed_anew() {
    let rig = rig().await;
    let (id, job) = request(&rig, "a.example.com").await;
    let order = standing(&rig, id, 1).await.unwrap();
    run(rig.db.app(), "UPDATE certificate SET sweep_at = now()").await;
    let sweep = sweeper(&rig).await;

    let done = swept(&rig, &sweep.lease).await.unwrap();

    assert_eq!(
        done,
        Step {
            taken: 1,
            enqueued: 0
        }
    );
    assert_eq!(show(&rig, id).await.job.unwrap().id, job);
    assert_eq!(
        standing(&rig, id, 1).await.unwrap().plan.serial,
        order.plan.serial
    );
    assert!(show(&rig, id).await.certificate.sweep_at > Some(now(&rig).await));
}

#[tokio::test]
async fn a_sweeper_that_lost_its_lease_takes_nothing() {
    let rig = rig().await;
    request(&rig, "a.example.com").await;
    run(
        rig.db.app(),
        "DELETE FROM job; UPDATE certificate SET sweep_at = now() - interval '1 s'",
    )
    .await;
    let job = sweeper(&rig).await;
    let stale = Lease {
        token: job.lease.token ^ 1,
        ..job.lease
    };

    let answer = swept(&rig, &stale).await;

    assert!(matches!(answer, Err(Error::LeaseLost)));
    assert_eq!(
        count(&rig, "certificate WHERE sweep_at <= now()").await,
        1,
        "due still"
    );
}

#[tokio::test]
async fn an_issuer_that_has_ended_plans_nothing_and_stops_nobody() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    issue(&rig, id, 1).await;
    run(
        rig.db.owner(),
        "UPDATE ca_key SET not_after = now() - interval '1 minute'",
    )
    .await;
    run(rig.db.app(), "UPDATE certificate SET sweep_at = now()").await;
    let job = sweeper(&rig).await;

    let done = swept(&rig, &job.lease).await.unwrap();

    assert_eq!(
        done,
        Step {
            taken: 1,
            enqueued: 0
        }
    );
    assert!(standing(&rig, id, 2).await.is_none());
    let by_hand = certificates::renew(&rig.context, &caller(), id, None).await;
    assert_eq!(conflict(by_hand), "issuer_expired");
}
