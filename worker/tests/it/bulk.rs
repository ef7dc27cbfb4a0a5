//! Operations on many jobs: everything that is meant is met, once, through kills and aborts.

use std::time::Duration;

use certmill_domain::ids::OperationId;
use certmill_domain::job::JobState;
use certmill_domain::operation::{JobVerb, OperationState};
use certmill_domain::schedule::LANE;
use certmill_queue::control;
use certmill_queue::selection::Selector;
use certmill_queue::{JobId, Lane, NewJob, TeamId, lane};
use certmill_service::bootstrap::LOCAL_LANE;
use certmill_service::operations::{self, BulkAsk, JobSettings};
use certmill_service::{Caller, Error};
use certmill_store::operation::Operation;
use certmill_tasks::{Shutdown, Tasks};
use certmill_worker::Options;
use serde_json::json;

use crate::rig::*;

/// A lane that no worker of these tests looks at.
const FAR: &str = "far";

fn ask(verb: JobVerb, selector: Selector) -> BulkAsk {
    BulkAsk {
        verb,
        selector,
        settings: JobSettings::default(),
        reason: Some("a test".into()),
    }
}

fn in_far() -> Selector {
    Selector {
        queues: vec![FAR.into()],
        ..Selector::default()
    }
}

async fn far(rig: &Rig) {
    let lane = Lane {
        name: FAR.into(),
        needs_key: false,
    };
    let mut conn = rig.db.app().acquire().await.unwrap();
    lane::declare(&mut conn, &lane).await.unwrap();
}

/// Options of a worker of the internal lane alone.
fn inside(rig: &Rig, label: &str) -> Options {
    let mut options = rig.options(label, false);
    options.queues = vec![LANE.into()];
    options
}

async fn inner(rig: &Rig, label: &str) -> Worker {
    rig.start(inside(rig, label)).await
}

/// So many discarded jobs without a key in the far lane.
async fn discarded(rig: &Rig, many: i64) {
    rig.run(&format!(
        "INSERT INTO job_history (id, team_id, queue, kind, priority, outcome, attempt, max_attempts, \
            lost, fence, run_at, created_at, finalized_at, error, args) \
         SELECT nextval('job_id_seq'), 1, '{FAR}', 'crl_sweep', 2, 3, 1, 25, 0, 1, now(), now(), \
            now() - interval '1 minute', '{{\"code\": \"timeout\", \"class\": \"retry\"}}', \
            jsonb_build_object('n', n) FROM generate_series(1, {many}) n"
    ))
    .await;
}

async fn start(rig: &Rig, ask: BulkAsk) -> Operation {
    let caller = Caller::system("test");
    operations::start(&rig.context, &caller, ask, None)
        .await
        .unwrap()
        .value
}

async fn show(rig: &Rig, id: OperationId) -> Operation {
    operations::by_id(&rig.context, &Caller::system("test"), id)
        .await
        .unwrap()
}

async fn until_ended(rig: &Rig, id: OperationId) -> Operation {
    until(|| async { show(rig, id).await.state.is_final() }).await;
    show(rig, id).await
}

