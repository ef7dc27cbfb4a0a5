//! Calls that are dropped half-way leave the pool as it was: each connection usable and outside any
//! transaction, no answer to somebody else's question, and nothing half written.
//!
//! The control leaves a transaction open on purpose and must be seen.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration as Span;

use certmill_coordination::leader::{self, Candidate};
use certmill_coordination::limiter::{GcraLimit, Wish, take};
use certmill_pg::{ConnectOptions, Pool, begin, connect};
use certmill_queue::ProcessId;
use certmill_queue::claim::{ClaimRequest, claim};
use certmill_queue::enqueue::{NewJob, enqueue_all};
use certmill_service::bootstrap::LOCAL_LANE;
use certmill_service::{Context, certificates, cluster};
use certmill_store::certificate::Filter;
use certmill_testkit::until;
use futures::future::join_all;
use sqlx::Row as _;
use uuid::Uuid;

use crate::rig::*;

/// Callers at once, on fewer connections.
const CALLERS: u64 = 5;
const CONNECTIONS: u32 = 3;
/// Calls of each.
const CALLS: u64 = 120;
/// Longer than most calls take.
const LONGEST_US: u64 = 8_000;
/// About as often as the longest call is polled.
const MOST_POLLS: u64 = 24;

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// How many calls were cut, and how many came to their end.
#[derive(Default)]
struct Tally {
    cut: AtomicU64,
    ended: AtomicU64,
}

/// Drops the call after some time, or after some polls: just when an answer has come.
async fn cut<T>(dice: &mut Dice, tally: &Tally, call: impl Future<Output = T>) -> Option<T> {
    let answer = if dice.below(2) == 0 {
        let patience = Span::from_micros(dice.below(LONGEST_US));
        tokio::time::timeout(patience, call).await.ok()
    } else {
        let (most, mut polls) = (dice.below(MOST_POLLS), 0);
        let mut call = pin!(call);
        std::future::poll_fn(|context| {
            polls += 1;
            if polls > most {
                return Poll::Ready(None);
            }
            call.as_mut().poll(context).map(Some)
        })
        .await
    };
    let count = if answer.is_some() {
        &tally.ended
    } else {
        &tally.cut
    };
    count.fetch_add(1, Ordering::Relaxed);
    answer
}

