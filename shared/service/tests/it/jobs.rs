//! Cancel and retry: what people do to jobs, and how a lost one heals.

use certmill_domain::certificate::CertificateStatus;
use certmill_domain::job::JobState;
use certmill_domain::schedule::LANE;
use certmill_queue::read::JobFilter;
use certmill_queue::{Hinter, NewJob, TeamId, enqueue, process};
use certmill_service::bootstrap::LOCAL_LANE;
use certmill_service::effects::settle_failure;
use certmill_service::{Error, certificates, jobs, sweep};

use crate::rig::*;

#[tokio::test]
async fn a_cancelled_first_order_rests_until_somebody_renews() {
    let rig = rig().await;
    let (id, job) = request(&rig, "a.example.com").await;

    let cancelled = jobs::cancel(&rig.context, &caller(), job, Some("asked for by mistake"))
        .await
        .unwrap();

    assert_eq!(cancelled.state, JobState::Cancelled);
    let (_, past) = jobs::with_past(&rig.context, &caller(), job).await.unwrap();
    assert!(past.attempts.is_empty());
    let done: Vec<_> = past.actions.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(done, ["job.cancel"]);
    assert_eq!(past.actions[0].detail["reason"], "asked for by mistake");
    let seen = show(&rig, id).await;
    assert_eq!(
        (seen.certificate.status, seen.certificate.sweep_at),
        (CertificateStatus::Failed, None)
    );
    assert_eq!(
        seen.waiting_on.unwrap().until,
        None,
        "only a person moves it on"
    );
    assert!(standing(&rig, id, 1).await.is_none());
    assert_eq!(count(&rig, "audit WHERE action = 'job.cancel'").await, 1);
    assert_eq!(
        conflict(jobs::cancel(&rig.context, &caller(), job, None).await),
        "job_ended"
    );

    let renewal = certificates::renew(&rig.context, &caller(), id, None)
        .await
        .unwrap()
        .value;

    assert_eq!((renewal.generation, renewal.already_running), (1, false));
    assert!(standing(&rig, id, 1).await.is_some());
    let armed = show(&rig, id).await.certificate.sweep_at;
    assert!(
        armed.is_some(),
        "a job that is lost from now on is found again"
    );
}

#[tokio::test]
async fn a_cancelled_renewal_is_looked_at_by_a_later_sweep() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    issue(&rig, id, 1).await;
    let renewal = certificates::renew(&rig.context, &caller(), id, None)
        .await
        .unwrap()
        .value;

    jobs::cancel(&rig.context, &caller(), renewal.job, None)
        .await
        .unwrap();

    let row = show(&rig, id).await.certificate;
    assert_eq!(row.status, CertificateStatus::Issued, "the version stands");
    assert!(row.sweep_at.is_some_and(|at| at < row.not_after.unwrap()));
}

#[tokio::test]
async fn a_cancelled_job_can_be_retried() {
    let rig = rig().await;
    let (id, job) = request(&rig, "a.example.com").await;
    jobs::cancel(&rig.context, &caller(), job, None)
        .await
        .unwrap();

    let live = jobs::retry(&rig.context, &caller(), job, None)
        .await
        .unwrap();

    assert_ne!(live.id, job);
    assert_eq!(live.state, JobState::Available);
    assert!(
        show(&rig, id).await.certificate.sweep_at.is_some(),
        "armed again"
    );
    assert_eq!(
        jobs::retry(&rig.context, &caller(), job, None)
            .await
            .unwrap()
            .id,
        live.id,
        "no third job"
    );
    assert_eq!(count(&rig, "job").await, 1);
}

#[tokio::test]
async fn running_and_completed_jobs_are_not_retried() {
    let rig = rig().await;
    let (_, job) = request(&rig, "a.example.com").await;
    let claimed = claim_one(&rig).await;
    assert_eq!(
        conflict(jobs::retry(&rig.context, &caller(), job, None).await),
        "job_running"
    );
    let mut conn = rig.db.app().acquire().await.unwrap();
    certmill_queue::finish::complete(&mut conn, &[(claimed.lease, &serde_json::Value::Null)])
        .await
        .unwrap();
    assert_eq!(
        conflict(jobs::retry(&rig.context, &caller(), job, None).await),
        "job_ended"
    );
    assert_eq!(
        conflict(jobs::cancel(&rig.context, &caller(), job, None).await),
        "job_ended"
    );
}