fn skipped(operation: &Operation, why: &str) -> i64 {
    operation.skipped.get(why).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_survives_the_death_of_its_worker_and_repeats_nothing() {
    let rig = rig().await;
    far(&rig).await;
    discarded(&rig, 3000).await;
    let asked = start(&rig, ask(JobVerb::Retry, in_far())).await;
    assert_eq!((asked.state, asked.total), (OperationState::Queued, 3000));
    // The first worker dies in the middle: its tasks are dropped wherever they are, nothing is freed.
    let mut deaths = 0;
    for nth in 0..2 {
        let tasks = Tasks::new(Shutdown::new());
        let (options, own) = (inside(&rig, &format!("w{nth}")), tasks.clone());
        tasks.spawn("worker", async move {
            certmill_worker::run(options, &own, || ()).await.unwrap();
        });
        let seen = asked.seen + 300 * (nth + 1);
        until(|| async { show(&rig, asked.id).await.seen >= seen }).await;
        tasks.shutdown(Duration::ZERO).await;
        deaths += i32::from(!show(&rig, asked.id).await.state.is_final());
    }
    let worker = inner(&rig, "last").await;
    let ended = until_ended(&rig, asked.id).await;
    worker.stop().await;
    assert!(deaths > 0, "it was over before anybody died");
    assert_eq!(ended.state, OperationState::Completed);
    assert_eq!((ended.seen, ended.done, ended.total), (3000, 3000, 3000));
    assert!(ended.skipped.is_empty(), "{:?}", ended.skipped);
    assert_eq!(rig.count(&format!("job WHERE queue = '{FAR}'")).await, 3000);
    let doubled = "(SELECT args FROM job WHERE queue = 'far' GROUP BY args HAVING count(*) > 1) d";
    assert_eq!(rig.count(doubled).await, 0);
    assert_eq!(rig.count("audit WHERE action = 'operation.start'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_stops_where_it_is_aborted_or_its_job_is_cancelled() {
    let rig = rig().await;
    far(&rig).await;
    discarded(&rig, 100).await;
    let caller = Caller::system("test");
    let aborted = start(&rig, ask(JobVerb::Retry, in_far())).await;
    operations::abort(&rig.context, &caller, aborted.id, None)
        .await
        .unwrap();
    let cancelled = start(&rig, ask(JobVerb::Retry, in_far())).await;
    let job = cancelled.job_id.unwrap();
    certmill_service::jobs::cancel(&rig.context, &caller, job, None)
        .await
        .unwrap();
    let seen = show(&rig, cancelled.id).await;
    assert_eq!(seen.state, OperationState::Aborted);
    let worker = inner(&rig, "a").await;
    let ended = until_ended(&rig, aborted.id).await;
    worker.stop().await;
    assert_eq!((ended.state, ended.seen), (OperationState::Aborted, 0));
    assert_eq!(ended.aborted_by.as_deref(), Some("system:test"));
    assert_eq!(rig.count(&format!("job WHERE queue = '{FAR}'")).await, 0);
    let late = operations::abort(&rig.context, &caller, aborted.id, None).await;
    assert!(matches!(
        late,
        Err(Error::Conflict {
            code: "operation_ended",
            ..
        })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_many_does_to_each_what_cancelling_one_does() {
    let rig = rig().await;
    let names: Vec<String> = (0..3).map(|n| format!("n{n}.example.com")).collect();
    let certificates = rig.request_all(&names).await;
    let selector = Selector {
        queues: vec![LOCAL_LANE.into()],
        kinds: vec!["issue".into()],
        objects: certificates[..2].iter().map(ToString::to_string).collect(),
        ..Selector::default()
    };
    let worker = inner(&rig, "a").await;
    let asked = start(&rig, ask(JobVerb::Cancel, selector)).await;
    let ended = until_ended(&rig, asked.id).await;
    assert_eq!((ended.total, ended.done), (2, 2));
    assert_eq!(rig.count("cert_order WHERE state = 'abandoned'").await, 2);
    let fault = rig.show(certificates[0]).await.certificate.fault.unwrap();
    assert_eq!(fault.0, "cancelled");
    // And back: retried ones are armed again.
    let selector = Selector {
        states: vec![JobState::Cancelled],
        kinds: vec!["issue".into()],
        ..Selector::default()
    };
    let again = start(&rig, ask(JobVerb::Retry, selector)).await;
    let ended = until_ended(&rig, again.id).await;
    worker.stop().await;
    assert_eq!((ended.done, ended.seen), (2, 2));
    let signer = rig.worker("b", true).await;
    for id in certificates {
        rig.until_issued(id, 1).await;
    }
    signer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_keeps_signing_jobs_where_there_is_a_key() {
    let rig = rig().await;
    far(&rig).await;
    rig.request("shop.example.com").await;
    let free = rig
        .add_jobs(&[NewJob::new(TeamId(1), FAR, "crl_sweep", json!({}))])
        .await[0];
    let mut wish = ask(
        JobVerb::Move,
        Selector {
            queues: vec![LOCAL_LANE.into(), FAR.into()],
            states: vec![JobState::Available],
            ..Selector::default()
        },
    );
    wish.settings = JobSettings {
        to_queue: Some(FAR.into()),
        to_priority: Some(4),
    };
    let worker = inner(&rig, "a").await;
    let asked = start(&rig, wish).await;
    let ended = until_ended(&rig, asked.id).await;
    worker.stop().await;
    assert_eq!((ended.seen, ended.done), (2, 1), "{ended:?}");
    assert_eq!(skipped(&ended, "needs_key"), 1);
    let moved = rig.job(free).await;
    assert_eq!((moved.queue.as_str(), moved.priority), (FAR, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_enqueued_or_ends_later_is_not_meant() {
    let rig = rig().await;
    far(&rig).await;
    discarded(&rig, 5).await;
    let asked = start(&rig, ask(JobVerb::Retry, in_far())).await;
    let later: JobId = rig
        .add_jobs(&[NewJob::new(TeamId(1), FAR, "crl_sweep", json!({}))])
        .await[0];
    let mut conn = rig.db.app().acquire().await.unwrap();
    control::cancel(&mut conn, later, "key_x").await.unwrap();
    discarded(&rig, 5).await;
    let worker = inner(&rig, "a").await;
    let ended = until_ended(&rig, asked.id).await;
    worker.stop().await;
    assert_eq!((ended.seen, ended.done), (5, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishes_that_mean_too_much_or_nothing_are_refused_with_all_faults() {
    let rig = rig().await;
    let caller = Caller::system("test");
    let faults = async |ask: BulkAsk| match operations::plan(&rig.context, &caller, ask).await {
        Err(Error::Invalid(faults)) => faults,
        other => panic!("{other:?}"),
    };
    let empty = faults(ask(JobVerb::Cancel, Selector::default())).await;
    assert_eq!(empty[0].code, "empty_selector");
    assert!(empty[0].detail.contains("cancel every job"));
    let odd = Selector {
        states: vec![JobState::Discarded, JobState::Running],
        queues: vec!["issue:locl".into()],
        kinds: vec!["isue".into()],
        ..Selector::default()
    };
    let found = faults(ask(JobVerb::Retry, odd)).await;
    let codes: Vec<_> = found.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(codes, ["state_not_meant", "unknown_lane", "unknown_kind"]);
    assert!(found[1].detail.contains("`issue:local`") && found[2].detail.contains("`issue`"));
    let mut nowhere = ask(JobVerb::Move, in_lane(LANE));
    assert_eq!(faults(nowhere.clone()).await[0].code, "missing_field");
    nowhere.settings.to_queue = Some("intrnal".into());
    assert_eq!(faults(nowhere.clone()).await[0].code, "unknown_lane");
    nowhere.verb = JobVerb::Cancel;
    nowhere.settings.to_queue = Some(LANE.into());
    assert_eq!(faults(nowhere).await[0].code, "contradiction");
    let plan = operations::plan(&rig.context, &caller, ask(JobVerb::Cancel, in_lane(LANE))).await;
    assert_eq!(
        (plan.as_ref().unwrap().count, plan.unwrap().is_least),
        (0, false)
    );
}

fn in_lane(name: &str) -> Selector {
    Selector {
        queues: vec![name.into()],
        ..Selector::default()
    }
}
