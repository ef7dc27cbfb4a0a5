//! The worker's side: what is loaded, what is written under the fence, what a failure leaves.

use certmill_domain::certificate::CertificateStatus;
use certmill_domain::ids::{CertificateId, TeamId};
use certmill_domain::order::OrderState;
use certmill_domain::waiting;
use certmill_queue::{ClaimedJob, FailOutcome, Lease, SnoozeOutcome, Until, process};
use certmill_service::effects::issue::IssueArgs;
use certmill_service::effects::{settle_failure, settle_snooze};
use certmill_service::issuing::{self, Load, Task};
use certmill_service::issuing_many::TaskReader;
use certmill_service::{Error, jobs};
use serde_json::json;
use std::time::Duration as Span;

use crate::rig::*;

/// A requested certificate with its job claimed.
async fn claimed(rig: &Rig) -> (CertificateId, ClaimedJob) {
    let (id, _) = request(rig, "a.example.com").await;
    (id, claim_one(rig).await)
}

async fn load(rig: &Rig, lease: &Lease, id: CertificateId, generation: i32) -> Result<Load, Error> {
    let args = IssueArgs {
        certificate_id: id,
        generation,
    };
    issuing::load(rig.db.app(), lease, TeamId::DEFAULT, args).await
}

async fn task(rig: &Rig, job: &ClaimedJob, id: CertificateId) -> Task {
    match load(rig, &job.lease, id, 1).await.unwrap() {
        Load::Work(task) => *task,
        Load::Done => panic!("there is work"),
    }
}

/// As if the lease had moved to somebody else.
fn moved(job: &ClaimedJob) -> Lease {
    Lease {
        fence: job.lease.fence - 1,
        ..job.lease
    }
}

#[tokio::test]
async fn the_planned_order_is_loaded_as_it_stands() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    let planned = standing(&rig, id, 1).await.unwrap();

    let (first, second) = (task(&rig, &job, id).await, task(&rig, &job, id).await);

    for loaded in [first, second] {
        assert_eq!(loaded.order.id, planned.id);
        assert_eq!(
            (loaded.order.plan.serial, loaded.order.plan.validity),
            (planned.plan.serial, planned.plan.validity)
        );
        assert_eq!(
            (
                loaded.certificate.id,
                loaded.profile.name.as_str(),
                loaded.issuer.name.as_str()
            ),
            (id, "default", "local")
        );
    }
}

#[tokio::test]
async fn many_are_loaded_as_each_alone_and_what_needs_a_write_is_left_out() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    let (without_order, _) = request(&rig, "b.example.com").await;
    let (aged, _) = request(&rig, "c.example.com").await;
    let (issued, _) = request(&rig, "d.example.com").await;
    for (id, change) in [
        (without_order, "state = 'failed'"),
        (aged, "updated_at = updated_at - interval '30 days'"),
        (issued, "state = 'issued'"),
    ] {
        let which = format!("certificate_id = '{}'", id.0);
        run(
            rig.db.app(),
            &format!("UPDATE cert_order SET {change} WHERE {which}"),
        )
        .await;
    }
    let of = |team, certificate_id, generation| {
        let args = IssueArgs {
            certificate_id,
            generation,
        };
        (team, args)
    };
    let team = TeamId::DEFAULT;
    let wanted = [
        of(team, without_order, 1),
        of(team, id, 1),
        of(team, aged, 1),
        of(team, issued, 1),
        of(TeamId(99), id, 1),
        of(team, id, 2),
    ];

    let mut reader = TaskReader::default();
    let loaded = reader.load_all(rig.db.app(), &wanted).await.unwrap();

    let alone = task(&rig, &job, id).await;
    let (places, tasks): (Vec<usize>, Vec<Task>) = loaded
        .into_iter()
        .enumerate()
        .filter_map(|(place, task)| Some((place, task?)))
        .unzip();
    assert_eq!(places, [1]);
    assert_eq!(format!("{:?}", tasks[0]), format!("{alone:?}"));

    run(
        rig.db.app(),
        "UPDATE profile SET allowed_names = '{*.new.example}'",
    )
    .await;
    run(
        rig.db.app(),
        "UPDATE issuer SET last_ok_at = clock_timestamp()",
    )
    .await;
    let again = reader.load_all(rig.db.app(), &wanted[1..2]).await.unwrap();
    let changed = task(&rig, &job, id).await;
    assert_ne!(format!("{changed:?}"), format!("{alone:?}"));
    assert_eq!(
        format!("{:?}", again[0].as_ref().unwrap()),
        format!("{changed:?}"),
        "what is kept is not used once its row has changed"
    );
}

