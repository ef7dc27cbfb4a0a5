//! Replicas that hold packs of passes stay within the shared bound, and say no without a look.

use std::time::{Duration, Instant};

use certmill_coordination::{Allowance, Ask, GcraLimit, Ruling};
use certmill_pg::{ConnectOptions, Pool, connect};
use certmill_testkit::TestDb;
use futures::future::join_all;

use crate::rig::count;

const fn limit(every_us: u64, burst: u32) -> GcraLimit {
    GcraLimit {
        emission_interval: Duration::from_micros(every_us),
        burst,
    }
}

/// Taken one by one.
const EXACT: GcraLimit = limit(5_000, 20);
/// Taken in packs.
const PACKED: GcraLimit = limit(1_000, 400);

async fn pool(db: &TestDb) -> Pool {
    let options = ConnectOptions::new("replica").max_connections(4);
    connect(&db.app_url(), options).await.unwrap()
}

async fn replica(db: &TestDb) -> Allowance {
    Allowance::shared(pool(db).await)
}

async fn take(replica: &Allowance, key: &str, limit: GcraLimit) -> Ruling<1> {
    replica.take([Ask { key, limit }]).await
}

/// A request that passed: from before it asked until it was answered.
type Passed = (Instant, Instant);

/// Asks again and again until the time is over, a little later each time that it is denied.
async fn hammer(replica: &Allowance, limit: GcraLimit, until: Instant) -> Vec<Passed> {
    let mut passed = Vec::new();
    while Instant::now() < until {
        let asked = Instant::now();
        match take(replica, "hot", limit).await.denied {
            None => passed.push((asked, Instant::now())),
            Some(denial) => {
                tokio::time::sleep(denial.retry_after.min(EXACT.emission_interval)).await
            }
        }
        tokio::task::yield_now().await;
    }
    passed
}

/// The largest excess over burst + w / emission interval of any window w: whatever began and ended
/// within a window passed within it, whichever moment of the call counts.
fn excess(passed: &[Passed], limit: GcraLimit) -> f64 {
    let every = limit.emission_interval.as_secs_f64();
    let mut by_end = passed.to_vec();
    by_end.sort_unstable_by_key(|call| call.1);
    let of = |&(from, _): &Passed| {
        let within = by_end.iter().filter(move |call| call.0 >= from);
        within.enumerate().map(move |(nth, call)| {
            let window = call.1.duration_since(from).as_secs_f64();
            (nth + 1) as f64 - f64::from(limit.burst) - window / every
        })
    };
    passed.iter().flat_map(of).fold(f64::MIN, f64::max)
}

