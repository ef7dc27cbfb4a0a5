//! The limits of the API over real processes: whatever their clocks say, and kept in memory only by
//! one that is alone.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use certmill_wire::client::Client;
use rustix::process::Signal;

use crate::ONE_AT_A_TIME;
use crate::cluster::Cluster;
use crate::progress::say;

const PATIENCE: Duration = Duration::from_secs(30);
const MEMORY: [(&str, &str); 1] = [("limits.backend", "memory")];

#[tokio::test]
async fn an_api_with_limits_in_memory_is_the_only_one() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(&[]).await;
    cluster.launch_api("api-2", &MEMORY, &[]);
    let said = cluster.refused("api-2", 3).await;
    for words in [
        "error: api (limits.backend): it is memory here, and the api api-1 (process ",
        "lives with postgres: limits in memory hold for one process alone",
        "stop that api, or set limits.backend",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }

    cluster.signal("api-1", Signal::TERM);
    cluster.end("api-1", PATIENCE).await;
    cluster.launch_api("api-2", &MEMORY, &[]);
    cluster.ready("api-2").await;
    cluster
        .client_beside("api-2")
        .await
        .version()
        .await
        .unwrap();
    assert_eq!(cluster.count("api_limit WHERE key LIKE 'a%'").await, 0);
    cluster.launch("api-1");
    let said = cluster.refused("api-1", 3).await;
    assert!(
        said.contains("it is postgres here, and the api api-2"),
        "{said}"
    );

    // The row of a killed one stands in nobody's way for longer than its lease.
    cluster.member("api-2").kill();
    cluster.launch_api("api-3", &MEMORY, &[]);
    cluster.ready("api-3").await;
}

#[tokio::test]
async fn replicas_whose_clocks_are_two_hours_apart_hold_one_limit() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let Some(library) = faketime() else {
        say(format_args!(
            "left out: clocks apart: there is no libfaketime (package faketime)"
        ));
        return;
    };
    let (rate, burst) = (20, 10);
    let limits = [("api.rate_per_s", "20"), ("api.burst", "10")];
    let mut cluster = Cluster::start(&limits).await;
    let mut clients = Vec::new();
    for (name, shift) in [("early", "-1h"), ("late", "+1h")] {
        let env = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME", shift),
        ];
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned()));
        cluster.launch_api(name, &[], &env);
        cluster.ready(name).await;
        clients.push(cluster.client_beside(name).await);
    }
    let apart = "process WHERE label = 'early' AND skew_ms < -3500000 \
                 OR label = 'late' AND skew_ms > 3500000";
    let told = Instant::now() + PATIENCE;
    while cluster.count(apart).await < 2 {
        assert!(Instant::now() < told, "the clocks are not apart");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let until = Instant::now() + Duration::from_secs(4);
    let [early, late] = [&clients[0], &clients[1]];
    let (a, b, c, d) = tokio::join!(
        hammer(early, until),
        hammer(late, until),
        hammer(early, until),
        hammer(late, until)
    );
    let passed = [a, b, c, d].concat();
    let most = f64::from(burst) + f64::from(rate) * 4.0;
    assert!(
        passed.len() as f64 > most * 0.6,
        "{} of {most}",
        passed.len()
    );
    let worst = excess(&passed, f64::from(rate), f64::from(burst));
    assert!(worst <= 1.0, "{worst} more than may pass in some window");
}

/// When each request that passed began and was answered.
async fn hammer(client: &Client, until: Instant) -> Vec<(Instant, Instant)> {
    let mut passed = Vec::new();
    while Instant::now() < until {
        let asked = Instant::now();
        match client.version().await {
            Ok(_) => passed.push((asked, Instant::now())),
            Err(error) => {
                assert!(
                    error.to_string().contains("20 requests a second"),
                    "{error}"
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    passed
}

/// The largest excess of any window over burst + rate x window.
fn excess(passed: &[(Instant, Instant)], rate: f64, burst: f64) -> f64 {
    let mut worst = f64::MIN;
    for (from, _) in passed {
        let mut ends: Vec<Instant> = passed
            .iter()
            .filter(|call| call.0 >= *from)
            .map(|call| call.1)
            .collect();
        ends.sort_unstable();
        for (nth, end) in ends.iter().enumerate() {
            let window = end.duration_since(*from).as_secs_f64();
            worst = worst.max((nth + 1) as f64 - burst - rate * window);
        }
    }
    worst
}

/// Where the library is: in the folder of this machine's architecture.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let mut files = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    files.find(|file| file.exists())
}