#[tokio::test]
async fn an_order_is_planned_where_none_stands() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    run(rig.db.app(), "UPDATE cert_order SET state = 'failed'").await;

    let loaded = task(&rig, &job, id).await;

    assert_eq!(standing(&rig, id, 1).await.unwrap().id, loaded.order.id);
    assert_eq!(loaded.order.state, OrderState::Planned);
    assert_eq!(count(&rig, "cert_order").await, 2);
}

#[tokio::test]
async fn a_plan_that_aged_in_the_queue_is_drawn_anew_but_never_once_the_issuer_was_asked() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    let planned = standing(&rig, id, 1).await.unwrap();
    let age = "UPDATE cert_order SET updated_at = updated_at - interval '6 days', \
               not_before = not_before - interval '6 days', not_after = not_after - interval '6 days'";
    run(rig.db.app(), age).await;

    let fresh = task(&rig, &job, id).await.order;

    assert_eq!(fresh.id, planned.id);
    assert_ne!(fresh.plan.serial, planned.plan.serial);
    assert!(fresh.plan.validity.not_after >= planned.plan.validity.not_after);
    run(rig.db.app(), age).await;
    run(rig.db.app(), "UPDATE cert_order SET state = 'submitting'").await;
    let asked = task(&rig, &job, id).await.order;
    assert_eq!(
        asked.plan.serial, fresh.plan.serial,
        "a repeat signs the same"
    );
}

#[tokio::test]
async fn a_lost_lease_plans_and_keeps_nothing() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    let order = standing(&rig, id, 1).await.unwrap();
    let kept = issuing::keep_remote(
        rig.db.app(),
        &moved(&job),
        order.id,
        OrderState::Pending,
        &json!({}),
    )
    .await;
    assert!(matches!(kept, Err(Error::LeaseLost)));
    let failed = ClaimedJob {
        lease: moved(&job),
        ..job.clone()
    };
    let settled = settle_failure(rig.db.app(), &failed, &failure(true), &fault()).await;
    assert!(matches!(settled, Err(Error::LeaseLost)));
    let after = standing(&rig, id, 1).await.unwrap();
    assert_eq!((after.state, after.remote), (OrderState::Planned, None));
    assert_eq!(show(&rig, id).await.certificate.fault, None);

    run(rig.db.app(), "UPDATE cert_order SET state = 'failed'").await;
    let answer = load(&rig, &moved(&job), id, 1).await;

    assert!(matches!(answer, Err(Error::LeaseLost)), "{answer:?}");
    assert!(standing(&rig, id, 1).await.is_none());
}

#[tokio::test]
async fn what_is_issued_already_is_done() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    let order = standing(&rig, id, 1).await.unwrap();
    let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
    certmill_service::effects::issue::apply(vec![effect(&order)], &mut tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(matches!(
        load(&rig, &job.lease, id, 1).await.unwrap(),
        Load::Done
    ));
    let missing = load(&rig, &job.lease, CertificateId(uuid::Uuid::nil()), 1).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_connectors_state_is_kept_under_the_fence() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    let order = standing(&rig, id, 1).await.unwrap();
    let remote = json!({ "order_url": "x" });
    issuing::keep_remote(
        rig.db.app(),
        &job.lease,
        order.id,
        OrderState::Submitting,
        &remote,
    )
    .await
    .unwrap();
    let loaded = task(&rig, &job, id).await.order;
    assert_eq!(
        (loaded.state, loaded.remote),
        (OrderState::Submitting, Some(remote))
    );
}

