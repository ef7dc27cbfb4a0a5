//! Workers are killed at each step of a revocation; afterwards the state is as if nobody had been.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;

use crate::progress::say;
use crate::public::Public;
use crate::{ONE_AT_A_TIME, checks};

const PATIENCE: Duration = Duration::from_secs(60);
/// Tries to hit a worker between a job's work and its finish.
const TRIES: usize = 6;
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];

#[tokio::test]
async fn a_revocation_goes_through_although_workers_die_at_each_step() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut site = Public::open(&[
        ("failpoints.finish_delay_ms_max", "1500"),
        ("failpoints.finish_delay_share", "1"),
    ])
    .await;
    let mut names = vec!["nobody".to_owned()];
    site.add("nobody");
    // Asked for while no worker lives: the job alone carries it.
    for worker in WORKERS {
        site.cluster.member(worker).kill();
    }
    ask(&site, "nobody");
    for worker in WORKERS {
        site.cluster.launch(worker);
    }
    for (step, held) in [
        ("before the revocation is stored", "j.kind = 'revoke'"),
        (
            "between a list's number and the list",
            "j.kind = 'crl' AND EXISTS (SELECT 1 FROM crl_head h WHERE h.drawn > \
             (SELECT coalesce(max(c.number), 0) FROM crl c WHERE c.ca_key_id = h.ca_key_id))",
        ),
    ] {
        let mut hit = 0;
        for _ in 0..TRIES {
            let name = format!("n{}", names.len());
            site.add(&name);
            ask(&site, &name);
            hit += usize::from(kill_holder(&mut site, held).await);
            names.push(name);
            if hit == 2 {
                break;
            }
        }
        assert!(hit > 0, "no worker was killed {step}");
        say(format_args!("{hit} workers killed {step}"));
    }
    for name in &names {
        site.until_listed(name).await;
        let said = site.asked(name, name, &[]).await;
        assert!(said.contains(&format!("{name}.pem: revoked")), "{said}");
    }
    let asked = i64::try_from(names.len()).unwrap();
    for told in [
        "version WHERE revoked_at IS NOT NULL",
        "audit WHERE action = 'version.revoke'",
        "event WHERE code = 'revoked'",
    ] {
        assert_eq!(site.cluster.count(told).await, asked, "{told}");
    }
    assert!(
        site.cluster
            .count("harness.job_events WHERE ev = 'rescued'")
            .await
            > 0
    );
    until_still(&site).await;
    let violations = checks::violations(site.cluster.owner()).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

fn ask(site: &Public, name: &str) {
    let host = format!("{name}.example.com");
    site.good(&["certs", "revoke", &host, "--reason", "cessationOfOperation"]);
}

/// Kills the worker that holds such a job and starts its successor; whether the job was still its own.
async fn kill_holder(site: &mut Public, held: &str) -> bool {
    let select = format!(
        "SELECT j.id, p.label FROM job j JOIN process p ON p.id = j.worker_id WHERE j.state = 1 AND {held}"
    );
    let deadline = Instant::now() + PATIENCE;
    let (job, label) = loop {
        let found: Option<(i64, String)> = sqlx::query_as(AssertSqlSafe(select.clone()))
            .fetch_optional(site.cluster.owner())
            .await
            .unwrap();
        if let Some(found) = found {
            break found;
        }
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let name = WORKERS.into_iter().find(|name| *name == label).unwrap();
    site.cluster.member(name).kill();
    let left = site
        .cluster
        .count(&format!("job WHERE id = {job} AND state = 1"))
        .await;
    site.cluster.launch(name);
    left == 1
}

async fn until_still(site: &Public) {
    let deadline = Instant::now() + PATIENCE;
    while site
        .cluster
        .count("job WHERE kind IN ('revoke', 'crl', 'issue')")
        .await
        > 0
    {
        assert!(Instant::now() < deadline, "jobs are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
