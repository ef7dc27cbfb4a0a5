//! Stopping jobs that run, and what an attempt leaves behind: who asked, how it ended, what it logged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use certmill_domain::job::JobState;
use certmill_domain::schedule::LANE;
use certmill_queue::read::{self, AttemptRow, JobRow};
use certmill_queue::{ClaimedJob, FailureClass, Hinter, JobId, NewJob, Stops, TeamId, Wake};
use certmill_service::effects::Registry;
use certmill_service::{Caller, jobs};
use certmill_tasks::{Shutdown, Tasks};
use certmill_telemetry::{Format, init};
use certmill_worker::{Failed, Kinds, Outcome, run_kinds};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::rig::*;

/// Behaves as its job's arguments say, under the name of a kind that the product knows.
#[derive(Clone)]
struct Odd {
    stops: Stops,
    began: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

impl Kinds for Odd {
    fn known(&self) -> Vec<String> {
        vec!["crl_sweep".into()]
    }

    async fn run(&self, job: &ClaimedJob) -> Outcome {
        tracing::info!(target: "certmill_test", way = %job.args["way"], "begins");
        self.began.add_permits(1);
        match job.args["way"].as_str().unwrap() {
            "cooperates" => {
                while !self.stops.is_asked(&job.lease) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Outcome::Stop("it saw the wish")
            }
            "hangs" => std::future::pending().await,
            "waits" => {
                self.go_on.acquire().await.unwrap().forget();
                Outcome::Complete {
                    effect: Value::Null,
                    result: Value::Null,
                }
            }
            "panics" => panic!("on purpose"),
            _ => {
                tracing::warn!(target: "certmill_test", nul = "a\0b", "odd");
                Outcome::Fail(Failed {
                    class: FailureClass::Rejected,
                    code: "odd".into(),
                    detail: "it is odd".into(),
                    backoff: Duration::ZERO,
                    permanent: true,
                })
            }
        }
    }
}

struct Stand {
    rig: Rig,
    kinds: Odd,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Stand {
    async fn new(wake: Option<Duration>) -> Self {
        init(Format::Json, "error").ok();
        let mut rig = rig().await;
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        let kinds = Odd {
            stops: Stops::default(),
            began: Arc::new(Semaphore::new(0)),
            go_on: Arc::new(Semaphore::new(0)),
        };
        let mut options = rig.options("a", false);
        options.stop_patience = Duration::from_millis(300);
        options.deadline = Duration::from_secs(5);
        if wake.is_some() {
            rig.context.hinter = Hinter::start(&tasks, rig.db.app().clone());
            options.wake = Wake::listen(&tasks, rig.db.app().clone());
        }
        let (own, odd) = (tasks.clone(), kinds.clone());
        tasks.spawn("worker", async move {
            let stops = odd.stops.clone();
            run_kinds(options, odd, stops, Registry, &own, || ())
                .await
                .unwrap();
        });
        Self {
            rig,
            kinds,
            tasks,
            shutdown,
        }
    }

    /// A job of that way, once its handler has begun.
    async fn begun(&self, way: &str) -> JobId {
        let job = NewJob::new(TeamId(1), LANE, "crl_sweep", json!({ "way": way }));
        let id = self.rig.add_jobs(&[job]).await[0];
        let began = self.kinds.began.acquire();
        tokio::time::timeout(PATIENCE, began)
            .await
            .unwrap()
            .unwrap()
            .forget();
        id
    }

    async fn cancel(&self, id: JobId) -> JobRow {
        jobs::cancel(&self.rig.context, &Caller::system("test"), id, None)
            .await
            .unwrap()
    }

    async fn ended(&self, id: JobId) -> (JobRow, Vec<AttemptRow>) {
        let row = self.rig.until_job(id, |row| row.state.is_final()).await;
        let mut conn = self.rig.db.app().acquire().await.unwrap();
        (row, read::attempts(&mut conn, id, 10).await.unwrap())
    }

    async fn stop(self) {
        self.shutdown.request();
        assert!(self.tasks.shutdown(PATIENCE).await);
    }
}

fn text<'a>(value: Option<&'a Value>, name: &str) -> &'a str {
    value.unwrap()[name].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_cooperates_ends_at_once_and_the_attempt_says_who_asked() {
    let stand = Stand::new(Some(Duration::ZERO)).await;
    let id = stand.begun("cooperates").await;
    let asked = Instant::now();
    let seen = stand.cancel(id).await;
    assert!(seen.state == JobState::Running && seen.cancel_requested);
    let (row, attempts) = stand.ended(id).await;
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!((row.state, attempts.len()), (JobState::Cancelled, 1));
    assert_eq!(attempts[0].class, "cancelled");
    let error = attempts[0].error.as_ref();
    assert_eq!(text(error, "cancelled_by"), "system:test");
    assert_eq!(
        text(error, "detail"),
        "cancelled by system:test; it saw the wish"
    );
    assert_eq!(row.error.as_ref(), error);
    assert_eq!(
        attempts[0].log.as_ref().unwrap()[0]["text"],
        "begins way=\"cooperates\""
    );
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_hangs_is_dropped_after_the_patience_without_any_hint() {
    let stand = Stand::new(None).await;
    let id = stand.begun("hangs").await;
    stand.cancel(id).await;
    let (row, attempts) = stand.ended(id).await;
    assert_eq!((row.state, attempts.len()), (JobState::Cancelled, 1));
    assert!(text(row.error.as_ref(), "detail").ends_with("did not end by itself and was dropped"));
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_completes_before_it_hears_of_the_wish_is_completed() {
    let stand = Stand::new(None).await;
    let id = stand.begun("waits").await;
    let seen = stand.cancel(id).await;
    stand.kinds.go_on.add_permits(1);
    assert!(seen.cancel_requested);
    let (row, attempts) = stand.ended(id).await;
    assert_eq!((row.state, attempts.len()), (JobState::Completed, 0));
    let late = jobs::cancel(&stand.rig.context, &Caller::system("test"), id, None).await;
    assert!(late.unwrap_err().to_string().contains("completed"));
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_a_wish_back_in_time_has_the_job_again() {
    let stand = Stand::new(None).await;
    let id = stand.begun("hangs").await;
    stand.cancel(id).await;
    until(|| async { stand.rig.count("job WHERE cancel_requested").await == 1 }).await;
    // The worker has heard, and drops the handler; the wish is gone when it writes that.
    let job = ClaimedJobRow(&stand, id);
    job.until_heard().await;
    stand
        .rig
        .run("UPDATE job SET cancel_requested = false, cancel_by = NULL")
        .await;
    let began = stand.kinds.began.acquire();
    tokio::time::timeout(PATIENCE, began)
        .await
        .unwrap()
        .unwrap()
        .forget();
    let row = stand.rig.job(id).await;
    assert_eq!((row.state, row.attempt), (JobState::Running, 1));
    assert_eq!(stand.rig.count("job_attempt").await, 0);
    stand.cancel(id).await;
    assert_eq!(stand.ended(id).await.0.state, JobState::Cancelled);
    stand.stop().await;
}

/// The job as its handler's process sees it.
struct ClaimedJobRow<'a>(&'a Stand, JobId);

impl ClaimedJobRow<'_> {
    async fn until_heard(&self) {
        let (fence, token, process): (i32, i64, i64) =
            sqlx::query_as("SELECT fence, lease_token, worker_id FROM job WHERE id = $1")
                .bind(self.1.0)
                .fetch_one(self.0.rig.db.app())
                .await
                .unwrap();
        let lease = certmill_queue::Lease {
            job_id: self.1,
            fence,
            token,
            process_id: certmill_queue::ProcessId(process),
        };
        until(|| async { self.0.kinds.stops.is_asked(&lease) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_attempt_keeps_what_its_handler_logged() {
    let stand = Stand::new(None).await;
    let id = stand.begun("fails").await;
    let (row, attempts) = stand.ended(id).await;
    assert_eq!(row.state, JobState::Discarded);
    assert_eq!(text(row.error.as_ref(), "class"), "rejected");
    let log = attempts[0].log.clone().unwrap();
    let texts: Vec<_> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["text"])
        .collect();
    assert_eq!(texts, ["begins way=\"fails\"", "odd nul=a\\u0000b"]);
    assert_eq!(log[1]["level"], "WARN");

    let id = stand.begun("panics").await;
    let row = stand
        .rig
        .until_job(id, |row| row.state == JobState::Retryable)
        .await;
    assert_eq!(text(row.error.as_ref(), "code"), "panic");
    let mut conn = stand.rig.db.app().acquire().await.unwrap();
    let attempts = read::attempts(&mut conn, id, 10).await.unwrap();
    let log = attempts[0].log.clone().unwrap().to_string();
    assert!(log.contains("panic: on purpose"), "{log}");

    let id = stand.begun("hangs").await;
    let row = stand
        .rig
        .until_job(id, |row| row.state == JobState::Retryable)
        .await;
    assert_eq!(text(row.error.as_ref(), "code"), "timeout");
    stand.stop().await;
}