#[tokio::test]
async fn a_final_failure_ends_the_order_and_the_certificate_says_why() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    let order = standing(&rig, id, 1).await.unwrap();

    let outcome = settle_failure(rig.db.app(), &job, &failure(true), &fault())
        .await
        .unwrap();

    assert_eq!(outcome, FailOutcome::Discarded);
    let seen = show(&rig, id).await;
    assert_eq!(seen.certificate.status, CertificateStatus::Failed);
    let reason = seen.waiting_on.unwrap();
    assert_eq!(
        (reason.code.as_str(), reason.until),
        (waiting::REFUSED, seen.certificate.sweep_at)
    );
    assert!(reason.sentence.contains("the issuer said no") && reason.until.is_some());
    let ended = format!(
        "cert_order WHERE id = '{}' AND state = 'failed' AND fault_code = 'weak_key'",
        order.id.0
    );
    assert_eq!(count(&rig, &ended).await, 1);
    assert_eq!(
        count(&rig, "event WHERE topic = 'order' AND code = 'failed'").await,
        1
    );
}

#[tokio::test]
async fn a_failed_attempt_keeps_the_order() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    let outcome = settle_failure(rig.db.app(), &job, &failure(false), &fault())
        .await
        .unwrap();
    assert!(matches!(outcome, FailOutcome::Retry { .. }));
    assert_eq!(
        standing(&rig, id, 1).await.unwrap().state,
        OrderState::Planned
    );
    let seen = show(&rig, id).await;
    assert_eq!(
        (seen.certificate.status, seen.certificate.fault),
        (CertificateStatus::Pending, None)
    );
}

#[tokio::test]
async fn unreadable_arguments_end_only_their_job() {
    let rig = rig().await;
    let (id, mut job) = claimed(&rig).await;
    job.args = json!({ "poison": true });
    let outcome = settle_failure(rig.db.app(), &job, &failure(true), &fault())
        .await
        .unwrap();
    assert_eq!(outcome, FailOutcome::Discarded);
    assert!(standing(&rig, id, 1).await.is_some());
}

/// The three ways in which a running job meets its cancel.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Fails,
    Snoozes,
    IsLost,
}

#[tokio::test]
async fn a_running_job_that_was_cancelled_abandons_its_order_however_it_ends() {
    for way in [Ends::Fails, Ends::Snoozes, Ends::IsLost] {
        let rig = rig().await;
        let (id, job) = claimed(&rig).await;
        let asked = jobs::cancel(&rig.context, &caller(), job.lease.job_id, None)
            .await
            .unwrap();
        assert!(asked.cancel_requested);

        match way {
            Ends::Fails => {
                let outcome = settle_failure(rig.db.app(), &job, &failure(false), &fault())
                    .await
                    .unwrap();
                assert_eq!(outcome, FailOutcome::Cancelled);
            }
            Ends::Snoozes => {
                let until = Until::After(Span::from_secs(5));
                let outcome =
                    settle_snooze(rig.db.app(), &job, until, waiting::ISSUER_PENDING, None)
                        .await
                        .unwrap();
                assert_eq!(outcome, SnoozeOutcome::Cancelled);
            }
            Ends::IsLost => {
                let mut conn = rig.db.app().acquire().await.unwrap();
                process::resign(&mut conn, job.lease.process_id)
                    .await
                    .unwrap();
                let rescued = jobs::rescue(rig.db.app(), process(&rig).await, 10)
                    .await
                    .unwrap();
                assert_eq!(rescued.cancelled, [job.lease.job_id]);
            }
        }

        assert!(standing(&rig, id, 1).await.is_none(), "{way:?}");
        let row = show(&rig, id).await.certificate;
        assert_eq!(row.fault.unwrap().0, "cancelled", "{way:?}");
        assert_eq!(
            (row.status, row.sweep_at),
            (CertificateStatus::Failed, None),
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn a_snoozed_job_waits_with_its_reason() {
    let rig = rig().await;
    let (id, job) = claimed(&rig).await;
    let until = Until::After(Span::from_secs(50));
    let outcome = settle_snooze(rig.db.app(), &job, until, waiting::ISSUER_PENDING, None)
        .await
        .unwrap();
    assert!(matches!(outcome, SnoozeOutcome::Waiting { .. }));
    let reason = show(&rig, id).await.waiting_on.unwrap();
    assert_eq!(reason.code, waiting::ISSUER_PENDING);
    assert!(standing(&rig, id, 1).await.is_some());
}
