//! The lead goes on when a leader ends or dies, soon and under a new epoch, and people can see why.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::ONE_AT_A_TIME;
use crate::public::Public;

/// Of the cluster's settings, and what a crash may take beyond it.
const LEASE: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_hand_over_is_soon_and_told_with_its_reason() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut site = Public::open(&[]).await;
    let first = next_leader(&site, None).await;

    let began = Instant::now();
    site.cluster.signal(first, Signal::TERM);
    let second = next_leader(&site, Some(first)).await;
    let resigned = began.elapsed();
    site.cluster.end(first, LEASE * 4).await;
    site.cluster.launch(first);
    site.cluster.ready(first).await;

    let began = Instant::now();
    site.cluster.signal(second, Signal::KILL);
    next_leader(&site, Some(second)).await;
    let lapsed = began.elapsed();
    assert!(resigned <= SECOND, "{resigned:?}");
    assert!(lapsed <= LEASE + SECOND, "{lapsed:?}");

    let shown = site.good(&["cluster", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let terms = shown["terms"].as_array().unwrap();
    let after = |nth: usize| terms[nth]["after"].as_str();
    assert_eq!((after(0), after(1)), (Some("lapsed"), Some("resigned")));
    let epochs: Vec<i64> = terms
        .iter()
        .filter_map(|term| term["epoch"].as_i64())
        .collect();
    assert!(
        epochs.windows(2).all(|pair| pair[0] == pair[1] + 1),
        "{epochs:?}"
    );
    assert_eq!(shown["leader"]["epoch"], epochs[0]);
    let skews = shown["processes"].as_array().unwrap().iter();
    let alive = skews.filter(|process| process["state"] == "alive");
    let skews: Vec<i64> = alive
        .filter_map(|process| process["skew_ms"].as_i64())
        .collect();
    assert!(skews.iter().all(|ms| ms.abs() < 1_000), "{skews:?}");

    let told = site.good(&["cluster"]);
    assert!(told.contains("fell silent and its lease lapsed"), "{told}");
}

/// Who leads, other than this one.
async fn next_leader(site: &Public, other_than: Option<&str>) -> &'static str {
    let give_up = Instant::now() + LEASE * 10;
    loop {
        match site.cluster.leader().await {
            Some(name) if Some(name) != other_than => return name,
            _ => assert!(Instant::now() < give_up, "nobody leads"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