/// Asks for its own number back.
async fn echo(pool: &Pool, number: i64) -> i64 {
    let ask = "SELECT $1::bigint";
    sqlx::query_scalar(ask)
        .bind(number)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// One of the calls that the product makes, cut somewhere.
async fn one_call(context: &Context, me: ProcessId, dice: &mut Dice, tally: &Tally) {
    let (pool, caller) = (&context.pool, caller());
    let number = i64::try_from(dice.below(1 << 40)).unwrap();
    let key = format!("key-{}", number % 3);
    match dice.below(9) {
        0 | 1 => {
            let asks = vec![ask(&format!("n{number}.cut.test"))];
            let call = certificates::request(context, &caller, asks, pointer, None);
            cut(dice, tally, call).await.map(Result::unwrap);
        }
        2 => {
            let request = ClaimRequest {
                queue: LOCAL_LANE,
                process_id: me,
                limit: 2,
                deadline: Span::from_secs(60),
                kinds: None,
                token: None,
            };
            cut(dice, tally, claim(pool, &request))
                .await
                .map(Result::unwrap);
        }
        3 => {
            let limit = GcraLimit {
                emission_interval: Span::from_micros(10),
                burst: 1_000,
            };
            let key = key.as_str();
            let wishes = [Wish { key, limit, n: 1 }];
            cut(dice, tally, take(pool, &wishes))
                .await
                .map(Result::unwrap);
        }
        4 => {
            let candidate = Candidate {
                name: "scheduler".into(),
                holder: Uuid::from_u128(u128::from(dice.below(9))),
                label: key,
                lease: Span::from_millis(1),
            };
            cut(dice, tally, leader::acquire(pool, &candidate))
                .await
                .map(Result::unwrap);
        }
        5 => {
            let write = async {
                let mut tx = begin(pool).await.unwrap();
                let args = serde_json::json!({});
                let jobs = ["a", "b"]
                    .map(|_| NewJob::new(caller.team_id, LOCAL_LANE, "pair", args.clone()));
                enqueue_all(&mut tx, &jobs).await.unwrap();
                tx.commit().await.unwrap();
            };
            cut(dice, tally, write).await;
        }
        6 => {
            let filter = Filter::default();
            let read = certificates::list(context, &caller, &filter, None, 20);
            cut(dice, tally, read).await.map(Result::unwrap);
        }
        7 => {
            cut(dice, tally, cluster::read(context))
                .await
                .map(Result::unwrap);
        }
        _ => {
            let answer = cut(dice, tally, echo(pool, number)).await;
            assert!(
                answer.is_none_or(|answer| answer == number),
                "{number}: {answer:?}"
            );
        }
    }
}

/// How many of all connections of the pool are inside a transaction that nobody began. Each must
/// answer, and answer what it was asked.
async fn open_transactions(pool: &Pool, rig: &Rig) -> usize {
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        all.push(pool.acquire().await.unwrap());
    }
    let mut pids = Vec::new();
    for (number, conn) in (0_i64..).zip(&mut all) {
        let row = sqlx::query("SELECT $1::bigint, pg_backend_pid()")
            .bind(number)
            .fetch_one(&mut **conn)
            .await
            .unwrap();
        assert_eq!(row.get::<i64, _>(0), number);
        pids.push(row.get::<i32, _>(1));
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1) AND state <> 'idle'";
    let open: i64 = sqlx::query_scalar(open)
        .bind(pids)
        .fetch_one(&mut rig.db.session().await)
        .await
        .unwrap();
    usize::try_from(open).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_dropped_leave_the_pool_and_the_rows_whole() {
    let rig = rig().await;
    let options = ConnectOptions::new("cut").max_connections(CONNECTIONS);
    let context = Context {
        pool: connect(&rig.db.app_url(), options).await.unwrap(),
        ..rig.context.clone()
    };
    let (me, tally) = (process(&rig).await, Tally::default());
    let callers = (1..=CALLERS).map(|seed| {
        let (context, tally) = (&context, &tally);
        async move {
            let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            for number in 0..CALLS {
                one_call(context, me, &mut dice, tally).await;
                let number = i64::try_from(seed * 1_000 + number).unwrap();
                assert_eq!(echo(&context.pool, number).await, number);
            }
        }
    });
    let all = join_all(callers);
    tokio::time::timeout(Span::from_secs(120), all)
        .await
        .expect("no call hangs");

    let (cut, ended) = (tally.cut.into_inner(), tally.ended.into_inner());
    assert!(
        cut > CALLERS * CALLS / 4,
        "only {cut} calls were cut, {ended} ended"
    );
    assert!(
        ended > CALLERS * CALLS / 10,
        "only {ended} calls ended, {cut} were cut"
    );
    // What was cut rolls back on tasks of its own.
    let mine = "pg_stat_activity WHERE application_name LIKE 'certmill-cut%' AND state <> 'idle'";
    until(|| async { count(&rig, mine).await == 0 }).await;
    assert_eq!(open_transactions(&context.pool, &rig).await, 0);
    // Each request is there with its order, its job and its audit row, or not at all.
    let certificates = count(&rig, "certificate WHERE name LIKE '%.cut.test'").await;
    assert!(certificates > 0, "no request came through");
    for part in [
        "cert_order",
        "job WHERE kind = 'issue'",
        "audit WHERE action = 'certificate.request'",
    ] {
        assert_eq!(count(&rig, part).await, certificates, "{part}");
    }
    assert_eq!(count(&rig, "job WHERE kind = 'pair'").await % 2, 0);
}

#[tokio::test]
async fn a_transaction_that_is_left_open_is_seen() {
    let rig = rig().await;
    let bare: Pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_lazy_with((*rig.db.app().connect_options()).clone())
        .into();
    sqlx::raw_sql("BEGIN").execute(&bare).await.unwrap();
    assert_eq!(open_transactions(&bare, &rig).await, 1);
}