/// Three replicas with four takers each.
async fn storm(limit: GcraLimit) -> (Vec<Passed>, Duration) {
    let db = TestDb::new().await;
    let replicas = [replica(&db).await, replica(&db).await, replica(&db).await];
    let (began, length) = (Instant::now(), Duration::from_millis(1_500));
    let takers = replicas
        .iter()
        .flat_map(|replica| (0..4).map(move |_| hammer(replica, limit, began + length)));
    let passed = join_all(takers).await.concat();
    (passed, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_window_lets_more_pass_with_and_without_packs() {
    for limit in [EXACT, PACKED] {
        let (passed, took) = storm(limit).await;
        // The windows are measured by this clock and the passes were counted by the database's.
        assert!(excess(&passed, limit) <= 1.0, "{}", excess(&passed, limit));
        let most =
            f64::from(limit.burst) + took.as_secs_f64() / limit.emission_interval.as_secs_f64();
        let used = passed.len() as f64 / most;
        assert!(
            used > 0.7,
            "and the limit is used: {used} of {most}, {limit:?}"
        );
    }
}

#[test]
fn the_measure_of_windows_finds_one_too_many() {
    let (at, ms) = (Instant::now(), Duration::from_millis);
    let calls = |n: u64| {
        (0..n)
            .map(|nth| (at + ms(nth), at + ms(nth)))
            .collect::<Vec<_>>()
    };
    let limit = limit(1_000, 5);
    assert!(excess(&calls(100), limit) <= 0.0);
    let mut crowded = calls(100);
    crowded.extend([(at + ms(50), at + ms(50)); 5]);
    assert!(excess(&crowded, limit) >= 1.0);
}

#[tokio::test]
async fn a_denied_key_costs_the_database_nothing_until_its_wait_is_over() {
    let db = TestDb::new().await;
    let replica = replica(&db).await;
    let limit = limit(400_000, 1);
    assert!(take(&replica, "k", limit).await.is_allowed());
    let first = take(&replica, "k", limit).await.denied.unwrap();
    let hide = "ALTER TABLE api_limit RENAME TO hidden";
    sqlx::query(hide).execute(db.owner()).await.unwrap();
    for _ in 0..50 {
        let again = replica.take_strictly([Ask { key: "k", limit }]).await;
        let denial = again.unwrap().denied.unwrap();
        assert!(denial.retry_after <= first.retry_after);
    }
    let other = replica
        .take_strictly([Ask {
            key: "other",
            limit,
        }])
        .await;
    assert!(other.is_err(), "who is not denied has to ask");
    let show = "ALTER TABLE hidden RENAME TO api_limit";
    sqlx::query(show).execute(db.owner()).await.unwrap();
    tokio::time::sleep(first.retry_after).await;
    assert!(take(&replica, "k", limit).await.is_allowed());
}

#[tokio::test]
async fn many_at_once_share_packs_and_waste_little() {
    let db = TestDb::new().await;
    let replica = replica(&db).await;
    // Slow enough that little comes back during the test, fast enough for packs.
    let limit = limit(20_000, 100_000);
    let began = Instant::now();
    let rulings = join_all((0..40).map(|_| take(&replica, "k", limit))).await;
    assert!(rulings.iter().all(Ruling::is_allowed));
    let taken = count(
        &db,
        "SELECT ceil(extract(epoch FROM tat - clock_timestamp()) / 0.02)::bigint FROM api_limit",
    )
    .await;
    let back = i64::try_from(began.elapsed().as_millis() / 20).unwrap() + 1;
    assert!(
        (40 - back..=45).contains(&taken),
        "{taken}, {back} came back"
    );
}

#[tokio::test]
async fn an_address_is_bounded_over_all_keys_and_a_denied_key_charges_it_nothing() {
    let db = TestDb::new().await;
    let replica = replica(&db).await;
    let (key, address) = (limit(60_000_000, 2), limit(60_000_000, 5));
    let ask = async |name: &str| {
        let asks = [
            Ask {
                key: name,
                limit: key,
            },
            Ask {
                key: "address",
                limit: address,
            },
        ];
        replica.take(asks).await
    };
    for name in ["a", "a", "b", "b"] {
        assert!(ask(name).await.is_allowed());
    }
    for _ in 0..3 {
        let ruling = ask("a").await;
        assert_eq!(ruling.denied.map(|denial| denial.nth), Some(0));
    }
    assert_eq!(ask("c").await.left, [1, 0]);
    let ruling = ask("c").await;
    assert_eq!(ruling.denied.map(|denial| denial.nth), Some(1));
}

#[tokio::test]
async fn without_the_database_each_replica_lets_its_own_burst_pass() {
    let db = TestDb::new().await;
    let limit = limit(60_000_000, 3);
    for _ in 0..2 {
        let pool = pool(&db).await;
        let replica = Allowance::shared(pool.clone());
        assert!(take(&replica, "k", limit).await.left[0] < 3);
        pool.close().await;
        let mut passed = 0;
        for _ in 0..10 {
            passed += usize::from(take(&replica, "k", limit).await.is_allowed());
        }
        assert_eq!(passed, 3);
        let strict = replica.take_strictly([Ask { key: "g", limit }]).await;
        assert!(strict.is_err());
    }
}

#[tokio::test]
async fn the_shared_limit_counts_again_once_the_database_answers() {
    let db = TestDb::new().await;
    let replica = replica(&db).await;
    let limit = limit(60_000_000, 3);
    assert!(take(&replica, "k", limit).await.is_allowed());
    for statement in [
        "ALTER TABLE api_limit RENAME TO hidden",
        "ALTER TABLE hidden RENAME TO api_limit",
    ] {
        sqlx::query(statement).execute(db.owner()).await.unwrap();
        if statement.ends_with("hidden") {
            assert_eq!(take(&replica, "k", limit).await.left, [2], "alone");
        }
    }
    certmill_testkit::until(|| async {
        take(&replica, "k", limit).await.denied.is_some()
            && count(
                &db,
                "SELECT count(*) FROM api_limit WHERE tat > now() + interval '2 minutes'",
            )
            .await
                == 1
    })
    .await;
}

#[tokio::test]
async fn in_memory_no_database_is_asked() {
    let alone = Allowance::in_memory();
    let limit = limit(60_000_000, 3);
    let mut passed = 0;
    for _ in 0..5 {
        passed += usize::from(take(&alone, "k", limit).await.is_allowed());
    }
    assert_eq!(passed, 3);
    assert!(
        alone
            .take_strictly([Ask { key: "g", limit }])
            .await
            .unwrap()
            .is_allowed()
    );
}