#[tokio::test]
async fn a_job_with_unreadable_arguments_can_be_cancelled() {
    let rig = rig().await;
    let mut conn = rig.db.app().acquire().await.unwrap();
    let poison = NewJob::new(
        TeamId(1),
        LOCAL_LANE,
        "issue",
        serde_json::json!({ "odd": 1 }),
    );
    let job = enqueue(&mut conn, &poison).await.unwrap().id();
    let ended = jobs::cancel(&rig.context, &caller(), job, None)
        .await
        .unwrap();
    assert_eq!(ended.state, JobState::Cancelled);
}

#[tokio::test]
async fn strangers_see_no_jobs() {
    let rig = rig().await;
    let (_, job) = request(&rig, "a.example.com").await;
    let (context, who) = (&rig.context, &stranger());
    for answer in [
        jobs::by_id(context, who, job).await,
        jobs::cancel(context, who, job, None).await,
        jobs::retry(context, who, job, None).await,
    ] {
        assert!(matches!(answer, Err(Error::NotFound(_))));
    }
    assert!(
        jobs::list(context, who, JobFilter::default(), None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let mine = jobs::list(context, &caller(), JobFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(mine.iter().map(|row| row.id).collect::<Vec<_>>(), [job]);
}

#[tokio::test]
async fn a_job_lost_with_its_workers_heals_through_the_next_sweep_with_the_same_order() {
    let rig = rig().await;
    let (id, job) = request(&rig, "a.example.com").await;
    let order = standing(&rig, id, 1).await.unwrap();
    run(rig.db.app(), "UPDATE job SET lost = 2").await;
    let me = process(&rig).await;
    let pool = rig.db.app();
    let request = certmill_queue::ClaimRequest {
        queue: LOCAL_LANE,
        process_id: me,
        limit: 1,
        deadline: std::time::Duration::from_secs(60),
        kinds: None,
        token: None,
    };
    certmill_queue::claim_suspect(pool, &request)
        .await
        .unwrap()
        .unwrap();
    run(pool, "UPDATE process SET dead_at = now()").await;

    let rescued = jobs::rescue(pool, process(&rig).await, 10).await.unwrap();

    assert_eq!(rescued.discarded, [job]);
    assert_eq!(
        standing(&rig, id, 1).await.unwrap().id,
        order.id,
        "the issuer may have it"
    );
    let seen = show(&rig, id).await;
    assert!(
        seen.waiting_on.unwrap().until.is_some(),
        "a sweep looks at it"
    );
    run(pool, "UPDATE certificate SET sweep_at = now()").await;
    let mut conn = pool.acquire().await.unwrap();
    let sweeper = NewJob::new(TeamId(1), LANE, "renewal_sweep", serde_json::json!({}));
    enqueue(&mut conn, &sweeper).await.unwrap();
    let sweeper = claim_from(&rig, process(&rig).await, LANE, 1)
        .await
        .remove(0);
    let step = sweep::step(pool, &sweeper.lease, &Hinter::none())
        .await
        .unwrap();
    assert_eq!((step.taken, step.enqueued), (1, 1));
    let again = show(&rig, id).await.job.unwrap();
    assert!(again.id != job && again.lost == 0);
    let after = standing(&rig, id, 1).await.unwrap();
    assert_eq!((after.id, after.plan.serial), (order.id, order.plan.serial));
}

#[tokio::test]
async fn failures_of_other_kinds_touch_no_order() {
    let rig = rig().await;
    let (id, _) = request(&rig, "a.example.com").await;
    let mut conn = rig.db.app().acquire().await.unwrap();
    enqueue(
        &mut conn,
        &NewJob::new(TeamId(1), LANE, "other", serde_json::json!({})),
    )
    .await
    .unwrap();
    let me = process(&rig).await;
    let other = claim_from(&rig, me, LANE, 1).await.remove(0);
    settle_failure(rig.db.app(), &other, &failure(true), &fault())
        .await
        .unwrap();
    assert!(standing(&rig, id, 1).await.is_some());
    process::resign(&mut conn, me).await.unwrap();
}
